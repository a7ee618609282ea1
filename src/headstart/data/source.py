"""Samples by number: whatever the user points at becomes one small protocol that all else reads (`open.open_source`)."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from ..errors import Mistake, Unreadable
from ..forms import Sample


class DataError(Mistake):
    """The data is not what it should be."""


@runtime_checkable
class Source(Protocol):
    """Samples by number; reading is safe from several threads."""

    kind: str  # which tokenizer the samples call for: a file of tokenizers/
    labels: np.ndarray | None  # [n]: classes, int64, -1 where unknown; or quantities, float32, NaN where unknown
    classes: tuple[str, ...]  # names of the classes, () without

    @property
    def groups(self) -> np.ndarray | None:
        """int64 [n]: samples that belong together (windows of one recording, pages of one book) share a number, and are never
        divided between training and judging; None where each stands alone."""
        ...

    @property
    def bad(self) -> Sequence[Unreadable]:
        """Files that gave no samples at all; of a prepared source, all that was left out."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """One sample in the form its tokenizer states; or Unreadable."""
        ...

    def name(self, index: int) -> str: ...  # relative path, or "title[17]"

    def describe(self) -> str: ...  # one line: what was found


class Subset:
    """Some samples of a source, in the order of `indices`."""

    bad: Sequence[Unreadable] = ()

    def __init__(self, source: Source, indices: Sequence[int] | np.ndarray):
        self.source = source
        self.indices = np.asarray(indices, dtype=np.int64).reshape(-1)
        if len(self.indices) and not (self.indices.min() >= 0 and self.indices.max() < len(source)):
            raise DataError(f"a subset asks for indices outside 0..{len(source) - 1}: choose among these")
        self.kind, self.classes = source.kind, source.classes
        self.labels = None if source.labels is None else source.labels[self.indices]
        self.groups = None if source.groups is None else source.groups[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.source[int(self.indices[index])]

    def name(self, index: int) -> str:
        return self.source.name(int(self.indices[index]))

    def describe(self) -> str:
        return f"{len(self):,} of {self.source.describe()}"
