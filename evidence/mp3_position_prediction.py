"""MP3: rows that were told no place find it from what a few rows of their sample show.

Pictures as in DropPos's check: two colours rise along y and x from a level of the picture's own, so that a patch alone does not
say where it is, and the others' levels do. Without the idea: nobody may be attended to. Where there is nothing to tell (noise)
nothing is told. Exactly: with all rows as context, rows in another order give the same answers in that order.
"""

import numpy as np
import torch

from headstart.data.feeding.loader import collate
from headstart.data.sources.array import ArraySource
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.recipes.mp3_position_prediction import scattered
from headstart.step import Step
from headstart.tokens import Batch
from headstart.tree import replace

from .claim import Claim, Figure
from .droppos import accuracy, slopes
from .lab import data_of, fit, losses, recipe

SIDE, HELD, STEPS = 5, 400, 300  # SIDE: patches along an edge
CHANCE = 1 / SIDE**2


def check() -> Claim:
    data = data_of(ArraySource(slopes(2000, SIDE), "image"), patch=2)
    held = Data(ArraySource(slopes(HELD, SIDE, seed=1), "image"), data.tokenizers)
    objective = fit(recipe("mp3_position_prediction", data), STEPS, lr=2e-3)
    lonely = fit(recipe("mp3_position_prediction", data, eta=1.0), STEPS, lr=2e-3)
    dust, more_dust = (ArraySource(noise(n, seed), "image") for n, seed in ((2000, 0), (HELD, 1)))
    dusty = data_of(dust, patch=2)
    lost = fit(recipe("mp3_position_prediction", dusty), STEPS // 3, lr=2e-3)
    found, alone = (accuracy(each, held) for each in (objective, lonely))
    part = losses(objective, held, range(HELD))["total"]
    objective.views["x"] = ("x", scattered(0.0))
    whole = losses(objective, held, range(HELD))["total"]
    return Claim(
        (
            Figure(
                f"held-out rows that find their place, of {SIDE**2}",
                found,
                above=5 * CHANCE,
                baseline=alone,
                said="nobody may be attended to",
            ),
            Figure("the same in pictures of noise, over chance", accuracy(lost, Data(more_dust, dusty.tokenizers)) / CHANCE,
                   below=1.5, baseline=found / CHANCE, said="pictures that have a place for everything"),
            Figure("loss with a quarter of the rows as context over that with all", part / whole, above=1.0),
            Figure("largest change of an answer when rows come in another order", moved(objective, held), below=1e-5,
                   baseline=moved(placed(objective), held), said="told their places"),
        )
    )  # fmt: skip


def noise(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 2, 2 * SIDE, 2 * SIDE)).astype(np.float32)


def placed(objective: Objective) -> Objective:
    """The same, but that rows are told their places."""
    objective.views["x"] = ("x", lambda tokens, rng: replace(scattered(0.0)(tokens, rng), placeless=tokens.slot))
    return objective


@torch.no_grad()
def moved(objective: Objective, held: Data) -> float:
    """How far the encoded rows are from what they were when their contents come in another order, coordinates staying."""
    step = Step(0, 1)
    batch = collate(held, np.arange(2), step, objective.slots)
    tokens = batch.tokens["x"]
    order = torch.arange(len(tokens)).view(2, -1)
    order = torch.cat([order[:, :1], order[:, 1:].flip(1)], 1).flatten()
    turned = Batch({"x": tokens.with_values(tokens.values[order])}, batch.index, batch.size)
    before, after = (objective.scene(each, step).student.z["x"].values for each in (batch, turned))
    return float((after - before[order]).abs().max())
