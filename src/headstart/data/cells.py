"""What a cell of a text file means: a number, a truth, a day, a time, or text. Decided once per column, from all its cells."""

import datetime
import math
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..forms import Cell
from .source import DataError

MISSING = frozenset({"", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "?"})
NO_NUMBER = MISSING | {"-", "--", ".", "None", "none", "n/a", "na"}  # in columns of numbers and dates
ODD = 0.02  # share of a column's cells that may be unlike the rest ("<5" among numbers); they are kept as text
WORDS = 2**30  # characters of different texts in a column
LOOK = 4000  # cells that a column is first judged by
EPOCH = datetime.datetime(1970, 1, 1)
TRUTH = {"true": 1.0, "false": 0.0}

WHOLE = re.compile(r"[+-]?(?:0|[1-9]\d*)", re.ASCII)
PADDED = re.compile(r"[+-]?0\d")
PADDED_LINE = re.compile(r"^[+-]?0\d", re.MULTILINE)
DIGIT = re.compile(r"\d")
PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf|infinity|nan)", re.ASCII | re.IGNORECASE)
DIGITS = 16  # a float keeps no more: longer ones are names
SPACES = " \u00a0\u2009\u202f"  # a space, and those that do not break
GROUPED = re.compile(rf"[1-9]\d{{0,2}}([.,'’{SPACES}])\d{{3}}(?:\1\d{{3}})*|[1-9]\d?(?:,\d\d)+,\d{{3}}", re.ASCII)
CURRENCY = """[A-Z]{0,3}[$€£¥₹₽₩₺₪₫฿₴₦₱¢]|(?:USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|RUB|TRY
|KRW|SGD|HKD|kr|zł|Kč|Fr)\\.?""".replace("\n", "")
NUMBER = re.compile(
    rf"(?P<open>\()?(?P<minus>[+−-])? ?(?P<before>{CURRENCY})?[{SPACES}]?(?P<other>[−-])?"
    rf"(?P<body>\d[\d.,'’{SPACES}]*|[.,]\d+)(?P<power>[eE][+-]?\d+)?(?<![{SPACES}])"
    rf"[{SPACES}]?(?P<after>%|‰|{CURRENCY})?(?P<close>\))?(?P<last>-)?",
    re.ASCII,
)

