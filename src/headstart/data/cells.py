"""What a cell of a text file means: a number, a truth, a day, a time, or text. Decided once per column, from all its cells."""

import datetime
import math
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..forms import Cell
from .days import EPOCH, ORDERS, as_dates, in_order, seconds_of, when_of, whens_of
from .habits import MISSING, NO_NUMBER, ODD, Habits, Reading
from .numbers import (
    EXACT,
    GROUPED,
    NUMBER,
    PADDED,
    PADDED_LINE,
    PLAIN,
    as_numbers,
    as_plain,
    bodies_of,
    is_long,
    number_of,
    shown_marks,
)
from .source import DataError

WORDS = 2**30  # characters of different texts in a column
LOOK = 4000  # cells that a column is first judged by
TRUTH = {"true": 1.0, "false": 0.0}
DIGIT = re.compile(r"\d")
STATES = set(
    re.findall("..", "AKCTDCHIIAKSNHNJNVNYNDOHOKORRITXUTWIWVWAWY")
)  # of the USA, whose codes are of no country
REGIONS = {"EMEA", "APAC", "LATAM", "APJ", "AMER", "ANZ"}


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


def infer(cells: Iterable[str], comma: bool = False) -> Reading:
    """What these cells of one column are; `comma`: 1,234 is less than two. Numbers like 007 are names, so text."""
    return judge(Counter(cell.strip() for cell in cells), Habits(usual="," if comma else "."))


def judge(counts: Mapping[str, float], habits: Habits = Habits()) -> Reading:  # noqa: B008
    """What a column with these cells is, so and so many of each; up to 2 % of them may be unlike the rest."""
    said = {c: n for c, n in counts.items() if c not in NO_NUMBER}
    if not said:
        return Reading("text")
    if all(c.lower() in TRUTH for c in said):
        return Reading("truth", missing=NO_NUMBER)
    most = ODD * sum(said.values())
    found = as_numbers(said, most, habits) or as_dates(said, most, habits)
    return found or Reading("text", missing=MISSING - {"NA"} if _codes(said) else MISSING)


def habits_of(columns: Iterable[Mapping[str, float]], usual: str) -> Habits:
    """What the columns of a file show without doubt, if they agree."""
    marks, orders = set[str](), set[str]()
    for counts in columns:
        said = {c: n for c, n in counts.items() if c not in NO_NUMBER}
        most = ODD * sum(said.values())
        if said and as_plain(said, Habits()) is not None:
            marks |= {"."} if any("." in c and not GROUPED.fullmatch(c.lstrip("+-")) for c in said) else set()
        elif (numbers := bodies_of(said, most)) is not None:
            marks |= shown_marks([body for _, _, body in numbers])
        elif (dates := whens_of(said, most)) is not None:
            for when in dates:
                fit = [order for order in ORDERS if in_order(when, order)]
                orders |= set(fit) if len(fit) == 1 else set()
    return Habits(marks.pop() if len(marks) == 1 else "", orders.pop() if len(orders) == 1 else "", usual)


def _surely_text(words: Sequence[str], counts: Sequence[int]) -> bool:
    """Whether too many of a column's words are nothing else, as soon as that shows."""
    most, misfit = ODD * sum(counts), 0
    for word, n in zip(words, counts, strict=True):
        known = word in NO_NUMBER or word.lower() in TRUTH
        if not known and not (
            DIGIT.search(word) and (NUMBER.fullmatch(word) or PLAIN.fullmatch(word) or when_of(word))
        ):
            misfit += n
            if misfit > most:
                return True
    return False


def _codes(said: Iterable[str]) -> bool:
    """Words such as EU, AS, ZA, of which NA is one: two capitals in all of them, but not states of the USA; or APAC, EMEA."""
    words = []
    for c in said:
        if c not in NO_NUMBER:
            if not (c.isascii() and c.isalpha() and c.isupper() and 2 <= len(c) <= 5):
                return False
            words.append(c)
    return any(c in REGIONS for c in words) or all(len(c) == 2 and c not in STATES for c in words)


