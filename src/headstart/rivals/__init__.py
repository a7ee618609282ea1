"""What a user of a kind of data would take instead of pre-training: vectors that a specialist makes without labels, then a
linear model (or boosted trees). One rival is one file here, and the function of the file's name is the rival.

    @rival("ECFP + linear", kinds=("molecule",))
    def ecfp(samples: Sequence[Sample], tokenizer: Tokenizer) -> Vectors:
        return lambda asked: np.stack([bits(sample) for sample in asked])

It learns a representation from samples (a vocabulary, quantiles, where histograms begin and end), never from labels, and gives
what makes vectors of any samples. Samples are those that the encoder reads, as `tokenizer.fitted` has them: of every kind they
still are what people would know (a string, a waveform, a dict of arrays), so nothing is decoded, and both sides are told the
same: what the tokenizer cut off or clipped, the rival does not see either. Its vectors of a sample do not hang on the others.

A dense matrix is to be standardised by whoever learns from it, as raw input is. A sparse one is to be taken as it is: it is
weighted already (rare terms by TF-IDF), standardising would fill it and raise what occurs once to the loudest of all; its
rows are about as long (the root of 1,000) as standardised rows of a thousand numbers, so that the strengths of the linear
probe suit it.
"""

import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, TypeAlias

import numpy as np
from scipy import sparse

from ..errors import Mistake
from ..forms import Sample
from ..kinds import KINDS
from ..tokens import Tokenizer

Matrix: TypeAlias = np.ndarray | sparse.csr_matrix  # [n, F] float32
Vectors: TypeAlias = Callable[[Sequence[Sample]], Matrix]
Fit: TypeAlias = Callable[[Sequence[Sample], Tokenizer], Vectors]

LENGTH = 1000**0.5  # of a typical sparse row
LARGEST = 1e15  # of a number in a dense row: its square is a float32


@dataclass(frozen=True)
class Rival:
    """A specialist. name: for users. kinds: of data that it is for. fit: samples to learn a representation from, and their
    tokenizer -> what makes vectors of any samples. learner: what is to learn from them; vectors for trees may hold NaN."""

    name: str
    kinds: tuple[str, ...]
    fit: Fit
    learner: Literal["linear", "trees"] = "linear"


def rival(
    name: str, *, kinds: tuple[str, ...], learner: Literal["linear", "trees"] = "linear"
) -> Callable[[Fit], Rival]:
    """The function below is a rival: see `Rival`."""
    strange = sorted(set(kinds) - set(KINDS))
    if strange:
        raise Mistake(f"{name} is for {', '.join(strange)}, and the kinds of data are {', '.join(KINDS)}")
    return lambda fit: Rival(name, kinds, fit, learner)


def names() -> list[str]:
    """The rivals there are: the files of this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


def named(name: str) -> Rival:
    """The rival of this file."""
    found = vars(import_module(f".{name}", __name__)).get(name)
    if not isinstance(found, Rival):
        raise Mistake(f"rivals/{name}.py holds no rival: write @rival(...) over a function {name}(samples, tokenizer)")
    return found


def of_kind(kind: str) -> Rival | None:
    """The rival for a kind of data; None where there is none, and `without` says why."""
    found = [each for each in map(named, names()) if kind in each.kinds]
    if len(found) > 1:
        raise Mistake(f"{' and '.join(r.name for r in found)} are both for {kind}: one of them is the usual choice")
    return found[0] if found else None


def without(kind: str) -> str:
    """Why a kind of data has no rival, in a sentence."""
    if kind not in KINDS:
        return f"{kind} is not one kind of data: nothing is usually taken for several together, but each part has its rival"
    return f"nothing is usually taken for {kind} without pre-training"


# what rivals share


def spread(
    samples: Sequence[Sample], most: int, size: Callable[[Sample], int] | None = None, room: int = 1 << 62
) -> list[Sample]:
    """Up to `most` of them, evenly taken, and no more than about `room` of what `size` says of each."""
    at = np.unique(np.linspace(0, len(samples) - 1, most).astype(int))
    if size is not None:
        usual = float(np.mean([size(samples[i]) for i in at[:: max(1, len(at) // 256)]]))
        at = at[np.unique(np.linspace(0, len(at) - 1, max(1, int(room / max(1.0, usual)))).astype(int))]
    return [samples[i] for i in at]


def dense(rows: Iterable[np.ndarray]) -> np.ndarray:
    """[n, F] float32 of vectors of one length; what is not finite becomes 0 or the largest number."""
    x = np.stack([np.asarray(row, np.float64) for row in rows])
    return np.nan_to_num(x, posinf=LARGEST, neginf=-LARGEST).clip(-LARGEST, LARGEST).astype(np.float32)


def factor(x: sparse.csr_matrix) -> float:
    """By what to multiply sparse rows so that the typical one of these is as long as others are."""
    lengths = np.sqrt(np.asarray(x.multiply(x).sum(1), np.float64)).ravel()
    typical = float(np.median(lengths[lengths > 0])) if (lengths > 0).any() else 1.0
    return LENGTH / typical


def beside(rows: np.ndarray) -> Callable[[np.ndarray], sparse.csr_matrix]:
    """A few plain numbers to stand beside sparse ones: brought to these rows' mean 0 and variance 1, together as long as
    those."""
    rows = rows.astype(np.float64)
    mean, std = rows.mean(0), rows.std(0)
    spread = np.where(std > 1e-9, std, np.inf) * rows.shape[1] ** 0.5 / LENGTH
    return lambda asked: sparse.csr_matrix(((asked - mean) / spread).clip(-100, 100).astype(np.float32))