YEAR = """jan/january feb/february mar/march apr/april may jun/june jul/july aug/august sep/sept/september oct/october
nov/november dec/december januar/jänner/jän februar mär/märz/mrz april mai juni juli august september okt/oktober november
dez/dezember janv/janvier fév/févr/février mars avr/avril mai juin juil/juillet août septembre octobre novembre déc/décembre
ene/enero febrero marzo abr/abril mayo junio julio ago/agosto septiembre octubre noviembre dic/diciembre"""
MONTHS = {name: 1 + i % 12 for i, names in enumerate(YEAR.split()) for name in names.split("/")}
ZONES = {
    "UTC": 0,
    "GMT": 0,
    "Z": 0,
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
}
ZONES |= {"BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "JST": 9}
HOUR = (
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<part>\d+))?)?(?:\s?(?P<half>[AaPp])\.?[Mm]\.?)?"
    r"|\s?(?P<half2>[AaPp])\.?[Mm]\.?)"
)
ZONE = rf"(?:\s?(?P<zone>{'|'.join(ZONES)}|(?:UTC|GMT)?[+-]\d{{1,2}}(?::?\d{{2}})?))?"
CLOCK = rf"(?:(?:T|,?\s+|\sat\s){HOUR}{ZONE})?"
MONTH = r"(?P<name>[^\W\d_]{3,10})\.?"
WEEKDAY = r"(?:(?i:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
NTH = r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?"
DATES = tuple(
    re.compile(pattern, re.ASCII if "name" not in pattern else 0)
    for pattern in (
        rf"(?P<year>\d{{4}})([-/.])(?P<month>\d{{1,2}})\2(?P<day>\d{{1,2}}){CLOCK}",
        rf"(?P<a>\d{{1,2}})(?P<mark>[-/.])(?P<b>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}){CLOCK}",
        rf"(?P<a>\d{{1,2}})(?P<mark>[-/])(?P<b>\d{{1,2}})(?P=mark)(?P<c>\d{{2}}){CLOCK}",
        rf"(?P<a>\d{{2}})(?P<mark>\.)(?P<b>\d{{2}})\.(?P<c>\d{{2}}){CLOCK}",
        rf"{WEEKDAY}{NTH}[-/ ]?\s?{MONTH}[-/, ]\s?(?P<year>\d{{4}}|\d{{2}}){CLOCK}",
        rf"{WEEKDAY}{MONTH}[- ]\s?{NTH}(?:,?\s+|[-/])(?P<year>\d{{4}}){CLOCK}",
        rf"(?P<year>\d{{4}})[-/ ]{MONTH}[-/ ](?P<day>\d{{1,2}}){CLOCK}",
        rf"{WEEKDAY}{MONTH}\s+(?P<day>\d{{1,2}})\s+{HOUR}{ZONE}\s+(?P<year>\d{{4}})",  # as Unix and Twitter write it
        rf"(?P<year>\d{{4}})(?P<month>\d\d)(?P<day>\d\d)[T ](?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?{ZONE}",
        r"(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])",  # a month is its first day
        rf"{MONTH}[-/, ]\s?(?P<year>\d{{4}})",
    )
)
COMPACT = re.compile(
    r"(?P<year>19\d\d|20\d\d)(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])"
    rf"(?:[T ]?(?P<hour>[01]\d|2[0-3])(?P<minute>[0-5]\d)(?P<second>[0-5]\d){ZONE})?",
    re.ASCII,
)
ORDERS = {
    "mdy": ("b", "a", "c"),
    "dmy": ("a", "b", "c"),
    "ymd": ("c", "b", "a"),
}  # which of three numbers a, b, c are the day, the month, the year
STATES = set(
    re.findall("..", "AKCTDCHIIAKSNHNJNVNYNDOHOKORRITXUTWIWVWAWY")
)  # of the USA, whose codes are of no country
REGIONS = {"EMEA", "APAC", "LATAM", "APJ", "AMER", "ANZ"}


class Habits(NamedTuple):
    """How the file writes what may be read in two ways: 1,234 and 3/4/2020. "" where no column shows it.

    usual: the mark before decimals that goes with the file's separator.
    """

    mark: str = ""
    order: str = ""
    usual: str = "."


class Reading(NamedTuple):
    """How the cells of one column are read. form: number, whole, truth, date, clock (date and time) or text.

    comma: 1.234,5. marked: numbers may have marks between thousands. sign: what stands at the numbers, "%" or "€". order: of
    day, month and year where a date does not show it. compact: 20200131.
    """

    form: str
    comma: bool = False
    order: str = "mdy"
    missing: frozenset[str] = MISSING
    marked: bool = False
    sign: str = ""
    compact: bool = False


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
    found = _as_numbers(said, most, habits) or _as_dates(said, most, habits)
    return found or Reading("text", missing=MISSING - {"NA"} if _codes(said) else MISSING)


def habits_of(columns: Iterable[Mapping[str, float]], usual: str) -> Habits:
    """What the columns of a file show without doubt, if they agree."""
    marks, orders = set[str](), set[str]()
    for counts in columns:
        said = {c: n for c, n in counts.items() if c not in NO_NUMBER}
        most = ODD * sum(said.values())
        if said and _as_plain(said, Habits()) is not None:
            marks |= {"."} if any("." in c and not GROUPED.fullmatch(c.lstrip("+-")) for c in said) else set()
        elif (numbers := _bodies(said, most)) is not None:
            marks |= _shown([body for _, _, body in numbers])
        elif (dates := _whens(said, most)) is not None:
            for when in dates:
                fit = [order for order in ORDERS if _in_order(when, order)]
                orders |= set(fit) if len(fit) == 1 else set()
    return Habits(marks.pop() if len(marks) == 1 else "", orders.pop() if len(orders) == 1 else "", usual)