def infer_values(values: Sequence[object]) -> Reading:
    """The same for values that know what they are (of JSON), or None; a text is then never a number, but may be a date."""
    said = [v for v in values if v is not None]
    if said and all(isinstance(v, bool) for v in said):
        return Reading("truth", missing=frozenset())
    numbers = sum(isinstance(v, int | float) and not isinstance(v, bool) for v in said)
    if said and len(said) - numbers <= ODD * len(said):
        if any(isinstance(v, int) and abs(v) >= EXACT for v in said):
            return Reading("text", missing=frozenset())  # names: a float would round them
        whole = all(isinstance(v, int) for v in said if not isinstance(v, str))
        return Reading("whole" if whole else "number", missing=frozenset())
    texts = [v for v in said if isinstance(v, str)]
    if said and len(texts) == len(said):
        reading = infer(texts)
        if reading.form in ("date", "clock") and not reading.compact:
            return reading._replace(missing=frozenset({""}))
    return Reading("text", missing=frozenset())


class Growing:
    """A column that is read from its top to its bottom.

    With `habits` it is a column of a text file, whose reading widens: what was text may turn out to be numbers, and is changed
    in place, as all words are kept; what was numbers may not be, and then the column is `stale`, to be read again by `again`.
    """

    def __init__(self, name: str, reading: Reading, start: int = 0, habits: Habits | None = None):
        self.name, self.reading, self.habits = name, reading, habits
        self.first: Mapping[str, float] = {}  # the cells that it was first judged by, and how often they are there
        self.index: dict[str | None, int] = {None: -1}
        self.odd: dict[int, str] = {}
        self.said = 0  # characters of all words
        self.looked = 0  # odd cells or words when it was last judged
        self.stale = self.exact = False  # exact: it is text until its end, and judged then
        self.widened = -1  # the row that did not fit
        text = reading.form == "text"
        self.values: array = array("i", [-1]) * start if text else array("d", [math.nan]) * start

    def begin(self, cells: Mapping[str, float], habits: Habits) -> None:
        """Judge the column by its first cells."""
        self.first, self.habits = cells, habits
        reading = judge(cells, habits)
        # where nothing shows whether 1,234 is more than two, it is read word by word
        self.exact = not habits.usual and reading != judge(
            cells, habits._replace(usual="," if not reading.comma else ".")
        )
        self._read_as(Reading("text") if self.exact else reading)

    def again(self) -> "Growing":
        """The same column, to be read from its top once more: by what is known now, and the next time word by word."""
        new = Growing(self.name, self.reading, habits=self.habits)
        new.first, new.widened = self.first, self.widened
        if new.widened < -1 or self.exact or self.reading.form == "text":
            new.exact = True
            new._read_as(Reading("text"))
        return new

    def add(self, cells: Sequence[object]) -> None:
        """The next cells: texts as in a file, or values."""
        if self.reading.form == "text" and self.habits is None and len(self.index) == 1 and not self.reading.missing:
            found = infer_values(cells)  # nothing was there before
            if found.form != "text":
                length = len(self.values)
                self._read_as(found)
                self.values.extend([math.nan] * length)
        if self.reading.form == "text":
            self._add_words(cells)
        elif self.reading.form not in ("number", "whole") or self.reading.compact or not self._add_numbers(cells):
            self._add_each(cells)

    def look(self, habits: Habits, last: bool = False) -> None:
        """Judge the column again if much of it did not fit, and at its end if anything did not."""
        text = self.reading.form == "text"
        unlike = len(self.index) if text else len(self.odd)
        changed, self.habits = habits != self.habits, habits
        if (
            self.stale
            or not len(self.values)
            or (self.exact and not last)
            or not (last or unlike > 2 * self.looked + 100)
        ):
            return
        self.looked = unlike
        if text:
            self._as_judged()
        elif self.odd or changed:
            found = judge(self._counted(), habits)
            if found._replace(form=self.reading.form) != self.reading or {found.form, self.reading.form} not in _ALIKE:
                self.stale, self.reading = True, found
                self.widened = min(self.odd, default=0) if self.widened == -1 else -2
                self.values, self.odd, self.index = array("d"), {}, {None: -1}

    def done(self) -> Column:
        text = self.reading.form == "text"
        values: np.ndarray = np.frombuffer(self.values, np.int32 if text else np.float64).copy()
        if not text:
            values[np.isinf(values)] = np.nan
            form = self.reading.form
            if form == "whole" and self.habits is not None and (values % 1 > 0).any():
                form = "number"
            if form == "date" and (values % 86_400 > 0).any():
                form = "clock"
            return Column(self.name, form, values, [], self.odd)
        words = [word for word in self.index if word is not None]
        kept = [word for word in words if word not in self.reading.missing]
        if len(kept) < len(words):
            there = np.array([word not in self.reading.missing for word in words] + [False])
            values = np.where(there, np.cumsum(there) - 1, -1).astype(np.int32)[values]
        return Column(self.name, "text", values, kept, self.odd)

    def _read_as(self, reading: Reading) -> None:
        self.reading, self.values = reading, array("i" if reading.form == "text" else "d")

    def _add_words(self, cells: Sequence[object]) -> None:
        words: list[str | None]
        try:
            words = list(map(str.strip, cells))  # type: ignore[arg-type]  # or a TypeError
        except TypeError:
            words = [c.strip() if isinstance(c, str) else c if c is None else str(c) for c in cells]
        index = self.index
        for word in words if len(words) < 2 else dict.fromkeys(words):
            if word is not None and word not in index:
                index[word] = len(index) - 1
                self.said += len(word)
                if self.said > WORDS:
                    raise DataError(f"column {self.name!r} holds more than a billion characters: divide the table")
        self.values.extend(map(index.__getitem__, words))

    def _add_numbers(self, cells: Sequence[object]) -> bool:
        """All cells at once, if they are numbers or missing without any doubt."""
        reading, missing = self.reading, self.reading.missing
        if reading.sign or (reading.marked and not reading.comma):
            return False
        whole = reading.form == "whole"
        try:
            joined = "\n".join(cells)  # type: ignore[arg-type]  # or a TypeError
            if "_" in joined or (whole and "0" in joined and PADDED_LINE.search(joined)):
                return False
            if reading.comma:
                if "." in joined or joined.count("\n") != len(cells) - 1:
                    return False
                cells = joined.replace(",", ".").split("\n")
            try:
                numbers = list(map(float, cells))  # type: ignore[arg-type]
            except ValueError:
                numbers = [math.nan if c in missing else float(c) for c in cells]  # type: ignore[arg-type]
        except TypeError:
            try:
                numbers = [float(cell) for cell in cells]  # type: ignore[arg-type]  # or a TypeError
            except (ValueError, TypeError, OverflowError):
                return False
        except ValueError:
            return False
        if whole and self.habits is not None and max(map(abs, numbers), default=0) >= EXACT:
            return False
        self.values.extend(numbers)
        return True

    def _add_each(self, cells: Sequence[object]) -> None:
        known: dict[object, float | None] = {}
        for cell in cells:
            if isinstance(cell, bool | float) or cell not in known:
                said = cell.strip() if isinstance(cell, str) else cell
                value = math.nan if said is None or said in self.reading.missing else value_of(said, self.reading)
                known[cell] = value
            value = known[cell]
            if value is None:
                self.odd[len(self.values)] = cell.strip() if isinstance(cell, str) else str(cell)
                value = math.nan
            self.values.append(value)

    def _counted(self) -> dict[str, float]:
        """The cells that did not fit, and the first ones, weighed as all that did."""
        odd = Counter(self.odd.values())
        fits = {c: n for c, n in self.first.items() if c not in odd and c not in self.reading.missing}
        there = np.frombuffer(self.values)
        weight = max(1.0, float((there == there).sum()) / max(1.0, sum(fits.values())))
        return {c: n * weight for c, n in fits.items()} | odd

    def _as_judged(self) -> None:
        """A column of words as what the words are."""
        words = [word for word in self.index if word is not None]
        codes = np.frombuffer(self.values, np.int32)
        counts = np.bincount(codes[codes >= 0], minlength=len(words)).tolist()
        if _surely_text(words, counts):
            self.reading = Reading("text", missing=MISSING - {"NA"} if _codes(words) else MISSING)
            return
        found = judge(dict(zip(words, counts, strict=True)), self.habits or Habits())
        if found.form == "text":
            self.reading = found
            return
        read = {w: math.nan if w in found.missing else value_of(w, found) for w in words}
        numbers = np.array([math.nan if v is None else v for v in read.values()] + [math.nan])
        strange = np.array([v is None for v in read.values()] + [False])[codes]
        self.odd = {int(i): words[codes[i]] for i in np.flatnonzero(strange)}
        self.widened = int(np.flatnonzero(~np.isnan(numbers[codes]))[0]) if self.widened == -1 else self.widened
        values = array("d", numbers[codes].tobytes())
        del codes
        self._read_as(found)
        self.values, self.index, self.looked = values, {None: -1}, len(self.odd)


_ALIKE = ({"number"}, {"whole"}, {"number", "whole"}, {"truth"}, {"date"}, {"clock"})


def value_of(cell: object, reading: Reading) -> float | None:
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
    if reading.form in ("date", "clock"):
        return seconds_of(cell, reading.order, reading.compact)
    if PADDED.match(cell) or is_long(cell):
        return None  # a name
    return number_of(cell, reading)
