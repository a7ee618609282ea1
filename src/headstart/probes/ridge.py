"""Classes by ridge regression on -1 and 1, its strength chosen by leave-one-out error: what random convolutions are given to.

It has a closed form, so it is exact and quick where features are many and labels few (Dempster et al. 2021 take it for
MiniRocket). Quantities are the linear probe's own ridge regression already.
"""

from collections.abc import Iterator

import numpy as np

from . import Figure, Split, probe, standardise

STRENGTHS = np.logspace(-1, 5, 7)


@probe(asked=True)
def ridge(split: Split) -> Iterator[tuple[str, Figure]]:
    """ridge-<n> for each of the label counts."""
    if split.quantity:
        return
    for count in split.counts:
        yield from split.judged(f"ridge-{count}", regressed, count)


def regressed(bank: np.ndarray, bank_labels: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Scores of the classes between 0 and 1, [m, K]. [n, D], [n], [m, D]."""
    from sklearn.linear_model import RidgeClassifierCV
    from threadpoolctl import threadpool_limits

    if len(np.unique(bank_labels)) < 2:
        return np.ones((len(query), 1))
    bank, query = standardise(bank, query)
    with threadpool_limits(1):
        said = RidgeClassifierCV(STRENGTHS).fit(bank, bank_labels).decision_function(query).astype(np.float64)
    said = said if said.ndim == 2 else np.stack([-said, said], 1)
    return 1 / (1 + np.exp(-2 * said))
