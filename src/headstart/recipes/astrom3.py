"""AstroM3: three and more views of the same thing meet pair by pair in one space (Rizhko and Bloom, "AstroM^3: A
self-supervised multimodal model for astronomy", 2024).

Hides: nothing.
Predicts: for every pair of parts, which sample of the batch the other part belongs to, both ways.
Use when: samples have two or more parts of different kinds (a light curve, a spectrum, a catalogue row) and many lack some: a
pair is learnt from the samples that have both. Not when: no two parts tell of the same thing.
Mechanism: CLIP's loss for every pair of parts, each pair with its own learned temperature.
Differs from the paper in: all encoders are transformers of one size, read at their mean (paper: Informer, convolutions, an MLP);
any number of parts, any of them missing (paper: three, all there); AdamW under warm-up and cosine (release: a plateau schedule,
learning rate 3.9e-3). The sum over directions and pairs has no 1/2, as in the release.
Command: headstart pretrain stars/ recipe=astrom3   (files of equal names, a table with paths, or a tar)
Expected: each of six directed retrievals above 10 times chance after 200 steps; `python -m evidence run astrom3`.
"""

from itertools import combinations

from ..corrupt import clean
from ..errors import Mistake
from ..losses import InfoNCE
from ..nn.encoder import Model, encoder
from ..nn.heads import mean
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import warmup_cosine
from ..terms import contrast

SMALL = {"width": 128, "optim.lr": 2e-3, "data.batch": 128}  # of its check on made-up data: docs/log.md, 2026-11-26


def astrom3(data: Data, size: str | Model = "S", width: int = 512) -> Recipe:
    """All parts meet in a space of `width` dimensions, pair by pair."""
    if len(data.tokenizers) < 2:
        raise Mistake(
            "astrom3 matches the parts of a sample, and these have one: give samples of several parts, or take dino"
        )
    encs = {part: encoder({part: tokenizer}, size) for part, tokenizer in data.tokenizers.items()}
    heads = {part: Linear(enc.width, width) for part, enc in encs.items()}
    terms = {
        f"{a} {b}": contrast((a, b), read=mean, head={a: heads[a], b: heads[b]}, loss=InfoNCE(temperature=1 / 100))
        for a, b in combinations(encs, 2)
    }
    both = dict.fromkeys(terms, 2.0)  # InfoNCE is the mean of both directions; here they are summed
    task = Objective(encs, dict.fromkeys(encs, clean), terms, weights=both)
    optim = AdamW(lr=warmup_cosine(1e-3), weight_decay=4.7e-3, betas=(0.926, 0.999), clip=45.0)
    return Recipe(task, data, optim, steps=data.epochs(100))
