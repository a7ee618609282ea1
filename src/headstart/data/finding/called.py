"""The names of files, and the ways in which tables say them."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..labels import split_of
from ..names import PACKED, by_folder, suffix_of

CUT = re.compile(r"[_\-. ]")


class Names:
    """The names of files, and the ways to say them: by their path from the folder, from the table or from where all of them lie;
    by the end of another path; by their last part with or without suffix, where that is unique; in other letter case; and by a
    number without its zeros.

    part: int64 [n], where these are some of more files, which of them. Files of one folder that differ in nothing but their
    suffix (1.jpg beside 1.dng) are one.
    """

    def __init__(self, files: Sequence[str], part: np.ndarray | None = None):
        self.files, self.count, self.part = list(files), len(files), part
        folders, _ = by_folder(files)
        top = os.path.commonpath(folders) + "/" if all(folders) and folders else "/"
        self.bases = [f[f.rfind("/") + 1 :] for f in self.files]
        self.stems = [_stem(base) for base in self.bases]
        first: dict[str, int] = {}
        paths = [
            f[: len(f) - len(base)] + stem for f, base, stem in zip(self.files, self.bases, self.stems, strict=True)
        ]
        self._twin = np.array([first.setdefault(path, i) for i, path in enumerate(paths)], np.int64)
        for i in np.flatnonzero(self._twin != np.arange(self.count)).tolist():
            self.stems[i] = ""  # the first of them has this name
        inside = [f.removeprefix(top) for f in self.files]
        self._exact = _numbers(self.stems, self.bases, inside, self.files)
        self._loose: dict[str, int] | None = None

    def exact(self, values: Sequence[object], before: str) -> np.ndarray:
        """int64 [rows]: the file that each value names, -1 where none. before: the folder of the table."""
        said = [_clean(v) for v in values]
        inside = [f"{before}/{v}" for v in said] if before else said
        return np.array(
            [self._exact.get(i, self._exact.get(v, -1)) for i, v in zip(inside, said, strict=True)], np.int64
        )

    def loose(self, values: Sequence[object], before: str) -> np.ndarray:
        """The same for values with other roots, letters, suffixes or zeros; all of them -1 where numbers recur."""
        if self._loose is None:
            numbers = [_number(stem) for stem in self.stems]
            self._loose = _numbers(numbers, *(list(map(_plain, each)) for each in (self.stems, self.bases, self.files)))
        said = [_clean(v) for v in values]
        if len(set(said)) < len(said) and all(map(str.isdigit, said)):
            return np.full(len(said), -1, np.int64)
        return np.array([self._end(v) for v in said], np.int64)

    def within(self, split: str) -> "Names | None":
        """The files in folders of a split, or called after it; None if there are none, or no others."""
        folders, at = by_folder(self.files)
        told = np.array([any(split_of(part) == split for part in folder.split("/")) for folder in folders], bool)[at]
        part = np.flatnonzero(told)
        return Names([self.files[i] for i in part.tolist()], part) if 0 < len(part) < self.count else None

    def whole(self, at: np.ndarray) -> np.ndarray:
        """Numbers of these files as numbers among all of them."""
        return at if self.part is None else np.where(at >= 0, self.part[at], -1)

    def twins(self, row: np.ndarray) -> np.ndarray:
        """int64 [files], the row of each: files that have none, and differ from one that has in their suffix alone, have its."""
        return np.where(row >= 0, row, row[self._twin])

    def sharing(self, values: Sequence[object]) -> np.ndarray:
        """int64 [files]: the row that names a folder on the way to each file, or the beginning of its name: sub-01, P001 of
        P001_02.png. -1 where none does, or several rows are of one name."""
        said = [_plain(_clean(v)) for v in values]
        count = Counter(said)
        rows = {name: row for row, name in enumerate(said) if name and count[name] == 1}
        folders, at = by_folder(self.files)
        ways = ([rows[part] for part in reversed(_plain(folder).split("/")) if part in rows] for folder in folders)
        row = np.array([next(iter(way), -1) for way in ways], np.int64)[at]
        telling = {name for name in rows if len(name) > 2 and any(map(str.isalnum, name))}
        for i in np.flatnonzero(row < 0).tolist() if telling else ():
            stem = _plain(_stem(self.bases[i]))
            cuts = (stem[: mark.start()] for mark in reversed(list(CUT.finditer(stem))))
            row[i] = next((rows[cut] for cut in cuts if cut in telling), -1)
        return row

    def several(self, values: Sequence[object]) -> tuple[int, str]:
        """How many names are of several files each, and the first of them."""
        found = [name for v in values if self._exact.get(name := _clean(v)) == -1]
        return len(set(found)), next(iter(found), "")

    def _end(self, value: str) -> int:
        known, path = self._loose or {}, _plain(value)
        while path:
            if (at := known.get(path, -1)) >= 0:
                return at
            path = path.partition("/")[2]
        stem = _stem(value[value.rfind("/") + 1 :])
        return known.get(_plain(stem), known.get(_number(stem), -1))


def _numbers(*ways: Sequence[str]) -> dict[str, int]:
    """Every way to name a file without doubt, and its number (-1: it names several); a later way goes before an earlier one."""
    known: dict[str, int] = {}
    for names in ways:
        once = dict(zip(names, range(len(names)), strict=True))
        if len(once) < len(names):
            once |= dict.fromkeys((name for name, count in Counter(names).items() if count > 1), -1)
        known |= once
    known.pop("", None)
    return known


def _stem(base: str) -> str:
    return base[: len(base) - len(suffix_of(base))] if base.endswith(PACKED) else base.rpartition(".")[0] or base


def _plain(name: str) -> str:
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def _number(stem: str) -> str:
    """A name that is a number, without its zeros; "" for any other."""
    return f"#{int(stem)}" if stem.isascii() and stem.isdigit() and len(stem) < 19 else ""


def _clean(value: object) -> str:
    return str(value).strip().replace("\\", "/").removeprefix("./")
