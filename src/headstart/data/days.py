"""Days and times as people write them: which cells are, and in which order of day, month and year."""

import datetime
import re
from collections.abc import Mapping

from .habits import NO_NUMBER, Habits, Reading

EPOCH = datetime.datetime(1970, 1, 1)
YEAR = """jan/january feb/february mar/march apr/april may jun/june jul/july aug/august sep/sept/september oct/october
nov/november dec/december januar/jänner/jän februar mär/märz/mrz april mai juni juli august september okt/oktober november
dez/dezember janv/janvier fév/févr/février mars avr/avril mai juin juil/juillet août septembre octobre novembre déc/décembre
ene/enero febrero marzo abr/abril mayo junio julio ago/agosto septiembre octubre noviembre dic/diciembre
gen/gennaio febbraio marzo aprile mag/maggio giu/giugno lug/luglio agosto set/settembre ott/ottobre novembre dicembre
januari februari mrt/maart april mei juni juli augustus september oktober november december
janeiro fev/fevereiro março abril maio junho julho agosto setembro out/outubro novembro dez/dezembro"""
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
ZONES |= {
    "BST": 1,
    "CET": 1,
    "CEST": 2,
    "EET": 2,
    "EEST": 3,
    "MSK": 3,
    "SGT": 8,
    "HKT": 8,
    "AWST": 8,
    "JST": 9,
    "KST": 9,
}
ZONES |= {"AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13}
HOUR = (
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<part>\d+))?)?(?:\s?(?P<half>[AaPp])\.?[Mm]\.?)?"
    r"|\s?(?P<half2>[AaPp])\.?[Mm]\.?)"
)
ZONE = rf"(?:\s?(?P<zone>{'|'.join(ZONES)}|(?:UTC|GMT)?[+-]\d{{1,2}}(?::?\d{{2}})?)(?:\[[\w/+-]+\])?)?"
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
        rf"{WEEKDAY}{NTH}(?:[-/ ]?\s?|\sde\s){MONTH}(?:[-/, ]\s?|\sdel?\s)(?P<year>\d{{4}}|\d{{2}}){CLOCK}",
        rf"{WEEKDAY}{MONTH}[- ]\s?{NTH}(?:,?\s+|[-/])(?P<year>\d{{4}}){CLOCK}",
        rf"(?P<year>\d{{4}})[-/ ]{MONTH}[-/ ](?P<day>\d{{1,2}}){CLOCK}",
        rf"{WEEKDAY}{MONTH}\s+(?P<day>\d{{1,2}})\s+{HOUR}{ZONE}\s+(?P<year>\d{{4}})",  # as Unix and Twitter write it
        rf"(?P<year>\d{{4}})(?P<month>\d\d)(?P<day>\d\d)[T ](?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?{ZONE}",
        r"(?P<year>\d{4})[-M](?P<month>0[1-9]|1[0-2])",  # a month is its first day
        r"(?P<month>0?[1-9]|1[0-2])/(?P<year>[12]\d{3})",
        rf"{MONTH}[-/, ]\s?(?P<year>\d{{4}})",
        rf"{MONTH}-(?P<year>\d{{2}})",
        r"(?P<year>[12]\d{3})[- ]?Q(?P<quarter>[1-4])",
        rf"{HOUR}{ZONE}",  # of no day
    )
)
COMPACT = re.compile(
    r"(?P<year>1[89]\d\d|20\d\d)(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])"
    rf"(?:[T ]?(?P<hour>[01]\d|2[0-3])(?P<minute>[0-5]\d)(?P<second>[0-5]\d)?{ZONE}|\.0)?",
    re.ASCII,
)
ORDERS = {
    "mdy": ("b", "a", "c"),
    "dmy": ("a", "b", "c"),
    "ymd": ("c", "b", "a"),
}  # which of three numbers a, b, c are the day, the month, the year


def as_dates(said: Mapping[str, float], most: float, habits: Habits) -> Reading | None:
    found = whens_of(said, most)
    if found is None:
        return None
    open_ones = [(cell, w) for cell, w in found if "a" in w]
    fit = {o: sum(said[c] for c, w in open_ones if in_order((c, w), o)) for o in ORDERS}
    usual = habits.order or ("mdy" if all(w["mark"] == "/" for _, w in open_ones) else "dmy")
    order = max(ORDERS, key=lambda o: (fit[o], o == usual, o != "ymd"))
    if sum(said[cell] for cell, _ in open_ones) - fit[order] > most:
        return None
    times = [cell for cell, w in found if "year" not in w and "a" not in w]
    if sum(said[cell] for cell in times if seconds_of(cell, order) is None) > most:
        return None  # 26:15:00 is how long something takes
    if all(
        "day" not in w and "a" not in w and "month" in w and int(w["month"]) == (int(w["year"]) + 1) % 100
        for _, w in found
    ):
        return None  # 2010-11 is a season
    return Reading("clock" if any(w.get("hour") for _, w in found) else "date", order=order, missing=NO_NUMBER)


def whens_of(said: Mapping[str, float], most: float) -> list[tuple[str, dict[str, str]]] | None:
    """(cell, its parts) of those that may be dates; None if they are too few."""
    out, misfit = [], 0.0
    for cell, n in said.items():
        if parts := when_of(cell):
            out.append((cell, parts))
        else:
            misfit += n
            if misfit > most:
                return None
    return out if out else None


def when_of(cell: str) -> dict[str, str] | None:
    """The parts of a date by name; None for what is none."""
    if not 4 <= len(cell) <= 64:
        return None
    for pattern in DATES:
        if found := pattern.fullmatch(cell):
            parts = {name: part for name, part in found.groupdict().items() if part is not None}
            if "name" in parts and parts["name"].lower() not in MONTHS:
                continue
            return parts
    return None


def in_order(when: tuple[str, dict[str, str]], order: str) -> bool:
    parts = when[1]
    if "a" not in parts or (order == "ymd" and "c" not in parts):
        return False
    return seconds_of(when[0], order) is not None


def seconds_of(cell: str, order: str, compact: bool = False) -> float | None:
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
        parts = (found.groupdict() if found else None) if compact else when_of(cell)
        if parts is None or (order == "ymd" and "a" in parts and "c" not in parts):
            return None
        if "year" not in parts and "a" not in parts:
            midnight = 0.0
        elif "a" in parts:
            of_day, of_month, of_year = ORDERS[order]
            midnight = _midnight(parts.get("year") or parts[of_year], parts[of_month], parts[of_day])
        else:
            month = parts.get("month") or str(
                3 * int(parts["quarter"]) - 2 if "quarter" in parts else MONTHS[parts["name"].lower()]
            )
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
