"""Naive Bayes with one variance for each feature: a linear map that is soon as good as it gets (Zheng et al. 2023).

Every class is a Gaussian without correlations; variances are pooled, each class counting by how many it has, plus 1e-9; the
score is log prior - 1/2 sum (x - mean)^2 / variance. Below three labels in a class there is no variance worth the name, and
no figure. Closed form; moments add up (Chan et al. 1979), so data may come in pieces.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import Mistake
from . import Figure, Split, probe

LEAST = 3  # labels of a class
SMALLEST = 1e-9  # is added to a variance


@probe(asked=True)
def bayes(split: Split) -> Iterator[tuple[str, Figure]]:
    """bayes from all labels, then bayes-<n> for each of the label counts, where every class has three or more."""
    if split.quantity:
        return
    classes = len(np.unique(split.y))
    least = min(np.unique(split.y[learn], return_counts=True)[1].min() for turns in split.rounds for learn, _ in turns)
    if least >= LEAST:
        yield from split.judged("bayes", gaussian)
    for count in split.counts:
        if min(int(least), count // classes) >= LEAST:
            yield from split.judged(f"bayes-{count}", gaussian, count)


@dataclass(frozen=True)
class Moments:
    """Of each class [K], ascending: how many [K], the mean [K, D] and the sum of squared distances from it [K, D], float64."""

    classes: np.ndarray
    counts: np.ndarray
    means: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, labels: np.ndarray) -> "Moments":
        classes, at = np.unique(labels, return_inverse=True)
        each = [vectors[at == k].astype(np.float64) for k in range(len(classes))]
        means = np.stack([x.mean(0) for x in each])
        squares = np.stack([((x - mean) ** 2).sum(0) for x, mean in zip(each, means, strict=True)])
        return cls(classes, np.bincount(at), means, squares)

    def __add__(self, other: "Moments") -> "Moments":
        """What both have seen."""
        classes = np.union1d(self.classes, other.classes)
        (n, mean, square), (m, mean_, square_) = (one._among(classes) for one in (self, other))
        off, total = mean_ - mean, n + m
        share = (m / total)[:, None]
        return Moments(classes, total, mean + off * share, square + square_ + off**2 * share * n[:, None])

    def _among(self, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same for more classes, of which nothing was seen."""
        at = np.searchsorted(classes, self.classes)
        out = tuple(np.zeros((len(classes), *x.shape[1:]), x.dtype) for x in (self.counts, self.means, self.squares))
        for new, x in zip(out, (self.counts, self.means, self.squares), strict=True):
            new[at] = x
        return out[0], out[1], out[2]

    def chances(self, vectors: np.ndarray) -> np.ndarray:
        """[m, K] that a vector is of each class."""
        if self.counts.min() < LEAST:
            few = self.classes[self.counts.argmin()]
            raise Mistake(
                f"naive Bayes needs {LEAST} labels of every class, and class {few} has {self.counts.min()}: give more"
            )
        variance = self.squares.sum(0) / self.counts.sum() + SMALLEST  # weighted by how many each class has
        z, means = vectors / np.sqrt(variance), self.means / np.sqrt(variance)
        score = np.log(self.counts / self.counts.sum()) + z @ means.T - 0.5 * (means**2).sum(1)
        score = np.exp(score - score.max(1, keepdims=True))
        chances: np.ndarray = score / score.sum(1, keepdims=True)
        return chances


def gaussian(bank: np.ndarray, bank_labels: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Chances of the classes, [m, K]. [n, D], [n], [m, D]."""
    middle = bank.mean(0, dtype=np.float64)  # a shift changes nothing but rounding
    return Moments.of(bank - middle, bank_labels).chances(query - middle)
