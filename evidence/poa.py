"""POA: a part of the student, another one each step and small ones more often, is led by the whole and by a slow teacher; so the
smallest part says as much as the whole does."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from headstart.interventions import at_rest, in_sample, moved, read, shown_to
from headstart.nn.encoder import Model
from headstart.objective import Objective
from headstart.step import Step
from headstart.tokens import Batch

from . import led, looks
from .claim import Figure
from .lab import Trial, losses, photographs, pictures

STEPS = 80
SIZE = Model(width=64, depth=3, heads=4)
TRAINED = ("a part of the student learns",)
NOT_SHOWN = {"neighbours of the smallest part as good as the whole's": "small squares of photographs have none to tell"}


def check(trial: Trial) -> Iterator[Figure]:
    real = photographs(trial)
    data = trial.data(pictures(real.samples), patch=4)
    made = trial.recipe(data, SIZE)
    objective, (batch, step) = made.objective, trial.batch(made)
    hidden = [view for view in looks.views(trial, made, "big") if view.hidden.index.numel()]
    yield Figure(
        "how far what a part makes of a crop lies from what the whole does", apart(objective, batch, step), above=0.1
    )
    yield Figure("mean size of parts over that of the whole", size(objective, trial), above=0.42, below=0.515)
    yield Figure("part of what is asked of a part that the whole asks", by_whole(objective, batch, step), above=0.1)
    yield Figure("part of that which hangs on the same sample", same(objective, batch, step), above=0.9)
    yield Figure("hidden rows that the mask stands for", np.mean([looks.marked(view) for view in hidden]), above=0.99)
    yield Figure(
        "share of the student's way that the teacher goes", led.followed(objective, step), above=1e-4, below=0.1
    )

    objective = trial.fit(made, STEPS, among=real.bank)
    judge = replace(trial, without={}).recipe(data, SIZE).objective
    judge.load_state_dict(objective.state_dict(), strict=False)
    said = losses(judge.eval(), made.data, real.query)
    yield Figure("held-out loss of a part, over the whole's", said["part"] / said["whole"], below=1.02)


def apart(objective: Objective, batch: Batch, step: Step) -> float:
    """How far the rows that a part makes of small crops lie from those of the whole; 1 where they are fewer numbers."""
    whole, part = (
        read(objective, batch, step, lambda scene, name=name: scene.student.z[name].values)
        for name in ("small", "small_part")
    )
    return 1.0 if whole.shape != part.shape else moved(whole, part)


def size(objective: Objective, trial: Trial) -> float:
    """Width times depth of the part that learns over that of the whole: the mean over as many steps as give every round whole."""
    *_, part = objective.encoders.values()
    shapes = [part.at(trial.step(index, 115)).shape for index in range(115)]
    return float(np.mean([shape.width * shape.depth for shape in shapes])) / (SIZE.width * SIZE.depth)


def by_whole(objective: Objective, batch: Batch, step: Step) -> float:
    """Of what is asked of the rows that a part makes of small crops the share that the whole asks and not the teacher."""
    with at_rest(objective), torch.enable_grad():
        scene = objective.scene(batch, step)
        asks = []
        for name in ("same", "part"):
            loss = objective.weights[name] * objective.terms[name](shown_to(scene, name))
            (grad,) = torch.autograd.grad(loss, scene.student.z["small_part"].values, retain_graph=True)
            asks.append(float(grad.norm()))
    return asks[0] / sum(asks)


def same(objective: Objective, batch: Batch, step: Step) -> float:
    """When the whole says the opposite of one sample's small crops: what its part is asked of that sample moves so
    far, over that and how far it does of all others; 0 where the whole asks nothing."""
    term, weight = objective.terms["same"], objective.weights["same"]
    with at_rest(objective), torch.enable_grad():
        scene = shown_to(objective.scene(batch, step), "same")
        part, whole = (scene.student.z[name] for name in ("small_part", "small"))
        mine = in_sample(whole.layout, 0, batch.size)
        (before,) = torch.autograd.grad(weight * term(scene), part.values, retain_graph=True)
        flipped = whole.with_values(torch.where(mine[:, None], -whole.values, whole.values))
        other = replace(scene, student=replace(scene.student, z=scene.student.z | {"small": flipped}))
        (after,) = torch.autograd.grad(weight * term(other), part.values)
    moves = (after - before).norm(dim=1)
    own = float(moves[in_sample(part.layout, 0, batch.size)].sum())
    return own / max(1e-12, float(moves.sum()))
