"""Parts find each other: how often a sample's other part is among the 1 or 5 nearest of all, the mean of both directions."""

from collections.abc import Iterator

import numpy as np

from . import Figure, Split, probe, share_error

AT = (1, 5)


@probe(of="pairs", quick=True)
def recall(split: Split) -> Iterator[tuple[str, Figure]]:
    """recall-1 and recall-5."""
    n = len(split.query)
    for k, value in zip(AT, shares(split.bank, split.query), strict=True):
        yield f"recall-{k}", Figure(value, share_error(value, n), n, min(1.0, k / n))


def shares(a: np.ndarray, b: np.ndarray) -> list[float]:
    """Recall at 1 and 5 of unit vectors [n, D] and [n, D] of which those at one place belong together."""
    similarity = a @ b.T
    right = np.diagonal(similarity)
    ranks = [(similarity > right[:, None]).sum(1), (similarity > right[None]).sum(0)]
    return [float(np.mean([(rank < k).mean() for rank in ranks])) for k in AT]
