"""A linear map from few labels: how plainly the features say what is asked.

Multinomial logistic regression on standardised features, at fixed label counts drawn per class in equal numbers; the L2 strength
(scikit-learn's C) is chosen among 0.001, 0.01 and 0.1 by 3-fold cross-validation within those labels. Quantities: a ridge
regression from labels drawn at random, its strength chosen by leave-one-out error.
"""

import warnings
from collections.abc import Iterator

import numpy as np

from . import Figure, Split, probe, standardise

STRENGTHS = (1e-3, 1e-2, 1e-1)
RIDGES = (1.0, 10.0, 100.0, 1e3, 1e4)


@probe()
def linear(split: Split) -> Iterator[tuple[str, Figure]]:
    """linear-<n> for each of the label counts."""
    for count in split.counts:
        yield from split.judged(f"linear-{count}", fitted, count)


def fitted(bank: np.ndarray, bank_labels: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Chances of the classes by a logistic regression, [m, K], or what a ridge regression says, [m]. [n, D], [n], [m, D];
    sparse ones are taken as they are."""
    from scipy import sparse
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from threadpoolctl import threadpool_limits

    x, z = (bank, query) if sparse.issparse(bank) else standardise(bank, query)
    if bank_labels.dtype.kind == "f":
        with threadpool_limits(1):
            said: np.ndarray = RidgeCV(RIDGES).fit(x, bank_labels).predict(z)
        return said
    if len(np.unique(bank_labels)) < 2:
        return np.ones((len(z), 1))
    folds = min(3, int(np.bincount(np.unique(bank_labels, return_inverse=True)[1]).min()))
    model = LogisticRegression(C=STRENGTHS[len(STRENGTHS) // 2], tol=1e-2, max_iter=200)
    with warnings.catch_warnings(), threadpool_limits(1):  # one thread: 15 times faster than two, docs/log.md
        warnings.simplefilter("ignore", ConvergenceWarning)  # where 200 iterations stop decides nothing here
        if folds >= 2 and len(STRENGTHS) > 1:
            split = StratifiedKFold(folds, shuffle=True, random_state=0)
            model = GridSearchCV(model, {"C": STRENGTHS}, cv=split)
        model.fit(x, bank_labels)
    chances: np.ndarray = model.predict_proba(z)
    return chances
