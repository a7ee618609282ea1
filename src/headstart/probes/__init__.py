"""What judges vectors: a probe is one file here, and the function of the file's name is the probe. The protocol is frozen.

    @probe(quick=True)
    def nearest(split: Split) -> Iterator[tuple[str, Figure]]:
        yield from split.judged("nearest", learner)  # (vectors, labels, vectors asked about) -> labels or scores

It is given vectors and labels, and says figures by name; raw input and any encoder are treated alike. Who is learnt from, who
judges, by which measure, and how sure that is, is the split's affair. The table, the line that is shown during training and the
report take what they get. Version 3 are `knn`, `linear`, `trees` and `recall` as they stand, `_split`, `_marking` and `_figure`,
and the sizes in `scoring/`: a change to any of them is a new `VERSION`; another file is not.

In version 1 what lay equally near was found by `recall`; until version 2 classes were marked by accuracy however uneven, few
labels judged but once, and a difference was held against the error of one side.
"""

import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Literal, get_args

import numpy as np

from ..errors import Mistake
from ._figure import Figure, Gain, figure, gain
from ._split import DRAWS, FOLDS, Learner, Split, few

__all__ = [
    "DRAWS",
    "FOLDS",
    "VERSION",
    "Figure",
    "Gain",
    "Learner",
    "Lists",
    "Marks",
    "Probe",
    "Sides",
    "Split",
    "few",
    "figure",
    "gain",
]

VERSION = 4
Of = Literal["segments", "rows", "pairs", "sets", "lists"]
Marks = dict[str, Figure]  # by name
LACKING: dict[Of, str] = {  # why a probe cannot judge here
    "pairs": "judges two parts of each sample, as a run on pairs does by itself: ask for another probe",
    "rows": "judges rows, and here only samples have labels: masks beside the samples give each row one (images/ and masks/); in "
    "Python, hs.probe(..., rows=labels_of) does, a function of (source, number of a sample)",
    "lists": "judges labels that are lists, apart by ; or | (rash; fever), and here each is one class: ask for another probe",
}


@dataclass(frozen=True)
class Sides:
    """Two parts of the same samples as unit vectors, [n, D] and [n, D]."""

    a: np.ndarray
    b: np.ndarray


@dataclass(frozen=True)
class Lists:
    """Samples that have any number of classes each. table: [n, K] of ones and zeros, of the samples of the split."""

    split: Split
    table: np.ndarray


Measure = Callable[[Split], Iterable[tuple[str, Figure]]]
Meeting = Callable[[Sides], Iterable[tuple[str, Figure]]]
Listing = Callable[[Lists], Iterable[tuple[str, Figure]]]


@dataclass(frozen=True)
class Probe:
    """A way to judge. of: one vector a sample ("segments"), one a row with labels of its own ("rows"), all rows of each sample
    ("sets"), two parts of each sample ("pairs"), one vector a sample that has several classes ("lists"). quick: cheap enough to
    be watched during training. rival: it judges raw input alone, in a row of this name; what it says stands against figures from
    as many labels. kinds: of data that it is for; none: all. asked: only where it is asked for by name."""

    measure: Callable[..., Iterable[tuple[str, Figure]]]
    of: Of = "segments"
    quick: bool = False
    rival: str = ""
    kinds: tuple[str, ...] = ()
    asked: bool = False


def probe(
    *, of: Of = "segments", quick: bool = False, rival: str = "", kinds: tuple[str, ...] = (), asked: bool = False
) -> Callable[[Measure | Meeting | Listing], Probe]:
    """The function below is a probe: see `Probe`."""
    if of not in get_args(Of):
        raise Mistake(f"a probe is of {', '.join(get_args(Of))}, not of {of!r}")
    return lambda measure: Probe(measure, of, quick, rival, kinds, asked)


def names() -> list[str]:
    """The probes there are: the files of this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def named(name: str) -> Probe:
    """The probe of this file."""
    found = vars(import_module(f".{name}", __name__)).get(name)
    if not isinstance(found, Probe):
        raise Mistake(f"probes/{name}.py holds no probe: write @probe() over a function {name}(split)")
    return found


def every(of: Of, kind: str = "", quick: bool = False) -> list[Probe]:
    """The probes of these that suit a kind of data, rivals among them; quick: only those that are watched during training."""
    found = [p for p in map(named, names()) if p.of == of and not p.asked and (not p.kinds or kind in p.kinds)]
    return [p for p in found if p.quick or not quick]


def asked_for(said: str | Sequence[str], of: Sequence[Of] = ("segments", "sets")) -> list[Probe]:
    """The probes of these names ("retrieval,bayes", or a list of them); "all" is every one of what can be judged (`of`)."""
    wanted, known = said.split(",") if isinstance(said, str) else said, names()
    found: list[Probe] = []
    for name in filter(None, (str(each).strip() for each in wanted)):
        if name != "all" and name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            raise Mistake(f"there is no probe {name!r}; {hint}the probes are: {', '.join(known)}, or all")
        new = [p for p in map(named, known) if p.of in of] if name == "all" else [named(name)]
        beyond = {p.of for p in new} - {*of}
        if beyond:
            raise Mistake(f"{name} {LACKING[beyond.pop()]}")
        found += [p for p in new if p not in found]
    return found


def judge(probes: Iterable[Probe], given: Split | Sides | Lists) -> Marks:
    """What these probes say, in their order."""
    marks: Marks = {}
    for each in probes:
        for name, said in each.measure(given):
            if name in marks:
                raise Mistake(f"two probes say {name!r}: give the figures of one of them another name")
            marks[name] = said
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
