"""Folders with one sample in a file, whatever the format: what a reader makes of each path."""

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from ...errors import Unreadable, so_many
from ...forms import Sample
from ..classes import Labels, said_of_labels
from ..labels import folder_labels
from ..masks import Masks
from ..names import formats, suffix_of
from ..source import Source

T = TypeVar("T")
BEGIN = 120  # seconds of a sound
Read = Callable[[Path], Sample]


def nobody(name: str) -> str | None:
    """It is not known who decodes a file, or what else it reads for that."""
    return None


class Stretches(NamedTuple):
    """How long a file is, and a part of it, where neither needs the whole: both in the unit in which windows are cut."""

    extent: Callable[[Path], float]
    read: Callable[[Path, float, float], Sample]


class FileSource:
    """The files of a folder, each one sample that `read` makes of its path; two or more first-level folders name the labels.

    labels, classes: where they are known from elsewhere (a sidecar table); why: how they were found. smaller: what reads the
    files no larger than an area [px] needs, where the format allows that. stretches: the same of parts of long files, by suffix.
    made_by: who decodes a file, by its name, where the sample hangs on its content alone: then it may be kept (`cached`).
    """

    groups: np.ndarray | None = None
    bad: Sequence[Unreadable] = ()
    masks: Masks | None = None

    def __init__(
        self,
        folder: str | Path,
        files: Sequence[str],
        read: Read,
        kind: str,
        labels: np.ndarray | None = None,
        classes: tuple[str, ...] = (),
        smaller: Callable[[int], Read] | None = None,
        why: str = "",
        stretches: Mapping[str, Stretches] | None = None,
        made_by: Callable[[str], str | None] = nobody,
    ):
        self.folder, self.files, self.read, self.kind = Path(folder), files, read, kind
        found = folder_labels(files) if labels is None else Labels(labels, classes)
        self.labels, self.classes, self.why = found.values, found.classes, why or found.why
        self.smaller, self.stretches, self.made_by = smaller, stretches or {}, made_by

    def reduced(self, area: int) -> "FileSource":
        """The same files, decoded no larger than `resize` to `area` needs."""
        twin = copy.copy(self)
        twin.read = self.read if self.smaller is None else self.smaller(area)
        return twin

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        return self._in_words(index, self.read)

    def extent(self, index: int) -> float | None:
        """How long a file is, where that is known without reading it."""
        own = self.stretches.get(suffix_of(self.files[index]))
        return None if own is None else self._in_words(index, own.extent)

    def stretch(self, index: int, start: float, stop: float) -> Sample:
        """A part of a file whose `extent` is known."""
        read = self.stretches[suffix_of(self.files[index])].read
        return self._in_words(index, lambda path: read(path, start, stop))

    def _in_words(self, index: int, read: Callable[[Path], T]) -> T:
        name = self.files[index]
        try:
            return read(self.folder / name)
        except Unreadable as error:
            raise Unreadable(name, error.reason) from error
        except MemoryError as error:
            raise Unreadable(name, "it does not fit in memory") from error
        except OSError as error:
            raise Unreadable(name, f"the file cannot be opened ({error.strerror or error})") from error

    def name(self, index: int) -> str:
        return self.files[index]

    def describe(self) -> str:
        listed, folders = formats(self.files)
        return f"{so_many(len(self), f'{self.kind} file')} in {so_many(folders, 'folder')} ({listed}){said_of_labels(self)}"


def begun(source: Source, index: int) -> Sample:
    """A sample; of a long file that is read stretch by stretch its beginning, which says what it is."""
    if isinstance(source, FileSource) and (whole := source.extent(index)) is not None and whole > BEGIN:
        return source.stretch(index, 0, BEGIN)
    return source[index]
