"""CroCo: what is hidden of one crop of a photograph is found in another crop, and nothing of it is seen."""

from collections.abc import Iterator

import numpy as np
import torch

from headstart.data.feeding.loader import collate
from headstart.interventions import altered, leak, loss_of
from headstart.tokens import Batch

from . import looks
from .claim import Figure
from .lab import Trial, pictures, windows

STEPS = 300
NOT_SHOWN = {
    "places found again in the other view by the nearest feature": "so narrow an encoder says first where a row lies"
}


def check(trial: Trial) -> Iterator[Figure]:
    seen, unseen = windows(trial, 1500), windows(trial, 200, held=True)
    made = trial.recipe(trial.data(pictures(np.concatenate([seen, unseen])), patch=8))
    objective, (batch, step) = made.objective, trial.batch(made)
    hidden, shown = leak(objective, batch, step, "restore")
    yield Figure("what gets through of hidden rows, over what the rest moves", hidden / shown, below=1e-6)
    asked = looks.own_context(objective, batch, step, "restore", "b")
    yield Figure("of what a second view moves, the share in the prediction of its own scene", asked, above=0.99)
    beside = looks.beside_hidden(looks.views(trial, made, "a"))
    yield Figure("share of the neighbours of hidden rows that is hidden", beside, above=0.7)
    yield Figure("difference of the two views' rows at one place, over that of two scenes'", unlike(batch), above=0.2)

    objective = trial.fit(made, STEPS, among=np.arange(len(seen)))
    held = collate(made.data, np.arange(len(seen), len(seen) + len(unseen)), step, objective.slots)
    rows = torch.ones(len(held.tokens["b"]), dtype=torch.bool)
    ratio = loss_of(objective, held, step, "restore") / loss_of(objective, altered(held, "b", rows), step, "restore")
    yield Figure("held-out error with the true second view, over that with another scene's", ratio, below=0.7)


def unlike(batch: Batch) -> float:
    """The mean difference of rows at one place in both views of a scene, over that in the views of two."""
    a, b = (batch.tokens[name].values.view(batch.size, -1, batch.tokens[name].values.shape[1]) for name in ("a", "b"))
    return float((a - b).abs().mean() / (a - b.roll(1, 0)).abs().mean())
