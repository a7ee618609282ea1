"""Samples in a list, each as its kind has it."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from ...errors import Unreadable, so_many
from ...forms import Sample
from ..classes import as_labels, said_of_labels
from ..masks import Masks
from ..source import DataError


@runtime_checkable
class _Indexed(Protocol):
    """A sequence, or what is indexed like one: its items are made when asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Sample: ...


class ListSource:
    """Samples in a list, each as its kind has it.

    labels: class names or numbers (int, -1 unknown) or quantities (float, NaN unknown); why: how they were found. groups: samples
    that belong together (windows of one recording, pages of one book) share a number, and are never divided between training and
    judging.
    """

    bad: Sequence[Unreadable] = ()
    masks: Masks | None = None

    def __init__(
        self,
        samples: _Indexed,
        kind: str,
        labels: np.ndarray | Sequence[object] | None = None,
        classes: Sequence[str] = (),
        names: Sequence[str] | None = None,
        title: str = "list",
        groups: Sequence[int] | np.ndarray | None = None,
        why: str = "",
    ):
        if not len(samples):
            raise DataError(f"{title} holds no samples")
        self.samples, self.kind, self.title, self.names = samples, kind, title, names
        self.labels: np.ndarray | None = None
        self.why = why
        self.classes: tuple[str, ...] = ()
        if labels is not None:
            self.labels, self.classes = as_labels(np.asarray(labels), len(samples), title, classes)
        self.groups = None if groups is None else np.asarray(groups, np.int64)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]

    def name(self, index: int) -> str:
        return f"{self.title}[{index}]" if self.names is None else self.names[index]

    def describe(self) -> str:
        return f"{self.title}: {so_many(len(self), f'{self.kind} sample')}{said_of_labels(self)}"
