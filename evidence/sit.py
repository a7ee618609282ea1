"""SiT: spoiled groups of rows are restored, and samples of two photographs are known by their other crop."""

from collections.abc import Iterator

import numpy as np

from headstart.data.feeding.loader import collate
from headstart.interventions import leak
from headstart.recipe import Recipe
from headstart.step import Step
from headstart.tokens import Batch, every

from . import led, looks
from .claim import Figure
from .gmml import filled
from .lab import Trial, losses, photographs, pictures

STEPS = 300


def check(trial: Trial) -> Iterator[Figure]:
    real = photographs(trial)
    made = trial.recipe(trial.data(pictures(real.samples), patch=4))
    objective, (batch, step) = made.objective, trial.batch(made)
    views = looks.views(trial, made, "big")
    through, used = leak(objective, led.apart(batch, "big"), step, "restore")
    student, teacher = led.unseen(objective, batch, step, "big")
    _, same, others, others_same = led.led_by(objective, batch, step, "find")
    yield Figure("share of the neighbours of hidden rows that is hidden", looks.beside_hidden(views), above=0.57)
    yield Figure("hidden rows that say something else", np.mean([looks.altered_share(v) for v in views]), above=0.8)
    yield Figure("crops filled from another", np.mean([filled(view) for view in views]), above=0.3, below=0.7)
    yield Figure("what gets through of what is hidden, over what the rest moves", through / used, below=1e-6)
    yield Figure("the same at the class token, over what it moves at the teacher's", student / teacher, below=1e-6)
    yield Figure(
        "part of what the loss asks of rows that it asks of hidden ones",
        restoring(made, batch, step),
        above=5e-3,
        below=0.2,
    )
    yield Figure("what other samples' other crops ask, less the same crops", others - others_same - same, above=0.05)
    yield Figure(
        "share of the student's way that the teacher goes", led.followed(objective, step), above=1e-4, below=0.1
    )

    before = real.knn(objective.encoder, made.data, "first")
    objective = trial.fit(made, STEPS, among=real.bank)
    held = collate(made.data, real.query, trial.step(), objective.slots)
    found = led.recognised(objective, made.data, real.query, "find")
    restored = losses(objective, made.data, real.query)["restore"]
    gain = real.knn(objective.encoder, made.data, "first") - before
    rows = held.tokens["big"].values[every(held.tokens["big"]).index]
    constant = float((rows - rows.mean(0)).abs().mean())
    yield Figure("other crops of held-out squares found, over chance", found, above=18)
    yield Figure("L1 of held-out hidden rows over that of the mean row", restored / constant, below=0.6)
    yield Figure("accuracy of neighbours by the class token, less untrained", gain, above=0.015)


def restoring(made: Recipe, batch: Batch, step: Step) -> float:
    """The part of what the whole loss asks of the last block that it asks at hidden rows."""
    grad = led.pulls(made.objective, batch, step, "big")
    hidden = looks.view_of(made.objective, batch, step, "big").hidden.mask
    return float(grad[hidden].norm() / grad.norm())
