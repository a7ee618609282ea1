"""What `headstart demo` comes to, over seeds: `python benchmarks/demo.py` prints the rows of the README.

The median of five runs that differ by their seed alone (weights, order, chance), and the range of them.
"""

import tempfile
from pathlib import Path

import numpy as np

import headstart as hs
from headstart.log import Log

SEEDS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        runs = [
            hs.demo(f"run.seed={seed}", f"run.out={Path(place) / str(seed)}", log=Log(quiet=True))
            for seed in range(SEEDS)
        ]
    names = list(runs[0].results["pre-trained"])
    print(f"| median of {SEEDS} seeds (range) | {' | '.join(names)} |")
    print("|---" * (len(names) + 1) + "|")
    for row in runs[0].results:
        each = [[run.results[row][name].value for run in runs] for name in names]
        said = (f"{np.median(x):.3f} ({min(x):.3f} to {max(x):.3f})" for x in each)
        print(f"| {row} | {' | '.join(said)} |")
    for seed, run in enumerate(runs):
        print(f"seed {seed}: {run.verdict}")


if __name__ == "__main__":
    main()
