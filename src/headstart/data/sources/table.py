"""Tables as samples: a row is a sample, and one column may be the label."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from ...errors import Unreadable, so_many
from ...forms import Cell
from ..cells import Column
from ..classes import Labels, as_column, labels_of, noted, said_of_labels
from ..groups import AUTO, NONE, NOTHING_ELSE, OF, Groups, refused
from ..groups import decide as decide_groups
from ..labels import IDENTIFIER, LABEL, decide, no_inputs, pick, said_of_inputs, said_of_no_inputs
from ..source import DataError
from ..telltale import said_of, telling

CELLS = 200_000_000  # cells of a table that is kept in memory: 8 bytes each
COLUMNS = 4096


@runtime_checkable
class Table(Protocol):
    """Rows by number and columns by name."""

    title: str

    @property
    def names(self) -> tuple[str, ...]: ...
    def __len__(self) -> int: ...
    def row(self, i: int) -> dict[str, Cell]: ...
    def column(self, name: str) -> Column: ...
    def remarks(self) -> str: ...  # what was left out, for `describe`; "" if nothing


@dataclass
class Columns:
    """A table in memory. bad: (line, reason) of lines that could not be read, the first thousand of `bad_lines`.

    units: by column, where a line below the names holds them.
    """

    title: str
    columns: list[Column]
    bad: list[tuple[int, str]] = field(default_factory=list)
    bad_lines: int = 0
    left_out: tuple[str, ...] = ()
    remark: str = ""  # about its encoding
    units: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.columns or not len(self):
            raise DataError(f"{self.title} holds no rows: give a table with a line of names and at least one row")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    def __len__(self) -> int:
        return len(self.columns[0].values)

    def row(self, i: int) -> dict[str, Cell]:
        return {c.name: c.cell(i) for c in self.columns}

    def column(self, name: str) -> Column:
        return self.columns[self.names.index(name)]

    def remarks(self) -> str:
        lines = f", {self.bad_lines:,} bad lines left out (line {self.bad[0][0]}: {self.bad[0][1]})" if self.bad else ""
        without = f", without {', '.join(self.left_out[:5])}" if self.left_out else ""
        return lines + without + (f", {self.remark}" if self.remark else "")


class TableSource:
    """The rows of one table as {column: cell}, without the label column and the one that says what hangs together.

    label: a column's name; by default the one that `labels.decide` takes. candidates: columns that may be meant, that one first.
    """

    kind = "table"
    bad: Sequence[Unreadable] = ()
    groups: np.ndarray | None = None

    def __init__(self, table: Table, label: str | None = None):
        self.table, self.title = table, table.title
        found = decide(table.names, table.column, self.title, label)
        self.labels, self.classes, self.why, self.label, others = found
        self.candidates = (*([found.name] if found.name else []), *others)
        self._found, self._rest = found, no_inputs(table.names, found, label, _in_memory(table))
        identifier = next((n for n, reason in self._rest.items() if reason == IDENTIFIER), None)
        self.names = None if identifier is None else table.column(identifier)
        if self.label is not None and len(table.names) == 1:
            raise DataError(
                f"{self.title} has one column, {self.label!r}, and nothing to learn from: give another table"
            )
        self.hold_together(AUTO)

    def hold_together(self, asked: str) -> None:
        """Rows with one value of this column are never divided, and it is no input; see `groups.ByColumn`."""
        names = self.table.names
        found = decide_groups(names, self.table.column, self.title, asked, self.label)
        if {*self._rest, self.label, found.name}.issuperset(names):
            if asked != AUTO:
                raise DataError(f"{self.title} has nothing to learn from beside {found.name}: give another table")
            found = Groups(why=refused(found.name, NOTHING_ELSE)) if found.name else found
        self.aside = self._rest | ({found.name: OF} if found.name else {})
        self.hidden = {*self.aside, *([self.label] if self.label else [])}
        inputs = [column for column in _in_memory(self.table) if column.name not in self.hidden]
        fed = said_of_inputs(self._found, self.hidden)
        self.groups, self.why = (
            found.values,
            noted(self._found.why, fed, found.why, said_of(telling(inputs, self.labels))),
        )

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> dict[str, Cell]:
        row = {name: cell for name, cell in self.table.row(index).items() if name not in self.hidden}
        if all(cell is None for cell in row.values()):
            raise Unreadable(self.name(index), "every cell of the row is missing")
        return row

    def name(self, index: int) -> str:
        """What the identifier of the row says, where a column holds one."""
        told = None if self.names is None else self.names.cell(index)
        return f"{self.title}[{index}]" if told is None else str(told)

    def describe(self) -> str:
        columns = len(self.table.names) - len(self.hidden)
        said = said_of_labels(self) + said_of_no_inputs(self.aside) + self.table.remarks()
        return f"{self.title}: {so_many(len(self), 'row')} of {so_many(columns, 'column')}{said}"

    def only(self, known: Collection[str]) -> None:
        """Read these columns and no others, as an encoder that has learnt from them asks."""
        self.hidden = set(self.table.names).difference(known)


class TablesSource:
    """The rows of several tables, of whatever columns; each row says under the key "" which table it is from.

    groups: the number of the table, None where all have the same columns, but for the label, which some of them may lack
    (train.csv and test.csv). Of these the label is chosen as of one table. label: a column that every table has; its classes
    are those of all.
    """

    kind = "table"
    bad: Sequence[Unreadable] = ()

    def __init__(self, tables: Sequence[Table], label: str | None = None):
        if not tables:
            raise DataError("there are no tables: give at least one")
        self.tables = tables
        self.titles = unique([t.title for t in tables])
        self.starts = np.cumsum([0, *map(len, tables)])
        self.groups: np.ndarray | None = None
        widest = max(tables, key=lambda t: len(t.names))
        lacking = set(widest.names).difference(*(t.names for t in tables)) | {
            n for n in widest.names if not all(n in t.names for t in tables)
        }
        alike = all(set(t.names) <= set(widest.names) for t in tables) and len(lacking) <= 1
        found = decide(widest.names, widest.column, widest.title, label) if label is not None or alike else Labels()
        alike = alike and lacking <= {found.name}
        if not alike and label is None:  # no parts of one table, as train.csv and test.csv are
            found = Labels()
        self.label, self.why, self.candidates = found.name, found.why, found.others
        hides = [pick(label, t.names, t.title) if label is not None else found.name for t in tables]
        self.holding = [name if name in t.names else None for name, t in zip(hides, tables, strict=True)]
        asides = [_aside(t, name, label) for t, name in zip(tables, self.holding, strict=True)]
        if alike:  # what is so in every part
            asides = [{n: r for n, r in aside.items() if all(n in other for other in asides)} for aside in asides]
        self._asides, self._alike, self._widest = asides, alike, widest
        self.labels, self.classes = self._labels()
        self._why, self._found = self.why, found
        self.hold_together(AUTO)

    def hold_together(self, asked: str) -> None:
        """Rows of all tables with one value of this column are never divided, and it is no input; see `groups.ByColumn`."""
        apart = None if self._alike else np.repeat(np.arange(len(self.tables)), np.diff(self.starts))
        found = Groups(apart)
        if asked != NONE and (self._alike or asked != AUTO):
            every = dict.fromkeys(n for t in self.tables for n in t.names) if asked != AUTO else self._widest.names
            found = decide_groups(list(every), self._column, self.titles[0], asked, self.label)
            found = found._replace(values=apart) if found.values is None else found
        own = {found.name: OF} if found.name else {}
        each = [
            aside | {n: r for n, r in own.items() if n in t.names}
            for aside, t in zip(self._asides, self.tables, strict=True)
        ]
        self.aside = {name: reason for aside in each for name, reason in aside.items()}
        self.hidden = [{*aside, *([name] if name else [])} for aside, name in zip(each, self.holding, strict=True)]
        fed = said_of_inputs(self._found, set.intersection(*self.hidden))
        self.groups, self.why = found.values, noted(self._why, fed, found.why, said_of(self._telling()))

    def _telling(self) -> list[str]:
        """The columns that say the label in every table that has one."""
        each: list[list[str]] = []
        for t, (table, name) in enumerate(zip(self.tables, self.holding, strict=True)):
            if name is not None and self.labels is not None:
                inputs = [column for column in _in_memory(table) if column.name not in self.hidden[t]]
                each.append(telling(inputs, self.labels[self.starts[t] : self.starts[t + 1]]))
        return [name for name in each[0] if all(name in other for other in each)] if each else []

    def _column(self, name: str) -> Column:
        """A column of all tables, one after another; missing where a table has none."""
        some: list[Cell] = []
        for table in self.tables:
            column = table.column(name) if name in table.names else None
            some += [None if column is None else column.cell(i) for i in range(len(table))]
        return as_column(name, [None if cell is None else str(cell) for cell in some])

    def _labels(self) -> tuple[np.ndarray | None, tuple[str, ...]]:
        """The labels of all tables, the classes of all under one list of names; unknown in a table that has none."""
        if self.label is None:
            return None, ()
        each: list[tuple[np.ndarray, tuple[str, ...]] | None] = []
        for table, name in zip(self.tables, self.holding, strict=True):
            try:
                each.append(None if name is None else labels_of(table.column(name), table.title))
            except DataError as error:
                each.append(None)
                self.why += f"; not in {table.title}: {error}"
        known = [found for found in each if found is not None]
        if len({bool(classes) for _, classes in known}) > 1:
            raise DataError(
                f"column {self.label!r} holds classes in some tables and quantities in others: choose another"
            )
        together = tuple(sorted({c for _, classes in known for c in classes}))
        number = {c: i for i, c in enumerate(together)}
        out: list[np.ndarray] = []
        for table, found in zip(self.tables, each, strict=True):
            if found is None:
                out.append(np.full(len(table), -1, np.int64) if together else np.full(len(table), np.nan, np.float32))
            else:
                out.append(np.array([*(number[c] for c in found[1]), -1])[found[0]] if together else found[0])
        return np.concatenate(out), together

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, index: int) -> dict[str, Cell]:
        t, i = self._at(index)
        row = {name: cell for name, cell in self.tables[t].row(i).items() if name not in self.hidden[t]}
        if all(cell is None for cell in row.values()):
            raise Unreadable(self.name(index), "every cell of the row is missing")
        return {"": self.titles[t]} | row

    def name(self, index: int) -> str:
        t, i = self._at(index)
        return f"{self.titles[t]}[{i}]"

    def describe(self) -> str:
        names = {name for t in self.tables for name in t.names}
        said = said_of_labels(self) + said_of_no_inputs(self.aside)
        return f"{so_many(len(self.tables), 'table')} of {so_many(len(self), 'row')} and {so_many(len(names), 'column')}{said}"

    def only(self, known: Collection[str]) -> None:
        """Read these columns and no others, as an encoder that has learnt from them asks."""
        self.hidden = [set(table.names).difference(known) for table in self.tables]

    def _at(self, index: int) -> tuple[int, int]:
        index = range(len(self))[index]
        t = int(np.searchsorted(self.starts, index, side="right")) - 1
        return t, index - int(self.starts[t])


def _in_memory(table: Table) -> Iterable[Column]:
    """The columns that may be looked through."""
    return table.columns if isinstance(table, Columns) else ()


def _aside(table: Table, label: str | None, asked: str | None) -> dict[str, str]:
    """What of one table among several is no input, beside its label; what would be its label, were it alone, among it."""
    found = decide(table.names, table.column, table.title) if asked is None else Labels(name=label)
    aside = no_inputs(table.names, found, asked, _in_memory(table))
    return aside if found.name in (None, label) else {found.name: LABEL} | aside


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
