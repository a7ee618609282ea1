"""Which sample goes where: pure functions of (seed, position). There is no loader state to save.

Position p of training is sample p % n of epoch p // n, and every epoch is its own keyed permutation: random access, no
memory, the same order whatever the number of ranks.
"""

import numpy as np

from ...errors import Mistake

_GOLDEN = 0x9E3779B97F4A7C15
_WORD = 2**64 - 1


def _mix(x: np.ndarray, key: int) -> np.ndarray:
    """splitmix64 (Steele et al. 2014): one well-mixed 64-bit word per input."""
    with np.errstate(over="ignore"):
        x = x + np.uint64(key * _GOLDEN & _WORD)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def shuffled(index: np.ndarray, n: int, key: int) -> np.ndarray:
    """Places `index` of a keyed permutation of range(n): a four-round Feistel network, walked back into range."""
    half = max(1, (int(n - 1).bit_length() + 1) // 2)
    low = np.uint64((1 << half) - 1)
    x = np.asarray(index, np.uint64).copy()
    todo = np.ones(x.shape, bool)
    while todo.any():
        left, right = x[todo] >> np.uint64(half), x[todo] & low
        for turn in range(4):
            left, right = right, left ^ (_mix(right, (key * 4 + turn + 1) & _WORD) & low)
        x[todo] = (left << np.uint64(half)) | right
        todo &= x >= np.uint64(n)
    return x.astype(np.int64)


def samples(step: int, batch: int, n: int, seed: int, rank: int = 0, world: int = 1) -> np.ndarray:
    """The samples of this rank at this step; all ranks together take `batch`, the same ones for every `world`."""
    if batch % world:
        raise Mistake(f"a batch of {batch} samples does not divide among {world} processes: change data.batch")
    share = batch // world
    place = np.arange(step * batch + rank * share, step * batch + (rank + 1) * share)
    out = np.empty(share, np.int64)
    for epoch in np.unique(place // n):
        mine = place // n == epoch
        out[mine] = shuffled(place[mine] % n, n, seed * 1_000_003 + int(epoch))
    return out
