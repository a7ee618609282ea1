"""Gradient-boosted trees, which tables are usually given to: what pre-training on a table has to beat.

scikit-learn's histogram gradient boosting, without early stopping, from all labels and from the few that the linear probe learns
from; classes count equally, as they are marked. Below 100 labels leaves are smaller than its 20 samples, of which it could
make none (docs/log.md, 2026-11-30).
"""

from collections.abc import Iterator

import numpy as np

from . import Figure, Split, probe


@probe(rival="boosted trees", kinds=("table",))
def trees(split: Split) -> Iterator[tuple[str, Figure]]:
    """trees from all labels, then trees-<n> for each of the label counts."""
    yield from split.some(1).judged("trees", boosted)
    for count in split.counts:
        yield from split.judged(f"trees-{count}", boosted, count)


def boosted(bank: np.ndarray, bank_labels: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Chances of the classes, [m, K], or quantities, [m]. [n, D], [n], [m, D]."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    said: np.ndarray
    leaf = max(2, min(20, len(bank) // 5))
    if bank_labels.dtype.kind == "f":
        model = HistGradientBoostingRegressor(random_state=0, early_stopping=False, min_samples_leaf=leaf)
        said = model.fit(bank, bank_labels).predict(query)
        return said
    if len(np.unique(bank_labels)) < 2:
        return np.ones((len(query), 1))
    model = HistGradientBoostingClassifier(
        random_state=0, early_stopping=False, min_samples_leaf=leaf, class_weight="balanced"
    )
    said = model.fit(bank, bank_labels).predict_proba(query)
    return said
