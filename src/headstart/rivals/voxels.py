"""Scans and fields in numbers: how bright they are (a histogram, and one of edges), and what remains of them at 8 x 8 x 8."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from ..forms import Sample
from ..tokens import Tokenizer
from . import Vectors, dense, rival, spread

BINS, SIDE = 32, 8


@rival("histogram and small volume + linear", kinds=("volume", "field"))
def voxels(samples: Sequence[Sample], tokenizer: Tokenizer) -> Vectors:
    """[n, C * (2 * 32 + 512 + 2)]: by channel shares of brightness and of edges' strength (as square roots), where each bin
    holds as much of the samples as the others; the small volume; mean and spread. Density of a field as log(1 +
    density)."""
    some = [_values(sample) for sample in spread(samples, 64)]
    at = np.linspace(0, 1, BINS + 1)[1:-1]
    bins = [(_ends([x[c] for x in some], at), _ends([_edges(x[c]) for x in some], at)) for c in range(len(some[0]))]

    def vector(sample: Sample) -> np.ndarray:
        x = _values(sample)
        small = F.adaptive_avg_pool3d(torch.from_numpy(x)[None], SIDE)[0].numpy().ravel()
        shares = []
        for one, (of_values, of_edges) in zip(x, bins, strict=True):
            shares += [_shares(one, of_values), _shares(_edges(one), of_edges)]
        return np.concatenate([*shares, small, x.mean((1, 2, 3)), x.std((1, 2, 3))])

    return lambda asked: dense(map(vector, asked))


def _values(sample: Sample) -> np.ndarray:
    """[C, D, H, W] float64."""
    x = np.nan_to_num(np.asarray(sample, np.float64))
    return x if len(x) != 4 else np.concatenate([x[:3], np.log1p(np.maximum(x[3:], 0))])


def _edges(x: np.ndarray) -> np.ndarray:
    """[n] how much the brightness changes from a voxel to the next along each axis there is."""
    steps = [np.diff(x, axis=i) ** 2 for i in range(3)]
    d, h, w = (max(1, n - 1) for n in x.shape)
    return np.sqrt(sum(s[:d, :h, :w] for s in steps if s.size) + np.zeros((d, h, w))).ravel()


def _ends(values: list[np.ndarray], at: np.ndarray) -> np.ndarray:
    """Where bins end: quantiles of a part of these values, each once."""
    flat = [v.ravel()[:: max(1, v.size // 20_000)] for v in values]
    return np.unique(np.quantile(np.concatenate(flat), at))


def _shares(values: np.ndarray, ends: np.ndarray) -> np.ndarray:
    return np.sqrt(np.bincount(np.searchsorted(ends, values.ravel()), minlength=len(ends) + 1) / values.size)
