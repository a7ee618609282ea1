"""What a cell of a text file means: a number, a truth, a day, a time, or text. Decided once per column, from many cells."""

import datetime
import math
import re
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..forms import Cell
from .source import DataError

MISSING = frozenset({"", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "?"})
NO_NUMBER = MISSING | {"-", "--", ".", "None", "none", "n/a", "na"}  # in columns of numbers and dates
ODD = 0.02  # share of a column's cells that may be unlike the rest ("<5" among numbers); they are kept as text
WORDS = 2**30  # characters of different texts in a column
DATE = re.compile(
    r"(?:(\d{4})([-/.])(\d{1,2})\2(\d{1,2})|(\d{1,2})([-/.])(\d{1,2})\6(\d{4}))"
    r"(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?"
)
WHOLE = re.compile(r"[+-]?(?:0|[1-9]\d*)")
COMMA = re.compile(r"[+-]?\d+(\.\d{3})*,\d+")
PADDED = re.compile(r"[+-]?0\d")
EPOCH = datetime.datetime(1970, 1, 1)
TRUTH = {"true": 1.0, "false": 0.0}


class Reading(NamedTuple):
    """How the cells of one column are read. form: number, whole, truth, date, clock (date and time) or text."""

    form: str
    comma: bool = False  # 1.234,5
    day_first: bool = False
    missing: frozenset[str] = MISSING


@dataclass
class Column:
    """One column, compactly: float64 numbers (NaN missing), truths, seconds since 1970; or numbers of words (-1 missing)."""

    name: str
    form: str
    values: np.ndarray
    words: list[str] = field(default_factory=list)
    odd: dict[int, str] = field(default_factory=dict)  # row -> what is written there, where it is not as the rest

    def cell(self, i: int) -> Cell:
        """A number, text, bool, date, datetime or None."""
        if self.odd and i in self.odd:
            return self.odd[i]
        value = self.values[i]
        if self.form == "text":
            return self.words[value] if value >= 0 else None
        value = float(value)
        if value != value:
            return None
        if self.form == "number":
            return value
        if self.form == "whole":
            return int(value) if value.is_integer() else value
        if self.form == "truth":
            return value > 0
        try:
            when = EPOCH + datetime.timedelta(seconds=value)
        except OverflowError:
            return None
        return when if self.form == "clock" else when.date()


def infer(cells: Sequence[str], comma: bool = False) -> Reading:
    """What these cells of one column are; `comma`: a decimal comma is possible. Numbers like 007 are names, so text."""
    counts = Counter(cell.strip() for cell in cells)
    said = [c for c in counts if c not in NO_NUMBER]
    if not said:
        return Reading("text")
    if all(c.lower() in TRUTH for c in said):
        return Reading("truth", missing=NO_NUMBER)
    most = ODD * sum(counts[c] for c in said)
    comma = comma and any(COMMA.fullmatch(c) for c in said)
    numbers = [c for c in said if _number(c, comma) is not None]
    odd = sum(counts[c] for c in said) - sum(counts[c] for c in numbers)
    long = [c for c in numbers if len(c) > 16 and c.isdigit()]  # digits of a name, which a float would not keep
    if odd <= most and not long and not any(PADDED.match(c) for c in numbers):
        whole = all(map(WHOLE.fullmatch, numbers))
        return Reading("whole" if whole else "number", comma, missing=NO_NUMBER)
    dates = {c: found for c in said if (found := DATE.fullmatch(c))}
    if dates and sum(counts[c] for c in said) - sum(counts[c] for c in dates) <= most:
        backwards = [m for m in dates.values() if m[5]]
        first, second = (max((int(m[i]) for m in backwards), default=0) for i in (5, 7))
        day_first = first > 12 or (second <= 12 and any(m[6] != "/" for m in backwards))
        return Reading("clock" if any(m[9] for m in dates.values()) else "date", day_first=day_first, missing=NO_NUMBER)
    return Reading("text", missing=MISSING - {"NA"} if _codes(said) else MISSING)


def _codes(said: Sequence[str]) -> bool:
    """Words such as EU, AS, ZA, of which NA is one: two capitals in all of them."""
    return all(len(c) == 2 and c.isalpha() and c.isupper() for c in said)


