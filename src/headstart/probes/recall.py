"""Parts find each other: how often a sample's other part is among the 1 or 5 nearest of all, the mean of both directions.

What lies equally near is in an order of chance: vectors that are all alike find each other as often as chance does, and a vector
that is not finite finds nothing.
"""

from collections.abc import Iterator

import numpy as np

from . import Figure, Sides, figure, probe

AT = (1, 5)
TIED = 1e-6  # differences of cosines that are rounding


@probe(of="pairs", quick=True)
def recall(sides: Sides) -> Iterator[tuple[str, Figure]]:
    """recall-1 and recall-5."""
    n = len(sides.a)
    for k, found in zip(AT, shares(sides.a, sides.b), strict=True):
        if k > 1 and n <= k:  # everything is found among so few
            continue
        value = float(found.mean())
        yield f"recall-{k}", figure(value, (found - value) / n, chance=min(1.0, k / n))


def shares(a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    """[n], for 1 and for 5: how surely each is found, of unit vectors [n, D] and [n, D] of which those at one place belong
    together."""
    similarity = a @ b.T
    right = np.diagonal(similarity)
    found = [_found(similarity, right[:, None], 1), _found(similarity, right[None], 0)]
    return [np.mean([np.clip((k - nearer) / tied, 0, 1) for nearer, tied in found], axis=0) for k in AT]


def _found(similarity: np.ndarray, right: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """(how many lie nearer than the right one, how many as near as it, with itself) [n]; a NaN lies nearer than all others."""
    nearer = (~(similarity <= right + TIED)).sum(axis)
    return nearer, np.maximum(1, (similarity >= right - TIED).sum(axis) - (similarity > right + TIED).sum(axis))
