"""PASTA: numbers are told one by one, of those before or of all that are not hidden, and a model that learnt with gaps does
without a sensor.

A linear system of two states that cannot be seen, four sensors with noise, an action that answers them.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.interventions import leak, looks_ahead, read
from headstart.losses import cross_entropy
from headstart.nn.heads import at_hidden
from headstart.objective import Objective
from headstart.recipe import Data, Recipe
from headstart.step import Step
from headstart.tokenizers.trajectory import binned

from .claim import Figure
from .lab import Trial, losses

SENSORS, LENGTH, COUNT, HELD, STEPS = 4, 4, 2000, 300, 400
BROKEN = 0  # the sensor that is missing
NOT_SHOWN = {
    "better vectors for control": "no recorded trajectories are at hand, and made-up ones would not say it",
    "rows of numbers beat rows of whole states": "the losses of the two are of different kinds and cannot be compared",
}


def check(trial: Trial) -> Iterator[Figure]:
    made_up = trajectories(COUNT + HELD, trial.rng)
    data = trial.data(ListSource(made_up, "trajectory"))
    gpt, bert = trial.recipe(data), trial.recipe(data, task="bert")
    ahead, behind = looks_ahead(gpt.objective, *trial.batch(gpt))
    yield Figure("told next after a number: one of the same state", beside(gpt, made_up), above=0.9)
    yield Figure("gpt: what later numbers move of earlier rows, over what of their own", ahead / behind, below=1e-6)
    through, used = leak(bert.objective, *trial.batch(bert), "numbers") if "numbers" in bert.objective.terms else (1, 1)
    yield Figure("bert: what gets through of what is hidden, over what the rest moves", through / used, below=1e-6)

    known, held = np.arange(COUNT), np.arange(COUNT, COUNT + HELD)
    one, other = (trial.fit(each, STEPS, among=known) for each in (gpt, bert))
    chance = entropy(gpt.data, known)
    yield Figure(
        "gpt: cross-entropy of held-out numbers over their entropy",
        losses(one, gpt.data, held)["total"] / chance,
        below=0.8,
    )
    gone = rest(other, bert.data, held, True)
    yield Figure("bert: the same of hidden numbers without one of the sensors", gone / chance, below=0.9)
    costs = gone / rest(other, bert.data, held, False)
    dear = rest(one, gpt.data, held, True) / rest(one, gpt.data, held, False)
    yield Figure("what a missing sensor costs gpt, over what it costs bert", dear / costs, above=1.5)


def trajectories(count: int, r: np.random.Generator) -> list[dict[str, np.ndarray]]:
    """A turning state with chance in it; sensors are four directions of it."""
    turn = 0.95 * np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    looks = np.stack([[np.cos(a), np.sin(a)] for a in (0.0, 0.8, 1.6, 2.4)], 1)
    z, states, actions = r.standard_normal((count, 2)), [], []
    for _ in range(LENGTH):
        states.append(z @ looks + 0.05 * r.standard_normal((count, SENSORS)))
        actions.append(0.5 * z[:, :1] + 0.1 * r.standard_normal((count, 1)))
        z = z @ turn + 0.3 * actions[-1] + 0.4 * r.standard_normal((count, 2))
    both = zip(np.stack(states, 1).astype("f4"), np.stack(actions, 1).astype("f4"), strict=True)
    return [{"state": state, "action": action} for state, action in both]


def beside(made: Recipe, made_up: list[dict[str, np.ndarray]], count: int = 16) -> float:
    """Numbers of states are changed one by one, the last of each state left out: how often the row after the first that moves,
    the one that it tells, is of the same state."""
    step, found = Step(0, 1), []

    def encoded(samples: list[dict[str, np.ndarray]]) -> tuple[Tensor, Tensor]:
        data = replace(made.data, source=ListSource(samples, "trajectory"))
        batch = collate(data, np.arange(count), step, made.objective.slots)
        z = read(made.objective, batch, step, lambda scene: scene.student.z["x"].values)
        return z.unflatten(0, (count, -1)), batch.tokens["x"].coords.unflatten(0, (count, -1))

    before, coords = encoded(made_up[:count])
    for t in range(1, LENGTH):
        for sensor in range(SENSORS - 1):
            other = np.eye(SENSORS, dtype="f4")[sensor] * (np.arange(LENGTH) == t)[:, None].astype("f4")
            after, _ = encoded([{**sample, "state": sample["state"] + 2 * other} for sample in made_up[:count]])
            first = ((after - before).abs().amax(2) > 1e-5).int().argmax(1)
            told = coords[torch.arange(count), first + 1, :2]
            found.append(float((told == torch.tensor([t, 0.0])).all(1).double().mean()))
    return float(np.mean(found))


def entropy(data: Data, indices: np.ndarray) -> float:
    """Of the bins of all numbers."""
    ids = collate(data, indices, Step(0, 1), 0).tokens["x"].values
    share = ids.bincount() / len(ids)
    return -float((share * share.clamp(min=1e-9).log()).sum())


@torch.no_grad()
def rest(objective: Objective, data: Data, indices: np.ndarray, broken: bool) -> float:
    """The cross-entropy of what is asked of the other sensors and the action, with all that is shown or without what one sensor
    says: behind bert's mask, or at its mean."""
    step = Step(0, 1)
    view = objective.view("x", collate(data, indices, step, objective.slots), step)
    tokens, seen = view.clean, view.seen
    sensor = ~tokens.slot & (tokens.coords[:, 1] == 0) & (tokens.coords[:, 2] == BROKEN)
    if broken and seen.special is not None:
        seen = replace(seen, special=seen.special.masked_fill(sensor, 0))
    elif broken:
        seen = seen.with_values(seen.values.masked_fill(sensor, int(binned(torch.zeros(1), data.dim))))
    z = objective.encoder(seen).values
    if "numbers" in objective.terms:
        at, says = (
            torch.nonzero(view.hidden.mask & ~sensor)[:, 0],
            cast(at_hidden, objective.terms["numbers"].head).inner,
        )
        return float(cross_entropy(says(z[at]), tokens.values[at]).mean())
    at, says = torch.nonzero(~sensor & ~tokens.slot)[:, 0], objective.terms["next"].head
    return float(cross_entropy(says(z[at - 1]), tokens.values[at]).mean())
