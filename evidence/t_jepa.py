"""T-JEPA: from a few columns of a table what a slow teacher, who read all, makes of sets of others is told, on measured data."""

from collections.abc import Iterator

import numpy as np
import torch

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.interventions import leak, loss_of, shown_to
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.step import Step
from headstart.tokens import Batch, View
from headstart.tree import replace

from . import looks
from .claim import Figure
from .lab import Trial, measured
from .latent import latent, mixed, strange, wanted
from .led import followed

STEPS, COLUMNS = 250, 10  # the first ten columns: means of measurements of cells in a picture
NOT_SHOWN = {
    "the regularisation token": "the class token, which every encoder has, stands for it; where no row read it, nothing "
    "collapsed (docs/log.md)",
    "features that say more than before training": "the diagnosis is told as well from the untrained encoder's cells",
}


def check(trial: Trial) -> Iterator[Figure]:
    real = measured(trial, "breast_cancer")
    rows = [dict(zip(NAMES, row, strict=True)) for row in real.samples[:, :COLUMNS].tolist()]
    data = trial.data(ListSource(rows, "table"))
    made = trial.recipe(data)
    batch, step = trial.batch(made)
    views = looks.views(trial, made)
    through, used = leak(made.objective, batch, step, "latent")
    shown = [n / m for view in views for n, m in zip(view.seen.content, view.clean.content, strict=True)]
    each = [sets(made.objective, *trial.batch(made, index, 8)) for index in range(8)]
    yield Figure("share of the cells that is read", float(np.mean(shown)), above=0.1, below=0.5)
    yield Figure("what gets through of what is hidden, over what the rest moves", through / used, below=1e-6)
    yield Figure(
        "different sets of cells that are asked for of a sample", float(np.mean([n for n, _ in each])), above=2.5
    )
    yield Figure("share of the hidden cells in one of them", float(np.mean([n for _, n in each])), below=0.8)
    yield Figure(
        "how far what is wanted of hidden cells moves with another hidden cell, over how far with their own",
        mixed(made.objective, batch, step),
        above=0.01,
    )
    yield Figure(
        "share of the student's way that the teacher goes at once",
        followed(made.objective, step),
        above=1e-4,
        below=0.1,
    )

    objective = trial.fit(made, STEPS, among=real.bank)
    error, other = told(objective, data, real.query)
    yield Figure("squared error of features of held-out rows over that of their column's mean", error, below=0.7)
    yield Figure("the same from a stranger's cells, over it", other / error, above=2.0)


NAMES = [
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "points",
    "symmetry",
    "fractal",
]


def sets(objective: Objective, batch: Batch, step: Step) -> tuple[float, float]:
    """(how many different sets of cells of a sample the predictor is asked for, the share of the hidden cells in a set)."""
    asked: list[View] = []
    hook = latent(objective).head.register_forward_pre_hook(lambda _, given: asked.append(given[1]))
    try:
        loss_of(objective, batch, step, "latent")
    finally:
        hook.remove()
    found: list[set[tuple[tuple[float, ...], ...]]] = [set() for _ in range(batch.size)]
    (view,), share = asked, []
    hidden = objective.view("x", batch, step).hidden.counts
    for number, count in enumerate(view.hidden.counts):
        mine = view.clean.layout.seg[view.hidden.index] == number
        found[number % batch.size].add(tuple(map(tuple, view.clean.coords[view.hidden.index[mine]].tolist())))
        share.append(count / hidden[number % batch.size])
    return float(np.mean([len(each) for each in found])), float(np.mean(share))


def told(objective: Objective, data: Data, rows: np.ndarray, draws: int = 8) -> tuple[float, float]:
    """The loss on these rows of the table, and that from the cells of another row; both over that of saying the mean that their
    column has. All rows of a draw have one mask, so that what was read can be exchanged."""
    found = np.zeros(2)
    term = latent(objective)
    for seed in range(draws):
        step = Step(0, 1, seed)
        batch = collate(data, rows, step, objective.slots)
        batch = replace(batch, index=torch.zeros_like(batch.index))
        with torch.no_grad():
            scene = shown_to(objective.scene(batch, step), "latent")
            errors = [float(term(each)) for each in (scene, strange(scene))]
            chosen = term.chosen(scene.views["x"], step.rng("latent", batch.segment_index("x")))
            cells = torch.cat([wanted(objective, scene, s.index).unflatten(0, (len(rows), -1)) for s in chosen], 1)
        found += np.array(errors) / float((cells - cells.mean(0)).square().mean()) / draws
    return float(found[0]), float(found[1])
