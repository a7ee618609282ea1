"""PASTA: numbers one by one are better told than step by step, and a model that learnt with gaps does without a sensor.

A linear system of two states that cannot be seen, four sensors with noise, an action that answers them. The ablations: rows of a
whole state or action, whose numbers are told at once (modality-level tokens), with the same bins; and training without masks.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.corrupt import clean
from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.losses import cross_entropy
from headstart.nn.encoder import encoder
from headstart.nn.linear import Linear
from headstart.objective import Objective
from headstart.recipe import Data, Recipe
from headstart.step import Step
from headstart.targets import raw
from headstart.terms import autoregress
from headstart.tokenizers.trajectory import TrajectoryTokenizer, binned, companded, middle

from .claim import Claim, Figure
from .lab import TINY, fit, losses, recipe

BINS, HELD, STEPS, LENGTH = 48, 256, 350, 6
SENSORS, NUMBERS, BROKEN = 4, 5, 0


def check() -> Claim:
    data, held = trajectories(3000, 0), trajectories(HELD, 1)
    made = recipe("pasta", data, bins=BINS)
    numbers = replace(held, tokenizers=made.data.tokenizers)
    gpt = fit(made, STEPS, lr=3e-3)
    bert = fit(recipe("pasta", data, bins=BINS, task="bert", ratio=0.4), STEPS, lr=3e-3)
    whole = fit(by_step(data), STEPS, lr=3e-3)
    told, at_once = losses(gpt, numbers, range(HELD))["total"], losses(whole, held, range(HELD))["total"] * 2 / NUMBERS
    chance = entropy(numbers)
    fails = {
        name: others(each, numbers, True) / others(each, numbers, False)
        for name, each in (("bert", bert), ("gpt", gpt))
    }
    return Claim(
        (
            Figure("next number's cross-entropy over its entropy", told / chance, below=0.65, baseline=at_once / chance,
                   said="numbers of a step told at once"),
            Figure("numbers of a step told at once over one by one", at_once / told, above=1.05, baseline=1.0, said="one by one"),
            Figure("bert: cross-entropy of the rest without one sensor over with it", fails["bert"], below=1.3,
                   baseline=fails["gpt"], said="gpt, which never missed one"),
            Figure("gpt: the same, the sensor at its mean", fails["gpt"], above=1.5, baseline=fails["bert"],
                   said="bert, with its mask"),
            Figure("largest error of a bin's middle [bins, companded]", round_trip(), below=0.5 + 1e-3),
        )
    )  # fmt: skip


def entropy(data: Data) -> float:
    """Of the bins of all numbers."""
    ids = collate(data, np.arange(HELD), Step(0, 1), 0).tokens["x"].values
    share = ids.bincount(minlength=BINS) / len(ids)
    return -float((share * share.clamp(min=1e-9).log()).sum())


def round_trip() -> float:
    """Of numbers from a ten-thousandth to 250 standard deviations."""
    size = torch.logspace(-4, 2.39, 5000, dtype=torch.float64)
    x = torch.cat([-size, size])
    return float((companded(middle(binned(x, BINS), BINS)) - companded(x)).abs().max() * BINS / 2)


def trajectories(count: int, seed: int) -> Data:
    """Six steps of a turning state with chance in it; sensors are four directions of it."""
    r = np.random.default_rng(seed)
    turn = 0.95 * np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    looks = np.stack([[np.cos(a), np.sin(a)] for a in (0.0, 0.8, 1.6, 2.4)], 1)
    z, states, actions = r.standard_normal((count, 2)), [], []
    for _ in range(LENGTH):
        states.append(z @ looks + 0.05 * r.standard_normal((count, SENSORS)))
        actions.append(0.5 * z[:, :1] + 0.1 * r.standard_normal((count, 1)))
        z = z @ turn + 0.3 * actions[-1] + 0.4 * r.standard_normal((count, 2))
    pile = [
        {"state": s, "action": a}
        for s, a in zip(np.stack(states, 1).astype("f4"), np.stack(actions, 1).astype("f4"), strict=True)
    ]
    return Data(ListSource(pile, "trajectory"), {"x": TrajectoryTokenizer.fit(pile[:256])}, 32)


def by_step(data: Data) -> Recipe:
    """Rows of a whole state or action; the next one's numbers told at once, as one of the same bins each."""
    torch.manual_seed(0)
    enc = encoder(data.tokenizers, TINY, causal=True)
    term = autoregress(Linear(enc.width, NUMBERS * BINS), raw, all_numbers)
    return replace(recipe("pasta", data), objective=Objective(enc, {"x": clean}, {"next": term}), data=data)


def all_numbers(said: Tensor, row: Tensor) -> Tensor:
    """The cross-entropy of a row's numbers, summed: of a state's or of an action's, as the last says."""
    ids = binned(row[:, :-1].flatten(), BINS)
    each = F.cross_entropy(said.reshape(-1, BINS), ids, reduction="none").view(len(row), NUMBERS)
    state = row[:, -1:] < 0
    return (each * ((torch.arange(NUMBERS) < SENSORS) == state)).sum(1)


@torch.no_grad()
def others(objective: Objective, data: Data, broken: bool) -> float:
    """The loss at what is asked of the other sensors and the action, with or without what the first sensor says."""
    step = Step(0, 1, seed=3)
    view = objective.view("x", collate(data, np.arange(HELD), step, objective.slots), step)
    tokens, hidden = view.clean, view.hidden.mask
    first = ~tokens.slot & (tokens.coords[:, 1] == 0) & (tokens.coords[:, 2] == BROKEN)
    seen = view.seen
    if broken and seen.special is not None:
        seen = replace(seen, special=seen.special.masked_fill(first, 0))
    elif broken:
        seen = seen.with_values(seen.values.masked_fill(first, int(binned(torch.zeros(1), BINS))))
    said = next(iter(objective.terms.values())).head
    z = objective.encoder(seen).values
    if seen.special is not None:
        at = torch.nonzero(hidden & ~first)[:, 0]
        return float(cross_entropy(said.inner(z[at]), tokens.values[at]).mean())
    at = torch.nonzero(~first & ~tokens.slot)[:, 0]
    return float(cross_entropy(said(z[at - 1]), tokens.values[at]).mean())
