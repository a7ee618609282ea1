"""What a step costs on this machine, by taking a few."""

import resource
import sys
import time
from typing import NamedTuple, cast

import numpy as np
import torch

from ..recipe import Recipe, Run
from ..step import Step
from ..terms import Term
from ..training import Training

GOLDEN = 0.618034  # its multiples spread evenly over 0..1


class Pace(NamedTuple):
    """What a step costs. step: seconds. peak: bytes. rows: of a step. once: seconds for what a run keeps of a sample."""

    step: float
    peak: float
    rows: float
    once: float

    def seconds(self, steps: int, batch: int, samples: int) -> float:
        """What so many steps take."""
        return steps * self.step + min(steps * batch, samples) * self.once

    def fitting(self, seconds: float, batch: int, samples: int) -> int:
        """As many steps as fit."""
        within = seconds / (self.step + batch * self.once)  # while every sample is new
        return int(within if within * batch < samples else (seconds - samples * self.once) / self.step)


def no_room(error: Exception) -> bool:
    """Whether it says that memory does not suffice: of a device, or of the host."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def time_steps(recipe: Recipe, run: Run, at_least: float = 3.0) -> Pace:
    """What a step costs, by a few steps with a recipe that is thrown away afterwards."""
    training = Training(recipe, run)
    device = training.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds: list[float] = []
    counts: list[int] = []
    kept: list[float] = []
    began = time.monotonic()
    while len(seconds) < 4 or time.monotonic() - began < at_least:
        step = Step(int(len(seconds) * GOLDEN % 1 * 1_000_000), 1_000_000, run.seed)  # a method may have phases
        # others each time, as in training; and once before the clock runs, as rows that are kept are no cost of a step
        training.batch(step)
        tick = time.monotonic()
        for term in recipe.objective.terms.values():
            cast(Term, term).look_up(torch.from_numpy(recipe.data.samples(step)))
        kept.append(time.monotonic() - tick)
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
    return Pace(
        float(np.mean(seconds[2:])), float(peak), float(np.mean(counts)), float(np.mean(kept[2:])) / recipe.data.batch
    )
