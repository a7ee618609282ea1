"""Numbers as people write them: marks between thousands and before decimals, signs of money, brackets, percent."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from .days import COMPACT, seconds_of
from .habits import NO_NUMBER, Habits, Reading

WHOLE = re.compile(r"[+-]?(?:0|[1-9]\d*)", re.ASCII)
PADDED = re.compile(r"[+-]?0\d")
PADDED_LINE = re.compile(r"^[+-]?0\d", re.MULTILINE)
PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf|infinity|nan)", re.ASCII | re.IGNORECASE)
DIGITS, EXACT = 15, 2**53  # a float keeps as many, and counts to there: longer ones are names
DAYS = re.compile(r"\d{8}(?:\.0|\d{4}|\d{6})?", re.ASCII)
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


def as_numbers(said: Mapping[str, float], most: float, habits: Habits) -> Reading | None:
    if (plain := as_plain(said, habits)) is not None:
        return plain if plain.form != "text" else None
    numbers = bodies_of(said, most)
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
    fit = [cell for cell, _ in bodies if number_of(cell, reading) is not None]
    if sum(said.values()) - sum(said[cell] for cell in fit) > most or not fit:
        return None
    if any(PADDED.match(cell) for cell in fit) or any(map(is_long, said)):
        return None
    compact = [
        cell for cell in fit if len(cell) >= 8 and COMPACT.fullmatch(cell) and seconds_of(cell, "mdy", True) is not None
    ]
    if compact and sum(said.values()) - sum(said[cell] for cell in compact) <= most:
        clock = any(len(c.removesuffix(".0")) > 8 for c in compact)
        return Reading("clock" if clock else "date", missing=NO_NUMBER, compact=True)
    whole = all(map(WHOLE.fullmatch, fit))
    whole = whole or (reading.marked and not sign and all((number_of(c, reading) or 0.0).is_integer() for c in fit))
    return reading._replace(form="whole" if whole else "number")


def as_plain(said: Mapping[str, float], habits: Habits) -> Reading | None:
    """The same where all cells are numbers as Python writes them, which most columns are; "text" if they are names; else None."""
    try:
        for cell in said:
            float(cell)
    except ValueError:
        return None
    joined, lengths = "\n".join(said), set(map(len, said))
    if "_" in joined or (habits.mark == "," and "." in joined):
        return None
    if lengths & {8, 10, 12, 14} and any(map(DAYS.fullmatch, said)):
        return None  # days, perhaps: 20200131, or 20200131.0, as pandas writes them beside missing ones
    if PADDED_LINE.search(joined) or (max(lengths) > DIGITS and any(map(is_long, said))):
        return Reading("text")
    return Reading("whole" if all(map(WHOLE.fullmatch, said)) else "number", missing=NO_NUMBER)


def is_long(cell: str) -> bool:
    """Whether a whole number is one that a float does not hold, and so a name."""
    return len(cell) > DIGITS and cell.lstrip("+-").isdigit() and abs(int(cell)) >= EXACT


def bodies_of(said: Mapping[str, float], most: float) -> list[tuple[str, str, str]] | None:
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


def shown_marks(bodies: Sequence[str]) -> set[str]:
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
    shown = shown_marks(bodies)
    if len(shown) == 1:
        return "," in shown
    if shown:  # both: the mark in more numbers
        each = Counter(mark for body in bodies for mark in shown_marks([body]))
        return each[","] > each["."]
    marked = [body for body in bodies if "," in body or "." in body]
    if not marked or habits.mark:
        return bool(marked) and habits.mark == ","
    if not any("," in body for body in marked):
        return False
    if habits.usual:
        return habits.usual == ","
    return len(marked) == len(bodies)  # 950 beside 1,234: it stands between thousands


def number_of(cell: str, reading: Reading) -> float | None:
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
