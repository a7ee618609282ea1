"""Folders with one sample in a file, whatever the format: what a reader makes of each path."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ...errors import Unreadable
from ..classes import Labels, said_of_labels
from ..labels import folder_labels
from ..names import formats
from ..source import Sample

Read = Callable[[Path], Sample]


class FileSource:
    """The files of a folder, each one sample that `read` makes of its path; two or more first-level folders name the labels.

    labels, classes: where they are known from elsewhere (a sidecar table); why: how they were found. smaller: what reads the
    files no larger than an area [px] needs, where the format allows that.
    """

    groups: np.ndarray | None = None
    bad: Sequence[Unreadable] = ()

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
    ):
        self.folder, self.files, self.read, self.kind = Path(folder), files, read, kind
        found = folder_labels(files) if labels is None else Labels(labels, classes)
        self.labels, self.classes, self.why = found.values, found.classes, why or found.why
        self.smaller = smaller

    def reduced(self, area: int) -> "FileSource":
        """The same files, decoded no larger than `resize` to `area` needs."""
        twin = copy.copy(self)
        twin.read = self.read if self.smaller is None else self.smaller(area)
        return twin

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        name = self.files[index]
        try:
            return self.read(self.folder / name)
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
        return f"{len(self):,} {self.kind} files in {folders:,} folders ({listed}){said_of_labels(self)}"