def _surely_text(words: Sequence[str], counts: Sequence[int]) -> bool:
    """Whether too many of a column's words are nothing else, as soon as that shows."""
    most, misfit = ODD * sum(counts), 0
    for word, n in zip(words, counts, strict=True):
        known = word in NO_NUMBER or word.lower() in TRUTH
        if not known and not (DIGIT.search(word) and (NUMBER.fullmatch(word) or PLAIN.fullmatch(word) or _when(word))):
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


def _as_numbers(said: Mapping[str, float], most: float, habits: Habits) -> Reading | None:
    if (plain := _as_plain(said, habits)) is not None:
        return plain if plain.form != "text" else None
    numbers = _bodies(said, most)
    if numbers is None:
        return None
    signs: dict[str, float] = {}
    for cell, its, _ in numbers:
        signs[its] = signs.get(its, 0) + said[cell]
    sign = max((s for s in signs if s), key=signs.__getitem__, default="")
    bodies = [(cell, body) for cell, its, body in numbers if its in ("", sign)]
    comma = _comma([body for _, body in bodies], habits)
    reading = Reading("number", comma, missing=NO_NUMBER, sign=sign)
    reading = reading._replace(marked=comma or bool(sign) or any(not PLAIN.fullmatch(cell) for cell, _ in bodies))
    fit = [cell for cell, _ in bodies if _number(cell, reading) is not None]
    if sum(said.values()) - sum(said[cell] for cell in fit) > most or not fit:
        return None
    if any(PADDED.match(cell) for cell in fit) or any(len(c) > DIGITS and c.isdigit() for c in said):
        return None
    compact = [
        cell for cell in fit if len(cell) >= 8 and COMPACT.fullmatch(cell) and _seconds(cell, "mdy", True) is not None
    ]
    if compact and sum(said.values()) - sum(said[cell] for cell in compact) <= most:
        return Reading("clock" if any(len(c) > 8 for c in compact) else "date", missing=NO_NUMBER, compact=True)
    whole = all(map(WHOLE.fullmatch, fit))
    whole = whole or (reading.marked and not sign and all((_number(c, reading) or 0.0).is_integer() for c in fit))
    return reading._replace(form="whole" if whole else "number")


def _as_plain(said: Mapping[str, float], habits: Habits) -> Reading | None:
    """The same where all cells are numbers as Python writes them, which most columns are; "text" if they are names; else None."""
    try:
        for cell in said:
            float(cell)
    except ValueError:
        return None
    joined, lengths = "\n".join(said), set(map(len, said))
    if "_" in joined or (habits.mark == "," and "." in joined) or lengths & {8, 14}:
        return None
    if PADDED_LINE.search(joined) or (max(lengths) > DIGITS and any(len(c) > DIGITS and c.isdigit() for c in said)):
        return Reading("text")
    return Reading("whole" if all(map(WHOLE.fullmatch, said)) else "number", missing=NO_NUMBER)


def _bodies(said: Mapping[str, float], most: float) -> list[tuple[str, str, str]] | None:
    """(cell, its sign, its digits with marks) of those that may be numbers; None if they are too few."""
    out, misfit = [], 0.0
    for cell, n in said.items():
        if PLAIN.fullmatch(cell):
            out.append((cell, "", cell.lstrip("+-")))
        elif (found := NUMBER.fullmatch(cell)) and bool(found["open"]) == bool(found["close"]):
            out.append((cell, found["before"] or found["after"] or "", found["body"]))
        else:
            misfit += n
            if misfit > most:
                return None
    return out if out else None


