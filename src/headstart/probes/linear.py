"""A linear map from few labels: how plainly the features say what is asked.

Multinomial logistic regression on standardised features, at fixed label counts drawn per class in equal numbers; the L2 strength
(scikit-learn's C) is chosen among 0.001, 0.01 and 0.1 by 3-fold cross-validation within those labels; mean and standard deviation
over 3 draws of labels. Quantities: a ridge regression from labels drawn at random, its strength chosen by leave-one-out error.
"""

import warnings
from collections.abc import Iterator

import numpy as np

from . import Figure, Split, agreement, few, probe, standardise

STRENGTHS = (1e-3, 1e-2, 1e-1)
RIDGES = (1.0, 10.0, 100.0, 1e3, 1e4)
DRAWS = 3


@probe()
def linear(split: Split) -> Iterator[tuple[str, Figure]]:
    """linear-<n> for each of the label counts."""
    for count in split.counts:
        each = list(draws(split.bank, split.have, split.query, split.want, count))
        yield split.named(f"linear-{count}"), split.figure(each)


def draws(
    bank: np.ndarray, bank_labels: np.ndarray, query: np.ndarray, query_labels: np.ndarray, count: int
) -> Iterator[float]:
    """Accuracy of a logistic regression (R2 of a ridge regression) from `count` labels, for each of the draws of labels."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from threadpoolctl import threadpool_limits

    for draw in range(DRAWS):
        chosen = few(bank_labels, count, np.random.default_rng(draw))
        x, y = bank[chosen], bank_labels[chosen]
        x, z = standardise(x, query)
        if y.dtype.kind == "f":
            with threadpool_limits(1):
                prediction = RidgeCV(RIDGES).fit(x, y).predict(z)
            yield agreement(prediction, query_labels)
            continue
        folds = min(3, int(np.bincount(np.unique(y, return_inverse=True)[1]).min()))
        model = LogisticRegression(C=STRENGTHS[1], tol=1e-2, max_iter=200)
        with warnings.catch_warnings(), threadpool_limits(1):  # one thread: 15 times faster than two, docs/log.md
            warnings.simplefilter("ignore", ConvergenceWarning)  # where 200 iterations stop decides nothing here
            if folds >= 2:
                split = StratifiedKFold(folds, shuffle=True, random_state=0)
                model = GridSearchCV(model, {"C": STRENGTHS}, cv=split)
            model.fit(x, y)
        yield agreement(model.predict(z), query_labels)
