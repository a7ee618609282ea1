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
Expected: AUC of likeness between rows of one object against two above 0.9 after 300 steps (untrained 0.85), each term doing its
part; at this scale no better than restoring alone: `python -m evidence run mmc`
"""

from functools import partial
from typing import cast

from jaxtyping import Float, Int
from torch import Tensor, nn

from ..augment import multicrop
from ..corrupt import corrupt, groups, noise, one_of, other_sample
from ..losses import CrossNCE, centred, l1, soft_cross_entropy
from ..nn.encoder import Model, encoder
from ..nn.heads import at_hidden, first, projector, prototypes
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene, Side
from ..step import cosine, warmup_cosine
from ..targets import Taught, raw
from ..teacher import Ema
from ..terms import distill, masked
from ..tokens import View

# of its check on made-up data: docs/log.md, 2026-11-26
SMALL = {"codes": 512, "width": 256, "optim.lr": 4e-3, "data.batch": 32}


def mmc(data: Data, size: str | Model = "S", ratio: float = 0.5, codes: int = 4096, width: int = 1024) -> Recipe:
    """Hide `ratio` of the rows; each says its content and, over `codes` prototypes, its sample, which is told from the others."""
    data = data.with_views(multicrop(big=2, small=0, big_scale=(0.2, 1.0)))
    enc = encoder(data.tokenizers, size)
    spoil = corrupt(groups, ratio, fill=one_of(noise, other_sample, p=(0.65, 0.35)))
    restore = masked(target=raw, head=at_hidden(Linear(enc.width, data.dim)), loss=l1, view="big")
    soft, name = partial(soft_cross_entropy, temperature=0.1), at_hidden(prototypes(enc.width, codes))
    descend = masked(target=whole(centred(codes)), head=name, loss=soft, view="big")
    head, guess = projector(enc.width, width, 256), projector(256, width, 256)
    find = distill(("big",), ("big",), head, loss=CrossNCE(temperature=0.2), predictor=guess)
    terms = {"restore": restore, "descend": descend, "find": find}
    task = Objective(enc, {"big": spoil}, terms, teacher=Ema(cosine(0.996, 1.0)))
    optim = AdamW(lr=warmup_cosine(5e-4, end=1e-6), weight_decay=cosine(0.04, 0.1), betas=(0.9, 0.999))
    return Recipe(task, data, optim, steps=data.epochs(800))


class whole(Taught):
    """What the teacher's head says of a hidden row's whole sample: of its class token, which saw everything."""

    through_head = True

    def __init__(self, shares: nn.Module) -> None:
        super().__init__()
        self.shares = shares

    def forward(self, view: View, rows: Int[Tensor, "K"], scene: Scene) -> Float[Tensor, "K codes"]:
        teacher = cast(Side, scene.teacher)
        head, z = cast(at_hidden, teacher.heads[scene.term]).inner, teacher.z[view.name]
        return self.shares(head(first(z)), scene.step)[z.layout.seg[rows]]