def infer_values(values: Sequence[object]) -> Reading:
    """The same for values that know what they are (of JSON), or None; a text is then never a number, but may be a date."""
    said = [v for v in values if v is not None]
    if said and all(isinstance(v, bool) for v in said):
        return Reading("truth", missing=frozenset())
    numbers = sum(isinstance(v, int | float) and not isinstance(v, bool) for v in said)
    if said and len(said) - numbers <= ODD * len(said):
        whole = all(isinstance(v, int) for v in said if not isinstance(v, str))
        return Reading("whole" if whole else "number", missing=frozenset())
    texts = [v for v in said if isinstance(v, str)]
    if said and len(texts) == len(said):
        reading = infer(texts)
        if reading.form in ("date", "clock"):
            return reading._replace(missing=frozenset({""}))
    return Reading("text", missing=frozenset())


class Growing:
    """A column that is read from its top to its bottom."""

    def __init__(self, name: str, reading: Reading, start: int = 0):
        self.name, self.reading = name, reading
        self.index: dict[str, int] = {}
        self.odd: dict[int, str] = {}
        self.said = 0  # characters of all words
        text = reading.form == "text"
        self.values: array = array("i", [-1]) * start if text else array("d", [math.nan]) * start

    def add(self, cells: Sequence[object]) -> None:
        """The next cells: texts as in a file, or values."""
        if self.reading.form == "text":
            self.values.extend([self._word(cell) for cell in cells])
            return
        if self.reading.form in ("number", "whole") and not self.reading.comma:
            try:
                self.values.extend([float(cell) for cell in cells])  # type: ignore[arg-type]  # or a TypeError
                return
            except (ValueError, TypeError, OverflowError):
                pass  # one of them is none: look at each
        for cell in cells:
            cell, value = cell.strip() if isinstance(cell, str) else cell, math.nan
            if cell is not None and cell not in self.reading.missing:
                found = _value(cell, self.reading)
                if found is None:
                    self.odd[len(self.values)] = str(cell)
                else:
                    value = found
            self.values.append(value)

    def done(self) -> Column:
        values = np.frombuffer(self.values, np.int32 if self.reading.form == "text" else np.float64).copy()
        if values.dtype == np.float64:
            values[np.isinf(values)] = np.nan
        return Column(self.name, self.reading.form, values, list(self.index), self.odd)

    def _word(self, cell: object) -> int:
        word = cell.strip() if isinstance(cell, str) else str(cell)
        if cell is None or word in self.reading.missing:
            return -1
        at = self.index.get(word)
        if at is None:
            at = self.index[word] = len(self.index)
            self.said += len(word)
            if self.said > WORDS:
                raise DataError(f"column {self.name!r} holds more than a billion characters: divide the table")
        return at


def _value(cell: object, reading: Reading) -> float | None:
    """A cell as a float; None if it is not of the column's form."""
    if isinstance(cell, bool | int | float):
        try:
            return float(cell)
        except OverflowError:
            return None
    if not isinstance(cell, str):
        return None
    if reading.form == "truth":
        return TRUTH.get(cell.lower())
    return _seconds(cell, reading.day_first) if reading.form in ("date", "clock") else _number(cell, reading.comma)


def _number(cell: str, comma: bool) -> float | None:
    if comma:
        cell = cell.replace(".", "").replace(",", ".")
    try:
        return float(cell) if "_" not in cell else None
    except ValueError:
        return None


def _seconds(cell: str, day_first: bool) -> float | None:
    """Seconds from 1970 to a date or time, which is taken to be UTC where it names no zone."""
    found = DATE.fullmatch(cell)
    if not found:
        return None
    if found[1]:
        year, month, day = found[1], found[3], found[4]
    else:
        year, (day, month) = found[8], (found[5], found[7]) if day_first else (found[7], found[5])
    try:
        when = datetime.datetime(
            int(year), int(month), int(day), int(found[9] or 0), int(found[10] or 0), int(found[11] or 0)
        )
    except ValueError:
        return None
    zone = found[12] or "Z"
    ahead = 0 if zone == "Z" else (3600 * int(zone[1:3]) + 60 * int(zone[-2:])) * (-1 if zone[0] == "-" else 1)
    return (when - EPOCH).total_seconds() - ahead
