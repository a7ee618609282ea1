"""T-JEPA: from some columns the teacher's view of others is predicted, and the features do not collapse.

A table of 15 columns that are mixtures of three latent numbers, and five of noise. After 500 steps, on unseen rows: the error at
target sets over that of saying each column's mean (ablation: from the context of another row), the spread of features, and the
accuracy of a linear probe on all tokens against one on the columns for a label that no linear model of them says: whether two
latent numbers have one sign. (Tokens of the untrained encoder say as much: there are 640 numbers a row.)

That the regularisation token prevents collapse does not show here: with no row reading the class token in either encoder, and
the predictor not shown it, features varied more after 400 steps (0.46 of the norm's scale, with the token 0.13; average that ends
at momentum 1) and were predicted better (0.25 of the columns' means, 0.58). What keeps them from collapsing at this scale is
that the average follows: 0.98 here, for the paper's 0.996 moves too little in so few steps.
"""

import numpy as np
import torch

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.nn.encoder import Model
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.recipes.t_jepa import apart, in_sets
from headstart.step import Step
from headstart.teacher import Ema
from headstart.tokens import View
from headstart.tree import replace

from . import lab
from .claim import Claim, Figure

LATENT, TOLD, NOISE = 3, 15, 5
TRAIN, TEST = range(1500), range(1500, 2000)


def table() -> tuple[list[dict[str, float]], np.ndarray]:
    r = np.random.default_rng(0)
    z = r.standard_normal((2000, LATENT))
    told = z @ r.standard_normal((LATENT, TOLD)) + 0.2 * r.standard_normal((2000, TOLD))
    cells = np.concatenate([told, r.standard_normal((2000, NOISE))], 1)
    names = [f"{word} {i}" for i, word in enumerate(r.permutation([a + b for a in "abcde" for b in "wxyz"]))]
    return [dict(zip(names, map(float, row), strict=True)) for row in cells], (z[:, 0] * z[:, 1] > 0).astype(int)


def everything(objective: Objective, given: Data) -> np.ndarray:
    """[rows of the table, columns * width]: the vectors of all cells, one after another."""
    batch = collate(given, np.arange(len(given.source)), Step(0, 1), objective.slots)
    with torch.no_grad():
        z = objective.encoder(batch.tokens["x"])
    order = batch.index.argsort()
    return z.values[~z.slot].view(len(order), -1)[order].numpy()


def latent(objective: Objective, given: Data) -> tuple[float, float, float]:
    """At target sets of unseen rows: error over that of saying each column's mean, the same from another's context; spread.

    Over 16 draws, each of them for all rows alike, so that a context that is exchanged keeps its columns.
    """
    mine, others, term = [], [], objective.terms["latent"]
    assert isinstance(term, in_sets)
    for seed in range(16):
        step = Step(0, 1, seed)
        batch = collate(given, np.array(TEST), step, objective.slots)
        batch = replace(batch, index=torch.zeros_like(batch.index))
        with torch.no_grad():
            scene = objective.scene(batch, step)
            view, z = scene.views["x"], scene.student.z["x"]
            chosen = term.chosen(view, step.rng("set", batch.index))[:1]
            other = z.with_values(z.values.view(len(TEST), -1, z.values.shape[1]).roll(1, 0).flatten(0, 1))
            said = [term.head(each, View(each, *apart(view, chosen))) for each in (z, other)]
        assert scene.teacher is not None
        goal = scene.teacher.z["x"]
        for each, found in zip(said, (mine, others), strict=True):
            found.append(float((each - goal.values[chosen[0].index]).square().mean()))
    cells = goal.values[~goal.slot].view(len(TEST), -1, goal.values.shape[1])
    away = float((cells - cells.mean(0)).square().mean())
    return float(np.mean(mine)) / away, float(np.mean(others)) / away, float(cells.std(0).mean())


def check() -> Claim:
    rows, label = table()
    given = lab.data_of(ListSource(rows, "table"), batch=32)

    def accuracy(x: np.ndarray) -> float:
        return lab.linear(x[: len(TRAIN)], label[: len(TRAIN)], x[len(TRAIN) :], label[len(TRAIN) :])

    made = lab.recipe("t_jepa", given, size=Model(32, 2, 4), depth=1)
    assert isinstance(made.objective.teacher, Ema)
    made.objective.teacher.momentum = 0.98
    objective = lab.fit(made, 500, lr=6e-3)
    error, other, spread = latent(objective, given)
    columns = accuracy(np.array([list(row.values()) for row in rows]))
    return Claim((
        Figure("error of features over that of columns' means", error, below=0.5, baseline=other, said="from another's context"),
        Figure("spread of features", spread, above=0.3),
        Figure("label from all tokens", accuracy(everything(objective, given)), above=columns + 0.03, baseline=columns,
               said="from the columns"),
    ))  # fmt: skip
