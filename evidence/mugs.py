"""Mugs: three losses tell samples, samples among their like, and groups; what is kept of steps before is asked and compared."""

import copy
from collections.abc import Iterator
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.interventions import moved
from headstart.objective import Objective
from headstart.recipe import Recipe

from . import led
from .claim import Figure
from .lab import Trial, each_batch, photographs, pictures

STEPS = 40
LOSSES = ("instance", "local", "group")
NOT_SHOWN = {
    "fine and coarse classes as by the best loss alone": "few steps on squares of two photographs have no classes to tell it by"
}


def check(trial: Trial) -> Iterator[Figure]:
    real = photographs(trial)
    made = trial.recipe(trial.data(pictures(real.samples), patch=4))
    objective, (batch, step) = made.objective, trial.batch(made, 5, 6)
    asks = [led.asks_of(objective, batch, step, objective.terms.get_submodule(f"{name}.head")) for name in LOSSES]
    later = remembering(trial, made)
    joins, like = neighbours(later, trial, made)
    yield Figure("least share of what is asked of three heads", min(asks) / sum(asks), above=0.02)
    yield Figure("how far what is said of a crop moves when other samples were kept", joins, above=0.01)
    yield Figure("likeness of kept samples that join a crop, over that of all kept", like, above=1.05)
    yield Figure(
        "how far what is asked moves when something else was said before", hangs(later, trial, made), above=0.05
    )
    yield Figure(
        "part of what moves what is asked that is the sample's other crop, least of three",
        own(later, trial, made),
        above=0.3,
    )
    yield Figure(
        "share of the student's way that the teacher goes", led.followed(objective, step), above=1e-4, below=0.1
    )

    objective = trial.fit(made, STEPS, among=real.bank)
    found = led.recognised(objective, made.data, real.query, "instance")
    yield Figure("other crops of held-out squares found, over chance", found, above=4.5)


def remembering(trial: Trial, made: Recipe) -> Objective:
    """The objective once it has met four batches; nothing is learnt of them."""
    tried = copy.deepcopy(made.objective).train()
    with torch.no_grad():
        for batch, step in each_batch(trial, made, 4):
            tried(batch, step)
            tried.after_step(step)
    return tried


def neighbours(objective: Objective, trial: Trial, made: Recipe) -> tuple[float, float]:
    """(how far what the student says of a crop moves, over its size, when each kept sample says what the opposite would; the
    cosine of the kept ones that join a crop, over that of all)."""
    batch, step = trial.batch(made, 5, 6)
    _, (before, _) = led.met(objective, batch, step, "local")
    head, joined = objective.terms.get_submodule("local.head"), list[Tensor]()
    only = head.block.only
    with mock.patch.object(head.block, "only", lambda rows, own: joined.append(rows.values) or only(rows, own)):
        led.met(objective, batch, step, "local")
    rows = F.normalize(joined[0].unflatten(0, (-1, head.top + 1)), dim=-1)  # [crops, 1 + those that join, width]
    mine, near, memory = rows[:, 0], rows[:, 1:], head.memory
    kept = F.normalize(memory.rows[memory.filled], dim=1)
    tried = copy.deepcopy(objective)
    tried.terms.get_submodule("local.head").memory.rows.neg_()
    _, (after, _) = led.met(tried, batch, step, "local")
    like = (near * mine[:, None]).sum(-1).mean() / (mine @ kept.T).mean()
    return moved(before, after) / float(before.abs().max()), float(like)


def hangs(objective: Objective, trial: Trial, made: Recipe) -> float:
    """How far what the losses of samples and of samples among their like ask moves, over its size, when what the teacher said at
    steps before was the opposite; the least of the two."""
    batch, step = trial.batch(made, 5, 6)
    tried, found = copy.deepcopy(objective), []
    for name in LOSSES[:2]:
        loss, (said, goal) = led.met(tried, batch, step, name)
        before = led.asked(tried, loss, said, goal, step)
        loss.loss.queue.rows.neg_()
        found.append(moved(before, led.asked(tried, loss, said, goal, step)))
    return min(found)


def own(objective: Objective, trial: Trial, made: Recipe) -> float:
    """How far what is asked of a crop moves when the teacher says something else of the sample's other crop, over that and how
    far it does when it says something else of all other samples; the least of the three losses."""
    batch, step = trial.batch(made, 5, 6)
    found = []
    for name in LOSSES:
        mine, same, others, others_same = led.led_by(objective, batch, step, name)
        found.append(mine / max(1e-12, mine + same + others + others_same))
    return min(found)
