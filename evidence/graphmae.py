"""GraphMAE: nothing of hidden nodes reaches the decoder, easy rows fade, and digits are told by their neighbours' features."""

from collections.abc import Iterator
from typing import cast

import numpy as np
import torch
from torch.nn import functional as F

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.interventions import leak, moved, read
from headstart.objective import Objective
from headstart.recipe import Data, Recipe
from headstart.scene import Scene
from headstart.step import Step
from headstart.terms import masked
from headstart.tree import replace

from . import looks
from .claim import Figure
from .lab import Real, Trial, digits, linear

STEPS, NEAR = 250, 6
TRIES = 9


def check(trial: Trial) -> Iterator[Figure]:
    real = digits(trial)
    made = trial.recipe(trial.data(ListSource(among_others(real), "graph")))
    stands = np.mean([looks.marked(view) for view in looks.views(trial, made)])
    yield Figure(
        "hidden nodes behind a learnt vector, not another node's features", float(stands), above=0.9, below=0.99
    )
    yield Figure("what gets through of hidden nodes, over what the rest moves", through(trial, made), below=1e-6)
    yield Figure("what the decoder sees of the encoder's rows of hidden nodes", seen_again(trial, made), below=1e-6)
    yield Figure("slope of the error at cosine 0.9 over that at 0", slope(trial, made), below=0.1)

    before = middle(made.objective, made.data)
    after = middle(trial.fit(made, STEPS, among=real.bank), made.data)
    gain = told(real, after) - told(real, before)
    yield Figure("digits told from a node's frozen row, beyond those before training", gain, above=0.02)


def told(real: Real, z: np.ndarray) -> float:
    """Accuracy of a linear probe on held-out digits."""
    return linear(z[real.bank], real.truth[real.bank], z[real.query], real.truth[real.query])


def among_others(real: Real) -> list[dict[str, np.ndarray]]:
    """Around each digit a graph, it first, then those whose other rows of pixels are nearest, and the edges between them; what a
    node tells of itself are the third and fourth row of pixels."""
    from sklearn.neighbors import NearestNeighbors

    rows = real.samples.reshape(len(real.samples), -1) / 240
    own, rest = rows[:, 16:32].astype(np.float32), np.delete(rows, np.s_[16:32], 1)
    near = NearestNeighbors(n_neighbors=NEAR + 1).fit(rest).kneighbors(rest, return_distance=False)
    linked = np.zeros((len(rows), len(rows)), bool)
    linked[np.arange(len(rows))[:, None], near] = True
    linked |= linked.T
    graphs = []
    for node, others in enumerate(near):
        chosen = np.concatenate([[node], others[others != node]])
        edges = np.argwhere(np.triu(linked[np.ix_(chosen, chosen)], 1))
        graphs.append({"nodes": own[chosen], "edges": edges})
    return graphs


def middle(objective: Objective, data: Data) -> np.ndarray:
    """[graphs, width] the encoded row of the node in the middle of each."""
    batch = collate(data, np.arange(len(data.source)), Step(0, 1), objective.slots)
    with torch.no_grad():
        z = objective.encoder(batch.tokens["x"])
    rows = z.values[z.layout.cu[:-1].long() + z.layout.slots]
    return rows[batch.index.argsort()].numpy()


def through(trial: Trial, made: Recipe) -> float:
    """As `leak` says, for the middle one of several graphs; a few have a node behind the features of a hidden one."""
    found = [leak(made.objective, *trial.batch(made, i, TRIES, 4), "rebuild", samples=1) for i in range(TRIES)]
    return float(np.median([hidden / shown for hidden, shown in found]))


def seen_again(trial: Trial, made: Recipe) -> float:
    """How far answers move when the encoder's rows of hidden nodes say something else, over when those of shown ones do."""
    term = cast(masked, made.objective.terms["rebuild"])

    def said(scene: Scene, which: str) -> torch.Tensor:
        z, view = scene.student.z["x"], scene.views["x"]
        turned = {
            "hidden": view.hidden.mask,
            "shown": ~view.hidden.mask & ~view.clean.slot,
            "": view.hidden.mask & False,
        }
        other = z.values.roll(7, 0)
        values = torch.where(turned[which][:, None], other, z.values)
        side = replace(scene.student, z=scene.student.z | {"x": z.with_values(values)})
        return term.predicted(replace(scene, student=side))

    batch, step = trial.batch(made)
    plain, hidden, shown = (
        read(made.objective, batch, step, lambda scene, w=which: said(scene, w), "rebuild")
        for which in ("", "hidden", "shown")
    )
    return moved(plain, hidden) / moved(plain, shown)


def slope(trial: Trial, made: Recipe) -> float:
    """How the loss falls with the cosine of all answers to what is right, at 0.9 over at 0; the answers are put in its mouth."""
    term = cast(masked, made.objective.terms["rebuild"])

    def loss(scene: Scene, cosine: float) -> torch.Tensor:
        view = scene.views["x"]
        right = F.normalize(term.target(view, view.hidden.index, scene).double(), dim=-1)
        aside = torch.randn(right.shape, generator=torch.Generator().manual_seed(0), dtype=right.dtype)
        aside = F.normalize(aside - (aside * right).sum(-1, keepdim=True) * right, dim=-1)
        answer = cosine * right + (1 - cosine**2) ** 0.5 * aside
        hook = term.head.register_forward_hook(lambda part, given, out: answer)
        try:
            return term(scene).double()
        finally:
            hook.remove()

    batch, step = trial.batch(made)
    at = [
        read(made.objective, batch, step, lambda scene, c=c: loss(scene, c), "rebuild")
        for c in (0.88, 0.92, -0.02, 0.02)
    ]
    return float((at[1] - at[0]) / (at[3] - at[2]))
