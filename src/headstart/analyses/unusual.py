"""How unusual a sample is to an encoder: the local outlier factor (Breunig et al. 2000) of its vector.

How much sparser it is around a sample than around its nearest neighbours: about 1 for what lies among its like, in a dense place
or in a sparse one. Distances are of standardised vectors, by Euclid. benchmarks/nearness.py compares it with the plain distance.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from ..probes import standardise
from .neighbours import Queries, Vectors, nearest

NEIGHBOURS = 20
SPARE = 8  # neighbours that rounding may have put in the wrong order
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
    edge = far[:, -1]
    room = _room(near, far, edge)
    every = _factor(room, near, room)
    if normal is None:
        return Unusual(every, _shares(every, every), near, far)
    index, distance = _distances(bank, query, k, False, device, progress)
    score = _factor(_room(index, distance, edge), index, room)
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

    The nearest has the largest q·b - |b|²/2, which is an inner product of vectors with one more number. It is rounded, so the
    distances of a few more are computed.
    """
    longer = np.concatenate([bank, (bank**2).sum(1, keepdims=True)], 1)
    asked = np.concatenate([query, np.full((len(query), 1), -0.5, np.float32)], 1)
    index = nearest(longer, asked, k + SPARE, np.arange(len(bank)) if own else None, device, progress).index
    parts = [
        np.linalg.norm(query[i : i + ROWS, None] - bank[index[i : i + ROWS]], axis=2)
        for i in range(0, len(query), ROWS)
    ]
    distance = np.concatenate(parts)
    order = np.argsort(distance, 1, kind="stable")[:, :k]
    return np.take_along_axis(index, order, 1), np.take_along_axis(distance, order, 1)


def _room(
    index: Int[np.ndarray, "n k"], distance: Float[np.ndarray, "n k"], edge: Float[np.ndarray, "m"]
) -> Float[np.ndarray, "n"]:
    """How far it is to the neighbours on average, none counted nearer than its own k-th neighbour is (reachability distance)."""
    return np.maximum(distance, edge[index]).mean(1)


def _factor(
    own: Float[np.ndarray, "n"], index: Int[np.ndarray, "n k"], room: Float[np.ndarray, "m"]
) -> Float[np.ndarray, "n"]:
    """1 where there is no distance on either side: a sample among copies of itself is as usual as they are."""
    floor = 1e-6 * max(float(room.mean()), 1e-12)
    return ((own + floor) / (room + floor)[index].T).mean(0)


def _shares(score: Float[np.ndarray, "n"], among: Float[np.ndarray, "m"]) -> Float[np.ndarray, "n"]:
    """Of those `among`, the share that scores at least as high."""
    return (1 - np.searchsorted(np.sort(among), score, side="left") / len(among)).astype(np.float32)
