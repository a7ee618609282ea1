"""What a step costs on this machine, by taking a few."""

import resource
import sys
import time

import numpy as np
import torch

from ..data.feeding.loader import collate
from ..data.feeding.order import samples
from ..memory import keep_freed
from ..nn.encoder import set_dtype
from ..recipe import Recipe, Run
from ..step import Step
from ..train import device_of, dtype_of

GOLDEN = 0.618034  # its multiples spread evenly over 0..1


def time_steps(recipe: Recipe, run: Run, at_least: float = 3.0) -> tuple[float, float, float]:
    """Seconds per step, peak bytes and rows per step, by a few steps with a recipe that is thrown away afterwards."""
    device = device_of(run)
    keep_freed()
    objective = recipe.objective.to(device)
    set_dtype(objective, dtype_of(run, device))
    optimizer = recipe.optim.build(objective)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds: list[float] = []
    counts: list[int] = []
    began = time.monotonic()
    while len(seconds) < 4 or time.monotonic() - began < at_least:
        step = Step(int(len(seconds) * GOLDEN % 1 * 1_000_000), 1_000_000, run.seed)  # a method may have phases
        # others each time, as in training; and once before the clock runs, as rows that are kept are no cost of a step
        at = samples(step.index, recipe.data.batch, len(recipe.data.source), run.seed)
        collate(recipe.data, at, step, objective.slots, device)
        tick = time.monotonic()
        batch = collate(recipe.data, at, step, objective.slots, device)
        loss = objective(batch, step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(objective.parameters(), recipe.optim.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        objective.after_step(step)
        loss.total.item()
        seconds.append(time.monotonic() - tick)
        counts.append(sum(len(tokens) for tokens in batch.tokens.values()))
    if device.type == "cuda":
        peak = float(torch.cuda.max_memory_allocated(device))
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    # the mean of the seconds, because ragged batches have slow steps again and again
    return float(np.mean(seconds[2:])), float(peak), float(np.mean(counts))
