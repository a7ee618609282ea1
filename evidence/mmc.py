"""MMC: spoiled rows say what stood there and what the whole is, wholes are told apart, and rows of one photograph are alike."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.data.feeding.loader import collate
from headstart.interventions import leak
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.step import Step
from headstart.tokens import every

from . import led, looks
from .claim import Figure
from .lab import Trial, auc, losses, photographs, pictures

STEPS, PATCH = 200, 4
NOT_SHOWN = {"rows of one object more alike than by restoring alone": "not in few steps of so small an encoder"}


def check(trial: Trial) -> Iterator[Figure]:
    real = photographs(trial)
    made = trial.recipe(trial.data(pictures(real.samples), patch=PATCH))
    objective, (batch, step) = made.objective, trial.batch(made)
    crops, terms = led.apart(batch, "big"), objective.terms
    altered = np.mean([looks.altered_share(view) for view in looks.views(trial, made, "big")])
    leaks = [
        through / used for through, used in (leak(objective, crops, step, term) for term in ("restore", "descend"))
    ]
    student, teacher = led.unseen(objective, batch, step, "big")
    asked = [
        led.asks_of(objective, batch, step, terms.get_submodule(f"{term}.head")) for term in ("restore", "descend")
    ]
    whole, rows = led.told_by(objective, batch, step, "descend", "big")
    _, same, others, others_same = led.led_by(objective, batch, step, "find")
    way = led.followed(objective, step)
    yield Figure("hidden rows that say something else", altered, above=0.8)
    yield Figure("what gets through of what is hidden, over what the rest moves", max(leaks), below=1e-6)
    yield Figure("the same at the class token, over what it moves at the teacher's", student / teacher, below=1e-6)
    yield Figure(
        "share of what the loss asks of the two heads of hidden rows that it asks of restoring",
        asked[0] / sum(asked),
        above=0.08,
        below=0.7,
    )
    yield Figure("how far that word hangs on the whole, less on rows", (whole - rows) / (whole + rows), above=0.5)
    yield Figure("what other samples' other crops ask, less the same crops", others - others_same - same, above=0.3)
    yield Figure("share of the student's way that the teacher goes", way, above=1e-4, below=0.1)

    pairs, owner = halves(trial, real.samples)
    joined, held = Data(pictures(pairs), made.data.tokenizers), real.query
    before = alike(objective, joined, owner, held)
    objective = trial.fit(made, STEPS, among=real.bank)
    found = led.recognised(objective, made.data, held, "find")
    there = collate(made.data, held, trial.step(), objective.slots).tokens["big"]
    content = there.values[every(there).index]
    restored = losses(objective, made.data, held)["restore"] / float((content - content.mean(0)).abs().mean())
    yield Figure("L1 of held-out hidden rows over that of the mean row", restored, below=0.6)
    yield Figure("other crops of held-out squares found, over chance", found, above=6)
    yield Figure(
        "AUC of rows of one square against two, less untrained",
        alike(objective, joined, owner, held) - before,
        above=0.015,
    )


def halves(trial: Trial, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(pictures, whose rows these are [n, rows]): each is two squares, one beside or below the other."""
    r, side = trial.rng, squares.shape[-1] // PATCH
    y, x = np.mgrid[:side, :side]
    cut, way = r.integers(1, side, (len(squares), 1, 1)), r.random((len(squares), 1, 1)) < 0.5
    other = np.where(way, y, x) >= cut
    shown = other.repeat(PATCH, 1).repeat(PATCH, 2)[:, None]
    return np.where(shown, squares[r.permutation(len(squares))], squares), other.reshape(len(squares), -1)


@torch.no_grad()
def alike(objective: Objective, data: Data, owner: np.ndarray, held: np.ndarray) -> float:
    """How often two encoded rows of one square are more alike than two of different ones, in one picture."""
    tokens = collate(data, held, Step(0, 1), objective.slots).tokens["x"]
    z: Tensor = objective.encoder(tokens).values[every(tokens).index].view(*owner[held].shape, -1)
    unit = F.normalize(z, dim=-1)
    same = owner[held][:, :, None] == owner[held][:, None]
    pairs = np.broadcast_to(~np.eye(owner.shape[1], dtype=bool), same.shape)
    return auc((unit @ unit.transpose(1, 2)).numpy()[pairs], same[pairs])
