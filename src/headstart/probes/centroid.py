"""The nearest of the class means, the floor of everything that learns classes one after another (Janson et al. 2022).

Features are brought to length 1, a class is the mean of its features (not brought to length 1 again, as in the authors'
code), and the nearest mean answers. Sums and counts are all that is kept, so classes may come in any order, and come back.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from . import Figure, Split, probe


@probe(asked=True)
def centroid(split: Split) -> Iterator[tuple[str, Figure]]:
    """centroid from all labels, then centroid-<n> for each of the label counts; quantities have no classes and so no figure."""
    if split.quantity:
        return
    yield from split.judged("centroid", nearest_mean)
    for count in split.counts:
        yield from split.judged(f"centroid-{count}", nearest_mean, count)


@dataclass(frozen=True)
class Means:
    """Of each class [K], ascending: the sum of its features [K, D] float64, and how many there were [K]."""

    classes: np.ndarray
    sums: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, labels: np.ndarray) -> "Means":
        classes, at = np.unique(labels, return_inverse=True)
        sums = np.zeros((len(classes), vectors.shape[1]))
        np.add.at(sums, at, _unit(vectors))
        return cls(classes, sums, np.bincount(at))

    def __add__(self, other: "Means") -> "Means":
        """What both have seen."""
        classes, at = np.unique(np.concatenate([self.classes, other.classes]), return_inverse=True)
        sums = np.zeros((len(classes), self.sums.shape[1]))
        np.add.at(sums, at, np.concatenate([self.sums, other.sums]))
        return Means(classes, sums, np.bincount(at, np.concatenate([self.counts, other.counts])).astype(np.int64))

    def nearness(self, vectors: np.ndarray) -> np.ndarray:
        """[m, K] in 0..1: 1 less a quarter of the squared distance, which is at most 2."""
        means, z = self.sums / self.counts[:, None], _unit(vectors)
        far = (z**2).sum(1)[:, None] - 2 * z @ means.T + (means**2).sum(1)
        return (1 - far / 4).clip(0, 1)


def nearest_mean(bank: np.ndarray, bank_labels: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Nearness to the mean of each class, [m, K]. [n, D], [n], [m, D]."""
    return Means.of(bank, bank_labels).nearness(query)


def _unit(vectors: np.ndarray) -> np.ndarray:
    z = vectors.astype(np.float64)
    return z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
