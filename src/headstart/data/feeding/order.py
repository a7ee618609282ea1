"""Which sample goes where: pure functions of (seed, position). There is no loader state to save.

Training is a row of places, `batch` of them a step. In the plain order place p is sample p % n of epoch p // n, and every
epoch is its own keyed permutation: random access, no memory, the same order whatever the number of ranks. Other orders are
made of the same permutations; what they look up is built once, and a step looks up its own places only.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np

from ...errors import Mistake
from ...step import Schedule, Step, at, ramp

_GOLDEN = 0x9E3779B97F4A7C15
_WORD = 2**64 - 1
GROWING = ramp(0.2, 1.0, over=0.8)  # share of the samples that a curriculum draws from
_DRAWN = 2**40  # beyond the keys of epochs


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


def _in_epochs(place: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Places of training as places in range(n), each once an epoch."""
    out = np.empty(len(place), np.int64)
    for epoch in np.unique(place // n):
        mine = place // n == epoch
        out[mine] = shuffled(place[mine] % n, n, seed * 1_000_003 + int(epoch))
    return out


@runtime_checkable
class Order(Protocol):
    """Which of n samples fills a place of training. Pure in (seed, place, step), so that nothing is saved, any number of
    processes takes the same samples, and a resumed run goes on as it would have. A sample that comes twice in a batch meets the
    same chance both times."""

    def __call__(self, place: np.ndarray, step: Step, n: int) -> np.ndarray:
        """[K] sample numbers for these places, [K], all of one step."""
        ...

    def epoch(self, n: int) -> int:
        """How many places make an epoch."""
        ...

    def among(self, kept: np.ndarray) -> "Order":
        """The order of these samples alone, numbered anew."""
        ...


@dataclass(frozen=True)
class Uniform:
    """Every sample once an epoch."""

    def __call__(self, place: np.ndarray, step: Step, n: int) -> np.ndarray:
        return _in_epochs(place, n, step.seed)

    def epoch(self, n: int) -> int:
        return n

    def among(self, kept: np.ndarray) -> "Uniform":
        return self


uniform = Uniform()


@dataclass(frozen=True, eq=False)
class Weighted:
    """Samples as often as their weights say: of m with a weight, sample i comes m * w_i / sum(w) times an epoch, up or down to a
    whole number by chance (systematic sampling). Those of weight 0 never come."""

    weights: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", np.asarray(self.weights, np.float64))  # a list will do
        if not (np.isfinite(self.weights).all() and (self.weights >= 0).all() and self.weights.any()):
            raise Mistake("weights of an order are 0 or more, and not all are 0")

    @cached_property
    def _shares(self) -> "_Shares":
        return _Shares.of(self.weights, np.arange(len(self.weights)))

    def __call__(self, place: np.ndarray, step: Step, n: int) -> np.ndarray:
        _fits(self.weights, n, "weights")
        return self._shares.drawn(place, step.seed)

    def epoch(self, n: int) -> int:
        return len(self._shares.there)

    def among(self, kept: np.ndarray) -> "Weighted":
        return Weighted(self.weights[kept])


@dataclass(frozen=True, eq=False)
class Balanced:
    """Every class equally often, in each epoch to within one, and so the samples of a class; those without a label never come."""

    labels: np.ndarray  # int64, -1 unknown

    def __post_init__(self) -> None:
        if self.labels.dtype.kind == "f":
            raise Mistake("a balanced order takes classes, and these labels are quantities: use weights instead")
        if not (self.labels >= 0).any():
            raise Mistake("a balanced order takes classes, and no sample has a label")

    @cached_property
    def _shares(self) -> "_Shares":
        counts = np.bincount(self.labels[self.labels >= 0])
        weights = np.where(self.labels >= 0, 1 / np.maximum(counts, 1)[self.labels], 0.0)
        return _Shares.of(weights, np.argsort(self.labels, kind="stable"))

    def __call__(self, place: np.ndarray, step: Step, n: int) -> np.ndarray:
        _fits(self.labels, n, "labels")
        return self._shares.drawn(place, step.seed)

    def epoch(self, n: int) -> int:
        return len(self._shares.there)

    def among(self, kept: np.ndarray) -> "Balanced":
        return Balanced(self.labels[kept])


@dataclass(frozen=True, eq=False)
class _Shares:
    """Samples one after another, and what share of all draws falls on those up to each. Made once."""

    there: np.ndarray
    upto: np.ndarray

    @classmethod
    def of(cls, weights: np.ndarray, along: np.ndarray) -> "_Shares":
        """along: all samples; any stretch of them comes as often as its weights say, up or down to a whole number."""
        there = along[weights[along] > 0]
        upto = np.cumsum(weights[there], dtype=np.float64)
        return cls(there, upto / upto[-1])

    def drawn(self, place: np.ndarray, seed: int) -> np.ndarray:
        m = len(self.there)
        start = _unit(place // m, seed)  # one for each epoch, whose places lie 1 / m apart from there
        at = np.searchsorted(self.upto, (_in_epochs(place, m, seed) + start) / m, side="right")
        return self.there[np.minimum(at, m - 1)]  # m - 1 + start may round up to m


@dataclass(frozen=True, eq=False)
class Curriculum:
    """Easy samples first: at every step any of the `share` with the lowest scores, a share that grows (Bengio et al. 2009).

    While it grows every step draws for itself; when all samples have their turn, every one comes once an epoch.
    """

    scores: np.ndarray  # how hard a sample is
    share: Schedule = GROWING

    @cached_property
    def _easy(self) -> np.ndarray:
        return _ranked(self.scores)

    def __call__(self, place: np.ndarray, step: Step, n: int) -> np.ndarray:
        _fits(self.scores, n, "scores")
        many = min(n, max(1, math.ceil(at(self.share, step) * n)))
        if many == n:
            return self._easy[_in_epochs(place, n, step.seed)]
        # not by epochs of `many`: their length would change under way, and some samples would come again and again
        return self._easy[shuffled(place % many, many, step.seed * 1_000_003 + _DRAWN + step.index)]

    def epoch(self, n: int) -> int:
        return n

    def among(self, kept: np.ndarray) -> "Curriculum":
        return Curriculum(self.scores[kept], self.share)


@dataclass(frozen=True, eq=False)
class Pruned:
    """Only the share `keep` of the samples with the highest scores, in any order of these."""

    scores: np.ndarray
    keep: float
    then: Order = uniform

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise Mistake(f"keep={self.keep}: it is a share of the samples, above 0 and at most 1")

    @cached_property
    def _kept(self) -> np.ndarray:
        many = max(1, round(self.keep * len(self.scores)))
        return np.sort(_ranked(-self.scores)[:many])

    @cached_property
    def _then(self) -> Order:
        return self.then.among(self._kept)

    def __call__(self, place: np.ndarray, step: Step, n: int) -> np.ndarray:
        _fits(self.scores, n, "scores")
        return self._kept[self._then(place, step, len(self._kept))]

    def epoch(self, n: int) -> int:
        return self._then.epoch(len(self._kept))

    def among(self, kept: np.ndarray) -> "Pruned":
        return Pruned(self.scores[kept], self.keep, self.then.among(kept))


def samples(order: Order, step: Step, batch: int, n: int, rank: int = 0, world: int = 1) -> np.ndarray:
    """The samples of this rank at this step; all ranks together take `batch`, the same ones for every `world`."""
    if batch % world:
        raise Mistake(f"a batch of {batch} samples does not divide among {world} processes: change data.batch")
    share = batch // world
    first = step.index * batch + rank * share
    return order(np.arange(first, first + share), step, n)


def _unit(x: np.ndarray, seed: int) -> np.ndarray:
    """Numbers in [0, 1), one by one of these integers."""
    return (_mix(x.astype(np.uint64), seed) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _ranked(scores: np.ndarray) -> np.ndarray:
    """Samples from the lowest score to the highest."""
    if np.isnan(scores).any():
        raise Mistake(f"{int(np.isnan(scores).sum()):,} scores are not a number: score every sample")
    return np.argsort(scores, kind="stable")


def _fits(values: np.ndarray, n: int, what: str) -> None:
    if len(values) != n:
        raise Mistake(f"an order with {len(values):,} {what} meets {n:,} samples: give one for each sample")
