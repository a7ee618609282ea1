"""Descriptors: the encoder says what a specialist would compute of each sample, from a part of its rows (as PASE, Pascual et al.,
"Learning Problem-agnostic Speech Representations from Multiple Self-supervised Tasks", 2019; MolBERT, Fabian et al.,
"Molecular representation learning with language models and domain-relevant auxiliary tasks", 2020).

Hides: a share of the rows, at random; the encoder never sees them.
Predicts: the sample's descriptors: HOG of pictures, log-mel statistics of sound, MiniRocket of series, TF-IDF of text and code,
k-mers of proteins, ECFP of molecules, plain columns of tables; standardised, in their first 128 directions.
Use when: labels will be few, and what a specialist computes is known to help: the encoder then knows at least that, and can be
tuned further. Not when: rows themselves must be good (segmentation), or nothing is known to help.
Mechanism: descriptors are functions of the whole sample that took a field years to find; saying them from a part of it takes
features of content, not of places, and there is no trivial answer and no collapse.
Differs from the papers in: one head says all descriptors at once, in their first directions, each counting by its variance; rows
are dropped; kinds that no paper has; nothing else is predicted.
Command: headstart pretrain nci recipe=descriptors
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from torch import nn

from ..corrupt import clean, corrupt, drop, random
from ..descriptors import Descriptors, Samples
from ..nn.encoder import Model, encoder
from ..nn.linear import BatchNorm, Linear
from ..nn.readouts import total
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import warmup_cosine
from ..terms import describe
from ..tokens import Tokenizer


class Strangers(Descriptors):
    """The descriptors of other samples: there is nothing to learn."""

    def of(self, at: np.ndarray) -> Float[np.ndarray, "n width"]:
        return super().of((at + len(self.samples) // 2) % len(self.samples))


SMALL = {"optim.lr": 2e-3, "data.batch": 64}  # measured: docs/log.md, 2026-11-30
IDEAS = {"the sample's own descriptors": {"of": Strangers}}


def descriptors(
    data: Data,
    size: str | Model = "S",
    ratio: float = 0.5,
    directions: int = 128,
    of: Callable[[Samples, Tokenizer, int], Descriptors] = Descriptors,
) -> Recipe:
    """From the rows that are left when `ratio` of them are dropped, say `directions` numbers that are known of the sample."""
    enc = encoder(data.tokenizers, size)
    known = of(data.source, data.only, directions)
    head = nn.Sequential(BatchNorm(3 * enc.width, affine=False), Linear(3 * enc.width, known.width))  # sums are large
    say = describe(known, head, read=total)
    task = Objective(enc, views={"x": corrupt(random, ratio, fill=drop) if ratio else clean}, terms={"say": say})
    return Recipe(task, data, AdamW(lr=warmup_cosine(1e-3), weight_decay=0.05), steps=data.epochs(400))
