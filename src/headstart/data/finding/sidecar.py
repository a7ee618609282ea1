"""Tables that lie beside the data: which file is of which class, in labels.csv and the like."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

import numpy as np

from .. import labels
from ..classes import Labels, as_column
from ..groups import AUTO, NONE, WHO, Groups, decide
from ..readers import columnar, delimited, jsonl
from ..source import DataError
from . import lists
from .called import Names

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
LIMIT = 2**29  # bytes of a table
# words of columns that name files, or whom they are of
FILES = (
    *labels.words(
        """file files filename fname path filepath image images img picture photo audio wav clip recording record slice name id
        url uri key uid case sample scan study video"""
    ),
    *WHO,
)
TEXTS = ("caption", "captions", "text", "description", "title", "prompt", "sentence", "report", "transcript")
Columns = dict[str, list[object]]


class NoList(DataError):
    """A text or JSON file that is no list of files at all, as most are."""


@dataclass(frozen=True, eq=False)
class Sidecar:
    """A table whose column `files` names the data's files, or folders or the beginnings of names that many files share.

    at: int64 [n], the row of each file, -1 where it has none. again: int64 [m, 2], further rows about a file, as (file, row).
    shared: rows are about several files each, which belong together. said: sentences about how rows and files found each other.
    """

    name: str
    columns: Columns
    files: str
    at: np.ndarray
    again: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    shared: bool = False
    said: tuple[str, ...] = ()

    def labels(self, asked: str | None = None) -> Labels:
        """Classes int64 (-1 where a file is not listed, or rows about it disagree), or quantities float32 (NaN likewise), in the
        order of the files."""
        names = [c for c in self.columns if c != self.files]
        found = labels.decide(
            names, lambda c: as_column(c, self.columns[c]), self.name, asked, of=f" of {self.name}", beside=True
        )
        if found.values is None:
            return found
        unknown = np.array([np.nan if found.values.dtype.kind == "f" else -1], found.values.dtype)
        values, (files, rows) = np.concatenate([found.values, unknown])[self.at], self.again.T
        same = np.isclose(found.values[rows], values[files], equal_nan=True)
        if same.all():
            return found._replace(values=values)
        values[files[~same]] = unknown[0]
        first, count = self.columns[self.files][int(rows[~same][0])], len(np.unique(files[~same]))
        return found._replace(
            values=values,
            why=f"{found.why}; {count:,} files have rows that disagree, and so no label (first: {first})",
        )

    def groups(self, asked: str = AUTO) -> Groups:
        """The groups that a column says, in the order of the files."""
        label = self.labels().name if asked == AUTO else None
        return decide(list(self.columns), lambda c: as_column(c, self.columns[c]), self.name, asked, label, self.at)

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
    read: tuple[str, ...] = ()  # the names of all of them

    def groups(self, asked: str = AUTO) -> Groups:
        """Files that the best table has one row for hang together, as a patient's; else those with one value of a column that is
        named for it, or of the one asked for. DataError where no table has that."""
        if asked == NONE:
            return Groups()
        for table in self.tables[: None if asked != AUTO else 1]:
            if table.shared and asked == AUTO:
                at = table.at
                return Groups(np.where(at >= 0, at, at.max() + 1 + np.arange(len(at))))
            try:
                return table.groups(asked)
            except DataError:
                if table is self.tables[-1]:
                    raise
        return Groups()

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

    Files may be named as `Names` knows them, in one column or by folder and file in two; tables may also name folders, or the
    beginnings of names, as a patient's. Of several columns the one that is called as such columns are counts. A table called
    after a split names files of its folder first: 1 of train.csv is train/1.png. Tables with the same columns about different
    files (train.csv, val.csv) are one.
    """
    found: list[Sidecar] = []
    remarks: list[str] = []
    names: Names | None = None
    for name in beside:
        stem = name.rpartition("/")[2].partition(".")[0]
        meant = labels.is_beside(stem)
        if labels.is_form(stem):
            remarks.append(f"{name} is a form to be filled in: what it holds is taken for no labels")
            continue
        listed = name.lower().endswith(lists.SUFFIXES)
        try:
            columns, remark = read_columns(folder / name)
        except DataError as error:
            if (meant and not listed) or (listed and not isinstance(error, NoList)):
                remarks.append(f"no labels are taken from {name}: {error}")
            continue
        names = names if names is not None else Names(files)
        one = _listing(name, columns, names)
        if isinstance(one, Sidecar):
            found.append(one)
            remarks += [f"{name} is {remark}"] if remark else []
            remarks += [*one.said, *_texts(folder, one)]
        elif meant and not listed:
            remarks.append(one)
    chosen, rest = _best(found)
    remarks += [f"{t.name} lists {int((t.at >= 0).sum()):,} of the files as well, and is not used" for t in rest]
    return Beside((*chosen, *rest), tuple(remarks), tuple(t.name for t in found))