def _shown(bodies: Sequence[str]) -> set[str]:
    """The marks that can only stand before decimals in these numbers: "." in 0.5, "," in 1.234,5."""
    marks, commas = set[str](), any("," in body for body in bodies)
    for body in bodies:
        at = max(body.rfind("."), body.rfind(","))
        if at < 0:
            continue
        mark = body[at]
        both = "." in body and "," in body
        if both or (body.count(mark) == 1 and not GROUPED.fullmatch(body)):
            marks.add(mark)
            if not commas or len(marks) == 2:
                break
        elif body.count(mark) > 1 and GROUPED.fullmatch(body):
            marks.add("." if mark == "," else ",")
    return marks


def _comma(bodies: Sequence[str], habits: Habits) -> bool:
    """Whether a comma stands before the decimals: by what these show, by the other columns, and by the separator."""
    shown = _shown(bodies)
    if len(shown) == 1:
        return "," in shown
    if shown:  # both: the mark in more numbers
        each = Counter(mark for body in bodies for mark in _shown([body]))
        return each[","] > each["."]
    marked = [body for body in bodies if "," in body or "." in body]
    if not marked or habits.mark:
        return bool(marked) and habits.mark == ","
    if not any("," in body for body in marked):
        return False
    if habits.usual:
        return habits.usual == ","
    return len(marked) == len(bodies)  # 950 beside 1,234: it stands between thousands


def _as_dates(said: Mapping[str, float], most: float, habits: Habits) -> Reading | None:
    found = _whens(said, most)
    if found is None:
        return None
    open_ones = [(cell, w) for cell, w in found if "a" in w]
    fit = {o: sum(said[c] for c, w in open_ones if _in_order((c, w), o)) for o in ORDERS}
    usual = habits.order or ("mdy" if all(w["mark"] == "/" for _, w in open_ones) else "dmy")
    order = max(ORDERS, key=lambda o: (fit[o], o == usual, o != "ymd"))
    if sum(said[cell] for cell, _ in open_ones) - fit[order] > most:
        return None
    if all(
        "day" not in w and "a" not in w and "month" in w and int(w["month"]) == (int(w["year"]) + 1) % 100
        for _, w in found
    ):
        return None  # 2010-11 is a season
    return Reading("clock" if any(w.get("hour") for _, w in found) else "date", order=order, missing=NO_NUMBER)


def _whens(said: Mapping[str, float], most: float) -> list[tuple[str, dict[str, str]]] | None:
    """(cell, its parts) of those that may be dates; None if they are too few."""
    out, misfit = [], 0.0
    for cell, n in said.items():
        if parts := _when(cell):
            out.append((cell, parts))
        else:
            misfit += n
            if misfit > most:
                return None
    return out if out else None


def _when(cell: str) -> dict[str, str] | None:
    """The parts of a date by name; None for what is none."""
    if not 6 <= len(cell) <= 48:
        return None
    for pattern in DATES:
        if found := pattern.fullmatch(cell):
            parts = {name: part for name, part in found.groupdict().items() if part is not None}
            if "name" in parts and parts["name"].lower() not in MONTHS:
                continue
            return parts
    return None


def _in_order(when: tuple[str, dict[str, str]], order: str) -> bool:
    parts = when[1]
    if "a" not in parts or (order == "ymd" and "c" not in parts):
        return False
    return _seconds(when[0], order) is not None


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
        if whole and self.habits is not None and max(map(abs, numbers), default=0) >= 10**DIGITS:
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
        return _seconds(cell, reading.order, reading.compact)
    if PADDED.match(cell) or (len(cell) > DIGITS and cell.isdigit()):
        return None  # a name
    return _number(cell, reading)


