"""MMC: hidden rows say what stood there and what the whole is, and the whole is told from all others (Wu et al., "Masked Momentum
Contrastive Learning for Zero-shot Semantic Understanding", 2023).

Hides: connected groups, half of the rows of each of two crops, under noise or under another sample's rows.
Predicts: at each hidden row its content and the teacher's word on the whole; with the class token, the sample's other crop.
Use when: parts are to be found by pointing at one (mark a row, take all rows of similar features), without any label. Not where
samples show one thing each: then the sum costs more than its parts.
Mechanism: restoring makes near rows alike, self-distillation passes meaning down from the whole to the rows, contrast gives
the whole its meaning.
Differs from the paper in: what it does not state where we could read is chosen here: GMML's corruption, ratio and fills; rows
restored as they are, by L1; the word on the whole is a share of prototypes, centred and sharpened as in DINO, and asked of
hidden rows; projector, predictor and temperature of the contrast are those of the first author's SiT; a plain sum. There is
no released code.
Command: headstart pretrain fashion-mnist recipe=mmc
Expected: after 200 steps on squares of two photographs rows of one square are told from those of two better than untrained, more
than 6 times as many other crops are found as by chance, and hidden rows are restored with less than 0.6 of the mean row's error;
at this scale likeness is no better than by restoring alone; `python -m evidence run mmc`.
"""

from collections.abc import Callable
from functools import partial
from typing import cast

from jaxtyping import Float, Int
from torch import Tensor, nn

from ..augment import multicrop
from ..corrupt import Fill, corrupt, groups, keep, noise, one_of, other_sample
from ..losses import CrossNCE, centred, l1, soft_cross_entropy
from ..nn.encoder import Model, encoder
from ..nn.heads import at_hidden, first, projector, prototypes
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene, Side
from ..step import Schedule, cosine, warmup_cosine
from ..targets import Taught, raw
from ..targets import codes as of_each_row
from ..teacher import Ema
from ..terms import distill, masked
from ..tokens import View
from .sit import SLOW, alone


class whole(Taught):
    """What the teacher's head says of a hidden row's whole sample: of its class token, which saw everything."""

    through_head = True

    def __init__(self, codes: int) -> None:
        super().__init__()
        self.shares = centred(codes)

    def forward(self, view: View, rows: Int[Tensor, "K"], scene: Scene) -> Float[Tensor, "K codes"]:
        teacher = cast(Side, scene.teacher)
        head, z = cast(at_hidden, teacher.heads[scene.term]).inner, teacher.z[view.name]
        return self.shares(head(first(z)), scene.step)[z.layout.seg[rows]]


# measured on made-up data: docs/log.md, 2026-11-26
SMALL = {"codes": 512, "width": 256, "optim.lr": 4e-3, "data.batch": 32}
FILLS: tuple[Fill, Fill] = (noise, other_sample)
IDEAS = {
    "hidden rows are spoiled": {"fills": (keep, keep)},
    "hidden rows are restored": {"restoring": 0.0},
    "hidden rows say what the whole is": {"told": of_each_row},
    "the whole is told from other samples": {"finding": alone},
    "a slow teacher": {"momentum": 0.0},
}


def mmc(
    data: Data,
    size: str | Model = "S",
    ratio: float = 0.5,
    restoring: float = 1.0,
    codes: int = 4096,
    width: int = 1024,
    fills: tuple[Fill, Fill] = FILLS,
    told: Callable[[int], Taught] = whole,
    finding: Callable[[], nn.Module] = CrossNCE,
    momentum: Schedule = SLOW,
) -> Recipe:
    """Hide `ratio` of the rows; each says its content and, over `codes` prototypes, its sample, which is told from the others."""
    data = data.with_views(multicrop(big=2, small=0, big_scale=(0.2, 1.0)))
    enc = encoder(data.tokenizers, size)
    spoil = corrupt(groups, ratio, fill=one_of(*fills, p=(0.65, 0.35)))
    restore = masked(target=raw, head=at_hidden(Linear(enc.width, data.dim)), loss=l1, view="big")
    soft, name = partial(soft_cross_entropy, temperature=0.1), at_hidden(prototypes(enc.width, codes))
    descend = masked(target=told(codes), head=name, loss=soft, view="big")
    head, guess = projector(enc.width, width, 256), projector(256, width, 256)
    find = distill(("big",), ("big",), head, loss=finding(), predictor=guess)
    terms = {"restore": restore, "descend": descend, "find": find}
    task = Objective(enc, {"big": spoil}, terms, weights={"restore": restoring}, teacher=Ema(momentum))
    optim = AdamW(lr=warmup_cosine(5e-4, end=1e-6), weight_decay=cosine(0.04, 0.1), betas=(0.9, 0.999))
    return Recipe(task, data, optim, steps=data.epochs(800))
