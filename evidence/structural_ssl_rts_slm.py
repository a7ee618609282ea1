"""Structural objectives: swapped parts of handwritten digits are found, c-rts swaps for what is mistaken, swapped measurements of
a tumour are put back, and ssp tells whether two halves of a row of them are of one tumour."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from headstart.data.source import Subset
from headstart.data.sources.listed import ListSource
from headstart.interventions import at_rest, pull, shown_to
from headstart.objective import Objective
from headstart.recipe import Recipe
from headstart.recipes.structural_ssl_rts_slm import Swap
from headstart.step import Step, at
from headstart.tokens import Batch, every

from .claim import Figure
from .lab import Trial, batch_of, digits, each_batch, measured, pictures
from .looks import marked, view_of

STEPS = 250
NOT_SHOWN = {
    "c-rts teaches more than rts": "not within so few steps; what it draws is asked instead",
    "better neighbours than before training": "not on digits of 16 rows, where untrained encoders are good at it",
}


def check(trial: Trial) -> Iterator[Figure]:
    real = digits(trial)
    data = trial.data(pictures(real.samples), patch=2)
    table = measured(trial, "breast_cancer")
    rows = ListSource([{f"column {j}": float(x) for j, x in enumerate(row)} for row in table.samples], "table")
    rts, crts = (trial.recipe(data, task=task) for task in ("rts", "c-rts"))
    slm, ssp = (trial.recipe(trial.data(rows), task=task) for task in ("slm", "ssp"))
    batch, step = trial.batch(rts)
    yield Figure("swapped rows that are marked", marked(view_of(rts.objective, batch, step)), below=0.01)
    judged = asked(rts.objective, batch, step)["x"][~batch.tokens["x"].slot]
    yield Figure("rts: rows of which it is asked whether they were swapped", share(judged), above=0.95)
    yield Figure(
        "c-rts: rows become what is mistaken for them, over what is told from them", sought(trial, crts), above=2.5
    )
    yield Figure(
        "slm: what other rows under the swap change in the loss",
        pull(slm.objective, *trial.batch(slm), "slm"),
        above=1e-3,
    )
    both, now = trial.batch(ssp)
    wanted = asked(ssp.objective, both, now)
    hidden = [rows[view_of(ssp.objective, both, now, name).hidden.mask] for name, rows in wanted.items()]
    yield Figure("ssp: swapped rows of both halves that are asked for", share(torch.cat(hidden)), above=0.95)

    found = told(trial, trial.fit(rts, STEPS, among=real.bank), rts, real.query)
    yield Figure("rts: swapped parts of held-out digits found, balanced accuracy", found, above=0.6)
    left = restored(trial, trial.fit(slm, STEPS, among=table.bank), slm, table.query, table.bank)
    yield Figure("slm: error of swapped measurements that are held out, over that of a column's mean", left, below=0.75)
    same = paired(trial, trial.fit(ssp, STEPS, among=table.bank), ssp, table.query)
    yield Figure("ssp: held-out halves told to be of one tumour or of two", same, above=0.59)


def share(mask: Tensor) -> float:
    return float(mask.double().mean())


def asked(objective: Objective, batch: Batch, step: Step) -> dict[str, Tensor]:
    """Of every encoded row of every view whether the loss hangs on it."""
    with at_rest(objective):
        scene = objective.scene(batch, step)
        each = [at(objective.weights.get(n, 1.0), step) * t(shown_to(scene, n)) for n, t in objective._terms()]
    z = scene.student.z
    grads = torch.autograd.grad(torch.stack(each).sum(), [rows.values for rows in z.values()])
    return {name: grad.abs().amax(1) > 0 for name, grad in zip(z, grads, strict=True)}


def held(trial: Trial, made: Recipe, query: np.ndarray) -> tuple[Batch, Step]:
    """All held-out samples in one batch."""
    data = replace(made.data, source=Subset(made.data.source, query), batch=len(query))
    return batch_of(data, made.objective, trial.step()), trial.step()


def sought(trial: Trial, made: Recipe, steps: int = 12) -> float:
    """How often rows are swapped for what the encoder, as it begins, mistakes for them most often, over how often for what it
    tells from them best; mistakes are counted here, at the steps before."""
    objective = made.objective.train()
    swap = objective.makes["x"]
    assert isinstance(swap, Swap)
    term, clusters = dict(objective._terms())["c-rts"], len(swap.size)
    errors, drawn = (torch.zeros(clusters, clusters, dtype=torch.float64) for _ in range(2))
    for number, (batch, step) in enumerate(each_batch(trial, made, 3 * steps)):
        with torch.no_grad(), at_rest(objective):
            scene = objective.scene(batch, step)
            view = scene.views["x"]
            rows = view.hidden.index
            wrong = torch.where(term.head(scene.student.z["x"].values[rows])[:, 0] > 0, -1.0, 1.0).double()
        was, now = view.clean.values[rows], view.seen.values[rows]
        pairs = swap.cluster(was), swap.cluster(now)
        if number < steps:
            errors.index_put_(pairs, wrong * (was != now).any(1), accumulate=True)
            objective(batch, step)
            objective.after_step(step)
        else:
            drawn.index_put_(pairs, torch.ones(len(rows), dtype=torch.float64), accumulate=True)
    most, least = (errors == ends for ends in (errors.amax(1, keepdim=True), errors.amin(1, keepdim=True)))
    chance = (drawn.sum(1, keepdim=True) / clusters).expand_as(drawn)
    often = [float(drawn[which].sum() / chance[which].sum()) for which in (most & ~least, least & ~most)]
    return often[0] / often[1]


@torch.no_grad()
def told(trial: Trial, objective: Objective, made: Recipe, query: np.ndarray) -> float:
    """The mean of the shares of swapped and of other rows that are named rightly."""
    batch, step = held(trial, made, query)
    scene = objective.scene(batch, step)
    view = scene.views["x"]
    rows = every(view.clean).index
    said = dict(objective._terms())["rts"].head(scene.student.z["x"].values)[rows, 0] > 0
    truth = view.hidden.mask[rows]
    return (share(said[truth]) + share(~said[~truth])) / 2


@torch.no_grad()
def restored(trial: Trial, objective: Objective, made: Recipe, query: np.ndarray, bank: np.ndarray) -> float:
    """Squared error at swapped rows over that of the mean of all other samples at their place."""
    batch, step = held(trial, made, query)
    scene = objective.scene(batch, step)
    view = scene.views["x"]
    rows, spans = view.hidden.index, view.clean.layout
    seen = held(trial, made, bank)[0].tokens["x"]
    mean = seen.values.view(len(bank), spans.max_len, -1).mean(0)[spans.place[rows]]
    truth = view.clean.values[rows]
    said = dict(objective._terms())["slm"].predicted(scene)
    return float((said - truth).square().mean() / (mean - truth).square().mean())


@torch.no_grad()
def paired(trial: Trial, objective: Objective, made: Recipe, query: np.ndarray) -> float:
    """How often it is told rightly whether two halves are of one sample, over three ways to pair them."""
    right = []
    for index in range(3):
        step = trial.step(index, 3)
        batch, _ = held(trial, made, query)
        scene = objective.scene(batch, step)
        term = dict(objective._terms())["same"]
        said = term.head(scene.student.z["b"].values[scene.student.z["b"].layout.cu[:-1].long()]).argmax(1)
        label = scene.views["b"].label
        assert label is not None
        right.append(share(said == label))
    return float(np.mean(right))
