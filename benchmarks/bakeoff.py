"""Does the bake-off choose well, and could it choose without labels? On real sets, against every method alone.

    python benchmarks/bakeoff.py --minutes 2 nci klettres   # prints; without names every set of benchmarks/defaults.py

For each set: what the probe says of each method that `pretrain` would begin, alone with the whole budget (mean of kNN and of
the linear probe at the larger label count), and of the one that the bake-off took; how far that is from the best. Then, over
all pairs of methods on one set, how often measures that know no labels order them as the probe does.
"""

import argparse
import json
import shutil
import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np
from defaults import SETS, Row, worth

import headstart as hs
from headstart.analyses.geometry import effective_rank, lidar, spectrum, uniformity
from headstart.log import Log
from headstart.scoring.features import encode
from headstart.scoring.looks import looked_at
from headstart.shelf.find import candidates
from headstart.verbs.pretrain import Finished

MEASURES = ("effective rank", "LiDAR", "uniformity")  # more is better of the first two


def unlabelled(run: Path, name: str) -> dict[str, float]:
    """What is known of an encoder without labels."""
    encoder = hs.load(run)
    source, _ = encoder.prepare(name)
    at = np.unique(np.linspace(0, len(source) - 1, 512).astype(int))
    z = encode(encoder.module, encoder.tokenizer, source, at, ("mean",))["mean"]
    looks = looked_at(encoder.module, encoder.tokenizer, source, at[:256])
    none = float("nan")
    return dict(
        zip(
            MEASURES,
            (effective_rank(spectrum(z)), none if looks is None else lidar(looks), -uniformity(z)),
            strict=True,
        )
    )


def measured(name: str, minutes: float, place: Path) -> dict:
    """Every method alone, then the bake-off, by the same probes."""
    out: dict = {"alone": {}, "unlabelled": {}}
    run = hs.pretrain(name, log=Log(quiet=True), run={"minutes": minutes, "out": str(place / "auto")})
    plan = json.loads((run.folder / "run.json").read_text())["plan"]
    rounds = run.folder / "bakeoff" / "rounds.json"
    kind = plan["tokenizer"]["kind"]
    out |= {"kind": kind, "took": plan["recipe"], "auto": value(run, name, plan), "tried": rounds.exists()}
    for recipe in candidates(kind):
        run = hs.pretrain(
            name, log=Log(quiet=True), recipe=recipe, run={"minutes": minutes, "out": str(place / recipe)}
        )
        out["alone"][recipe] = value(run, name, plan)
        out["unlabelled"][recipe] = unlabelled(run.folder, name)
    return out


def value(run: Finished, name: str, plan: dict) -> float:
    return worth(Row(name, plan["tokenizer"]["kind"], plan["recipe"], 0, 0, 0.0, run.results, 0.0))


def said(name: str, row: dict) -> str:
    alone = ", ".join(f"{recipe} {mark:.3f}" for recipe, mark in row["alone"].items())
    best = max(row["alone"].values())
    took = f"{row['took']}{'' if row['tried'] else ' (default)'} {row['auto']:.3f}"
    return f"| {name} | {row['kind']} | {alone} | {took} | {row['auto'] - best:+.3f} |"


def agreement(rows: list[dict]) -> list[str]:
    """How often each measure orders two methods on one set as the probe does, where that tells them apart by a point."""
    lines = []
    for measure in MEASURES:
        alike = [
            (row["alone"][a] > row["alone"][b]) == (row["unlabelled"][a][measure] > row["unlabelled"][b][measure])
            for row in rows
            for a, b in combinations(row["alone"], 2)
            if abs(row["alone"][a] - row["alone"][b]) >= 0.01 and np.isfinite(row["unlabelled"][a][measure])
        ]
        lines.append(f"{measure}: {sum(alike)} of {len(alike)} pairs of methods are in the probe's order")
    return lines


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", help="sets; one of each kind without names")
    options.add_argument("--minutes", type=float, default=2.0, help="minutes of training each (default 2)")
    given = options.parse_args()
    print("| set | kind | each alone | bake-off | against the best |", "|---|---|---|---|---|", sep="\n", flush=True)
    rows = []
    for name in given.names or SETS:
        place = Path(tempfile.mkdtemp(prefix="bakeoff-"))
        try:
            rows.append(measured(name, given.minutes, place))
            print(said(name, rows[-1]), flush=True)
            print(json.dumps(rows[-1]["unlabelled"]), flush=True)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    print(*agreement(rows), sep="\n")


if __name__ == "__main__":
    main()
