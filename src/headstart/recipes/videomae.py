"""VideoMAE: most places of a clip are hidden at all times at once, so nothing can be copied from the frame before (Tong et
al., "VideoMAE: Masked Autoencoders are Data-Efficient Learners for Self-Supervised Video Pre-Training", 2022).

Hides: `ratio` of the places, each with all its rows along the first axis: a tube.
Predicts: the hidden rows, every channel of a row brought to mean 0 and variance 1.
Use when: neighbours along the first axis (time, depth, wavelength) are nearly copies, as in video, scans and spectra. With one
axis (text, plain series) there is no place to hide, and where no two rows share a place it is `mae`.
Mechanism: masked autoencoding under a mask that is the same in every slice; a high ratio makes up for the redundancy.
Differs from the paper in: a class token; three-axis positions (paper: one, along the order of rows); round(ratio * places)
places, at least one hidden and one kept (release: rounded down); no crops or flips; the learning rate is not scaled by
batch / 256. Loss and gradients equal transformers.VideoMAEForPreTraining to 1e-5, given its positions (tests).
Command: headstart pretrain clips/ recipe=videomae
Expected: of what is hidden nothing is visible at another time, light and colour do not move what is asked, and the error of
unseen clips is below 0.8 of the mean clip's; `python -m evidence run videomae`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..corrupt import Fill, Make, corrupt, drop, keep, random, tube
from ..errors import Mistake
from ..losses import mse
from ..nn.encoder import Model, encoder
from ..nn.heads import decoder
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Rng, warmup_cosine
from ..targets import Target, raw
from ..terms import masked
from ..tokens import Tokens, View, rows_where

MEANINGLESS = {
    "image": "a picture has no time, and its columns would be hidden from top to bottom: use mae",
    **dict.fromkeys(
        ("code", "table", "events", "molecule", "graph", "points", "splats", "document"),
        "no two rows share a place at several times, so this is random masking: use mae",
    ),
}
TIMED = ("music",)  # the place in a chord is none that is there at all times
PIXELS = ("image", "video", "volume")  # rows hold pixel after pixel, the channels of a pixel together


@dataclass(frozen=True)
class tubes:
    """A view without `ratio` of the places of each sample: a place is all coordinates but the first, and goes with all its rows.

    At least one place is hidden and one kept; where there is but one, nothing is hidden.
    """

    ratio: float
    fill: Fill = drop

    def __call__(self, tokens: Tokens, rng: Rng) -> View:
        spans = tokens.layout
        # two draws of 24 bits, so that two places of a sample practically never share a score
        score = tube(tokens, rng.fold("hide")).double() + 2.0**-24 * tube(tokens, rng.fold("more"))
        order = score.masked_fill(tokens.slot, -1).argsort(stable=True)
        order = order[spans.seg[order].argsort(stable=True)]  # by segment, slots first, then place by place
        ranked = score[order]
        new = (ranked != ranked.roll(1)) | (spans.place == spans.slots)
        number = (new & ~tokens.slot).long().cumsum(0)  # of the place, over all segments
        ends = number[spans.cu[1:].long() - 1]
        before = torch.cat([ends.new_zeros(1), ends[:-1]])
        places = ends - before
        hide = torch.minimum((self.ratio * places).round().long().clamp(min=1), (places - 1).clamp(min=0))
        gone = ~tokens.slot & (number - before[spans.seg] <= hide[spans.seg])
        mask = torch.zeros_like(gone).index_copy_(0, order, gone)
        counts = torch.zeros_like(ends).index_add_(0, spans.seg, mask.long())
        hidden = rows_where(mask, tuple(counts.tolist()))
        return View(self.fill(tokens, hidden, rng.fold("fill")), tokens, hidden)


def by_channel(channels: int) -> Target:
    """The payload with each channel of each row at mean 0 and standard deviation 1; rows hold pixel after pixel (section 3.3)."""

    def target(view: View, rows: Int[Tensor, "K"], scene: Scene) -> Float[Tensor, "K D"]:
        x = view.clean.values[rows].unflatten(1, (-1, channels))
        # unbiased, and the small number is added to the deviation, as in the released code
        return ((x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-6)).flatten(1)

    return target


def as_is(channels: int) -> Target:
    """The payload itself, whatever the channels."""
    return raw


SMALL = {"depth": 1, "optim.lr": 2e-3, "data.batch": 64}  # of its check on made-up data: docs/log.md, 2026-11-26
IDEAS = {
    "a place is hidden at all times": {"mask": partial(corrupt, random)},
    "nine places of ten are hidden": {"ratio": 0.5},
    "hidden rows are dropped": {"fill": keep},
    "each channel of a row is normalised": {"normal": as_is},
}


def videomae(
    data: Data,
    size: str | Model = "B",
    ratio: float = 0.9,
    depth: int = 4,
    mask: Callable[[float, Fill], Make] = tubes,
    fill: Fill = drop,
    normal: Callable[[int], Target] = by_channel,
) -> Recipe:
    """Hide `ratio` of the places at all times and restore them with a decoder of `depth` blocks, half as wide."""
    if len(data.only.axes) < 2 or data.only.kind in TIMED:
        raise Mistake(f"videomae hides places at all times, and rows of {data.only.kind} lie in time alone: use mae")
    enc = encoder(data.tokenizers, size)
    channels = data.only.channels if data.only.kind in PIXELS else 1  # type: ignore[attr-defined]
    head = decoder(enc.width, data.dim, depth, enc.width // 2, max(1, enc.shape.heads // 2))
    pixels = masked(target=normal(channels) if data.signal else raw, head=head, loss=mse)
    task = Objective(enc, views={"x": mask(ratio, fill)}, terms={"pixels": pixels})
    optim = AdamW(lr=warmup_cosine(1.5e-4, over=0.05), weight_decay=0.05)
    return Recipe(task, data, optim, steps=data.epochs(800))
