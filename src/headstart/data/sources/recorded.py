"""Tables whose rows are the moments of one recording: the rule that tells them from independent rows, and the sample they make.

A table is a recording where

1. a column of time rises (`clocks`: by name, by unit, or days in the first column). It may stand still in 5 % of rows, be missing
   in 2 %, and be set back in 1 of 500 by 5 % of its span at most; equally many rows under each stamp, of whole seconds for
   instance, are spread evenly between them;
2. every other column is a channel of numbers, but for what measures nothing: the same in every row (the machine's name), counters
   of rows, further clocks, notes in less than a tenth of the rows, and what looks like a label. Words, identifiers and other days
   that change from row to row make rows that stand alone;
3. its rows are not days of 24, 48, 96, ... values each.

One table `alone` must also be long enough to be cut into windows, evenly timed, without a column that looks like a label, and
half of its channels must take more than ten values. Files of a folder are told together, by readers/recordings.py. Whoever says
data.kind=series gets a recording wherever 1 and 2 allow: times may be in any order, words are left out.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from ...forms import Sample
from ..cells import Column
from ..labels import IDENTIFIERS, decide, no_inputs, words
from ..source import DataError
from .clocks import DAY, ODD, Clock, clocks
from .table import Columns, Table
from .windows import WINDOW

LONG = 4 * WINDOW["series"]  # rows of one table from which on it is a recording alone
STILL, BACK, BY = (
    0.05,
    0.002,
    0.05,
)  # shares: rows at the time of the one before; steps back; of the span, that they go back
EVEN, NEAR = 0.6, 0.5  # share of steps that are near the usual one; by how much of it
STAMP = 60.0  # seconds from stamp to stamp up to which many rows under one are moments in between
NOTES = 0.1  # share of rows in which a column of words may be a note
VALUES = 10  # of a channel that measures
SPARSE, MOST = 4, 2**28  # a grid may have so many times the moments, and so many cells; else times are kept as they are
PARTS = (24, 48, 96, 144, 288, 1440)  # hours, half hours, ... of a day


@dataclass(frozen=True)
class Recorded:
    """A recording out of a table. values: float32 [C, L], NaN where missing. step: seconds from value to value, None if unknown.

    time: float64 [L] seconds, where the steps are uneven. elapsed: time begins at about 0. label: the column that looks like one.
    said: what was found and left out, in a few words each.
    """

    values: np.ndarray
    channels: tuple[str, ...]
    step: float | None = None
    time: np.ndarray | None = None
    when: str = ""
    even: bool = False
    elapsed: bool = False
    label: str | None = None
    gaps: int = 0
    said: tuple[str, ...] = field(default=())

    def sample(self) -> dict[str, Sample]:
        """In the form of `tokenizers.recording`: on an even grid with a rate if it has one, else with a time for each value."""
        out: dict[str, Sample] = {"values": self.values, "channels": list(self.channels)}
        if self.time is not None:
            return out | {"time": self.time - self.time[0]}
        return out if self.step is None else out | {"rate": float(f"{1 / self.step:.6g}")}

    def every(self) -> str:
        """How often it has a value."""
        if self.step is None:
            return "by number, at an unknown rate"
        return f"{'at uneven times, usually ' * (self.time is not None)}every {_lasting(self.step)}"


def alone(one: Recorded) -> bool:
    """Whether one table is surely a recording, with no other like it."""
    moments = np.isfinite(one.values).any(0).sum()
    measuring = [len(np.unique(row[np.isfinite(row)][: 10 * LONG])) > VALUES for row in one.values]
    return bool(moments >= LONG and one.even and one.label is None and 2 * sum(measuring) >= len(measuring))


def recorded(table: Table, asked: bool = False) -> Recorded:
    """The recording that a table is; DataError says why it is none. asked: the user says that it is one."""
    units = table.units if isinstance(table, Columns) else {}
    possible = clocks(table, units)
    if asked and not possible:
        possible = _stepping(table)
    wrong: list[str] = []
    for clock in possible:
        try:
            order, place, times, remarks = _places(clock, asked, table.title)
        except DataError as error:
            wrong.append(str(error))
            continue
        return _made(table, units, clock, order, place, times, remarks, asked)
    unread = next((c.name for c in _every(table) if c.form == "text" and _is_called(c.name)), None)
    if unread is not None:
        wrong.append(f"column {unread!r} of {table.title} holds no times: rename it, or write dates as 2024-03-01")
    if wrong or not asked:
        raise DataError((wrong or [f"{table.title} has no column of time: name one time, timestamp or date"])[0])
    order = np.arange(len(table))
    nothing = Clock("", order.astype(float), counted=True)
    return _made(table, units, nothing, order, order, order.astype(float), [], asked)


def _every(table: Table) -> list[Column]:
    return [table.column(name) for name in table.names]


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _lasting(seconds: float) -> str:
    """0.01 s, 15 min, 1 h, 1 day."""
    for unit, size in (("day", DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.4g} {unit}" + "s" * (unit == "day" and seconds > size)
    return f"{seconds:.4g} s"


def _is_called(name: str) -> bool:
    return bool(words(name)) and words(name)[0] in ("time", "timestamp", "datetime", "date")


def _stepping(table: Table) -> list[Clock]:
    """A first column without a telling name, if its numbers rise in even steps."""
    first = table.column(table.names[0])
    steps = np.diff(first.values) if first.form in ("number", "whole") and len(table) > 2 else np.zeros(1)
    even = bool((steps > 0).all() and steps.max() - steps.min() <= 1e-3 * steps.max())
    counted = first.form == "whole"
    unit = "" if counted else "taken for seconds"
    return [Clock(first.name, first.values, counted, unit)] if even and len(table.names) > 1 else []


def _places(clock: Clock, asked: bool, title: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """(rows in order of time, the moment of each, the time of each moment, remarks); DataError where this is no time."""
    who = f"column {clock.name!r} of {title}"
    known = np.flatnonzero(np.isfinite(clock.seconds))
    n, lost = len(clock.seconds), len(clock.seconds) - len(known)
    if lost > ODD * n or len(known) < 2:
        raise DataError(f"{who} lacks times: fill them in, or leave the column out")
    t, remarks = clock.seconds[known], [f"{_many(lost, 'row')} without a time left out"] if lost else []
    steps = np.diff(t)
    back = steps < 0
    if back.any():
        by = float(-steps[back].min())
        few = back.sum() <= BACK * n and by <= BY * (t.max() - t.min())
        if not few and not asked:
            raise DataError(
                f"{who} goes back {_many(int(back.sum()), 'time')}, first after row {int(back.argmax()) + 1:,}: it is no time"
            )
        order = np.argsort(t, kind="stable")
        known, t, steps = known[order], t[order], np.diff(t[order])
        remarks.append(f"sorted by time, which goes back {_many(int(back.sum()), 'time')}")
    still = steps == 0
    if not (steps > 0).any():
        raise DataError(f"{who} is the same in every row: it is no time")
    if still.sum() > STILL * n:
        t = _spread(t, who, sorted_=bool(back.any()))
        remarks.append(f"{1 + int((~still).sum()):,} stamps for {len(t):,} rows, spread evenly between them")
        still = np.zeros(len(t) - 1, bool)
    elif still.any():
        remarks.append(f"{_many(int(still.sum()), 'row')} at the time of the one before, of which the mean is taken")
    place = np.concatenate([[0], np.cumsum(~still)])
    return known, place, t[np.concatenate([[True], ~still])], remarks


def _spread(t: np.ndarray, who: str, sorted_: bool) -> np.ndarray:
    """Times that stand still for about equally many rows each, as stamps of whole seconds do, with even steps between."""
    stamps, counts = np.unique(t, return_counts=True)
    usual, inner = float(np.median(counts[1:-1])) if len(counts) > 2 else 0.0, counts[1:-1]
    if sorted_ or len(counts) < 5 or usual < 2 or np.mean(np.abs(inner - usual) <= max(1.0, 0.3 * usual)) < 0.9:
        raise DataError(
            f"{who} says {len(t) - len(stamps):,} times again: several recordings in one file, perhaps; divide it"
        )
    step = float(np.median(np.diff(stamps)))
    if step > STAMP:
        raise DataError(f"{who} stands still for {usual:.0f} rows at a time, which are of several things: divide them")
    within = np.arange(len(t)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(stamps, counts) + step * within / np.repeat(np.maximum(counts, usual), counts)


def _made(
    table: Table,
    units: dict[str, str],
    clock: Clock,
    order: np.ndarray,
    place: np.ndarray,
    times: np.ndarray,
    remarks: list[str],
    asked: bool,
) -> Recorded:
    others = [c for c in _every(table) if c.name not in (clock.name, *clock.beside)]
    columns, label, left = _channels(table, others, asked)
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 1.0
    near = np.abs(steps - usual) <= NEAR * usual
    even = len(steps) > 0 and bool(near.mean() >= EVEN)
    if not clock.counted and usual >= DAY and len(columns) in PARTS and _in_parts(columns):
        raise DataError(f"{table.title} holds days of {len(columns)} values each: its rows are samples of their own")
    step, grid, gridded = usual, np.arange(len(times)), False
    if even:
        step = float(steps[near].mean())
        nearest = np.concatenate([[0], np.cumsum(np.maximum(1, np.rint(steps / step)).astype(np.int64))])
        even = bool(np.abs(nearest * step - (times - times[0])).max() <= step * max(2.0, 0.01 * len(times)))
        gridded = even and nearest[-1] < SPARSE * len(times) and nearest[-1] * len(columns) < MOST
        grid = nearest if gridded else grid
    values = _values(columns, order, grid[place])
    gaps = int((steps > 1.5 * step).sum()) if even else 0
    named = [c.name + (f" [{u.strip('[](){} ')}]" if (u := units.get(c.name, "").strip("- ")) else "") for c in columns]
    time = None if gridded or clock.counted else times
    said = [
        f"time in column {' and '.join((clock.name, *clock.beside))}{f' ({clock.unit})' if clock.unit else ''}"
        if clock.name
        else "no column of time",
        *remarks,
        *left,
    ]
    elapsed = abs(float(times[0])) <= 2 * step
    known = None if clock.counted else step
    return Recorded(values, tuple(named), known, time, clock.name, even, elapsed, label, gaps, tuple(said))


def _channels(table: Table, others: list[Column], asked: bool) -> tuple[list[Column], str | None, list[str]]:
    """(the columns that measure something, the one that looks like a label, what was left out and why)."""
    found = decide([c.name for c in others], table.column, table.title) if others else None
    labels = {found.name, *no_inputs([c.name for c in others], found, None)} - {None} if found else set()
    why: dict[str, str] = {}
    channels = []
    for c in others:
        reason = "looks like a label" if c.name in labels else _no_channel(c, table.title, asked)
        if reason is None:
            channels.append(c)
        else:
            why[c.name] = reason
    if not channels and labels:  # time,y: there is nothing else
        channels = [c for c in others if c.name in labels and c.form in ("number", "whole")]
        why = {name: reason for name, reason in why.items() if name not in labels}
    if not channels:
        raise DataError(f"{table.title} has no column of numbers: it is no recording")
    groups: dict[str, list[str]] = {}
    for name, reason in why.items():
        groups.setdefault(reason, []).append(name)
    left = [
        f"{', '.join(names[:3])}{' ...' * (len(names) > 3)} left out ({reason})" for reason, names in groups.items()
    ]
    label = next((c.name for c in others if c.name in labels and c.name in why), None)
    return channels, label, left


def _no_channel(c: Column, title: str, asked: bool) -> str | None:
    """Why a column is no channel; None if it is one. DataError if it makes the rows independent of each other."""
    if c.form == "text":
        filled = float((c.values >= 0).mean())
        if len(c.words) <= 1 and filled in (0.0, 1.0):
            return f"{c.words[0]} in every row" if c.words else "empty"
        numbers = sum(map(_is_number, c.words[:1000]))
        if 2 * numbers > min(1000, len(c.words)):
            word = next(w for w in c.words if not _is_number(w))
            raise DataError(
                f"column {c.name!r} of {title} holds words among its numbers, such as {word!r:.30}: mend it"
            )
        if filled <= NOTES or asked:
            return "words"
        raise DataError(f"column {c.name!r} of {title} holds words that change: its rows are independent of each other")
    known = c.values[np.isfinite(c.values)]
    steps = np.diff(known)
    if c.form in ("date", "clock"):
        if asked or (len(known) and (steps >= 0).all()):
            return "another time"
        raise DataError(f"column {c.name!r} of {title} holds other days: its rows are independent of each other")
    if c.form != "whole" or not _is_identifier(c.name):
        return None
    if not len(known) or (steps == 0).all():
        return "the same in every row"
    if len(known) > 2 and (steps == 1).mean() > 0.98:
        return "counts the rows"
    if asked:
        return None
    raise DataError(f"column {c.name!r} of {title} names what a row is about: its rows are independent of each other")


def _is_identifier(name: str) -> bool:
    said = words(name)
    return (
        not said or said[-1] in IDENTIFIERS or said[0] in ("unnamed", "row", "record", "subject", "patient", "customer")
    )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _in_parts(columns: list[Column]) -> bool:
    """Whether columns are the hours of a day: they are numbered, or called 00:00, 00:30, ..."""
    stems = Counter("".join(ch for ch in c.name if not ch.isdigit()) for c in columns)
    return stems.most_common(1)[0][1] >= 0.9 * len(columns)


def _values(columns: list[Column], order: np.ndarray, place: np.ndarray) -> np.ndarray:
    """float32 [C, L]: what the rows say of each moment, the mean where several do, NaN where none does. place: rising."""
    every = np.stack([c.values[order] for c in columns])
    first = np.flatnonzero(np.diff(place, prepend=-1))
    if len(first) < len(place):
        seen = ~np.isnan(every)
        total = np.add.reduceat(np.where(seen, every, 0.0), first, axis=1)
        count = np.add.reduceat(seen, first, axis=1, dtype=np.int64)
        every = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    out = np.full((len(columns), int(place[-1]) + 1), np.nan, np.float32)
    with np.errstate(over="ignore"):
        out[:, place[first]] = every
    return out
