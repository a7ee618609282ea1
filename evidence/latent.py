"""What a teacher makes of hidden rows: questions to methods whose term "latent" predicts that."""

from dataclasses import replace

import torch
from torch import Tensor

from headstart.interventions import altered, read, view_of
from headstart.objective import Objective
from headstart.scene import Scene
from headstart.step import Step
from headstart.terms import masked
from headstart.tokens import Batch


def latent(objective: Objective) -> masked:
    """The term."""
    term = objective.terms["latent"]
    assert isinstance(term, masked)
    return term


def wanted(objective: Objective, scene: Scene, rows: Tensor | None = None) -> Tensor:
    """[K, D] what these rows, or all hidden ones, should be said to be."""
    view = scene.views["x"]
    return latent(objective).target(view, view.hidden.index if rows is None else rows, scene).float()


def mixed(objective: Objective, batch: Batch, step: Step) -> float:
    """How far what is wanted of every hidden row moves when the first hidden row of its sample says something else, over how far
    what is wanted of that first one does: 0 where rows are wanted as they are."""
    view = view_of(objective, batch, step)
    at, seg = view.hidden.index, view.clean.layout.seg
    first = torch.ones(len(at), dtype=torch.bool)
    first[1:] = seg[at[1:]] != seg[at[:-1]]
    other = altered(batch, "x", torch.zeros_like(view.hidden.mask).index_fill(0, at[first], True))
    before, after = (
        read(objective, each, step, lambda scene: wanted(objective, scene), "latent") for each in (batch, other)
    )
    moves = (after - before).abs().mean(1)
    return float(moves[~first].mean() / moves[first].mean())


def strange(scene: Scene) -> Scene:
    """The same scene where the student has read another sample, hidden alike."""
    z = scene.student.z["x"]
    rolled = z.values.unflatten(0, (z.layout.segments, -1)).roll(1, 0).flatten(0, 1)
    return replace(scene, student=replace(scene.student, z={"x": z.with_values(rolled)}))
