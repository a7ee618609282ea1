"""The nearest neighbours vote: what lies near each other should be alike (Wu et al. 2018; DINO, Caron et al. 2021, appendix).

Features are standardised by the bank (mean 0, variance 1), then compared by cosine similarity; the 20 nearest of the bank vote
with weight exp(similarity / 0.07). Quantities: the weighted mean of the same neighbours.
"""

from collections.abc import Iterator

import numpy as np

from . import Figure, Split, probe, standardise

NEIGHBOURS = 20
TEMPERATURE = 0.07


@probe(quick=True)
def knn(split: Split) -> Iterator[tuple[str, Figure]]:
    """knn, from all labels."""
    yield from split.judged("knn", nearest)


def nearest(bank: np.ndarray, bank_labels: np.ndarray, query: np.ndarray) -> np.ndarray:
    """[m]: the weighted vote of the nearest neighbours, or their mean. [n, D], [n], [m, D]."""
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
    return np.concatenate(prediction)
