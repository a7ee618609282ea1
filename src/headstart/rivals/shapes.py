"""The shape of a cloud of points in some histograms: distances between points drawn by lot (D2), angles between three of them
(A3) and distances from the middle (D1) (Osada et al. 2002), the extents, and how long, flat and round it is."""

from collections.abc import Sequence

import numpy as np

from ..forms import Sample
from ..tokens import Tokenizer
from . import Vectors, dense, rival, spread

DRAWN, BINS = 8_192, 64
HEIGHTS = 16


@rival("shape distributions + linear", kinds=("points", "splats"))
def shapes(samples: Sequence[Sample], tokenizer: Tokenizer) -> Vectors:
    """[n, F]. Learnt from samples: up to which distance and between which heights the histograms go."""
    some = [sample.astype(np.float64) for sample in spread(samples, 256)]
    far = float(np.quantile([np.quantile(_apart(x[:, :3]), 0.99) for x in some], 0.95)) or 1.0
    low, high = np.quantile(np.concatenate([x[:, 2] for x in some]), (0.01, 0.99))
    ends = far, float(low), float(max(high, low + 1e-9 * far))
    return lambda asked: dense(_shape(sample.astype(np.float64), *ends) for sample in asked)


def _shape(cloud: np.ndarray, far: float, low: float, high: float) -> np.ndarray:
    points, rest = cloud[:, :3], cloud[:, 3:]
    middle = points.mean(0)
    off = points - middle
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(off.T @ off / len(points))[::-1], 0))
    upright = np.sqrt((off**2).mean(0))
    long, between, thin = spread / max(spread[0], 1e-12)
    extents = np.ptp(points, axis=0)
    parts = [
        *(_shares(_apart(points), 0, far), _shares(np.linalg.norm(off, axis=1), 0, far)),
        *(_shares(_angles(points), 0, np.pi), _shares(points[:, 2], low, high, HEIGHTS)),
        *(extents, np.sort(extents), extents / max(extents.max(), 1e-12), spread, upright, middle),
        [long - between, between - thin, thin, np.log(len(points))],
        *(rest.mean(0), rest.std(0)),
        *(np.quantile(rest, (0.1, 0.5, 0.9), 0) if rest.shape[1] else ()),
    ]
    return np.concatenate(parts)


def _apart(points: np.ndarray) -> np.ndarray:
    """Distances of pairs, the same ones in every cloud of this size."""
    a, b = np.random.default_rng(0).integers(len(points), size=(2, DRAWN))
    return np.linalg.norm(points[a] - points[b], axis=1)


def _angles(points: np.ndarray) -> np.ndarray:
    a, b, c = np.random.default_rng(1).integers(len(points), size=(3, DRAWN))
    first, second = points[a] - points[b], points[c] - points[b]
    size = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.arccos(((first * second).sum(1)[size > 0] / size[size > 0]).clip(-1, 1))


def _shares(x: np.ndarray, low: float, high: float, bins: int = BINS) -> np.ndarray:
    """Square roots of shares; what lies beyond is in the last ones."""
    return np.sqrt(np.histogram(x.clip(low, high), bins, (low, high))[0] / max(1, len(x)))
