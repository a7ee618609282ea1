"""What a step costs on this machine, by taking a few."""

import resource
import sys
import time

import numpy as np
import torch

from ..recipe import Recipe, Run
from ..step import Step
from ..train import device_of, dtype_of
from ..training import Training

GOLDEN = 0.618034  # its multiples spread evenly over 0..1


def time_steps(recipe: Recipe, run: Run, at_least: float = 3.0) -> tuple[float, float, float]:
    """Seconds per step, peak bytes and rows per step, by a few steps with a recipe that is thrown away afterwards."""
    device = device_of(run)
    training = Training(recipe, device, dtype_of(run, device))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds: list[float] = []
    counts: list[int] = []
    began = time.monotonic()
    while len(seconds) < 4 or time.monotonic() - began < at_least:
        step = Step(int(len(seconds) * GOLDEN % 1 * 1_000_000), 1_000_000, run.seed)  # a method may have phases
        # others each time, as in training; and once before the clock runs, as rows that are kept are no cost of a step
        training.batch(step)
        tick = time.monotonic()
        batch = training.batch(step)
        training.take(batch, step)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.monotonic() - tick)
        counts.append(sum(len(tokens) for tokens in batch.tokens.values()))
    if device.type == "cuda":
        peak = float(torch.cuda.max_memory_allocated(device))
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    # the mean of the seconds, because ragged batches have slow steps again and again
    return float(np.mean(seconds[2:])), float(peak), float(np.mean(counts))
