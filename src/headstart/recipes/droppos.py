"""DropPos: some visible rows are told what they are but not where, and must say where (Wang et al., "DropPos: Pre-Training
Vision Transformers by Reconstructing Dropped Positions", 2023).

Hides: three quarters of the rows altogether, and of the rows left, the position of three quarters.
Predicts: the place of each row that lost its position, among all places of its sample.
Use when: samples are laid out in space or time and what is where matters (scenes, scans, recordings); rows that keep their
place are anchors, so samples need a dozen rows or more. Not for records without an order.
Mechanism: classification over places, at first with half the credit for a near miss; rows that resemble the class token
count more, for these tell of the whole.
Differs from the paper in: the N-way linear layer is a score against the position code of each of the sample's own places, so
any kind and any size will do; a lost position is zero, not a learned vector; how much a row counts is asked of a copy of the
encoder that is always the student itself (the same numbers, for the memory of the copy); sigma falls at every step (release:
every epoch); the decoder has two thirds of the encoder's width. The released code divides the smoothing map along the wrong
axis, so its rows sum to 0.89 to 1.11 at sigma 1; here they sum to 1, as in the paper. Its option to restore pixels as well is
left out.
Command: headstart pretrain fashion-mnist recipe=droppos
Expected: digits that were held out find their places at more than twice chance, from few rows, and what is said hangs on the
content of those alone and on the places of the anchors alone: `python -m evidence run droppos`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..corrupt import drop, hide, random
from ..nn.encoder import Model, encoder
from ..nn.heads import first, lighter
from ..nn.linear import Linear
from ..nn.transformer import Transformer, initialise
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Rng, ramp, warmup_cosine
from ..targets import Taught
from ..teacher import Ema
from ..terms import locate
from ..tokens import Tokens, View


class central(Taught):
    """How much a row counts: its resemblance to the class token in the whole sample, a softmax over the rows that are seen."""

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, view: View, rows: Tensor, scene: Scene) -> Float[Tensor, "K"]:
        if scene.teacher is None:
            raise ValueError("central asks a teacher: give the Objective teacher=Ema(0.0)")
        z, spans = scene.teacher.z[view.name], view.clean.layout
        alike = F.cosine_similarity(z.values[rows].float(), first(z).float()[spans.seg[rows]], dim=-1)
        share = torch.exp(alike / self.temperature).masked_fill(view.clean.slot[rows], 0)
        return share / share.new_zeros(spans.segments).index_add(0, spans.seg[rows], share)[spans.seg[rows]]


class even(Taught):
    """All rows count the same: in the place of `central`."""

    def forward(self, view: View, rows: Tensor, scene: Scene) -> Float[Tensor, "K"]:
        return (~view.clean.slot[rows]).float()


MEANINGLESS = {
    "table": "columns have no order, so there is no position to tell",
    "graph": "nodes are numbered in no order, so there is no position to tell",
    "molecule": "atoms are numbered in no order, so there is no position to tell",
}
SMALL = {"optim.lr": 2e-3, "data.batch": 64}  # of its check: docs/log.md, 2026-11-26
IDEAS = {
    "positions are withheld": {"lost": 0.0},
    "anchors keep theirs": {"lost": 1.0},
    "rows are dropped": {"ratio": 0.0},
    "a near miss is half right, at first": {"sigma": 0.0},
    "central rows count more": {"weigh": even},
}


def droppos(
    data: Data,
    size: str | Model = "B",
    ratio: float = 0.75,
    lost: float = 0.75,
    depth: int = 2,
    sigma: float = 1.0,
    weigh: Callable[[], Taught] = central,
) -> Recipe:
    """Drop `ratio` of the rows, withhold the position of `lost` of the others, and find it with a decoder of `depth` blocks."""
    enc = encoder({"x": data.only}, size)
    dim = lighter(enc.width)
    where = locate(dim, blind(enc.width, dim, depth), sigma=ramp(sigma, 0.0), weigh=weigh())
    task = Objective(enc, views={"x": misplaced(ratio, lost)}, terms={"where": where}, teacher=Ema(0.0))
    optim = AdamW(lr=warmup_cosine(1.5e-4), weight_decay=0.05, clip=5.0)
    return Recipe(task, data, optim, steps=data.epochs(800))


@dataclass(frozen=True)
class misplaced:
    """A view without `ratio` of the rows, where `lost` of those left are not told their place."""

    ratio: float
    lost: float

    def __call__(self, tokens: Tokens, rng: Rng) -> View:
        hidden = hide(tokens, random(tokens, rng.fold("hide")), self.ratio)
        seen = drop(tokens, hidden, rng)
        placeless = hide(seen, random(seen, rng.fold("lose")), self.lost)
        return View(seen, tokens, hidden, placeless=placeless.mask)


class blind(nn.Module):
    """A decoder that is told no positions: what it knows of them, the encoder said."""

    def __init__(self, width: int, dim: int, depth: int) -> None:
        super().__init__()
        self.enter, self.trunk = Linear(width, dim), Transformer(dim, depth, heads=dim // 32)
        initialise(self)

    def forward(self, z: Tokens) -> Tokens:
        return self.trunk(z.with_values(self.enter(z.values)))[-1]
