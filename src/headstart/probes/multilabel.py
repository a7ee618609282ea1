"""Any number of classes for each sample: a yes or no for each, each told by a linear map of its own.

Labels such as "rash; fever" are lists. For every class there is a logistic regression against all others, as in `linear`, and
what it says ranks the judges; the area under the curve of precision by recall is the mean, over those that have the class, of the
precision among all that rank as high (scikit-learn's average precision). The figure is its mean over the classes that some of
the judges have and some have not; by chance it is their mean share. What each judge moves it is its derivative by the
judge's weight.
"""

from collections.abc import Iterator

import numpy as np

from . import Figure, Lists, Split, probe
from .linear import fitted

ROUNDS = 2  # of cross-validation: each is a fit for every class


@probe(of="lists", asked=True)
def multilabel(given: Lists) -> Iterator[tuple[str, Figure]]:
    """multilabel-<n>-mAP for each of the label counts."""
    split = given.split.some(ROUNDS)
    want = given.table[split.judges]
    told = (want.max(0) > 0) & (want.min(0) < 1)
    if not told.any():
        return
    table, want = given.table[:, told], want[:, told]
    for count in split.counts:
        answers = np.stack(list(_answers(split, table, count)))
        figure = split.marked(lambda said: precision(said, want), answers, float(want.mean()), min(count, split.learnt))
        yield f"multilabel-{count}-mAP", figure


def _answers(split: Split, table: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """[m, K] for each round and draw of labels: how likely each class is of each judge."""
    few = count < split.learnt
    for number, turns in enumerate(split.rounds):
        for draw in range(split.draws if few and len(split.rounds) == 1 else 1):
            out = np.zeros((len(split.judges), table.shape[1]))
            for learn, judge in turns:
                chosen = np.random.default_rng(draw + number).permutation(learn)[:count] if few else learn
                out[np.searchsorted(split.judges, judge)] = each(split.x[chosen], table[chosen], split.x[judge])
            yield out


def each(bank: np.ndarray, table: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Chances [m, K] of each class by a logistic regression against all others; of a class that all or none have, 1 or 0.
    [n, D], [n, K] of ones and zeros, [m, D]."""
    both = (table.max(0) > 0) & (table.min(0) < 1)
    said = np.tile(table[:1].astype(np.float64), (len(query), 1))
    for k in np.flatnonzero(both):
        said[:, k] = fitted(bank, table[:, k], query)[:, 1]
    return said


def precision(said: np.ndarray, want: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean average precision, and what each judge moves it, [m]. said, want: [m, K], scores and ones or zeros, of classes
    that some have and some have not."""
    columns = [_average(score, there > 0) for score, there in zip(said.T, want.T, strict=True)]
    return float(np.mean([value for value, _ in columns])), np.mean([moves for _, moves in columns], 0)


def _average(score: np.ndarray, there: np.ndarray) -> tuple[float, np.ndarray]:
    """The average precision of one class, and its derivative by the weight of each judge."""
    _, at, sizes = np.unique(-score, return_inverse=True, return_counts=True)
    above = np.cumsum(sizes)[at]  # how many rank as high as each, itself among them
    share = np.cumsum(np.bincount(at, there, len(sizes)))[at] / above
    value = float(share[there].mean())
    # a judge that ranks as high as one that has the class moves its precision
    below = [
        np.bincount(at, np.where(there, x, 0.0), len(sizes))[::-1].cumsum()[::-1][at]
        for x in (1 / above, share / above)
    ]
    return value, (there * (share - value + below[0]) - below[1]) / there.sum()
