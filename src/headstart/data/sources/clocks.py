"""Columns that hold the time of each row: which are, by name, unit and content, and what they say in seconds."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..cells import Column
from ..labels import words
from .table import Table


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _units(lines: str) -> dict[str, float]:
    """{"ms": 0.001, ...} of lines such as "0.001 ms millis"."""
    each = (line.split() for line in lines.splitlines())
    return {name: float(value) for value, *names in each for name in names}


UNITS = _units("""1 s sec secs second seconds sek sekunden
1e-3 ms msec msecs millis millisecond milliseconds
1e-6 us μs usec micros microsecond microseconds
1e-9 ns nsec nanos nanosecond nanoseconds
60 min mins minute minutes
3600 h hr hrs hour hours
86400 d day days""")  # seconds
WHEN = _set(
    """time times timestamp timestamps datetime date dates t ts epoch unixtime clock elapsed zeit uhrzeit datum zeitstempel temps
    fecha hora tempo tijd"""
)
BESIDE = _set("stamp utc gmt local unix posix since relative rel absolute abs system host device sensor iso")
COUNTED = _set("sample samples frame frames tick ticks")  # numbers of moments, which say nothing of seconds
NUMBERED = _set("number num no nr index idx id count n")
FIRST = _set("t ts s d h min")  # names that say so in the first two columns alone
EPOCHS = ((1e8, 5e9, 1.0), (1e11, 5e12, 1e-3), (1e14, 5e15, 1e-6), (1e17, 5e18, 1e-9))  # from, to, unit: since 1970
DAY = 86_400.0  # seconds
ODD = 0.02  # share of a column's cells that may be no times


class Clock(NamedTuple):
    """The time of each row. seconds: float64 [n], NaN where unknown; numbers of samples if `counted`. unit: how it was read."""

    name: str
    seconds: np.ndarray
    counted: bool = False
    unit: str = ""
    beside: tuple[str, ...] = ()  # columns that were needed, too


def clocks(table: Table, units: Mapping[str, str]) -> list[Clock]:
    """The columns that may be the time of the rows, as they stand in the table. units: by column, from a line below the names."""
    found = []
    for i, name in enumerate(table.names):
        said, unit = words(name), " ".join(words(units.get(name, "")))
        called, counted = _called(said, i < 2), _is_counted(said)
        dated = i == 0 and table.column(name).form in ("date", "clock")
        if called or counted or dated or unit in UNITS:
            clock = _clock(table, table.column(name), said, unit, counted)
            found += [clock] if clock is not None else []
    return found


def _called(said: tuple[str, ...], early: bool) -> bool:
    known = set(said) <= WHEN | BESIDE | set(UNITS)
    bare = len(said) == 1 and said[0] in FIRST
    return bool(said) and known and (not bare or early) and bool(set(said) & WHEN or len(said) == 1)


def _is_counted(said: tuple[str, ...]) -> bool:
    return bool(set(said) & COUNTED) and set(said) <= COUNTED | NUMBERED


def _clock(table: Table, column: Column, said: tuple[str, ...], unit: str, counted: bool) -> Clock | None:
    if column.form == "clock":
        return Clock(column.name, _going_on(column.values) if _is_of_no_day(column) else column.values)
    if column.form == "date":
        every = (table.column(name) for name in table.names)
        hours = next((c for c in every if _called(words(c.name), False) and _is_of_no_day(c)), None)
        if hours is None:
            return Clock(column.name, column.values)
        return Clock(column.name, column.values + hours.values, beside=(hours.name,))
    if column.form == "text":
        seconds = _long(column)
        return None if seconds is None else Clock(column.name, seconds)
    if column.form not in ("number", "whole"):
        return None
    if counted:
        return Clock(column.name, column.values, counted=True)
    named = unit if unit in UNITS else next((w for w in reversed(said) if w in UNITS), "")
    if named:
        return Clock(column.name, column.values * UNITS[named], unit="" if named == "s" else f"in {named}")
    if set(said) <= {"date", "dates", "datum", "fecha"}:
        return None  # a number that nobody says is a day
    known = column.values[np.isfinite(column.values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    for begin, end, step in EPOCHS:
        if begin <= low and high < end:
            return Clock(column.name, column.values * step, unit=f"since 1970 in {_shortest(step)}")
    return Clock(column.name, column.values, unit="taken for seconds")


def _shortest(step: float) -> str:
    return next(name for name, value in UNITS.items() if value == step)


def _is_of_no_day(column: Column) -> bool:
    """Whether these are hours of a day that is not said: 13:05:00."""
    if column.form != "clock":
        return False
    known = column.values[np.isfinite(column.values)]
    return len(known) > 0 and float(np.abs(known).max()) < 2 * DAY


def _going_on(seconds: np.ndarray) -> np.ndarray:
    """Hours of a day that go on over midnight."""
    known = np.flatnonzero(np.isfinite(seconds))
    out = seconds.copy()
    out[known] += DAY * np.cumsum(np.diff(seconds[known], prepend=seconds[known[0]]) < -DAY / 2)
    return out


def _long(column: Column) -> np.ndarray | None:
    """Nanoseconds since 1970, which have more digits than a float keeps, as seconds from the first."""
    whole = [int(w) if w.isascii() and w.isdigit() and len(w) == 19 else None for w in column.words]
    first = next((w for w in whole if w is not None), None)
    if first is None:
        return None
    told = np.array([np.nan if w is None else (w - first) * 1e-9 for w in whole] + [np.nan])
    seconds = told[column.values]
    return None if np.isnan(seconds).mean() > ODD else seconds
