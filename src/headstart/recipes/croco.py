"""CroCo: nine tenths of one view of a scene are restored with a second view at hand (Weinzaepfel et al., "CroCo:
Self-Supervised Pre-training for 3D Vision Tasks by Cross-View Completion", 2022).

Hides: 90 % of the rows of the first view; the second is seen whole.
Predicts: the hidden rows, signals normalised row by row, by a decoder that also attends to the second view.
Use when: samples come as two views of one thing (two cameras, two moments, two sensors) and what you need is how they
correspond. Without pairs two crops of each sample are taken; then it learns to find a part in another, and a method for
single samples (mae) is the safer choice. Not when the two views have little in common: the few visible rows would do all.
Mechanism: what is missing is in the other view, but elsewhere, so the network must find out how the two views lie.
Differs from the paper in: a class token (paper: none); each part of a pair has its own way in (paper: one for both), the
encoder's blocks are shared; without pairs, two crops of one sample stand for
the two photographs, with their own light (paper: crops of two photographs); a warm-up of 10 % of training; the learning
rate is not scaled by batch / 256; rows that are no signal are restored as they are, ids by cross-entropy. This is version 1,
with fixed positions (version 2: rotary ones).
Command: headstart pretrain pairs/ recipe=croco   (files of equal names: left/a.png and right/a.png)
Expected: nothing of hidden rows is seen, and they hang on the second view of their own scene; of held-out crops of photographs
they are restored at most 0.7 times as wrong as with another scene's: `python -m evidence run croco`.
"""

from ..augment import Looks, two_crops
from ..augment.views import Views
from ..corrupt import Fill, Make, clean, corrupt, drop, keep, other_sample, random
from ..forms import Sample
from ..losses import mse
from ..nn.crossing import cross_decoder
from ..nn.encoder import Model, encoder
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import Rng, warmup_cosine
from ..targets import normalised, raw
from ..terms import masked

SAME = "the second crop holds the same rows at the same places, so that what is hidden can be looked up"
MEANINGLESS = {
    "table": "a second crop of a table's row holds the same cells under the same columns, so what is hidden can be looked up",
    "multispectral": SAME,
    "document": SAME,
    "events": SAME,
    "trajectory": SAME,
}
SMALL = {"depth": 1, "optim.lr": 4e-3, "data.batch": 32}  # of its check on made-up data: docs/log.md, 2026-11-26


def same_crop(look: Looks, rng: Rng) -> dict[str, list[Sample]]:
    """One crop under both names: what takes out that the views differ."""
    crop = look.crop(rng.fold("a"), (0.4, 1.0))
    return {"a": [crop], "b": [crop]}


CROPS: Views = two_crops()
IDEAS = {
    "a second view of the same scene": {"second": corrupt(random, 1.0, fill=other_sample)},
    "the two views differ": {"crops": same_crop},
    "nine tenths are hidden": {"ratio": 0.5},
    "hidden rows are taken out": {"fill": keep},
}


def croco(
    data: Data,
    size: str | Model = "B",
    ratio: float = 0.9,
    depth: int = 8,
    crops: Views = CROPS,
    second: Make = clean,
    fill: Fill = drop,
) -> Recipe:
    """Drop `ratio` of the rows of view a and restore them from the rest and view b, with a decoder of `depth` blocks."""
    data, a, b = two_views(data, crops)
    enc, first = encoder(data.tokenizers, size), next(iter(data.tokenizers.values()))
    head = cross_decoder(enc.width, first.dim, depth)
    restore = masked(head, target=normalised if first.signal else raw, loss=mse, view="a", context="b")
    views = {"a": (a, corrupt(random, ratio, fill)), "b": (b, second)}
    task = Objective(enc, views=views, terms={"restore": restore})
    return Recipe(task, data, AdamW(lr=warmup_cosine(1.5e-4), weight_decay=0.05), steps=data.epochs(400))


def two_views(data: Data, crops: Views) -> tuple[Data, str, str]:
    """The data, and the names of its two views: the parts of a pair, or two crops of each sample."""
    if len(data.tokenizers) == 1:
        return data.with_views(crops), "a", "b"
    return data.whole(), *data.pair
