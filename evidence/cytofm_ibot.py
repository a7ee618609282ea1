"""CytoFM (iBOT): hidden rows say what the teacher says of them through the head that says what samples are, and a centre keeps
what is said apart."""

from collections.abc import Iterator

import numpy as np

from . import led, looks
from .claim import Figure
from .lab import Trial, losses, photographs, pictures

STEPS = 120
NOT_SHOWN = {
    "better neighbours than before training": "not on small squares of photographs, which mean colours tell apart already"
}


def check(trial: Trial) -> Iterator[Figure]:
    real = photographs(trial)
    made = trial.recipe(trial.data(pictures(real.samples), patch=4))
    objective, (batch, step) = made.objective, trial.batch(made)
    hidden = [view for view in looks.views(trial, made, "big") if view.hidden.index.numel()]
    yield Figure("hidden rows that the mask stands for", np.mean([looks.marked(view) for view in hidden]), above=0.99)
    yield Figure(
        "how far the loss of samples hangs on the head of rows",
        led.hangs_on(objective, batch, step, "agree", "terms.rows.head"),
        above=1e-4,
    )
    yield Figure(
        "part of what agreeing asks that it asks of small crops",
        led.of_small(objective, batch, step, "agree"),
        above=0.2,
    )
    spread = min(
        led.spread(objective, batch, step, f"terms.{part}") for part in ("agree.loss.shares", "rows.target.shares")
    )
    yield Figure("entropy of what the teacher says of all, over that of equal shares", spread, above=0.935)
    yield Figure(
        "share of the student's way that the teacher goes", led.followed(objective, step), above=1e-4, below=0.1
    )

    before = losses(objective, made.data, real.query)["rows"]
    objective = trial.fit(made, STEPS, among=real.bank)
    after = losses(objective, made.data, real.query)["rows"]
    yield Figure("loss of held-out hidden rows, over that before training", after / before, below=0.98)
