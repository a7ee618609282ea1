"""DINO: a student that sees small crops agrees with a slow teacher that sees big ones (Caron et al., "Emerging
Properties in Self-Supervised Vision Transformers", 2021).

Hides: nothing; small crops lack most of the sample.
Predicts: what a slow copy of the encoder says of the sample's big crops, over prototypes.
Use when: vectors should tell samples apart without any training on labels (kNN, retrieval), samples are many, and a crop of a
sample is still the same thing. Not for a few hundred samples or a few minutes: it takes ten times mae's step.
Mechanism: cross-entropy between softmax outputs over prototypes; the teacher is the student's moving average, centred
against collapse to one code and sharpened against collapse to all.
Differs from the paper in: crops jitter brightness and contrast but not hue, blur or solarisation, which exist only for
RGB; the prototypes train from the first step (release: frozen for one epoch); small crops keep the patch coordinates of
their own grid (release: interpolated to the big one's); no drop path.
Command: headstart pretrain fashion-mnist recipe=dino
"""

from ..augment import multicrop
from ..corrupt import clean
from ..losses import CenteredCE
from ..nn.encoder import Model, encoder
from ..nn.heads import first, prototypes
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import cosine, ramp, warmup_cosine
from ..teacher import Ema
from ..terms import distill

SMALL = {"codes": 2048, "local": 4, "optim.lr": 1e-3, "data.batch": 64}  # measured: docs/log.md, 2026-11-20


def dino(data: Data, size: str | Model = "S", codes: int = 65_536, local: int = 8) -> Recipe:
    """Two big crops and `local` small ones of each sample agree over `codes` prototypes."""
    data = data.with_views(multicrop(big=2, small=local))
    enc = encoder(data.tokenizers, size)
    loss = CenteredCE(codes, student_temp=0.1, teacher_temp=ramp(0.04, 0.07, over=0.3))
    seen = ("big", "small") if local else ("big",)
    agree = distill(student=seen, teacher=("big",), read=first, head=prototypes(enc.width, codes), loss=loss)
    views = dict.fromkeys(seen, clean)
    task = Objective(enc, views, terms={"agree": agree}, teacher=Ema(cosine(0.996, 1.0)))
    optim = AdamW(warmup_cosine(5e-4), weight_decay=cosine(0.04, 0.4), betas=(0.9, 0.999))
    return Recipe(task, data, optim, steps=data.epochs(100))
