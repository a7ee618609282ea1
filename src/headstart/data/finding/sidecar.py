"""Tables that lie beside the data: which file is of which class, in labels.csv and the like."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import labels
from ..classes import Labels, as_column
from ..names import PACKED, by_folder, suffix_of
from ..readers import columnar, delimited, jsonl
from ..source import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
LIMIT = 2**29  # bytes of a table
Columns = dict[str, list[object]]


@dataclass(frozen=True, eq=False)
class Sidecar:
    """A table whose column `files` names the data's files. at: int64 [n], the row of each file, -1 where it has none. more: rows
    about files that a later row is about as well.
    """

    name: str
    columns: Columns
    files: str
    at: np.ndarray
    more: int = 0

    def labels(self, asked: str | None = None) -> Labels:
        """Classes int64 (-1 where a file is not listed), or quantities float32 (NaN likewise), in the order of the files."""
        names = [c for c in self.columns if c != self.files]
        found = labels.decide(
            names, lambda c: as_column(c, self.columns[c]), self.name, asked, of=f" of {self.name}", beside=True
        )
        if found.values is None:
            return found
        unknown = np.array([np.nan if found.values.dtype.kind == "f" else -1], found.values.dtype)
        return found._replace(values=np.concatenate([found.values, unknown])[self.at])

    def candidates(self) -> list[str]:
        """Columns that could be labels, the likeliest first: no column of which every value is another."""
        found = self.labels()
        most = len(self.at) // 2
        rest = [c for c, values in self.columns.items() if c != self.files and 1 < len(set(map(str, values))) <= most]
        return list(dict.fromkeys([*([found.name] if found.name else []), *found.others, *rest]))


@dataclass(frozen=True)
class Beside:
    """The tables that list the files, the best first, and sentences about those that should have been of use and are not."""

    tables: tuple[Sidecar, ...] = ()
    remarks: tuple[str, ...] = ()

    def labels(self, asked: str | None = None) -> Labels:
        """Those of the best table; DataError where none of them has the column asked for."""
        for table in self.tables[: None if asked is not None else 1]:
            try:
                return table.labels(asked)
            except DataError:
                if table is self.tables[-1]:
                    raise
        return Labels()


def find(folder: Path, files: Sequence[str], beside: Iterable[str]) -> Beside:
    """The tables among `beside` (relative names) of which a column names at least half of the files it lists, or half of all.

    Files may be named by their path from the folder, from the table or from where all of them lie; by the end of another path;
    by their last part with or without suffix, where that is unique; in other letter case; and by a number without its zeros.
    Tables with the same columns about different files (train.csv, val.csv) are one.
    """
    found: list[Sidecar] = []
    remarks: list[str] = []
    names: _Names | None = None
    for name in beside:
        stem = name.rpartition("/")[2].partition(".")[0]
        meant = labels.is_beside(stem)
        if labels.is_form(stem):
            remarks.append(f"{name} is a form to be filled in: what it holds is taken for no labels")
            continue
        try:
            columns, remark = read_columns(folder / name)
        except DataError as error:
            remarks += [f"no labels are taken from {name}: {error}"] if meant else []
            continue
        names = names if names is not None else _Names(files)
        one = _listing(name, columns, names)
        if isinstance(one, Sidecar):
            found.append(one)
            remarks += [f"{name} is {remark}"] if remark else []
            remarks += [f"{name} has {one.more:,} rows too many about files: the last one counts"] if one.more else []
        elif meant:
            remarks.append(one)
    chosen, rest = _best(found)
    remarks += [f"{t.name} lists {int((t.at >= 0).sum()):,} of the files as well, and is not used" for t in rest]
    return Beside((*chosen, *rest), tuple(remarks))


def read_columns(path: Path) -> tuple[Columns, str]:
    """A small table by columns, .csv, .tsv, .jsonl or .parquet of at most 512 MiB, and a remark about its encoding; DataError in
    words."""
    try:
        if path.stat().st_size > LIMIT:
            raise DataError(f"{path} is larger than {LIMIT >> 20} MiB: give a smaller table")
        empty = path.stat().st_size == 0
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror or error}): check its permissions") from error
    if empty:
        raise DataError(f"{path} is empty: give a table with a line of names and rows")
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return delimited.texts(path)
    table = columnar.load(path) if suffix == ".parquet" else jsonl.load(path)
    return {name: list(map(table.column(name).cell, range(len(table)))) for name in table.names}, ""


def _listing(name: str, columns: Columns, names: "_Names") -> Sidecar | str:
    """The table with the column that names the files; a sentence where none does."""
    if len(columns) < 2:
        return f"{name} has one column, {next(iter(columns))}: no labels are taken from it"
    before = name.rpartition("/")[0]
    most, of = 0, ""
    for look in (names.exact, names.loose):
        for column, values in columns.items():
            at = look(values, before)
            listed = at >= 0
            hits = len(np.unique(at[listed]))
            if hits and (2 * int(listed.sum()) >= len(at) or 2 * hits >= names.count):
                row = np.full(names.count, -1, np.int64)
                row[at[listed]] = np.flatnonzero(listed)
                return Sidecar(name, columns, column, row, int(listed.sum()) - hits)
            if hits > most:
                most, of = hits, column
    few = f"but {most:,} of the files in its column {of}" if most else "none of the files that are here"
    return f"{name} lists {few}: no labels are taken from it"


def _best(found: list[Sidecar]) -> tuple[list[Sidecar], list[Sidecar]]:
    """The table whose labels tell files apart, together with those like it, and the others."""
    useful = [
        t for t in found if (told := t.labels()).values is not None and len(np.unique(told.values[t.at >= 0])) > 1
    ]
    if not useful:
        return found[:1], found[1:]
    first = useful[0]
    together, joined = first, [first]
    for table in useful[1:]:
        apart = not ((together.at >= 0) & (table.at >= 0)).any()
        if apart and table.files == first.files and list(table.columns) == list(first.columns):
            together = _joined(together, table)
            joined.append(table)
    return [together], [t for t in found if t not in joined]


def _joined(a: Sidecar, b: Sidecar) -> Sidecar:
    rows = len(a.columns[a.files])
    columns = {name: [*values, *b.columns[name]] for name, values in a.columns.items()}
    return Sidecar(f"{a.name} and {b.name}", columns, a.files, np.where(b.at >= 0, b.at + rows, a.at))


class _Names:
    """The names of files, and the ways to say them."""

    def __init__(self, files: Sequence[str]):
        self.files, self.count = list(files), len(files)
        folders, _ = by_folder(files)
        top = os.path.commonpath(folders) + "/" if all(folders) and folders else "/"
        self.bases = [f[f.rfind("/") + 1 :] for f in self.files]
        self.stems = [_stem(base) for base in self.bases]
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
