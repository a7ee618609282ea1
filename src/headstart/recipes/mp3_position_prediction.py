"""MP3: no row is told its place, and every row must say it from what a few rows of the sample show (Zhai et al., "Position
Prediction as an Effective Pretraining Strategy", 2022).

Hides: every row's position; and three quarters of the rows from the others' attention, the same ones in every layer.
Predicts: the place of every row, among all places of its sample.
Use when: parts of a sample can be put in order by what they show (pictures, sound, scans); cheap, for nothing is decoded. Not for
textures, which look alike everywhere, and not for records without an order.
Mechanism: a jigsaw puzzle as one classification per row; a partial context makes rows know more than their neighbours' edges.
Differs from the paper in: the N-way linear layer is a score against the position code of each of the sample's own places, so
any kind and any size will do; rows of context are updated in every layer, as in the paper (vit-pytorch's version attends to the
raw patches throughout); the optimizer is DeiT's. The class token may always be attended to. Afterwards the encoder is given
positions, which it never saw in training.
Command: headstart pretrain fashion-mnist recipe=mp3_position_prediction
Expected: held-out rows of digits find their place at more than 2.5 times chance, and where a row alone does not say it at more
than 8 times; `python -m evidence run mp3-position-prediction`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ..corrupt import Make, clean, hide, random
from ..nn.encoder import Model, encoder
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import Rng, warmup_cosine
from ..terms import locate
from ..tokens import Tokens, View, rows_where
from ..tree import replace

MEANINGLESS = {
    "table": "columns have no order, so there is no position to tell",
    "graph": "nodes are numbered in no order, so there is no position to tell",
    "molecule": "atoms are numbered in no order, so there is no position to tell",
}


@dataclass(frozen=True)
class scattered:
    """A view in which no row is told its place, and `eta` of them nobody may attend to. told: those of context are told it."""

    eta: float
    told: bool = False

    def __call__(self, tokens: Tokens, rng: Rng) -> View:
        alone = hide(tokens, random(tokens, rng.fold("alone")), self.eta)
        counts = tuple(n - k for n, k in zip(tokens.layout.lengths, alone.counts, strict=True))
        asked = alone.mask if self.told else ~tokens.slot
        return replace(clean(tokens, rng), placeless=asked, keys=rows_where(~alone.mask, counts))


SMALL = {"optim.lr": 2e-3, "data.batch": 64}  # of its check on made-up data: docs/log.md, 2026-11-26
IDEAS = {
    "no row is told its place": {"view": partial(scattered, told=True)},
    "most rows are seen by no other": {"eta": 0.0},
    "a few rows are seen by all": {"eta": 1.0},
}


def mp3_position_prediction(
    data: Data, size: str | Model = "B", eta: float = 0.75, view: Callable[[float], Make] = scattered
) -> Recipe:
    """Every row finds its place; `eta` of the rows are seen by no other."""
    enc = encoder({"x": data.only}, size)
    task = Objective(enc, views={"x": view(eta)}, terms={"where": locate(enc.width)})
    optim = AdamW(lr=warmup_cosine(5e-4), weight_decay=0.05, betas=(0.9, 0.999))
    return Recipe(task, data, optim, steps=data.epochs(800))