def read_columns(path: Path) -> tuple[Columns, str]:
    """A small table by columns, .csv, .tsv, .jsonl, .parquet or a list (`lists`), of at most 512 MiB, and a remark about its
    encoding; DataError in words."""
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
    if suffix in lists.SUFFIXES:
        if (columns := lists.read(path)) is None:
            raise NoList(f"{path} lists no files with labels: write a line for each, its name and its label")
        return columns, ""
    table = columnar.load(path) if suffix == ".parquet" else jsonl.load(path)
    return {name: list(map(table.column(name).cell, range(len(table)))) for name in table.names}, ""


def listing(name: str, columns: Columns, files: Sequence[str]) -> Sidecar | str:
    """A table by the column that names the files; a sentence where none does."""
    return _listing(name, columns, Names(files))


def _listing(name: str, columns: Columns, names: Names) -> Sidecar | str:
    """The table with the column that names the files; a sentence where none does."""
    if len(columns) < 2:
        return f"{name} has one column, {next(iter(columns))}: no labels are taken from it"
    before, _, base = name.rpartition("/")
    split = labels.split_of(base.partition(".")[0])
    own = names.within(split) if split else None
    for some in (names,) if own is None else (own, names):
        if (found := _by_file(columns, some, before)) is not None:
            column, at = found
            return _sidecar(name, columns, column, some.whole(at), names)
    for a, b in permutations(list(columns)[:8], 2):
        at = names.exact([f"{x}/{y}" for x, y in zip(columns[a], columns[b], strict=True)], before)
        if _fits(at, names.count):
            return _sidecar(name, columns, b, at, names)
    for column, values in columns.items() if base.lower().endswith(SUFFIXES) else ():
        row = names.sharing(values)
        rows, files = len(np.unique(row[row >= 0])), int((row >= 0).sum())
        if rows > 1 and (2 * rows >= len(values) or 2 * files >= names.count):
            said = f"{name} names in {column} what {files:,} files have in common: {rows:,} groups"
            return Sidecar(name, columns, column, row, shared=True, said=(said,))
    looked = {column: names.loose(values, before) for column, values in columns.items()}
    most, of = max((len(np.unique(at[at >= 0])), column) for column, at in looked.items())
    several, first, where = max((*names.several(values), column) for column, values in columns.items())
    few = f"but {most:,} of the files in its column {of}" if most else "none of the files that are here"
    if several > most:
        few = f"in its column {where} {several:,} names that several files have, such as {first}: write their folders, too"
    return f"{name} lists {few}: no labels are taken from it"


def _by_file(columns: Columns, names: Names, before: str) -> tuple[str, np.ndarray] | None:
    """The column that names files, and the file of each row, -1 where there is none."""
    sure = {c: bool(set(FILES) & set(labels.words(c))) and labels.rank(c) is None for c in columns}
    able = {c: v for c, v in columns.items() if sure[c] or (labels.rank(c) is None and not _recur(v))}
    for look in (names.exact, names.loose):
        fits = {c: at for c, values in able.items() if _fits(at := look(values, before), names.count)}
        if not fits:
            continue
        best = max(fits, key=lambda c: (sure[c], len(np.unique(fits[c]))))
        if sure[best] or look == names.loose or not any(sure.values()):
            return best, fits[best]
        others = {c: at for c, v in columns.items() if sure[c] and _fits(at := names.loose(v, before), names.count)}
        return next(iter(others.items()), (best, fits[best]))
    return None


def _recur(values: Sequence[object]) -> bool:
    """Whether these are numbers some of which are equal: an age, a class."""
    said = [str(v).strip() for v in values]
    return len(set(said)) < len(said) and all(map(str.isdigit, said))


def _fits(at: np.ndarray, count: int) -> bool:
    listed = at >= 0
    hits = len(np.unique(at[listed]))
    return hits > 0 and (2 * int(listed.sum()) >= len(at) or 2 * hits >= count)


def _sidecar(name: str, columns: Columns, column: str, at: np.ndarray, names: Names) -> Sidecar:
    """at: int64 [rows], the file that each is about."""
    listed = np.flatnonzero(at >= 0)
    row = np.full(names.count, -1, np.int64)
    row[at[listed]] = listed
    more = listed[row[at[listed]] != listed]
    lost = np.flatnonzero(at < 0)
    of = f"{name} names {len(lost):,} files that are not here" + (
        f" (first: {columns[column][lost[0]]})" if len(lost) else ""
    )
    said = (of,) if len(lost) else ()
    return Sidecar(name, columns, column, names.twins(row), np.stack([at[more], more], 1), said=said)


def _texts(folder: Path, table: Sidecar) -> list[str]:
    """That a table has a text for each file, where giving the table reads both."""
    column = next((c for c in table.columns if c.lower() in TEXTS), None)
    first = next((str(v) for v in table.columns[table.files] if v), "")
    if column is None or not first or not (folder / table.name).parent.joinpath(first).is_file():
        return []
    return [f"{table.name} has a text for files in its column {column}: give {folder / table.name} itself to read both"]


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
    again = np.concatenate([a.again, b.again + np.array([0, rows])])
    at = np.where(b.at >= 0, b.at + rows, a.at)
    return Sidecar(f"{a.name} and {b.name}", columns, a.files, at, again, said=a.said + b.said)
