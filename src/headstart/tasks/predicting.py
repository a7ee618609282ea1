"""What a tuned encoder says of data: one prediction for each sample, or each recording where these are read in windows."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..data.feeding.prepare import Prepared
from ..data.masks import name_of
from ..data.sources.windows import Windows
from ..errors import so_many
from ..scoring.masked import NOTHING, aligned, masked
from .calibrating import EQUALLY
from .fitting import Tuned
from .multilabel import HALF
from .segmentation import Segmentation, counted
from .segmenting import maps


@dataclass(frozen=True)
class Whole:
    """Samples as people count them: n recordings where these were cut into m windows.

    at: [m], the recording of each window. first: [n], the first window of each recording. groups: [n], None: all by themselves.
    """

    names: list[str]
    labels: np.ndarray | None
    at: np.ndarray
    first: np.ndarray
    groups: np.ndarray | None

    def mean(self, values: np.ndarray) -> np.ndarray:
        """[n, ...] of [m, ...]: the mean over the windows of each."""
        return mean_by(values, self.at)


def mean_by(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """[n, ...]: the mean of those of `values` [m, ...] that have a number in `at` [m], 0 to n - 1, in common."""
    if len(at) == 0 or (at == np.arange(len(values))).all():
        return values
    count = np.bincount(at)
    total = np.stack([np.bincount(at, column) for column in values.reshape(len(values), -1).T], 1)
    mean: np.ndarray = (total / count[:, None]).reshape(-1, *values.shape[1:]).astype(values.dtype)
    return mean


def wholes(source: Prepared) -> Whole:
    """Which recording each sample of a prepared source is of, in their order; itself where nothing was cut."""
    every = np.arange(len(source))
    if not isinstance(source.source, Windows):
        return Whole([source.name(int(i)) for i in every], source.labels, every, every, source.groups)
    inner = source.source
    recording, first, at = np.unique(inner.recording[source.origin], return_index=True, return_inverse=True)
    labels = None if source.labels is None else source.labels[first]
    groups = None if source.groups is None else source.groups[first]
    return Whole([inner.source.name(int(i)) for i in recording], labels, at, first, groups)


@dataclass
class Predicted:
    """said: probabilities [n, K] of `classes`, or quantities [n]. names: of the samples. labels: those that the data has of its
    own, as names or quantities, "" or NaN where unknown. bad: what could not be read. remarks: how the data differ from what was
    learnt from.

    Of a segmentation said is the share of each class [n, K], and maps hold the number of a class (`numbers`, in the order of
    `classes`) for every point of each sample; tables: of each, points by true class and by what was said. groups: [n],
    samples of one number hang together."""

    said: np.ndarray
    names: list[str]
    classes: tuple[str, ...]
    several: bool = False  # any number of classes for each
    labels: list[str] | list[float] | None = None
    bad: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    maps: list[np.ndarray] | None = None
    numbers: tuple[int, ...] = ()
    tables: list[np.ndarray] = field(default_factory=list)
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def best(self) -> list[str] | list[float]:
        """The likeliest class of each, the names of all likely ones joined by ";", the quantity, or the commonest of a map."""
        if not self.classes:
            return [float(value) for value in self.said]
        if self.several:
            return [";".join(c for c, p in zip(self.classes, row, strict=True) if p >= HALF) for row in self.said]
        return [self.classes[k] for k in self.said.argmax(1)]


def predicted(
    tuned: Tuned, source: Prepared, remarks: list[str], progress: Callable[[int, int], None] | None = None
) -> Predicted:
    """What is said of every sample of a prepared source: of its windows the mean."""
    whole, task = wholes(source), tuned.task
    if task.rows:
        return _mapped(tuned, source, whole, remarks, progress)
    said = whole.mean(task.said(tuned.outputs(source, range(len(source)), progress), tuned.temperature))
    if task.uneven:
        remarks = [*remarks, EQUALLY]
    labels: list[str] | list[float] | None = None
    if whole.labels is not None and source.classes:
        labels = [source.classes[i] if i >= 0 else "" for i in whole.labels.tolist()]
    elif whole.labels is not None:
        labels = [float(value) for value in whole.labels]
    bad = [(b.where, b.reason) for b in source.bad]
    return Predicted(said, whole.names, task.classes, task.several, labels, bad, remarks, groups=whole.groups)


def _mapped(
    tuned: Tuned,
    source: Prepared,
    whole: Whole,
    remarks: list[str],
    progress: Callable[[int, int], None] | None,
) -> Predicted:
    """Maps of all samples at their own size; those of windows one after another."""
    task, given = tuned.task, masked(source)
    assert isinstance(task, Segmentation)
    aligned(given.tokenizer, source.source[int(source.origin[0])])
    numbers = task.numbers
    of_number, parts = np.array(numbers), [list[np.ndarray]() for _ in whole.names]
    tables = np.zeros((len(whole.names), task.outputs, task.outputs), np.int64)
    shares = np.zeros((len(whole.names), task.outputs))
    fits = np.min_scalar_type(max(numbers))
    for at, (named, true) in zip(whole.at, maps(tuned, given, range(len(source)), progress), strict=True):
        parts[at].append(of_number[named].astype(fits))
        shares[at] += np.bincount(named.reshape(-1), minlength=task.outputs)
        if true is not None:
            tables[at] += counted(named, true, task.outputs)
    if strange := sorted(map(name_of, given.seen.masks.keys() - {*task.values, NOTHING})):
        remarks = [
            *remarks,
            f"masks hold {', '.join(strange[:4])}, which are none of its classes: there nothing is judged",
        ]
    if given.wrong:
        remarks = [*remarks, f"{so_many(len(given.wrong), 'mask')} cannot be used; {given.first_wrong}"]
    return Predicted(
        shares / shares.sum(1, keepdims=True),
        whole.names,
        task.classes,
        bad=[(b.where, b.reason) for b in source.bad],
        remarks=remarks,
        maps=[np.concatenate(each) for each in parts],
        numbers=numbers,
        tables=list(tables),
        groups=whole.groups,
    )
