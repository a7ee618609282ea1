"""Vectors in two dimensions, to look at, and how far what is seen there can be trusted.

Standardised vectors go through PCA to at most 50 directions, then t-SNE (van der Maaten & Hinton 2008) begins where PCA's first
two put them. Near on the map is mostly near in truth; how far apart groups lie, and how large they are, means nothing.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Float, Int
from threadpoolctl import threadpool_limits

from .neighbours import Vectors, directions

DIRECTIONS, PERPLEXITY = 50, 30.0
LEAST = 12  # vectors below which t-SNE says no more than PCA
NEAR = 10  # neighbours by which a map is judged
CLUSTERS, JUDGES = range(2, 11), 1000  # numbers of clusters that are tried, and vectors that judge between them


@dataclass(frozen=True)
class Map:
    """at: [n, 2], within -1 to 1. method: how they were placed. trust: trustworthiness (Venna & Kaski 2001), 1 where all who are
    near on the map are near in truth, about 0.5 where places are drawn by lot; None of too few vectors."""

    at: Float[np.ndarray, "n 2"]
    method: str
    trust: float | None

    def said(self) -> str:
        """What may be read off it, in a sentence."""
        if self.trust is None:
            return f"{self.method} of {len(self.at)} samples: too few to say whether it can be trusted"
        if self.trust > 0.9:
            reading = (
                "who is near on the map is near to the encoder; distances between groups, and their sizes, mean nothing"
            )
        elif self.trust > 0.75:
            reading = "some who are near on the map are not near to the encoder: look them up with headstart neighbours"
        else:
            reading = "hardly anything on it can be trusted"
        return f"{self.method}, trustworthiness {self.trust:.3f} of 1: {reading}"


def mapped(z: Vectors, seed: int = 0) -> Map:
    """Vectors on a map; equal seeds give equal maps. One thread: several would add up in another order every time."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE, trustworthiness

    x = directions(z, z)[0]
    count, low = len(x), min(DIRECTIONS, len(x), x.shape[1])
    if not np.ptp(x, 0).any() or count < 3:
        return Map(np.zeros((count, 2), np.float32), "all in one place", None)
    with threadpool_limits(1):
        flat = PCA(low, random_state=seed, svd_solver="full" if low == min(x.shape) else "randomized").fit_transform(x)
        at, method = np.pad(flat[:, :2], ((0, 0), (0, max(0, 2 - low)))), "PCA"
        if count >= LEAST:
            perplexity = min(PERPLEXITY, (count - 1) / 3)
            at = TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(flat)
            method = "t-SNE after PCA"
        trust = float(trustworthiness(x, at, n_neighbors=NEAR)) if count > 2 * NEAR else None
    middle = (at.max(0) + at.min(0)) / 2
    scaled = (at - middle) / max(float(np.abs(at - middle).max()), 1e-12)
    return Map(scaled.astype(np.float32), method, trust)


def clusters(z: Vectors, seed: int = 0) -> Int[np.ndarray, "n"]:
    """Which group each vector belongs to, the largest first: k-means, with as many groups as the silhouette likes best."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    x = directions(z, z)[0]
    distinct = len(np.unique(x.round(4), axis=0))
    if len(x) < LEAST or distinct < 3:
        return np.zeros(len(x), np.int64)
    some = np.sort(np.random.default_rng(seed).permutation(len(x))[:JUDGES])
    best, groups = -1.0, np.zeros(len(x), np.int64)
    with threadpool_limits(1):
        for count in CLUSTERS:
            if count >= min(distinct, len(some)):
                break
            made = KMeans(count, n_init=3, random_state=seed).fit(x[some])
            mark = cast(float, silhouette_score(x[some], made.labels_)) if len(np.unique(made.labels_)) > 1 else -1.0
            if mark > best:
                best, groups = mark, made.predict(x).astype(np.int64)
    order = np.argsort(-np.bincount(groups), kind="stable")
    return np.argsort(order)[groups]
