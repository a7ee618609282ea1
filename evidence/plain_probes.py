"""The probes of the package, as plain numbers: what the rows of the ledger were measured with."""

import warnings
from collections.abc import Iterator

import numpy as np

from headstart.probes import DRAWS, agreement, few, standardise
from headstart.probes.knn import NEIGHBOURS, TEMPERATURE
from headstart.probes.linear import RIDGES, STRENGTHS


def vote(bank: np.ndarray, bank_labels: np.ndarray, query: np.ndarray, query_labels: np.ndarray) -> float:
    """Accuracy of the weighted vote of the nearest neighbours, or R2 of their mean. [n, D], [n], [m, D], [m]."""
    bank, query = standardise(bank, query)
    bank, query = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (bank, query))
    classes, votes_for = np.unique(bank_labels, return_inverse=True)
    quantity = bank_labels.dtype.kind == "f"
    k, prediction = min(NEIGHBOURS, len(bank)), []
    for start in range(0, len(query), 1024):
        similarity = query[start : start + 1024] @ bank.T
        neighbours = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        weight = np.exp(np.take_along_axis(similarity, neighbours, 1) / TEMPERATURE)
        if quantity:
            prediction.append((weight * bank_labels[neighbours]).sum(1) / weight.sum(1))
            continue
        votes = np.zeros((len(neighbours), len(classes)))
        for place in range(k):
            np.add.at(votes, (np.arange(len(neighbours)), votes_for[neighbours[:, place]]), weight[:, place])
        prediction.append(classes[votes.argmax(1)])
    return agreement(np.concatenate(prediction), query_labels)


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
