"""SiT: a sample with whole groups of its rows spoiled is restored, and still recognised among all others (Atito et al.,
"SiT: Self-supervised vIsion Transformer", 2021).

Hides: connected groups, half of the rows of each of two crops, under noise or under another sample's rows.
Predicts: the rows that were hidden; and, with the class token, which teacher's look at the other crop is the same sample.
Use when: one model should serve both whole samples (retrieval, classes) and their parts, and batches can be 64 and more,
since the other samples of a batch are what one is told apart from. Not where many samples are near-duplicates.
Mechanism: GMML's restoring of rows plus a contrast of the class token with a moving average that sees clean crops.
Differs from the paper in: groups are whole rows, and noise takes the place of zeros, as ids have none; alien rows fill half
of the samples at the same ratio (release: 0.3); crops jitter brightness and contrast only; batch norms use the batch's own
statistics in evaluation too; no drop path. This is the released code, without the rotation task of the paper's early versions.
Command: headstart pretrain fashion-mnist recipe=sit
Expected: after 340 steps the class token finds the sample's other crop more than 80 times as often as chance, and hidden rows are
restored with less than 0.8 of their mean's error, each only with its own term: `python -m evidence run sit`
"""

from torch import nn

from ..augment import multicrop
from ..corrupt import corrupt, groups, noise, one_of, other_sample
from ..losses import CrossNCE, l1
from ..nn.encoder import Model, encoder
from ..nn.heads import at_hidden, projector
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import cosine, warmup_cosine
from ..targets import raw
from ..teacher import Ema
from ..terms import distill, masked

SMALL = {"width": 256, "optim.lr": 4e-3, "data.batch": 32}  # of its check on made-up data: docs/log.md, 2026-11-26


def sit(data: Data, size: str | Model = "S", ratio: float = 0.5, restoring: float = 1.0, width: int = 4096) -> Recipe:
    """Restore `ratio` of the rows, weighed by `restoring` (5 on small sets, says the release), and find the other crop."""
    data = data.with_views(multicrop(big=2, small=0, big_scale=(0.2, 1.0)))
    enc = encoder(data.tokenizers, size)
    spoil = corrupt(groups, ratio, fill=one_of(noise, other_sample, p=(0.5, 0.5)))
    head = projector(enc.width, width, 256, layers=3, activation=(nn.ReLU, nn.GELU), normed=True)
    find = distill(("big",), ("big",), head, loss=CrossNCE(temperature=0.2))
    restore = masked(target=raw, head=at_hidden(three(enc.width, data.dim)), loss=l1, view="big")
    terms, weights = {"find": find, "restore": restore}, {"restore": restoring}
    task = Objective(enc, {"big": spoil}, terms, weights=weights, teacher=Ema(cosine(0.996, 1.0)))
    optim = AdamW(lr=warmup_cosine(5e-4, end=1e-6), weight_decay=cosine(0.04, 0.1), betas=(0.9, 0.999))
    return Recipe(task, data, optim, steps=data.epochs(800))


def three(width: int, out: int) -> nn.Module:
    """GMML's head: three layers."""
    return nn.Sequential(Linear(width, width), nn.GELU(), Linear(width, width), nn.GELU(), Linear(width, out))
