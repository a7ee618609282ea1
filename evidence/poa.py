"""POA: the smallest part of an encoder serves nearly as well as the whole, because it was trained as a part.

Ablation: the same part cut out of an encoder that was trained without parts.
"""

from functools import partial

import numpy as np
import torch
from torch import nn

from headstart.data.feeding.loader import collate
from headstart.data.sources.array import ArraySource
from headstart.nn.elastic import extract, part
from headstart.nn.encoder import Encoder, Model
from headstart.nn.heads import prototypes
from headstart.recipe import Data
from headstart.step import Step, cosine

from .claim import Claim, Figure
from .lab import data_of, encode, fit, knn, recipe

SEEN, HELD, STEPS, LR = 1024, 800, 250, 4e-3
SIZE = Model(width=48, depth=3, heads=4)
SMALLEST = (24, 2)  # 3/8 of the heads, rounded up, and half of the blocks


def check() -> Claim:
    return Claim((*learning(), *extraction()))


def learning() -> tuple[Figure, ...]:
    """kNN accuracy of the mean row, on held-out pictures."""
    # the record asks for 400 steps of a net of width 128 on digits, whose untrained kNN is near 0.9: no ratio of 1.3 is left
    with_parts, without = trained(parts=True), trained(parts=False)
    small, cut = (judged(extract(encoder, *SMALLEST)) for encoder in (with_parts, without))
    return (
        Figure(
            "kNN of the smallest part, over that of an encoder trained without parts",
            small / cut,
            above=1.3,
            baseline=judged(extract(untrained(), *SMALLEST)) / cut,
            said="untrained",
        ),
        Figure(
            "kNN of the smallest part, over the whole's",
            small / judged(with_parts),
            above=0.85,
            baseline=cut / judged(without),
            said="trained without parts",
        ),
    )


def untrained() -> Encoder:
    data = data_of(ArraySource(stripes(SEEN)[0], "image"), patch=4)
    return recipe("poa", data, SIZE, codes=64, local=0).objective.encoder


def trained(parts: bool) -> Encoder:
    """The student after 250 steps; the heads narrow, as the encoder is."""
    data = data_of(ArraySource(stripes(SEEN)[0], "image"), batch=32, patch=4)
    heads = {"prototypes": partial(prototypes, hidden=96, bottleneck=32)}
    made = recipe("poa", data, SIZE, codes=64, local=0, parts=heads)
    made.objective.teacher.momentum = cosine(0.98, 1.0)  # the paper's 0.992 is for a thousand times as many steps
    if not parts:
        made.objective.weights |= {"whole": 1.0, "part": 0.0, "same": 0.0, "spread_part": 0.0}
    return fit(made, STEPS, lr=LR).encoder


def judged(encoder: Encoder) -> float:
    pictures, kinds = stripes(HELD, seed=1)
    z, half = encode(encoder, Data(ArraySource(pictures, "image"), encoder.tokenizers), range(HELD), "mean"), HELD // 2
    return knn(z[:half], kinds[:half], z[half:], kinds[half:])


def stripes(count: int, seed: int = 0, side: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """([n, side, side], which of six directions): 1.5 to 4 waves at any phase, level and contrast."""
    r = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side - 0.5
    kind = r.integers(6, size=count)

    def draw(low: float, high: float) -> np.ndarray:
        return r.uniform(low, high, (count, 1, 1))

    angle = np.pi * kind[:, None, None] / 6 + draw(-0.12, 0.12)
    wave = np.sin(2 * np.pi * (draw(1.5, 4) * (np.cos(angle) * x + np.sin(angle) * y) + draw(0, 1)))
    picture = 128 + draw(-60, 60) + draw(15, 60) * wave + 8 * r.standard_normal((count, side, side))
    return picture.clip(0, 255).astype(np.uint8), kind


@torch.no_grad()
def extraction() -> tuple[Figure, ...]:
    """A part that is cut out, beside the part in place, and beside the paper's form: inputs scaled, weights as the student's."""
    encoder = untrained()
    tokens = collate(data_of(ArraySource(stripes(64)[0], "image"), patch=4), np.arange(64), Step(0, 1), 1).tokens["x"]
    cut = extract(encoder, *SMALLEST)
    said, place = cut(tokens).values, part(encoder, cut.shape)(tokens).values
    full = dict(encoder.named_modules())
    for name, module in cut.named_modules():
        if isinstance(module, nn.Linear):
            module.weight /= full[name].in_features / module.in_features
    unscaled = cut(tokens).values
    for name, module in cut.named_modules():
        if isinstance(module, nn.Linear):
            more = full[name].in_features / module.in_features
            module.register_forward_pre_hook(lambda _, x, more=more: (x[0] * more,))
    wrong = float((said - unscaled).abs().max())
    return (
        Figure("largest difference of the cut part and the part in place", float((said - place).abs().max()), below=1e-5,
               baseline=wrong, said="inputs not scaled"),
        Figure("and of the part whose inputs are scaled", float((said - cut(tokens).values).abs().max()), below=1e-5,
               baseline=wrong, said="inputs not scaled"),
    )  # fmt: skip
