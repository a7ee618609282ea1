"""MP3: rows that were told no place find it from what they show and from a few rows of their sample that all see.

Digits are found largely by what a row shows itself. So the others are asked for on made-up pictures: two colours rise along y and
x from a level of the picture's own, so that a row alone does not say where it is, and the others' levels do.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from headstart.data.feeding.loader import collate
from headstart.data.sources.array import ArraySource
from headstart.interventions import at_rest, exchanged, moved, read
from headstart.objective import Objective
from headstart.recipe import Data, Recipe
from headstart.step import Step
from headstart.terms.locate import locate
from headstart.tokens import Tokens
from headstart.tree import replace

from .claim import Figure
from .lab import Trial, digits, pictures

STEPS, SIDE, WIDE = 200, 4, 5  # SIDE, WIDE: rows along an edge of digits, and of slopes
SLOPES, HELD = 900, 300
TRAINED = ("a few rows are seen by all",)
NOT_SHOWN = {
    "better neighbours than before training": "on digits of 16 rows, where untrained encoders are good at it, they are worse"
}


def check(trial: Trial) -> Iterator[Figure]:
    real = digits(trial)
    data = trial.data(pictures(real.samples), patch=2)
    made = trial.recipe(data)
    yield Figure("rows whose content reaches another row, of all", reaching(trial, made), above=0.1, below=0.5)
    yield Figure("what other places move, over what other contents do", displaced(trial, made), below=1e-6)
    yield Figure("rows that are asked for their place, of all", asked(trial, made), above=0.9)

    uphill = trial.data(ArraySource(slopes(SLOPES + HELD, trial.rng), "image"), patch=2)
    objective = trial.fit(trial.recipe(uphill), STEPS, among=np.arange(SLOPES))
    found = placed(objective, uphill, np.arange(SLOPES, SLOPES + HELD)) * WIDE**2
    yield Figure("held-out rows of slopes that find their place, over chance", found, above=8)
    objective = trial.fit(made, STEPS, among=real.bank)
    found = placed(objective, data, real.query) * SIDE**2
    yield Figure("held-out rows of digits that find their place, over chance", found, above=2.5)


def slopes(count: int, rng: np.random.Generator) -> np.ndarray:
    """Pictures of 2 x 2 rows: one colour rises along y, one along x, from any level, with a little noise."""
    side = 2 * WIDE
    risen = np.mgrid[:side, :side] / side + rng.uniform(-1, 1, (count, 2, 1, 1))
    return (risen + 0.01 * rng.standard_normal((count, 2, side, side))).astype(np.float32)


def reaching(trial: Trial, made: Recipe) -> float:
    """The share of rows that, when they alone say something else, move what the encoder makes of another row of their sample."""
    batch, step = trial.batch(made, size=16)
    tokens, found = batch.tokens["x"], 0

    def encoded(rows: Tokens) -> Tensor:
        z = read(made.objective, replace(batch, tokens={"x": rows}), step, lambda scene: scene.student.z["x"].values)
        return z.unflatten(0, (batch.size, -1))

    before, spans = encoded(tokens), tokens.layout
    for place in range(spans.slots, spans.max_len):
        change = (encoded(exchanged(tokens, spans.place == place)) - before).abs().amax(2) > 1e-5
        found += int((change.sum(1) > change[:, place]).sum())
    return found / sum(tokens.content)


def displaced(trial: Trial, made: Recipe) -> float:
    """How far what the encoder makes moves when all rows are said to lie elsewhere, over how far when all say something else."""
    batch, step = trial.batch(made)
    tokens = batch.tokens["x"]
    elsewhere = replace(tokens, coords=SIDE - tokens.coords)
    before, placed, other = (
        read(made.objective, replace(batch, tokens={"x": rows}), step, lambda scene: scene.student.z["x"].values)
        for rows in (tokens, elsewhere, exchanged(tokens, ~tokens.slot))
    )
    return moved(before, placed) / moved(before, other)


def asked(trial: Trial, made: Recipe) -> float:
    """The share of rows at which the loss asks the encoder for anything."""
    batch, step = trial.batch(made)
    with at_rest(made.objective):
        scene = made.objective.scene(batch, step)
        z = scene.student.z["x"]
        (grad,) = torch.autograd.grad(made.objective.terms["where"](scene), z.values)
    return float((grad[~z.slot].abs().amax(1) > 0).double().mean())


@torch.no_grad()
def placed(objective: Objective, data: Data, indices: np.ndarray) -> float:
    """The share of rows that name their place first."""
    step, term = Step(0, 1), objective.terms["where"]
    assert isinstance(term, locate)
    scene = objective.scene(collate(data, indices, step, objective.slots), step)
    hits = [said.argmax(1) == goal.argmax(1) for _, said, goal in term.answers(scene)]
    return float(torch.cat(hits).double().mean())
