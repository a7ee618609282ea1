"""What slices and recomputing save, and what they cost: `python benchmarks/memory.py` prints a table.

Steps of each method on made-up pictures (64 of 96 x 96, ViT-Ti). Held: the most memory of a process that takes three steps, over
what it held before the first. Times are medians of ratios to plain steps that take turns with them, in one process.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import torch

from headstart.data.sources.array import ArraySource
from headstart.nn.encoder import SIZES
from headstart.recipe import Data, Run, make
from headstart.shelf.find import find
from headstart.step import Step
from headstart.tokenizers import ImageTokenizer
from headstart.tokenizers.want import Want
from headstart.training import Training

PLAIN = Run(device="cpu")
WAYS = {"plain": PLAIN, "run.recompute=true": replace(PLAIN, recompute=True)}
WAYS |= {f"run.accumulate={n}": replace(PLAIN, accumulate=n) for n in (2, 8)}
METHODS = ("mae", "dino", "simclr")
TURNS = 4


def training(name: str, run: Run) -> Training:
    torch.manual_seed(0)
    source = ArraySource(np.random.default_rng(0).integers(0, 255, (128, 3, 96, 96), dtype=np.uint8), "image")
    data = Data(source, {"x": ImageTokenizer.fit([source[i] for i in range(8)], Want(patch=8))}, batch=64)
    return Training(make(find(name), data, size=SIZES["Ti"]), run)


def taken(made: Training, index: int) -> float:
    """Seconds of a step."""
    step = Step(index, 10)
    batch, began = made.batch(step), time.monotonic()
    made.take(batch, step)
    return time.monotonic() - began


def most() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def held(name: str, way: str) -> float:
    """MiB, in a process of its own."""
    command = [sys.executable, __file__, "--alone", name, way]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    if (alone := options.parse_args().alone) is not None:
        made, before = training(alone[0], WAYS[alone[1]]), most()
        for index in range(3):
            taken(made, index)
        print(most() - before)
        return
    print("| method | way | held, MiB | of plain | a step, of plain |")
    print("|---|---|---|---|---|")
    for name in METHODS:
        sizes = {way: held(name, way) for way in WAYS}
        made = {way: training(name, run) for way, run in WAYS.items()}
        times = [{way: taken(one, turn) for way, one in made.items()} for turn in range(TURNS + 1)][1:]
        for way, size in sizes.items():
            ratio = statistics.median(each[way] / each["plain"] for each in times)
            print(f"| {name} | {way} | {size:,.0f} | {size / sizes['plain']:.2f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
