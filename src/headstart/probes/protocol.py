"""The frozen protocol: how a set of vectors is scored against labels. Raw input and any encoder are treated alike.

Version 1.
  knn      features standardised by the bank (mean 0, variance 1), then cosine similarity; the 20 nearest of the bank vote
           with weight exp(similarity / 0.07) (Wu et al. 2018; DINO, appendix).
  linear   multinomial logistic regression on standardised features, at fixed label counts drawn per class in equal
           numbers; the L2 strength (scikit-learn's C) is chosen among 0.001, 0.01 and 0.1 by 3-fold cross-validation
           within those labels; mean and standard deviation over 3 draws of labels.
Where labels are quantities, both give R2 (1 - squared error / variance of the queries): knn the same neighbours' weighted mean,
linear a ridge regression from labels drawn at random, its strength chosen by leave-one-out error. Trees are scikit-learn's
histogram gradient boosting as it comes, without early stopping. Scored on samples that neither saw.
"""

import warnings
from collections.abc import Iterator

import numpy as np

VERSION = 1
NEIGHBOURS = 20
TEMPERATURE = 0.07
STRENGTHS = (1e-3, 1e-2, 1e-1)
RIDGES = (1.0, 10.0, 100.0, 1e3, 1e4)
DRAWS = 3


def standardise(bank: np.ndarray, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both brought to the bank's mean 0 and variance 1, fp32; constant features become 0."""
    mean, std = bank.mean(0, dtype=np.float64), bank.std(0, dtype=np.float64)
    scale = np.where(std > 1e-6 * max(1e-12, float(std.max(initial=0))), 1 / np.maximum(std, 1e-12), 0)
    return ((bank - mean) * scale).astype(np.float32), ((query - mean) * scale).astype(np.float32)


def knn(bank: np.ndarray, bank_labels: np.ndarray, query: np.ndarray, query_labels: np.ndarray) -> float:
    """Accuracy of the weighted vote of the nearest neighbours, or R2 of their mean. [n, D], [n], [m, D], [m]."""
    bank, query = standardise(bank, query)
    bank, query = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (bank, query))
    classes, votes_for = np.unique(bank_labels, return_inverse=True)
    quantity = bank_labels.dtype.kind == "f"
    k, said = min(NEIGHBOURS, len(bank)), []
    for start in range(0, len(query), 1024):
        similarity = query[start : start + 1024] @ bank.T
        near = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        weight = np.exp(np.take_along_axis(similarity, near, 1) / TEMPERATURE)
        if quantity:
            said.append((weight * bank_labels[near]).sum(1) / weight.sum(1))
            continue
        votes = np.zeros((len(near), len(classes)))
        for place in range(k):
            np.add.at(votes, (np.arange(len(near)), votes_for[near[:, place]]), weight[:, place])
        said.append(classes[votes.argmax(1)])
    return agreement(np.concatenate(said), query_labels)


def agreement(said: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy of classes, R2 of quantities."""
    if labels.dtype.kind != "f":
        return float((said == labels).mean())
    labels = labels.astype(np.float64)
    return float(1 - ((said - labels) ** 2).mean() / max(float(labels.var()), 1e-12))


def few(labels: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` indices, the same number from every class as far as the classes go; of quantities any."""
    if labels.dtype.kind == "f":
        return rng.permutation(len(labels))[:count]
    pools = [rng.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)]
    turns = [pool[i] for i in range(max(map(len, pools))) for pool in pools if i < len(pool)]
    return np.array(turns[:count])


def linear(
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
                said = RidgeCV(RIDGES).fit(x, y).predict(z)
            yield agreement(said, query_labels)
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


def trees(
    bank: np.ndarray, bank_labels: np.ndarray, query: np.ndarray, query_labels: np.ndarray, count: int | None = None
) -> Iterator[float]:
    """Gradient-boosted trees from all labels, or from the `count` that `linear` learns from, for each of its draws."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if bank_labels.dtype.kind == "f" else HistGradientBoostingClassifier
    for draw in range(DRAWS if count else 1):
        chosen = few(bank_labels, count or len(bank_labels), np.random.default_rng(draw))
        model = kind(random_state=0, early_stopping=False).fit(bank[chosen], bank_labels[chosen])
        yield agreement(model.predict(query), query_labels)
