"""Gradient-boosted trees, which tables are usually given to: what pre-training on a table has to beat.

scikit-learn's histogram gradient boosting as it comes, without early stopping. From all labels they stand in the column of the
neighbours, which have them all, too; from few in that of the linear probe, from the same labels.
"""

from collections.abc import Iterator

import numpy as np

from . import Figure, Split, agreement, few, probe
from .linear import DRAWS


@probe(rival="boosted trees", kinds=("table",))
def trees(split: Split) -> Iterator[tuple[str, Figure]]:
    """knn from all labels, then linear-<n> for each of the label counts."""
    sides = (split.bank, split.have, split.query, split.want)
    yield split.named("knn"), split.figure(list(draws(*sides)))
    for count in split.counts:
        yield split.named(f"linear-{count}"), split.figure(list(draws(*sides, count)))


def draws(
    bank: np.ndarray, bank_labels: np.ndarray, query: np.ndarray, query_labels: np.ndarray, count: int | None = None
) -> Iterator[float]:
    """Accuracy (R2) of trees from all labels, or from the `count` that `linear` learns from, for each of its draws."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if bank_labels.dtype.kind == "f" else HistGradientBoostingClassifier
    for draw in range(DRAWS if count else 1):
        chosen = few(bank_labels, count or len(bank_labels), np.random.default_rng(draw))
        model = kind(random_state=0, early_stopping=False).fit(bank[chosen], bank_labels[chosen])
        yield agreement(model.predict(query), query_labels)
