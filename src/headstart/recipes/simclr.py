"""SimCLR: two crops of a sample find each other among the crops of the other samples (Chen et al., "A Simple Framework for
Contrastive Learning of Visual Representations", 2020).

Hides: what lies outside each crop, and a share of the rows inside it, which are dropped.
Predicts: which of the other crops of the batch is of the same sample.
Use when: minutes are few, or restoring is too easy or too hard: on sound, series, video, music and proteins it beat raw input and
random encoder within minutes, where mae did not (docs/defaults.md). A crop of a sample must still be the same thing.
Not when: what tells samples apart is not what is asked (one speaker per recording, the place of a camera), or rows themselves
must be good (segmentation): take mae or gmml.
Mechanism: to find its other half, a crop must keep what both halves say of the sample and nothing that they do not; the others of
the batch forbid that all are alike, so there is no teacher and no centre.
Differs from the paper in: rows of each crop are dropped besides, which is cheaper and hides more (as Li et al., "Scaling
Language-Image Pre-training via Masking", 2023); a crop is compared with the other crops of the others, not also with those of its
own turn; the temperature is learnt, as in CLIP; read at mean and spread of the rows; AdamW, not LARS; crops alter brightness and
contrast, not hue, and do not blur.
Command: headstart pretrain klettres recipe=simclr
"""

from collections.abc import Callable

from torch import nn

from ..augment import multicrop
from ..corrupt import clean, corrupt, drop, random
from ..losses import InfoNCE
from ..nn.encoder import Model, encoder
from ..nn.heads import mean_std, projector
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import warmup_cosine
from ..terms import contrast
from .clip import alone, strangers

SMALL = {"optim.lr": 2e-3, "data.batch": 64}  # measured: docs/log.md, 2026-11-30
IDEAS = {
    "crops of one sample are partners": {"loss": strangers},
    "told from the others of the batch": {"loss": alone},
    "crops show different parts": {"low": 1.0},
    "rows are dropped": {"ratio": 0.0},
}


def simclr(
    data: Data,
    size: str | Model = "S",
    ratio: float = 0.3,
    low: float = 0.4,
    width: int = 512,
    loss: Callable[[], nn.Module] = InfoNCE,
) -> Recipe:
    """Two crops of at least `low` of a sample, `ratio` of the rows of each dropped, meet behind a hidden layer of `width`."""
    data = data.with_views(multicrop(big=2, small=0, big_scale=(low, 1.0)))
    enc = encoder(data.tokenizers, size)
    find = contrast(("big",), projector(2 * enc.width, width, DIM, layers=2), loss(), read=mean_std)
    spoil = corrupt(random, ratio, fill=drop) if ratio else clean
    task = Objective(enc, views={"big": spoil}, terms={"find": find})
    return Recipe(task, data, AdamW(lr=warmup_cosine(1e-3), weight_decay=0.05), steps=data.epochs(400))


DIM = 128
