"""SatMAE++: a coarse picture is restored from a quarter of its rows, and grows into finer ones that lead the encoder."""

from collections.abc import Iterator

import numpy as np
import torch

from headstart.data.feeding.loader import collate
from headstart.interventions import altered, leak, moved
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.step import Step
from headstart.tokens import Batch

from . import led
from .claim import Figure
from .lab import Trial, pictures, windows

STEPS, BANK, HELD = 300, 800, 150
TRAINED = ("finer scales grow from it", "hidden rows are restored")
NOT_SHOWN = {"features of scenes": "there are no scenes in many bands at hand; these are parts of two photographs"}


def check(trial: Trial) -> Iterator[Figure]:
    squares = np.concatenate([windows(trial, count, held=held) for count, held in ((BANK, False), (HELD, True))])
    made = trial.recipe(trial.data(pictures(squares), patch=2))
    objective, (batch, step) = made.objective, trial.batch(made)
    through, used = leak(objective, batch, step, "restore")
    asks = led.asks_of(objective, batch, step, objective.terms.get_submodule("restore.grow"))
    yield Figure("what gets through of what is hidden, over what the rest moves", through / used, below=1e-6)
    moves = min(fine(objective, batch, step, name) for name in ("2x", "4x"))
    yield Figure(
        "how far what is asked of encoded rows moves when a finer scale says something else", moves, above=1e-3
    )
    yield Figure("what is asked of the part that grows", asks, above=1e-3)

    objective = trial.fit(made, STEPS, among=range(BANK))
    wrong, grown = judged(objective, trial, made.data)
    yield Figure("squared error of held-out hidden rows, over that of the mean row", wrong, below=0.5)
    yield Figure("L1 at four times the resolution, over that of the mean colour", grown, below=0.7)


@torch.no_grad()
def judged(objective: Objective, trial: Trial, data: Data) -> tuple[float, float]:
    """(MSE of hidden rows over that of the mean row, L1 of the pictures grown four times over that of the mean colour)."""
    step = trial.step()
    scene = objective.scene(collate(data, np.arange(BANK, BANK + HELD), step, objective.slots), step)
    term, view = objective.terms["restore"], scene.views["x"]
    said, rows = term.whole(scene), view.hidden.index
    ((small, _, true),) = term.scenes(scene, said)
    grown, dull = term.grow(small)[1], true.mean((0, 2, 3), keepdim=True)
    hidden, mean = view.clean.values[rows], view.clean.values[~view.clean.slot].mean(0)
    wrong = (said[rows] - hidden).square().mean() / (mean - hidden).square().mean()
    return float(wrong), float((grown - true).abs().mean() / (dull - true).abs().mean())


def fine(objective: Objective, batch: Batch, step: Step, name: str) -> float:
    """How far what the whole loss asks of the encoded rows moves, over its size, when this scale is the next sample's."""
    other = altered(batch, name, torch.ones(len(batch.tokens[name]), dtype=torch.bool))
    before, after = (led.pulls(objective, each, step, "x") for each in (batch, other))
    return moved(before, after) / float(before.abs().max())
