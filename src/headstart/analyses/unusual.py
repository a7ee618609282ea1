"""How unusual a sample is to an encoder: its mean distance to its nearest neighbours, relative to that of these neighbours.

A simple form of the local outlier factor (Breunig et al. 2000): what is far from all in a dense place stands out, and what lies
in a sparse place among its like does not. The score is about 1 for what is as near to others as its neighbours are.
benchmarks/outliers.py compares it with the plain distance and the full factor.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from ..probes import standardise
from .neighbours import Queries, Vectors, nearest

NEIGHBOURS = 20
ROWS = 1024  # whose distances are computed at a time


@dataclass(frozen=True)
class Unusual:
    """score: [n], 1 is usual. share: [n], of the normal samples (or of these themselves) that score at least as high.

    index, distance: the nearest of the normal samples to each, nearest first."""

    score: Float[np.ndarray, "n"]
    share: Float[np.ndarray, "n"]
    index: Int[np.ndarray, "n k"]
    distance: Float[np.ndarray, "n k"]


def unusual(
    z: Vectors,
    normal: Queries | None = None,
    k: int = NEIGHBOURS,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Unusual:
    """The scores of vectors among themselves, or against those of normal samples; distances are of standardised vectors."""
    bank, query = standardise(z if normal is None else normal, z)
    near, far = _distances(bank, bank, k, True, device, None if normal is not None else progress)
    typical = far.mean(1)
    every = _relative(typical, near, typical)
    if normal is None:
        return Unusual(every, _shares(every, every), near, far)
    index, distance = _distances(bank, query, k, False, device, progress)
    score = _relative(distance.mean(1), index, typical)
    return Unusual(score, _shares(score, every), index, distance)


def _distances(
    bank: Vectors,
    query: Queries,
    k: int,
    own: bool,
    device: torch.device | str,
    progress: Callable[[int, int], None] | None,
) -> tuple[Int[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
    """(places in the bank, distances) of the k nearest, by Euclid.

    The nearest has the largest q·b - |b|²/2, which is an inner product of vectors with one more number.
    """
    longer = np.concatenate([bank, (bank**2).sum(1, keepdims=True)], 1)
    asked = np.concatenate([query, np.full((len(query), 1), -0.5, np.float32)], 1)
    index = nearest(longer, asked, k, np.arange(len(bank)) if own else None, device, progress).index
    parts = [
        np.linalg.norm(query[i : i + ROWS, None] - bank[index[i : i + ROWS]], axis=2)
        for i in range(0, len(query), ROWS)
    ]
    distance = np.concatenate(parts)
    order = np.argsort(distance, 1, kind="stable")
    return np.take_along_axis(index, order, 1), np.take_along_axis(distance, order, 1)


def _relative(
    own: Float[np.ndarray, "n"], index: Int[np.ndarray, "n k"], typical: Float[np.ndarray, "m"]
) -> Float[np.ndarray, "n"]:
    """1 where there is no distance on either side: a sample among copies of itself is as usual as they are."""
    floor = 1e-6 * max(float(typical.mean()), 1e-12)
    return (own + floor) / (typical[index].mean(1) + floor)


def _shares(score: Float[np.ndarray, "n"], among: Float[np.ndarray, "m"]) -> Float[np.ndarray, "n"]:
    """Of those `among`, the share that scores at least as high."""
    return (1 - np.searchsorted(np.sort(among), score, side="left") / len(among)).astype(np.float32)
