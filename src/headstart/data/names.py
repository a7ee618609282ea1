"""Names of files: a million in tens of megabytes, and what their suffixes and folders say."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np

PACKED = (".gz", ".bz2", ".xz", ".zst")  # a suffix that says nothing without the one before it


class Index(Sequence[str]):
    """Relative names of files, sorted; each is made into a str when asked for.

    folders, suffixes: the distinct ones. folder, suffix: int32 [n], which of them. sizes: int64 [n] bytes, as they were when
    the folder was listed. The last parts of the names lie in `blob`, at `start` int64 [n], `length` int32 [n] bytes long.
    aside: what was left out as the folder was listed, in sentences.
    """

    def __init__(
        self,
        blob: bytes,
        start: np.ndarray,
        length: np.ndarray,
        folders: list[str],
        folder: np.ndarray,
        suffixes: list[str],
        suffix: np.ndarray,
        sizes: np.ndarray,
        aside: tuple[str, ...] = (),
    ):
        self.blob, self.start, self.length, self.sizes = blob, start, length, sizes
        self.folders, self.folder, self.suffixes, self.suffix = folders, folder, suffixes, suffix
        self.aside = aside

    def __len__(self) -> int:
        return len(self.start)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Index": ...
    def __getitem__(self, index: int | slice) -> "str | Index":
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        at = int(self.start[index])
        return self.folders[self.folder[index]] + os.fsdecode(self.blob[at : at + int(self.length[index])])

    def __iter__(self) -> Iterator[str]:
        ends = (self.start + self.length).tolist()
        for at, end, folder in zip(self.start.tolist(), ends, self.folder.tolist(), strict=True):
            yield self.folders[folder] + os.fsdecode(self.blob[at:end])

    def take(self, rows: np.ndarray) -> "Index":
        """Some of the names, by number or by a mask; the text stays where it is."""
        here = (self.start[rows], self.length[rows])
        return Index(
            self.blob, *here, self.folders, self.folder[rows], self.suffixes, self.suffix[rows], self.sizes[rows]
        )

    def counts(self) -> dict[str, int]:
        """How many files have each suffix: lower case with its dot, ".nii.gz" in one; "" for none. Most frequent first."""
        counted = np.bincount(self.suffix, minlength=len(self.suffixes))
        return {self.suffixes[i]: int(counted[i]) for i in np.argsort(-counted, kind="stable") if counted[i]}

    def by_suffix(self, suffix: str) -> np.ndarray:
        """int64 [k]: the numbers of the files with this suffix."""
        code = self.suffixes.index(suffix) if suffix in self.suffixes else -1
        return np.flatnonzero(self.suffix == code)

    def by_suffixes(self) -> dict[str, np.ndarray]:
        """The numbers of the files of each suffix, the most frequent first."""
        order = np.argsort(self.suffix, kind="stable")
        codes, begin = np.unique(self.suffix[order], return_index=True)
        parts = [np.asarray(p, np.int64) for p in np.split(order, begin[1:])]
        found = sorted(zip(codes.tolist(), parts, strict=True), key=lambda cp: -len(cp[1])) if len(order) else []
        return {self.suffixes[code]: part for code, part in found}

    def by_folder(self) -> tuple[list[str], np.ndarray]:
        """The folders that hold some of these files, "" for the root, and int64 [n]: which of them each is in."""
        held, at = np.unique(self.folder, return_inverse=True)
        return [self.folders[i] for i in held], at.astype(np.int64)


def suffix_of(name: str) -> str:
    """Lower case, with its dot; ".nii.gz" in one; "" for none."""
    stem, suffix = os.path.splitext(name)
    suffix = suffix.lower()
    if suffix in PACKED:
        inner = os.path.splitext(stem)[1].lower()
        return inner + suffix if 1 < len(inner) <= 8 and inner[1:].isalnum() else suffix
    return suffix


def by_folder(files: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The folders that hold files, each with a slash at its end ("" for the root), and int64 [n]: which of them each is in."""
    if isinstance(files, Index):
        return files.by_folder()
    number: dict[str, int] = {}
    at = [number.setdefault(name[: name.rfind("/") + 1], len(number)) for name in files]
    return list(number), np.array(at, dtype=np.int64)


def formats(files: Sequence[str]) -> tuple[str, int]:
    """("png 120, jpg 30", folders): what the files are by their suffixes, most frequent first, and how many folders hold them."""
    counts = files.counts() if isinstance(files, Index) else Counter(map(suffix_of, files))
    most = sorted(counts.items(), key=lambda each: -each[1])
    return ", ".join(f"{suffix.lstrip('.') or 'no suffix'} {count:,}" for suffix, count in most), len(
        by_folder(files)[0]
    )
