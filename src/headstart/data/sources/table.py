"""Tables as samples: a row is a sample, and one column may be the label."""

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ...errors import Unreadable
from ..cells import Column
from ..labels import candidates, labels_of, said_of_labels, says_label
from ..source import DataError

CELLS = 200_000_000  # cells of a table that is kept in memory: 8 bytes each
COLUMNS = 4096


@runtime_checkable
class Table(Protocol):
    """Rows by number and columns by name."""

    title: str

    @property
    def names(self) -> tuple[str, ...]: ...
    def __len__(self) -> int: ...
    def row(self, i: int) -> dict[str, Any]: ...
    def column(self, name: str) -> Column: ...
    def remarks(self) -> str: ...  # what was left out, for `describe`; "" if nothing


@dataclass
class Columns:
    """A table in memory. bad: (line, reason) of lines that could not be read, the first thousand of `bad_lines`."""

    title: str
    columns: list[Column]
    bad: list[tuple[int, str]] = field(default_factory=list)
    bad_lines: int = 0
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.columns or not len(self):
            raise DataError(f"{self.title} holds no rows: give a table with a line of names and at least one row")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    def __len__(self) -> int:
        return len(self.columns[0].values)

    def row(self, i: int) -> dict[str, Any]:
        return {c.name: c.cell(i) for c in self.columns}

    def column(self, name: str) -> Column:
        return self.columns[self.names.index(name)]

    def remarks(self) -> str:
        lines = f", {self.bad_lines:,} bad lines left out (line {self.bad[0][0]}: {self.bad[0][1]})" if self.bad else ""
        return lines + (f", without {', '.join(self.left_out[:5])}" if self.left_out else "")


class TableSource:
    """The rows of one table as {column: cell}, without the label column.

    label: a column's name. By default the first column whose name says so ("label", "class", "target", "species", ...).
    candidates: columns that may be meant, those named so first, then a last column of few different values.
    """

    kind = "table"
    bad: Sequence[Unreadable] = ()
    groups: np.ndarray | None = None

    def __init__(self, table: Table, label: str | None = None):
        self.table, self.title = table, table.title
        self.candidates = candidates(table.names, table.column)
        self.labels: np.ndarray | None = None
        self.classes: tuple[str, ...] = ()
        self.label = self._choose(label)
        if self.label is not None and len(table.names) == 1:
            raise DataError(
                f"{self.title} has one column, {self.label!r}, and nothing to learn from: give another table"
            )

    def _choose(self, label: str | None) -> str | None:
        if label is not None:
            self.labels, self.classes = labels_of(self.table.column(named(self.table, label)), self.title)
            return named(self.table, label)
        for name in self.candidates:
            if says_label(name, self.table.names):
                try:
                    self.labels, self.classes = labels_of(self.table.column(name), self.title)
                    return name
                except DataError:
                    continue  # it is called a class, and holds none
        return None

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self.table.row(index)
        if self.label is not None:
            del row[self.label]
        if all(cell is None for cell in row.values()):
            raise Unreadable(self.name(index), "every cell of the row is missing")
        return row

    def name(self, index: int) -> str:
        return f"{self.title}[{index}]"

    def describe(self) -> str:
        columns = len(self.table.names) - (self.label is not None)
        by = f" by {self.label!r}" if self.label else ""
        if self.label is None and self.candidates:
            by = f" (labels may be in {' or '.join(map(repr, self.candidates[:3]))})"
        return f"{self.title}: {len(self):,} rows of {columns} columns{said_of_labels(self)}{by}{self.table.remarks()}"


class TablesSource:
    """The rows of several tables, of whatever columns; each row says under the key "" which table it is from.

    groups: the number of the table, None where all have the same columns. label: a column that every table has; its classes
    are those of all. Without it, a column
    whose name says that it is the label is taken out where all tables have the same columns (parts of one table).
    """

    kind = "table"
    bad: Sequence[Unreadable] = ()

    def __init__(self, tables: Sequence[Table], label: str | None = None):
        if not tables:
            raise DataError("there are no tables: give at least one")
        self.tables = tables
        self.titles = unique([t.title for t in tables])
        self.starts = np.cumsum([0, *map(len, tables)])
        self.groups: np.ndarray | None = np.repeat(np.arange(len(tables)), np.diff(self.starts))
        self.labels: np.ndarray | None = None
        self.classes: tuple[str, ...] = ()
        self.candidates = tuple(
            n for n in candidates(tables[0].names, tables[0].column) if all(n in t.names for t in tables)
        )
        self.label = label
        alike = len({frozenset(t.names) for t in tables}) == 1
        if alike:
            self.groups = None  # parts of one table, such as train.csv and test.csv
        if label is None and alike:
            self.label = next((n for n in self.candidates if says_label(n, tables[0].names)), None)
        self.hidden = [named(t, self.label) if self.label is not None else None for t in tables]
        try:
            self.labels, self.classes = self._labels()
        except DataError:
            if label is not None:
                raise
            self.label, self.hidden = None, [None] * len(tables)  # it is called a class, and holds none

    def _labels(self) -> tuple[np.ndarray | None, tuple[str, ...]]:
        if self.label is None:
            return None, ()
        each = [labels_of(t.column(str(n)), t.title) for t, n in zip(self.tables, self.hidden, strict=True)]
        if len({bool(classes) for _, classes in each}) > 1:
            raise DataError(
                f"column {self.label!r} holds classes in some tables and quantities in others: choose another"
            )
        together = tuple(sorted({c for _, classes in each for c in classes}))
        if not together:
            return np.concatenate([labels for labels, _ in each]), ()
        number = {c: i for i, c in enumerate(together)}
        at = [np.array([*(number[c] for c in classes), -1]) for _, classes in each]
        return np.concatenate([a[labels] for a, (labels, _) in zip(at, each, strict=True)]), together

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, index: int) -> dict[str, Any]:
        t, i = self._at(index)
        row = {name: cell for name, cell in self.tables[t].row(i).items() if name != self.hidden[t]}
        if all(cell is None for cell in row.values()):
            raise Unreadable(self.name(index), "every cell of the row is missing")
        return {"": self.titles[t]} | row

    def name(self, index: int) -> str:
        t, i = self._at(index)
        return f"{self.titles[t]}[{i}]"

    def describe(self) -> str:
        names = {name for t in self.tables for name in t.names}
        return f"{len(self.tables):,} tables of {len(self):,} rows and {len(names):,} columns{said_of_labels(self)}"

    def _at(self, index: int) -> tuple[int, int]:
        index = range(len(self))[index]
        t = int(np.searchsorted(self.starts, index, side="right")) - 1
        return t, index - int(self.starts[t])


def unique(names: Sequence[str]) -> list[str]:
    """The same names; the second "a" is called "a (2)", unless another is called so already."""
    out: list[str] = []
    taken, count = set(names), Counter[str]()
    for name in names:
        count[name] += 1
        new = name
        while count[name] > 1 and new in taken:
            new = f"{name} ({count[name]})"
            count[name] += new in taken
        taken.add(new)
        out.append(new)
    return out


def named(table: Table, name: str) -> str:
    """A column of this name, if need be in other letter case."""
    if name in table.names:
        return name
    same = [n for n in table.names if n.lower() == name.lower()]
    if len(same) == 1:
        return same[0]
    near = difflib.get_close_matches(name, table.names, n=1) or list(table.names[:5])
    raise DataError(f"{table.title} has no column {name!r}: did you mean {' or '.join(map(repr, near))}?")