def _number(cell: str, reading: Reading) -> float | None:
    if not reading.marked:
        try:
            return float(cell) if "_" not in cell else None
        except ValueError:
            return None
    found = NUMBER.fullmatch(cell)
    if found is None or (found["before"] or found["after"] or "") not in ("", reading.sign):
        return None
    body = _body(found["body"], reading.comma)
    if body is None or bool(found["open"]) != bool(found["close"]):
        return None
    signs = sum(bool(found[name]) for name in ("open", "other", "last")) + (found["minus"] not in (None, "+"))
    value = float(body + (found["power"] or ""))
    return value if not signs else -value if signs == 1 else None


def _body(body: str, comma: bool) -> str | None:
    """Digits with marks as Python writes them: 1.234,5 is 1234.5."""
    mark = "," if comma else "."
    whole, _, rest = body.partition(mark)
    if rest and not rest.isdigit():
        return None
    if whole.isdigit() or not whole:
        return f"{whole or 0}.{rest or 0}"
    grouped = GROUPED.fullmatch(whole)
    if grouped and mark not in whole:
        return re.sub(r"\D", "", whole) + f".{rest or 0}"
    left, _, right = body.partition(".")  # 1.5 among 1,5
    return body if comma and left.isdigit() and right.isdigit() else None


def _seconds(cell: str, order: str, compact: bool = False) -> float | None:
    """Seconds from 1970 to a date or time, which is taken to be UTC where it names no zone."""
    if found := DATES[0].fullmatch(cell):
        midnight = _midnight(found["year"], found["month"], found["day"])
        hour, minute, second, *more = found.group("hour", "minute", "second", "part", "half", "half2", "zone")
        if hour is None or midnight is None:
            return midnight
        if not any(more) and hour < "24" and minute < "60" and (second or "") < "60" and len(hour) == 2:
            return midnight + 3600 * int(hour) + 60 * int(minute) + int(second or 0)
        parts: dict[str, str] | None = found.groupdict()
    else:
        found = COMPACT.fullmatch(cell) if compact else None
        parts = (found.groupdict() if found else None) if compact else _when(cell)
        if parts is None or (order == "ymd" and "a" in parts and "c" not in parts):
            return None
        if "a" in parts:
            of_day, of_month, of_year = ORDERS[order]
            midnight = _midnight(parts.get("year") or parts[of_year], parts[of_month], parts[of_day])
        else:
            month = parts.get("month") or str(MONTHS[parts["name"].lower()])
            midnight = _midnight(parts["year"], month, parts.get("day", "1"))
    if midnight is None or parts is None:
        return None
    seconds = _clock(parts) if parts.get("hour") else 0.0
    return None if seconds is None else midnight + seconds


def _midnight(year: str, month: str, day: str) -> float | None:
    """Seconds from 1970 to the beginning of a day; None if there is no such day. 68 is 2068, and 69 is 1969, as POSIX has it."""
    full = int(year) + (0 if len(year) > 2 else 2000 if int(year) < 69 else 1900)
    try:
        return (datetime.date(full, int(month), int(day)).toordinal() - EPOCH.toordinal()) * 86400.0
    except ValueError:
        return None


def _clock(parts: Mapping[str, str | None]) -> float | None:
    """Seconds from midnight UTC of the day that is written."""
    hour, minute, second = int(parts["hour"] or 0), int(parts.get("minute") or 0), int(parts.get("second") or 0)
    half = parts.get("half") or parts.get("half2")
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (half in "pP")
    if hour > 23 or minute > 59 or second > 59:
        return None
    part = float(f"0.{parts['part']}") if parts.get("part") else 0.0
    return 3600.0 * hour + 60 * minute + second + part - _ahead(parts.get("zone"))


def _ahead(zone: str | None) -> float:
    """Seconds that a zone is ahead of UTC."""
    if not zone:
        return 0.0
    if zone in ZONES:
        return 3600.0 * ZONES[zone]
    found = re.search(r"([+-])(\d{1,2}):?(\d{2})?$", zone)
    if found is None:
        return 0.0
    return (3600.0 * int(found[2]) + 60 * int(found[3] or 0)) * (-1 if found[1] == "-" else 1)
