"""How vectors lie, without any label: how evenly, in how many directions, how near two looks at a sample, how like another's.

Uniformity and alignment as Wang & Isola (2020) have them, of vectors at length 1: less is better of both, and each alone is
cheap (vectors that are all alike are perfectly aligned). LiDAR (Thilak et al. 2023) is the effective rank of what tells
samples apart measured in what tells looks at one sample apart, so directions of mere noise do not count. CKA (Kornblith et al.
2019) is 1 for vectors that are a rotation and a scale apart.
"""

import numpy as np
from jaxtyping import Float

from .neighbours import Queries, Vectors

SHARPNESS = 2.0  # t of the uniformity
SMALLEST = 1e-4  # is added to the covariance of looks, delta of LiDAR
LEADING = 10  # directions in which a sample is held against its class


def alignment(a: Vectors, b: Vectors) -> float:
    """The mean squared distance between the unit vectors of two looks at the same samples: 0 to 4."""
    return float(((_unit(a) - _unit(b)) ** 2).sum(1).mean())


def uniformity(z: Vectors) -> float:
    """The logarithm of the mean of exp(-2 squared distance) over pairs of unit vectors: 0 if all are alike, down to near -4."""
    unit = _unit(z)
    first, second = np.triu_indices(len(z), 1)
    far = np.clip(2 - 2 * (unit @ unit.T)[first, second], 0, None)
    return float(np.log(np.exp(-SHARPNESS * far).mean()))


def effective_rank(values: Float[np.ndarray, "D"]) -> float:
    """The exponential of the entropy of shares (Roy & Vetterli 2007): of singular values as in RankMe, of variances."""
    share = np.clip(values, 0, None) / max(float(np.clip(values, 0, None).sum()), 1e-12)
    return float(np.exp(-(share * np.log(share + 1e-12)).sum())) if share.sum() > 0.5 else 1.0


def spectrum(z: Vectors) -> Float[np.ndarray, "D"]:
    """The variance along each principal direction, the largest first."""
    x = z.astype(np.float64)
    values: np.ndarray = np.linalg.svd(x - x.mean(0), compute_uv=False) ** 2 / len(x)
    return values


def directions_for(variance: Float[np.ndarray, "D"], share: float = 0.9) -> int:
    """How many principal directions hold this share of the variance."""
    return int((variance.cumsum() < share * variance.sum()).sum()) + 1


def lidar(looks: Float[np.ndarray, "n q D"]) -> float:
    """The effective rank of W^-1/2 B W^-1/2: B the covariance of the samples' means, W the mean covariance of the q looks at a
    sample, plus 1e-4. At most the smaller of D and n - 1."""
    x = looks.astype(np.float64)
    means = x.mean(1)
    off, apart = (x - means[:, None]).reshape(-1, x.shape[2]), means - means.mean(0)
    within = off.T @ off / (len(x) * (x.shape[1] - 1)) + SMALLEST * np.eye(x.shape[2])
    between = apart.T @ apart / (len(x) - 1)
    values, vectors = np.linalg.eigh(within)
    white = vectors / np.sqrt(values)
    return effective_rank(np.linalg.eigvalsh(white.T @ between @ white))


def cka(a: Vectors, b: Float[np.ndarray, "n E"]) -> float:
    """Linear centred kernel alignment of two sets of vectors of the same samples, 0 to 1; 0 where one is all alike."""
    x, y = (z.astype(np.float64) - z.mean(0, dtype=np.float64) for z in (a, b))
    scale = float(np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    return float((np.linalg.norm(x.T @ y) ** 2) / scale) if scale > 1e-12 else 0.0


def misfits(z: Vectors, labels: np.ndarray) -> Float[np.ndarray, "n"]:
    """How much farther each lies from the mean of its class than from the nearest other's, along the leading principal
    directions: above 0 it looks like another class. labels: [n], at least two classes."""
    x = z.astype(np.float64) - z.mean(0, dtype=np.float64)
    _, _, lead = np.linalg.svd(x, full_matrices=False)
    low = x @ lead[:LEADING].T
    classes, at = np.unique(labels, return_inverse=True)
    means = np.stack([low[at == k].mean(0) for k in range(len(classes))])
    far = np.sqrt(_squared(low, means))
    own = far[np.arange(len(far)), at].copy()
    far[np.arange(len(far)), at] = np.inf
    return own - far.min(1)


def _squared(x: Queries, y: Vectors) -> Float[np.ndarray, "m n"]:
    return np.clip((x**2).sum(1)[:, None] - 2 * x @ y.T + (y**2).sum(1), 0, None)


def _unit(z: Vectors) -> Vectors:
    x = z.astype(np.float64)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
