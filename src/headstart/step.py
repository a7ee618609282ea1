"""Where training stands, the numbers that move with it, and chance as a function of it.

No random state is saved anywhere, because there is none: a draw is a hash of (seed, step, name, sample, row).
The same sample meets the same chance wherever it lies in a batch, on whatever device and rank, and after a restart.
"""

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .tree import tree

_MASK = 0xFFFFFFFF


def _mix(x: Tensor) -> Tensor:
    """A bijection of 32-bit words with good avalanche (constants of C. Wellons' "lowbias32" hash search, 2018)."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _MASK
    return x ^ (x >> 16)


def _mix_int(x: int) -> int:
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _MASK
    return x ^ (x >> 16)


def _unit(word: Tensor) -> Tensor:
    return (word >> 8).to(torch.float32) * 2.0**-24


@tree
class Rng:
    """Chance for the segments of one view: draws depend on the key, the segment's sample and the row, nothing else.

    key: a 32-bit word made from seed, step and name: a tensor, so that a compiled region is not rebuilt each step, and on
    the CPU, so that nobody waits for a device to read it.
    words: one 32-bit word per segment, made from the sample's number.
    """

    key: Int[Tensor, ""]
    words: Int[Tensor, "S"]

    def fold(self, name: str | int) -> "Rng":
        """An independent stream: draws under different names know nothing of each other."""
        word = name if isinstance(name, int) else zlib.crc32(name.encode())
        return Rng(_mix(self.key ^ _mix_int((word + 0x9E3779B9) & _MASK)), self.words)

    def number(self) -> float:
        """One uniform number in [0, 1) for all segments alike, the same on every rank."""
        return float(_unit(_mix(self.key)))

    def segments(self, n: int = 1) -> Float[Tensor, "S n"]:
        """n uniform numbers in [0, 1) for every segment."""
        own = _mix(self.words ^ self.key)
        count = torch.arange(n, device=self.words.device) * 0x9E3779B1 & _MASK
        return _unit(_mix(own[:, None] ^ _mix(count)))

    def rows(self, seg: Int[Tensor, "K"], place: Int[Tensor, "K"], n: int = 1) -> Float[Tensor, "K n"]:
        """n uniform numbers in [0, 1) for rows given by their segment and their place in it."""
        own = _mix(_mix(self.words ^ self.key)[seg] ^ (place * 0x85EBCA6B & _MASK))
        if n == 1:
            return _unit(_mix(own))[:, None]
        count = torch.arange(n, device=self.words.device) * 0x9E3779B1 & _MASK
        return _unit(_mix(own[:, None] ^ _mix(count)))

    def normal(self, seg: Int[Tensor, "K"], place: Int[Tensor, "K"], n: int) -> Float[Tensor, "K n"]:
        """n standard normal numbers per row (Box-Muller: each pair of uniforms gives a cosine and a sine)."""
        half = (n + 1) // 2
        u = self.rows(seg, place, 2 * half)
        radius = (-2 * torch.log1p(-u[:, :half])).sqrt()
        angle = 2 * math.pi * u[:, half:]
        return torch.cat([radius * angle.cos(), radius * angle.sin()], 1)[:, :n]


@dataclass(frozen=True)
class Step:
    """The `index`-th of `total` optimizer steps of the run that grows from `seed`."""

    index: int
    total: int
    seed: int = 0

    @property
    def done(self) -> float:
        """The share of training that lies behind, 0 at the first step and below 1 at the last."""
        return self.index / max(1, self.total)

    def rng(self, name: str, index: Int[Tensor, "S"]) -> Rng:
        """Chance for the view `name` at this step; `index` holds the numbers of the samples behind its segments."""
        word = _mix_int(_mix_int(self.seed & _MASK) ^ ((self.index * 0x9E3779B1) & _MASK))
        return Rng(torch.tensor(word), _mix(index & _MASK)).fold(name)


Schedule = float | Callable[[Step], float]


def at(value: Schedule, step: Step) -> float:
    """The value of a number that may move."""
    return value(step) if callable(value) else value


@dataclass(frozen=True)
class cosine:
    """From `start` to `end` along half a cosine."""

    start: float
    end: float

    def __call__(self, step: Step) -> float:
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * step.done)) / 2


@dataclass(frozen=True)
class ramp:
    """From `start` to `end` in a straight line over the first `over` of training, then constant."""

    start: float
    end: float
    over: float = 1.0

    def __call__(self, step: Step) -> float:
        return self.start + (self.end - self.start) * min(1.0, step.done / self.over)


@dataclass(frozen=True)
class during:
    """1 from the share `start` of training to the share `end`, else 0: a term's weight where a method has phases."""

    start: float
    end: float

    def __call__(self, step: Step) -> float:
        return float(self.start <= step.done < self.end)


def round_of(step: Step, rounds: int) -> tuple[int, Step]:
    """Which of `rounds` equal rounds of training a step is in, and where it stands in it."""
    number = min(rounds - 1, step.index * rounds // max(1, step.total))
    return number, Step((step.index * rounds - number * step.total) // rounds, -(-step.total // rounds), step.seed)


@dataclass(frozen=True)
class in_rounds:
    """1 from the share `start` to the share `end` of each of `rounds` equal rounds of training but the first `skip`, else 0."""

    rounds: int
    start: float = 0.0
    end: float = 1.0
    skip: int = 0

    def __call__(self, step: Step) -> float:
        number, inside = round_of(step, self.rounds)
        return float(number >= self.skip and self.start <= inside.done < self.end)


@dataclass(frozen=True)
class drawn:
    """1 at the steps that draw `name`, else 0: of the names in `among`, each step draws one, with these probabilities."""

    name: str
    among: Mapping[str, float]

    def __call__(self, step: Step) -> float:
        u = step.rng("drawn", torch.zeros(1, dtype=torch.int64)).number() * sum(self.among.values())
        for name, share in self.among.items():
            u -= share
            if u < 0:
                return float(name == self.name)
        return float(name == self.name)


def draw(among: Mapping[str, float]) -> dict[str, Schedule]:
    """Weights for an `Objective` that runs one of these terms a step, by chance (UL2's mixture of denoisers)."""
    return {name: drawn(name, among) for name in among}


@dataclass(frozen=True)
class warmup_cosine:
    """Up to `peak` in a straight line over the first `over` of training, then down half a cosine to `end`; so in each of `rounds`
    equal rounds of training."""

    peak: float
    over: float = field(default=0.1, kw_only=True)
    end: float = field(default=0.0, kw_only=True)
    rounds: int = field(default=1, kw_only=True)

    def __call__(self, step: Step) -> float:
        step = round_of(step, self.rounds)[1]
        warm = max(1, round(self.over * step.total))
        if step.index < warm:
            return self.peak * (step.index + 1) / warm  # the first step already moves
        done = (step.index - warm) / max(1, step.total - warm)
        return self.end + (self.peak - self.end) * (1 + math.cos(math.pi * done)) / 2


def curve(of: Schedule, peak: Schedule) -> Schedule:
    """`peak` moving as `of` does, where that is a warm-up and a decay and `peak` a number; else `peak` as it is."""
    return replace(of, peak=peak) if isinstance(of, warmup_cosine) and not callable(peak) else peak
