"""SwAV: looks are led by what other looks of their sample were assigned, and assignments use the prototypes alike."""

import copy
from collections.abc import Iterator
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from headstart.interventions import at_rest
from headstart.objective import Objective
from headstart.recipe import Recipe
from headstart.step import Step
from headstart.tokens import Batch

from . import led
from .claim import Figure
from .lab import Trial, each_batch, losses, photographs, pictures

STEPS = 200
NOT_SHOWN = {
    "better neighbours than before training": "not on small squares of photographs, which mean colours tell apart already"
}


def check(trial: Trial) -> Iterator[Figure]:
    real = photographs(trial)
    made = trial.recipe(trial.data(pictures(real.samples), patch=4))
    objective, (batch, step) = made.objective, trial.batch(made)
    yield Figure(
        "loss where looks say what another sample's do, over where they agree", strangers(made, batch, step), above=1.2
    )
    use = shares(objective, batch, step).mean(0)
    yield Figure("use of the most used prototype, over an even one", float(use.max() * len(use)), below=2)
    yield Figure(
        "part of what the loss asks that it asks of small crops",
        led.of_small(objective, batch, step, "agree"),
        above=0.2,
    )
    yield Figure("shares that hang on samples of steps before", remembered(trial, made), above=0.015)

    objective = trial.fit(made, STEPS, among=real.bank)
    told = losses(objective, made.data, real.query)["agree"] / np.log(len(use))
    yield Figure("loss of held-out squares, over that of saying nothing", told, below=0.94)


def strangers(made: Recipe, batch: Batch, step: Step) -> float:
    """The loss where the second look of a sample says what the first of another does, over where it says what its own does."""
    loss, looks = led.met(made.objective, batch, step, "agree")
    a = torch.randn(looks[0].shape, generator=torch.Generator().manual_seed(step.seed))
    with torch.no_grad(), at_rest(made.objective):
        return float(loss(a, a.roll(1, 0)) / loss(a, a))


def shares(objective: Objective, batch: Batch, step: Step) -> Tensor:
    """[B, codes] what the objective's first look is assigned."""
    loss, looks = led.met(objective, batch, step, "agree")
    given: list[Tensor] = []
    assign = loss.assign
    kept = mock.patch.object(loss, "assign", lambda *of: given.append(assign(*of)) or given[-1])
    with kept, torch.no_grad(), at_rest(objective):
        loss(*looks)
    return given[0]


def remembered(trial: Trial, made: Recipe) -> float:
    """How much of its shares a sample gives to other prototypes once steps before have been seen; nothing is learnt in them."""
    tried = copy.deepcopy(made.objective).train()
    step = Step(99, 100, trial.seed)
    with torch.no_grad():
        for batch, _ in each_batch(trial, made, 4):
            tried(batch, step)
            tried.after_step(step)
    batch, _ = trial.batch(made, 5, 6)
    alone = shares(made.objective, batch, step)
    return float((shares(tried, batch, step) - alone).abs().sum(1).mean() / 2)
