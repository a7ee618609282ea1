"""Histograms of oriented gradients (Dalal & Triggs 2005), and of colours: the outline of what is seen, and what it is made of.

Pictures are brought to a square of 32 or 64 pixels: 8 x 8 cells, in each nine orientations of edges weighed by their
strength, in blocks of 2 x 2 cells normalised together (L2-Hys), numbers as scikit-image makes them. Of a video the same for
a mean frame's, and for its slices in time (x-t and y-t), where a movement is an edge whose orientation is its speed.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, islice

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ..forms import Sample
from ..tokens import Tokenizer
from . import Vectors, dense, rival, spread

ORIENTATIONS, CELLS, BLOCK = 9, 8, 2
LEVELS = 4  # of a colour's three parts
FRAMES = 8  # of a video, evenly taken
TOGETHER = 64  # pictures of one shape at once


@rival("HOG and colours + linear", kinds=("image", "video"))
def hog(samples: Sequence[Sample], tokenizer: Tokenizer) -> Vectors:
    """HOG [1764] (of videos, three), colours [64] and the log of the sides' ratio. Learnt from samples: how large the
    square is."""
    some = [_frames(sample) for sample in spread(samples, 64)]
    side = 32 if np.median([max(x.shape[2:]) for x in some]) <= 48 else 64
    if tokenizer.kind == "video":
        return lambda asked: dense(_video(_frames(sample), side) for sample in asked)
    return lambda asked: dense(chain.from_iterable(_images(each, side) for each in _alike(map(_frames, asked))))


def _alike(frames: Iterable[Tensor]) -> Iterator[Tensor]:
    """Pictures that follow each other and have one shape, as stacks [B, C, H, W]."""
    for _, each in groupby(frames, key=lambda x: x.shape):
        while some := list(islice(each, TOGETHER)):
            yield torch.cat(some)


def oriented(pictures: Float[Tensor, "B C H W"], cells: int = CELLS) -> Float[Tensor, "B F"]:
    """HOG of pictures whose sides are multiples of `cells`, [(cells - 1)^2 * 4 * 9] numbers each: where channels differ, the
    strongest gradient counts."""
    x = pictures.double()
    gy, gx = torch.zeros_like(x), torch.zeros_like(x)
    gy[:, :, 1:-1] = x[:, :, 2:] - x[:, :, :-2]
    gx[..., 1:-1] = x[..., 2:] - x[..., :-2]
    strength, channel = torch.hypot(gy, gx).max(1, keepdim=True)
    angle = torch.rad2deg(torch.atan2(gy.gather(1, channel), gx.gather(1, channel))) % 180
    which = (angle / (180 / ORIENTATIONS)).long().clamp(max=ORIENTATIONS - 1)
    votes = torch.zeros(len(x), ORIENTATIONS, *x.shape[2:], dtype=x.dtype).scatter_(1, which, strength)
    cell = F.avg_pool2d(votes, (x.shape[2] // cells, x.shape[3] // cells))
    blocks = cell.unfold(2, BLOCK, 1).unfold(3, BLOCK, 1)  # [B, 9, n, n, 2, 2]
    blocks = blocks.permute(0, 2, 3, 4, 5, 1).flatten(3)
    for most in (0.2, 1.0):  # L2-Hys: normalised, clipped, normalised again
        blocks = (blocks / (blocks.square().sum(-1, keepdim=True) + 1e-10).sqrt()).clamp(max=most)
    return blocks.flatten(1)


def _frames(sample: Sample) -> Float[Tensor, "T C H W"]:
    """A picture as one frame, a video as all, shares of their range."""
    x = torch.from_numpy(np.ascontiguousarray(sample))
    full = {torch.uint8: 255.0, torch.uint16: 65_535.0}.get(x.dtype, 1.0)
    return (x if x.ndim == 4 else x[None]).double().nan_to_num(0, 0, 0) / full


def _square(pictures: Tensor, side: int) -> Float[Tensor, "B C side side"]:
    if pictures.shape[2:] == (side, side):
        return pictures
    return F.interpolate(pictures, (side, side), mode="bilinear", antialias=True, align_corners=False)


def _colours(pictures: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 64"]:
    """Square roots of the shares of 64 colours, or of 64 greys."""
    if pictures.shape[1] == 3:
        level = (pictures.clamp(0, 1 - 1e-6) * LEVELS).long()
        index = (level[:, 0] * LEVELS + level[:, 1]) * LEVELS + level[:, 2]
    else:
        index = (pictures.clamp(0, 1 - 1e-6) * LEVELS**3).long()
    index = index.flatten(1)
    counts = torch.zeros(len(index), LEVELS**3).scatter_add_(1, index, torch.ones(index.shape))
    return (counts / index.shape[1]).sqrt()


def _images(pictures: Float[Tensor, "B C H W"], side: int) -> Float[np.ndarray, "B F"]:
    ratio = torch.full((len(pictures), 1), float(np.log(pictures.shape[3] / pictures.shape[2])))
    return torch.cat([oriented(_square(pictures, side)), _colours(pictures), ratio], 1).numpy()


def _video(frames: Tensor, side: int) -> np.ndarray:
    few = frames[np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)]
    still = oriented(_square(few, side)).mean(0)
    over_x = oriented(_square(frames.permute(2, 1, 0, 3), side)).mean(0)  # [H, C, T, W]
    over_y = oriented(_square(frames.permute(3, 1, 0, 2), side)).mean(0)
    ratio = torch.tensor([np.log(frames.shape[3] / frames.shape[2])])
    return torch.cat([still, over_x, over_y, _colours(few).square().mean(0).sqrt(), ratio]).numpy()
