"""Rows stay true where code was rebuilt without changing what it does.

Each check is run in the tree where its row was measured and in this one, with its training cut to a few steps that cross all
phases, with and without each of its ideas. Where every figure is the same to the last bit, the row counts for this code, too,
and says so; where one differs, the row is stale and must be measured.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

STEPS = 8  # of each training
SEED = 10  # none of those that are reported


def short(slug: str) -> list[dict[str, object]]:
    """The figures of a check in this tree, after so few steps."""
    import torch

    from evidence import lab, ledger, running
    from evidence.claim import Claim

    def fit(*args: object, steps: int = 0, **named: object) -> object:
        recipe, *rest = args
        return whole(recipe, min(STEPS, rest[0] if rest else steps), **named)

    whole = lab.fit
    torch.set_num_threads(1)
    with mock.patch.object(lab, "fit", fit):
        claim, _ = running.measured(ledger.check_of(slug), seeds=(SEED,))
    if not isinstance(claim, Claim):
        return [{"raised": claim}]
    return [
        {"what": f.what, "worst": repr(f.worst), **{k: repr(v) for k, v in f.without.items()}} for f in claim.figures
    ]


def told(tree: Path, slug: str) -> tuple[str, list[dict[str, object]]]:
    """(hash of the code, figures) of a check as another tree has it, by a process of its own."""
    places = os.pathsep.join([str(tree), str(tree / "src")])
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-P", str(Path(__file__).resolve()), slug],
        env={**os.environ, **one, "PYTHONPATH": places},
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return "", [{"raised": (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]}]
    code, figures = json.loads(done.stdout.splitlines()[-1])
    return code, figures


def renew(slugs: Sequence[str], before: Path) -> int:
    """Give these rows the hash of this tree where they say the same as in `before`; how many could not be given it."""
    from evidence import ledger

    here, bad = ledger.HOME.parent, 0
    for slug in slugs:
        row = ledger.rows().get(slug)
        was, old = told(before, slug)
        if row is None or row["hash"] != was:
            print(f"{slug}: {before} is not the code that the row was measured with", flush=True)
            bad += 1
            continue
        code, new = told(here, slug)
        if old != new or any("raised" in figure for figure in new):
            apart = next((f"{a} became {b}" for a, b in zip(old, new, strict=False) if a != b), f"{old} became {new}")
            print(f"{slug}: differs: {apart}", flush=True)
            bad += 1
            continue
        ledger.write(
            slug, row | {"hash": code, "renewed": f"same figures to the last bit after {STEPS} steps, seed {SEED}"}
        )
        print(f"{slug}: {len(new)} figures are the same to the last bit", flush=True)
    return bad


if __name__ == "__main__":
    from evidence import ledger as there

    print(json.dumps([there.hash_of(sys.argv[1]), short(sys.argv[1])]))
