"""CropMAE: a part of a photograph is restored from one of its rows and from the crop around it, in which it lies."""

from collections.abc import Iterator

import numpy as np
import torch

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.interventions import altered, leak, loss_of

from . import looks
from .claim import Figure
from .lab import Trial, pictures, windows

STEPS, PATCH = 300, 8
NOT_SHOWN = {"places found again better than by two equal crops": "so narrow an encoder says first where a row lies"}


def check(trial: Trial) -> Iterator[Figure]:
    inside, area = crops(trial)
    yield Figure("share of the local crop that lies in the global one", inside, above=0.9)
    yield Figure("area of the local crop over that of the global one", area, above=0.25, below=0.75)
    seen, unseen = windows(trial, 1500), windows(trial, 200, held=True)
    made = trial.recipe(trial.data(pictures(np.concatenate([seen, unseen])), patch=PATCH))
    objective, (batch, step) = made.objective, trial.batch(made)
    hidden, shown = leak(objective, batch, step, "restore")
    yield Figure("what gets through of hidden rows, over what the rest moves", hidden / shown, below=1e-6)

    asked = looks.own_context(objective, batch, step, "restore", "a")
    yield Figure("of what a global crop moves, the share in the prediction of its own local crop", asked, above=0.99)
    beside = looks.beside_hidden(looks.views(trial, made, "b"))
    yield Figure("share of the neighbours of hidden rows that is hidden", beside, above=0.75)

    objective = trial.fit(made, STEPS, among=np.arange(len(seen)))
    held = collate(made.data, np.arange(len(seen), len(seen) + len(unseen)), step, objective.slots)
    rows = torch.ones(len(held.tokens["a"]), dtype=torch.bool)
    ratio = loss_of(objective, held, step, "restore") / loss_of(objective, altered(held, "a", rows), step, "restore")
    yield Figure("held-out error with the true global crop, over that with another picture's", ratio, below=0.7)


def crops(trial: Trial) -> tuple[float, float]:
    """(the share of the local crop's pixels that the global crop's span, the area of the one over that of the other), by pictures
    whose pixels say where they are; two channels of 0 and of 1 say what a crop does to brightness and contrast."""
    down, right = np.indices((32, 32), dtype=np.float32) / 31
    picture = np.stack([down, right, 0 * down, 0 * down + 1])
    made = trial.recipe(trial.data(ListSource([picture] * 64, "image"), patch=PATCH))
    batch, _ = trial.batch(made)
    places = []
    for name in ("a", "b"):
        x = looks.decoded(batch.tokens[name], made.data.only)
        places.append(((x[:, :2] - x[:, 2:3]) / (x[:, 3:] - x[:, 2:3])).flatten(2))
    whole, part = places
    low, high = whole.amin(2, keepdim=True) - 1 / 31, whole.amax(2, keepdim=True) + 1 / 31
    spans = [(each.amax(2) - each.amin(2)).prod(1) for each in (part, whole)]
    return float(((part >= low) & (part <= high)).all(1).double().mean()), float((spans[0] / spans[1]).mean())
