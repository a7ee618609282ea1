"""MAE: most rows are dropped, an encoder reads the rest, a light decoder restores the missing ones (He et al.,
"Masked Autoencoders Are Scalable Vision Learners", 2022).

Hides: most rows, at random; the encoder never sees them.
Predicts: their payload, signals normalised row by row, from mask tokens in a decoder.
Use when: you do not know what else to use, have a signal (pictures, series, sound, volumes) and will fine-tune or train a
probe; the cheapest method here. Not where neighbours say nothing of one another, as in tables of unrelated columns.
Mechanism: reconstruction is hard because most is missing, and cheap because what is missing costs the encoder nothing.
Differs from the paper in: a warm-up of 10 % of training (paper: 40 of 800 epochs); the learning rate is not scaled by
batch / 256; no random crops; rows that are no signal are restored as they are, ids by cross-entropy. Loss and gradients
equal transformers.ViTMAEForPreTraining to 1e-5 (tests).
Command: headstart pretrain fashion-mnist recipe=mae
"""

from ..corrupt import corrupt, drop, random
from ..losses import mse
from ..nn.encoder import Model, encoder
from ..nn.heads import decoder
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import warmup_cosine
from ..targets import normalised, raw
from ..terms import masked

SMALL = {"ratio": 0.6, "depth": 1, "optim.lr": 2e-3, "data.batch": 64}  # measured: docs/log.md, 2026-11-20


def mae(data: Data, size: str | Model = "B", ratio: float = 0.75, depth: int = 8) -> Recipe:
    """Drop `ratio` of the rows at random and restore them, signals normalised row by row, with a decoder of `depth` blocks."""
    enc = encoder(data.tokenizers, size)
    target = normalised if data.signal else raw
    pixels = masked(target=target, head=decoder(enc.width, data.dim, depth), loss=mse)
    task = Objective(enc, views={"x": corrupt(random, ratio, fill=drop)}, terms={"pixels": pixels})
    return Recipe(task, data, AdamW(lr=warmup_cosine(1.5e-4), weight_decay=0.05), steps=data.epochs(800))
