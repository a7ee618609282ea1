"""Tables that are a list of something else: the events of many patients, or the time steps of one recording."""

import datetime
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...errors import Unreadable
from ...forms import Cell, Sample
from ..cells import Column
from ..classes import labels_of, said_of_labels
from ..groups import AUTO, NONE, Groups, decide, hold
from ..labels import pick, telling
from ..source import DataError, Source
from .listed import ListSource
from .recorded import recorded
from .table import Table, TableSource

SUBJECT = (
    "subject_id",
    "patient_id",
    "person_id",
    "subject",
    "patient",
    "person",
    "pid",
    "mrn",
    "patientid",
    "subjectid",
    "id",
)
TIME = (
    "time",
    "datetime",
    "timestamp",
    "date",
    "charttime",
    "day",
    "days",
    "hour",
    "hours",
    "minute",
    "minutes",
    "seconds",
)
CODE = ("code", "event", "concept", "concept_id", "itemid", "item", "test", "diagnosis", "event_type")
VALUE = ("value", "numeric_value", "valuenum", "result", "value_as_number")
PER_DAY = {"hour": 24, "minute": 1440, "second": 86_400}  # by the beginning of the column's name


class EventColumns(NamedTuple):
    """Which columns of a long table say who, when, what and how much."""

    subject: str
    time: str
    code: str
    value: str | None


def event_columns(names: tuple[str, ...]) -> EventColumns | None:
    """The columns of a table with one event per line, by their names; None for other tables. MEDS files are such tables."""

    def of(wanted: tuple[str, ...]) -> str | None:
        plain = {n.strip().lower().replace(" ", "_"): n for n in reversed(names)}
        return next((plain[w] for w in wanted if w in plain), None)

    subject, time, code = of(SUBJECT), of(TIME), of(CODE)
    value = of(VALUE)
    if not (subject and time and code) or (subject.strip().lower() == "id" and value is None):
        return None  # "id, time, event" without a value is a table of survival times
    return EventColumns(subject, time, code, value)


