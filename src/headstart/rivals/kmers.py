"""k-mers of a protein: which residues, pairs and triples of neighbours it has, as shares (spectrum kernel, Leslie et al.
2002)."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from ..forms import Sample
from ..tokenizers.protein import RESIDUES
from ..tokens import Tokenizer
from . import Matrix, Vectors, factor, rival, spread

LONGEST = 3
_CODE = np.full(128, len(RESIDUES), np.int64)  # what is none of the twenty is one letter more
_CODE[[ord(c) for c in RESIDUES]] = np.arange(len(RESIDUES))


@rival("k-mers + linear", kinds=("protein",))
def kmers(samples: Sequence[Sample], tokenizer: Tokenizer) -> Vectors:
    """[n, 9724]: square roots of the shares of k-mers for k = 1, 2, 3, each k as much as the others, and the log length."""
    scale = factor(_counted(spread(samples, 1000)))
    return lambda asked: _counted(asked) * np.float32(scale)


def _counted(chains: Sequence[str]) -> Matrix:
    letters = len(RESIDUES) + 1
    starts = np.cumsum([0, *(letters**k for k in range(1, LONGEST + 1))])
    at, values, rows = [], [], []
    for row, chain in enumerate(chains):
        x = _CODE[np.frombuffer(chain.encode("ascii", "replace"), np.uint8)]
        word = np.zeros(len(x), np.int64)
        for k in range(1, LONGEST + 1):
            word = word[: max(0, len(x) - k + 1)] * letters + x[k - 1 :]
            found, count = np.unique(word, return_counts=True)
            at.append(starts[k - 1] + found)
            values.append(np.sqrt(count / max(1, count.sum())))
            rows.append(np.full(len(found), row))
        at.append(starts[-1:])
        values.append(np.log1p([len(x)]) / 10)
        rows.append(np.array([row]))
    shape = (len(chains), int(starts[-1]) + 1)
    where = np.concatenate(rows), np.concatenate(at)
    return sparse.csr_matrix((np.concatenate(values).astype(np.float32), where), shape)
