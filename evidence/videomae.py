"""VideoMAE: what is hidden at one time is hidden at all, and clips are restored from a few places.

Clips are handwritten digits that drift evenly, each in a colour of its own, over a ground that grows lighter to one side: the
strokes are not made up, all else is.
"""

from collections.abc import Iterator
from typing import cast

import numpy as np
import torch
from torch import Tensor

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.interventions import leak, read, view_of
from headstart.objective import Objective
from headstart.recipe import Data, Recipe
from headstart.scene import Scene
from headstart.step import Step
from headstart.terms import masked
from headstart.tokens import Batch, every
from headstart.tree import replace

from . import looks
from .claim import Figure
from .lab import Trial, digits, losses

FRAMES, SIDE, STEPS = 8, 12, 300
LIGHT, TINT = (2.0, 0.5, 1.5), (1.0, -0.5, 0.0)  # of each channel: how much stronger, and what is added
NOT_SHOWN = {
    "better neighbours than before training": "digits that drift gain little by it, and pieces of photographs nothing",
    "tubes teach more than hiding rows one by one": "clips this short and plain are restored as well with either",
}


def check(trial: Trial) -> Iterator[Figure]:
    real = digits(trial)
    data = trial.data(ListSource(drifting(real.samples, trial.rng), "video"), patch=3)
    made = trial.recipe(data)
    views = looks.views(trial, made, size=16)
    through, used = leak(made.objective, *trial.batch(made), "pixels")
    yield Figure("hidden rows whose place is shown at another time", looks.shown_elsewhere(views), below=0.05)
    yield Figure("neighbours of hidden rows in a frame that are hidden", looks.beside_hidden(views, axis=1), above=0.7)
    yield Figure("what gets through of what is hidden, over what the rest moves", through / used, below=1e-6)
    yield Figure("how far other light on what is hidden moves what is asked", relit(trial, made), below=0.1)

    objective = trial.fit(made, STEPS, among=real.bank)
    error = losses(objective, data, real.query)["pixels"] / ordinary(objective, data, real.bank, real.query)
    yield Figure("error of held-out clips over that of the mean clip", error, below=0.8)


def drifting(samples: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """[frames, 3, side, side] for each picture, which goes evenly from one place to another."""
    made, (y, x) = [], np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    for picture in samples / 255:
        (start, end), colour = rng.uniform(0, SIDE - len(picture), (2, 2)), rng.uniform(0.6, 1, 3)
        to = rng.uniform(0, 2 * np.pi)
        ground, frames = 0.3 + 0.2 * (np.cos(to) * y + np.sin(to) * x), np.zeros((FRAMES, 1, SIDE, SIDE))
        for t, frame in enumerate(frames):
            top, left = np.rint(start + (end - start) * t / (FRAMES - 1)).astype(int)
            frame[0, top : top + len(picture), left : left + len(picture)] = picture
        mixed = frames * colour[:, None, None] + (1 - frames) * ground
        made.append(np.rint(255 * mixed).astype(np.uint8))
    return made


def asked(objective: Objective, batch: Batch, step: Step) -> tuple[Tensor, Tensor]:
    """What is asked at every row, [B, n, D], and which rows are hidden, [B, n]."""
    term = cast(masked, objective.terms["pixels"])

    def target(scene: Scene) -> Tensor:
        view = scene.views["x"]
        return term.target(view, every(view.clean).index, scene)

    view = view_of(objective, batch, step)
    hidden = view.hidden.mask[every(view.clean).index]
    return read(objective, batch, step, target).unflatten(0, (batch.size, -1)), hidden.view(batch.size, -1)


def relit(trial: Trial, made: Recipe) -> float:
    """How far, squared, what is asked of hidden rows is from itself when every channel there is stronger and shifted, over what
    is asked, squared."""
    batch, step = trial.batch(made)
    tokens, hidden = batch.tokens["x"], view_of(made.objective, batch, step).hidden
    channels = tokens.values.unflatten(1, (-1, 3)) * torch.tensor(LIGHT) + torch.tensor(TINT)
    lit = torch.where(hidden.mask[:, None], channels.flatten(1), tokens.values)
    (before, where), (after, _) = (
        asked(made.objective, replace(batch, tokens={"x": tokens.with_values(each)}), step)
        for each in (tokens.values, lit)
    )
    return float((after - before)[where].square().mean() / before[where].square().mean())


def ordinary(objective: Objective, data: Data, bank: np.ndarray, query: np.ndarray) -> float:
    """The error at the hidden rows of the second samples of saying there what is right for the first ones on the mean."""
    step = Step(0, 1)
    (known, _), (wanted, where) = (
        asked(objective, collate(data, each, step, objective.slots), step) for each in (bank[:500], query)
    )
    return float((wanted - known.mean(0)).square().mean(2)[where].mean())
