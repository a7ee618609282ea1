"""Samples of the same class are found by likeness alone, without any learning: what image search is judged by.

Features are standardised by the bank and compared by cosine similarity, as by `knn`. Each judge asks the bank: is the nearest
of its class (`retrieval-1`, precision at 1), is any of the ten nearest (`retrieval-10`, recall at 10 as in metric learning,
Oh Song et al. 2016), and how early do all of its class come (`retrieval-mAP`, the mean over judges of the average precision,
as in Radenovic et al. 2018). Nearness that is equal is in an order of chance, and a vector that is not finite is far from all.
"""

from collections.abc import Iterator

import numpy as np

from . import Figure, Split, probe, standardise
from ._marking import share

ASKED, BANK = 1_000, 4_000  # that ask, and that are asked, at most
TEN = 10


@probe(asked=True)
def retrieval(split: Split) -> Iterator[tuple[str, Figure]]:
    """retrieval-1, retrieval-10 and retrieval-mAP; quantities have no classes and so no figure."""
    if split.quantity:
        return
    rng = np.random.default_rng(0)
    ask = np.sort(rng.permutation(split.judges)[:ASKED])
    found = np.zeros((len(split.rounds), 3, len(split.y)))
    chance = np.zeros((len(split.rounds), len(split.y)))
    for number, turns in enumerate(split.rounds):
        for learn, judge in turns:
            at, bank = np.intersect1d(judge, ask), rng.permutation(learn)[:BANK]
            found[number, :, at] = ranked(split.x[bank], split.y[bank], split.x[at], split.y[at]).T
            chance[number, at] = (split.y[at][:, None] == split.y[bank]).mean(1)
    by_luck = chance[:, ask].mean()
    lucky = {"1": by_luck, "10": (1 - (1 - chance[:, ask]) ** TEN).mean(), "mAP": by_luck}
    among = split.among(ask)
    for place, (name, luck) in enumerate(lucky.items()):
        each = found[:, place, ask]
        yield f"retrieval-{name}", among.marked(share, each, float(luck))


def ranked(bank: np.ndarray, have: np.ndarray, query: np.ndarray, want: np.ndarray) -> np.ndarray:
    """[3, m]: of each query 1 where the nearest is of its class, 1 where one of the ten nearest is, and the average precision.

    [n, D] in an order of chance, [n], [m, D], [m]. A class that the bank lacks is found nowhere.
    """
    bank, query = standardise(bank, query)
    bank, query = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (bank, query))
    out = np.zeros((3, len(query)))
    for start in range(0, len(query), 256):
        part = slice(start, start + 256)
        near = np.nan_to_num(query[part] @ bank.T, nan=-2.0).round(6)
        right = have[np.argsort(-near, axis=1, kind="stable")] == want[part, None]
        precision = right.cumsum(1) / np.arange(1, len(bank) + 1)
        out[:, part] = right[:, 0], right[:, :TEN].any(1), (precision * right).sum(1) / np.maximum(1, right.sum(1))
    return out
