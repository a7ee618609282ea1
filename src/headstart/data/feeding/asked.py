"""What is known of samples besides themselves, and who may see it: a method is shown samples, and labels only where it asks."""

from collections.abc import Sequence

import numpy as np

from ...errors import Unreadable
from ...forms import Sample
from ..source import Source, Subset


class Unlabelled:
    """The samples of a source, and nothing that was said of them: no labels, classes or groups, no names, in which folders may
    tell a class. A recipe is given its data behind this."""

    labels: np.ndarray | None = None
    groups: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    bad: Sequence[Unreadable] = ()

    def __init__(self, source: Source) -> None:
        self._source, self.kind = source, source.kind

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Sample:
        return self._source[index]

    def name(self, index: int) -> str:
        return f"{self.kind}[{index}]"

    def describe(self) -> str:
        return f"{len(self):,} {self.kind} samples"


def behind(source: Source, at: np.ndarray) -> tuple[Source, np.ndarray]:
    """The source that subsets were taken of and labels hidden of, and where in it these samples lie."""
    while True:
        if isinstance(source, Subset):
            at = source.indices[at]
            source = source.source
        elif isinstance(source, Unlabelled):
            source = source._source
        else:
            return source, at


def labels_of(source: Source, at: np.ndarray) -> np.ndarray | None:
    """Labels of these samples: classes (int64, -1 unknown) or quantities (float32, NaN unknown); None if nobody gave any."""
    whole, at = behind(source, at)
    return None if whole.labels is None else whole.labels[at]


def groups_of(source: Source, at: np.ndarray) -> np.ndarray:
    """int64 numbers that samples of one recording, patient or book share; each its own where nobody said so."""
    whole, at = behind(source, at)
    return at if whole.groups is None else whole.groups[at]


def classes_of(source: Source) -> tuple[str, ...]:
    """The names of the classes, () of quantities."""
    return behind(source, np.zeros(0, np.int64))[0].classes
