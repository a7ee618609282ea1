"""Labelled samples, divided into those that are learnt from and those by which settings are chosen."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..data.feeding.prepare import Prepared
from ..scoring.masked import Masked
from .beside import Beside
from .task import Task

HELD = 0.2  # share of the labelled samples that chooses
TRIES = 32  # orders of groups, of which the one is taken whose held share is most like the whole


@dataclass(frozen=True)
class Material:
    """Labels [n, ...] of the samples `at` of a source, as the task wants them; of these n, `rest` are learnt from and `held`
    choose. notes: what was settled, in lines for people. masked: of a segmentation, the masks that the labels are of. beside:
    rivals on the samples that choose, of which this is said."""

    source: Prepared
    at: np.ndarray
    labels: np.ndarray
    task: Task
    rest: np.ndarray
    held: np.ndarray
    notes: list[str]
    masked: Masked | None = None
    beside: Callable[[np.ndarray], Beside] | None = None


def held_out(labels: np.ndarray, groups: np.ndarray | None, share: float = HELD, seed: int = 0) -> np.ndarray:
    """Which of n samples choose, as numbers in order: of every class about the same share, and groups never divided.

    labels: [n], classes or quantities, or [n, K] of several at once. groups: [n], samples of one number hang together.
    """
    rng = np.random.default_rng(seed)
    if groups is not None and len(np.unique(groups)) < len(groups):
        return _by_group(labels, groups, share, rng)
    if labels.dtype.kind == "f" or labels.ndim > 1:
        return np.sort(rng.permutation(len(labels))[: max(1, round(share * len(labels)))])
    parts = [rng.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)]
    # a class of two has one on each side; of one alone nothing can be judged
    return np.sort(np.concatenate([p[: max(round(share * len(p)), int(len(p) > 1))] for p in parts]))


def _by_group(labels: np.ndarray, groups: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Whole groups, of several draws the one that is most like a stratified one."""
    names, at = np.unique(groups, return_inverse=True)
    sizes = np.bincount(at)
    whole = _table(labels)  # [n, C]
    per_group = np.stack([np.bincount(at, column, len(names)) for column in whole.T], 1)  # [G, C]
    most, n = per_group.sum(0), len(labels)
    best, least = np.zeros(len(names), bool), np.inf
    for _ in range(TRIES):
        order = rng.permutation(len(names))
        taken = np.zeros(len(names), bool)
        taken[order[np.cumsum(sizes[order]) <= max(share * n, sizes[order[0]])]] = True
        if taken.all():
            taken[order[-1]] = False
        got = per_group[taken].sum(0)
        # no class is to be missing among those that are learnt from, and if that can be, among those that judge
        far = np.abs(got - share * most).sum() + 10 * n * (got >= most).sum() + n * (got == 0).sum()
        if far < least:
            best, least = taken, far
    return np.flatnonzero(best[at])


def _table(labels: np.ndarray) -> np.ndarray:
    """[n, C] of ones and zeros: which class, or which fifth of the quantities."""
    if labels.ndim > 1:
        return labels.astype(np.float64)
    if labels.dtype.kind == "f":
        labels = np.searchsorted(np.quantile(labels, (0.2, 0.4, 0.6, 0.8)), labels)
    return (labels[:, None] == np.unique(labels)).astype(np.float64)