class EventsSource:
    """One record {"code", "value", "time" in days} per subject of a long table, in the order of the subjects' names.

    What happened without a time is put at the record's beginning. A value that is text becomes part of the code ("smoker=yes").
    label: a column whose first value for a subject is the subject's label; by default one beside those of the events whose name
    says so, if it is the same in all lines of a subject.
    """

    kind = "events"
    groups: np.ndarray | None = None
    bad: Sequence[Unreadable] = ()

    def __init__(self, table: Table, label: str | None = None):
        columns = event_columns(table.names)
        if columns is None:
            raise DataError(
                f"{table.title} is no list of events: it needs columns such as subject_id, time and code, but has "
                f"{', '.join(table.names[:6])}"
            )
        self.table, self.title = table, table.title
        subject = table.column(columns.subject)
        there = np.flatnonzero(subject.values >= 0 if subject.form == "text" else ~np.isnan(subject.values))
        if not len(there):
            raise DataError(f"{table.title} names no subject in column {columns.subject!r}")
        keys, inverse = np.unique(_sortable(subject)[there], return_inverse=True)
        time = _days(table.column(columns.time))[there]
        order = np.lexsort((np.arange(len(there)), np.nan_to_num(time, nan=-np.inf), inverse))
        self.rows = there[order]  # of the table, subject by subject and by time
        self.time = time[order]
        self.starts = np.searchsorted(inverse[order], np.arange(len(keys) + 1))
        self.names = [str(k) if subject.form == "text" else f"{k:.0f}" for k in keys]
        self.code = table.column(columns.code)
        self.value = table.column(columns.value) if columns.value else None
        self.labels: np.ndarray | None = None
        self.classes: tuple[str, ...] = ()
        self.why = ""
        beside = [name for name in table.names if name not in columns]
        for name in telling(beside) if label is None else [pick(label, table.names, self.title)]:
            try:
                labels, classes = labels_of(table.column(name), self.title)
            except DataError as error:
                if label is not None:
                    raise
                self.why = self.why or f"no labels in column {name}: {error}"
                continue
            first, same = self._first(labels)
            if label is None and not same:
                self.why = (
                    self.why or f"labels may be in column {name}, which changes within subjects: data.label= takes it"
                )
                continue
            self.labels, self.classes = first, classes
            self.why = f"labels: column {name}, {'by its name' if label is None else 'as asked, its first value'}"
            break

    def hold_together(self, asked: str) -> None:
        """Subjects whose first event has one value of this column are never divided; see `groups.ByColumn`."""
        found = Groups()
        if asked not in (AUTO, NONE):
            first = self.rows[self.starts[:-1]]
            found = decide(self.table.names, self.table.column, self.title, asked, at=first)
        hold(self, found)

    def _first(self, labels: np.ndarray) -> tuple[np.ndarray, bool]:
        """The first label of each subject that is known, and whether all of its lines have the same."""
        first, same = np.array([labels[self.rows[at]] for at in self.starts[:-1]], labels.dtype), True
        for i in range(len(self)):
            some = labels[self.rows[self.starts[i] : self.starts[i + 1]]]
            known = some[some >= 0] if labels.dtype.kind == "i" else some[~np.isnan(some)]
            if len(known):
                first[i], same = known[0], same and bool((known == known[0]).all())
        return first, same

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Sample]:
        index = range(len(self))[index]
        some = slice(self.starts[index], self.starts[index + 1])
        time = self.time[some]
        known = time[~np.isnan(time)]
        codes, values = [], []
        for row in self.rows[some].tolist():
            value = _as_number(self.value.cell(row)) if self.value is not None else None
            codes.append(f"{self.code.cell(row)}={value}" if isinstance(value, str) else str(self.code.cell(row)))
            values.append(value if isinstance(value, float) else np.nan)
        keep = [i for i, row in enumerate(self.rows[some].tolist()) if self.code.cell(row) is not None]
        if not keep:
            raise Unreadable(self.name(index), "none of the subject's events has a code")
        days = np.where(np.isnan(time), known.min() if len(known) else 0.0, time)
        return {"code": [codes[i] for i in keep], "value": np.array(values)[keep], "time": days[keep]}

    def name(self, index: int) -> str:
        return f"{self.title}:{self.names[index]}"

    def describe(self) -> str:
        return f"{self.title}: {len(self.rows):,} events of {len(self):,} subjects{said_of_labels(self)}{self.table.remarks()}"


def opened(table: Table, label: str | None = None, kind: str | None = None) -> Source:
    """The table's rows; or the records of its patients, if it is a list of events.

    kind: "table" or "events" where the columns' names mislead; "series" for a table with a line per time step, as one sample.
    """
    if kind == "series":
        return ListSource([as_series(table)], "series", title=table.title)
    if kind == "events" or (kind is None and event_columns(table.names)):
        return EventsSource(table, label)
    return TableSource(table, label)


def as_series(table: Table) -> dict[str, Sample]:
    """A table with a line per time step as one recording, as `recorded` has it.

    {"values": [C, L] float32, "channels", "time": [L] seconds, left out where no column says it}.
    """
    one = recorded(table, asked=True)
    out = one.sample()
    if one.step is not None:
        out["time"] = out.get("time", np.arange(one.values.shape[1]) * one.step)
        out.pop("rate", None)
    return out


def _days(column: Column) -> np.ndarray:
    if column.form == "text":
        raise DataError(f"column {column.name!r} holds no times: write days as numbers, or dates as 2024-03-01")
    if column.form in ("date", "clock"):
        return column.values / 86_400
    return column.values / _per_day(column.name)


def _as_number(cell: Cell) -> float | str | None:
    """A value as a number if it is one, though its column may hold texts as well."""
    if isinstance(cell, datetime.date):
        return str(cell)
    try:
        return None if cell is None else float(cell)
    except ValueError:
        return str(cell)


def _per_day(name: str) -> int:
    """How many of a column's units make a day, by its name; a column called "time" is in days."""
    unit = next((unit for unit in PER_DAY if name.strip().lower().startswith(unit)), "")
    return PER_DAY.get(unit, 1)


def _sortable(column: Column) -> np.ndarray:
    if column.form != "text":
        return column.values
    return np.array([*column.words, ""], object)[column.values].astype(str)
