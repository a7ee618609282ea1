"""What judges vectors: a probe is one file here, and the function of the file's name is the probe. The protocol is frozen.

    @probe(quick=True)
    def nearest(split: Split) -> Iterator[tuple[str, Figure]]:
        yield "nearest", split.figure([share_of_right_answers])

It is given vectors and labels, and says figures by name; raw input and any encoder are treated alike. The table, the line that is
shown during training and the report take what they get. Version 2 are `knn`, `linear`, `trees` and `recall` as they stand, what
is below, and the sizes in `scoring/`: a change to any of them is a new `VERSION`; another file is not. (In version 1 what lay
equally near was found by `recall`.)
"""

import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, get_args

import numpy as np

from ..errors import Mistake

VERSION = 2
Of = Literal["segments", "rows", "pairs"]


@dataclass(frozen=True)
class Figure:
    """One number that judges. error: its standard error. n: how many judged it. chance: what it is without knowing anything, if
    that can be said. spread: its standard deviation over draws of what was learnt from. higher: more is better."""

    value: float
    error: float
    n: int
    chance: float | None = None
    spread: float | None = None
    higher: bool = True

    def __post_init__(self) -> None:
        if not np.isfinite([self.value, self.error]).all():
            raise ValueError(f"a figure and its standard error are finite, not {self.value} and {self.error}")

    def over(self, other: "Figure") -> float:
        """How much better it is than another."""
        return self.value - other.value if self.higher else other.value - self.value


Marks = dict[str, Figure]  # by name


@dataclass(frozen=True)
class Split:
    """Vectors to learn from (bank) and vectors to be judged by (query), of which nothing may be learnt.

    bank, query: [n, D] and [m, D] float32. have, want: their labels, [n] and [m]: whole numbers are classes, floats quantities.
    counts: how many labels a probe from few takes. groups: [m], queries of one number hang together (rows of one sample,
    windows of one recording); None: each stands alone. Where a probe is of pairs, both are the same samples, bank by one part and
    query by the other, and a label is the number of a sample.
    """

    bank: np.ndarray
    have: np.ndarray
    query: np.ndarray
    want: np.ndarray
    counts: tuple[int, ...] = ()
    groups: np.ndarray | None = None

    def __post_init__(self) -> None:
        for vectors, labels in ((self.bank, self.have), (self.query, self.want)):
            if vectors.ndim != 2 or labels.shape != vectors.shape[:1]:
                raise ValueError(f"vectors are [n, D] and labels [n], not {vectors.shape} and {labels.shape}")

    @property
    def quantity(self) -> bool:
        """Labels are quantities, not classes: figures are R2 (1 - squared error / variance), not accuracies."""
        return self.have.dtype.kind == "f"

    def named(self, name: str) -> str:
        """What a figure is called: quantities say so."""
        return f"{name}-R2" if self.quantity else name

    def figure(self, draws: Sequence[float]) -> Figure:
        """An accuracy, or an R2, of the queries: the mean over draws of what was learnt from. Chance is the share of the
        commonest class among the queries, 0 for R2."""
        value, n = float(np.mean(draws)), len(self.want)
        error = _r2_error(value, n) if self.quantity else share_error(value, n)
        chance = 0.0 if self.quantity else float(np.bincount(self.want).max() / n)
        return Figure(value, error, n, chance, float(np.std(draws)) if len(draws) > 1 else None)


Measure = Callable[[Split], Iterable[tuple[str, Figure]]]


@dataclass(frozen=True)
class Probe:
    """A way to judge. of: one vector a sample ("segments"), one a row with labels of its own ("rows"), two parts of each sample
    ("pairs"). quick: cheap enough to be watched during training. rival: it judges raw input alone, in a row of this name and in
    the columns of the probes whose figures it names. kinds: of data that it is for; none: all."""

    measure: Measure
    of: Of = "segments"
    quick: bool = False
    rival: str = ""
    kinds: tuple[str, ...] = ()


def probe(
    *, of: Of = "segments", quick: bool = False, rival: str = "", kinds: tuple[str, ...] = ()
) -> Callable[[Measure], Probe]:
    """The function below is a probe: see `Probe`."""
    if of not in get_args(Of):
        raise Mistake(f"a probe is of {', '.join(get_args(Of))}, not of {of!r}")
    return lambda measure: Probe(measure, of, quick, rival, kinds)


def names() -> list[str]:
    """The probes there are: the files of this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


def named(name: str) -> Probe:
    """The probe of this file."""
    found = vars(import_module(f".{name}", __name__)).get(name)
    if not isinstance(found, Probe):
        raise Mistake(f"probes/{name}.py holds no probe: write @probe() over a function {name}(split)")
    return found


def every(of: Of, kind: str = "", quick: bool = False) -> list[Probe]:
    """The probes of these that suit a kind of data, rivals among them; quick: only those that are watched during training."""
    found = [p for p in map(named, names()) if p.of == of and (not p.kinds or kind in p.kinds)]
    return [p for p in found if p.quick or not quick]


def judge(probes: Iterable[Probe], split: Split) -> Marks:
    """What these probes say, in their order."""
    marks: Marks = {}
    for each in probes:
        for name, figure in each.measure(split):
            if name in marks:
                raise Mistake(f"two probes say {name!r}: give the figures of one of them another name")
            marks[name] = figure
    return marks


# arithmetic that probes share


def standardise(bank: np.ndarray, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both brought to the bank's mean 0 and variance 1, fp32; constant features become 0."""
    mean, std = bank.mean(0, dtype=np.float64), bank.std(0, dtype=np.float64)
    scale = np.where(std > 1e-6 * max(1e-12, float(std.max(initial=0))), 1 / np.maximum(std, 1e-12), 0)
    return ((bank - mean) * scale).astype(np.float32), ((query - mean) * scale).astype(np.float32)


def agreement(prediction: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy of classes, R2 of quantities."""
    if labels.dtype.kind != "f":
        return float((prediction == labels).mean())
    labels = labels.astype(np.float64)
    return float(1 - ((prediction - labels) ** 2).mean() / max(float(labels.var()), 1e-12))


def few(labels: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` indices, the same number from every class as far as the classes go; of quantities any."""
    if labels.dtype.kind == "f":
        return rng.permutation(len(labels))[:count]
    pools = [rng.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)]
    turns = [pool[i] for i in range(max(map(len, pools))) for pool in pools if i < len(pool)]
    return np.array(turns[:count])


def share_error(value: float, n: int) -> float:
    """The standard error of a share of n, such as an accuracy."""
    share = min(0.99, max(0.01, value))
    return (share * (1 - share) / n) ** 0.5


def _r2_error(value: float, n: int) -> float:
    """The standard error of an R2 on n (Olkin and Finn 1995)."""
    share = min(0.99, max(0.01, value))
    return 2 * (share / n) ** 0.5 * (1 - share)
