"""A linear map from few labels: how plainly the features say what is asked.

Multinomial logistic regression on standardised features, at fixed label counts drawn per class in equal numbers; the L2 strength
(scikit-learn's C) is chosen among 0.001, 0.01 and 0.1 by 3-fold cross-validation within those labels. Quantities: a ridge
regression from labels drawn at random, its strength chosen by leave-one-out error.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from . import Figure, Split, probe, standardise

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator
    from sklearn.model_selection import StratifiedKFold

STRENGTHS = (1e-3, 1e-2, 1e-1)
RIDGES = (1.0, 10.0, 100.0, 1e3, 1e4)
SHARES = ((1.0, 0.1), (1.0, 0.3), (1.0, 1.0), (0.3, 1.0), (0.1, 1.0))  # how loud each of two blocks of features is


@probe()
def linear(split: Split) -> Iterator[tuple[str, Figure]]:
    """linear-<n> for each of the label counts."""
    for count in split.counts:
        yield from split.judged(f"linear-{count}", fitted, count)


def fitted(bank: np.ndarray, bank_labels: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Chances of the classes by a logistic regression, [m, K], or what a ridge regression says, [m]. [n, D], [n], [m, D];
    sparse ones are taken as they are."""
    from scipy import sparse

    return _answered(*((bank, query) if sparse.issparse(bank) else standardise(bank, query)), bank_labels)


def blended(bank: np.ndarray, bank_labels: np.ndarray, query: np.ndarray, first: int) -> np.ndarray:
    """As `fitted`, of features in two blocks, of which the first has so many columns; the labels say how loud each is.

    One strength for all columns lets a thousand that say little drown others (banded ridge: Dupré la Tour et al., "Feature-space
    selection with banded ridge regression", 2022). Chosen among five shares as the strength is, then the strength.
    """
    x, z = standardise(bank, query)
    block = np.arange(x.shape[1]) >= first

    def scaled(share: tuple[float, float]) -> np.ndarray:
        return np.where(block, share[1], share[0]).astype(x.dtype)

    if len(np.unique(bank_labels)) < 2:
        return _answered(x, z, bank_labels)
    scores = {share: _score(x * scaled(share), bank_labels) for share in SHARES}
    best = scaled(max(SHARES, key=lambda share: scores[share]))
    return _answered(x * best, z * best, bank_labels)


def _score(x: np.ndarray, labels: np.ndarray) -> float:
    """How well labels are told by others of those learnt from."""
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import cross_val_score

    if labels.dtype.kind == "f":
        with _quietly():
            return float(RidgeCV(RIDGES).fit(x, labels).best_score_)
    folds = _folds(labels)
    if folds < 2:
        return 0.0
    with _quietly():
        return float(np.mean(cross_val_score(_logistic(), x, labels, cv=_split(folds))))


def _answered(x: np.ndarray, z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What is said of z by a model of the strength that is best among x."""
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import GridSearchCV

    if labels.dtype.kind == "f":
        with _quietly():
            said: np.ndarray = RidgeCV(RIDGES).fit(x, labels).predict(z)
        return said
    if len(np.unique(labels)) < 2:
        return np.ones((z.shape[0], 1))
    folds, model = _folds(labels), _logistic()
    if folds >= 2 and len(STRENGTHS) > 1:
        model = GridSearchCV(model, {"C": STRENGTHS}, cv=_split(folds))
    with _quietly():
        chances: np.ndarray = model.fit(x, labels).predict_proba(z)
    return chances


def _folds(labels: np.ndarray) -> int:
    return min(3, int(np.bincount(np.unique(labels, return_inverse=True)[1]).min()))


def _split(folds: int) -> "StratifiedKFold":
    from sklearn.model_selection import StratifiedKFold

    return StratifiedKFold(folds, shuffle=True, random_state=0)


def _logistic() -> "BaseEstimator":
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=STRENGTHS[len(STRENGTHS) // 2], tol=1e-2, max_iter=200)


@contextmanager
def _quietly() -> Iterator[None]:
    """One thread, which is 15 times faster than two (docs/log.md); and where 200 iterations stop decides nothing here."""
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
