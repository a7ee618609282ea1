"""GMML: connected groups of rows are spoiled with noise or with another sample, and restored (Atito et al.,
"GMML is All you Need", 2022).

Hides: connected groups of rows, under noise or under rows of another sample; nothing marks them.
Predicts: the payload of the hidden rows, from their own place in the encoder, by one linear map.
Use when: the encoder itself should be good at every row (segmentation, tables) and twice the cost of mae is affordable.
Mechanism: a whole part of an object is missing, so it must be inferred from the rest; no decoder, teacher or contrast.
Differs from the paper in: groups are whole rows (the release's are rectangles of pixels not snapped to patches); the
share hidden is one number for noise and alien fills (release: 0.5 to 0.75, and 0.3); the head is linear on the last
block (release: three layers on the mean of blocks 6, 8, 10 and 12).
Command: headstart pretrain fashion-mnist recipe=gmml
Expected: held-out error of hidden rows below 0.7 of the mean picture's; `python -m evidence run gmml`.
"""

from ..corrupt import Fill, Score, corrupt, groups, keep, noise, one_of, other_sample, random
from ..losses import l1
from ..nn.encoder import Model, encoder
from ..nn.heads import at_hidden
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import cosine, warmup_cosine
from ..targets import raw
from ..terms import masked

SMALL = {"optim.lr": 2e-3, "data.batch": 64}  # measured: docs/log.md, 2026-11-20


Fills = tuple[Fill, Fill]
FILLS: Fills = (noise, other_sample)
IDEAS = {
    "connected groups": {"score": random},
    "hidden rows are spoiled": {"fills": (keep, keep)},
    "rows of another sample": {"alien": 0.0},
}


def gmml(
    data: Data,
    size: str | Model = "S",
    ratio: float = 0.5,
    alien: float = 0.35,
    score: Score = groups,
    fills: Fills = FILLS,
) -> Recipe:
    """Hide whole objects, not crumbs: `ratio` of the rows in groups, `alien` of the samples filled from another."""
    enc = encoder(data.tokenizers, size)
    spoil = corrupt(score, ratio, fill=one_of(*fills, p=(1 - alien, alien)))
    restore = masked(target=raw, head=at_hidden(Linear(enc.width, data.dim)), loss=l1)
    task = Objective(enc, views={"x": spoil}, terms={"restore": restore})
    optim = AdamW(lr=warmup_cosine(5e-4), weight_decay=cosine(0.04, 0.4), betas=(0.9, 0.999))
    return Recipe(task, data, optim, steps=data.epochs(800))
