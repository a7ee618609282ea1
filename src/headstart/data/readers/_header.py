"""The form of a table as text, by its first lines: the separator, the line of names, and what stands around these."""

import csv
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..cells import NO_NUMBER, Reading, infer, value_of

SEPARATORS = (",", "\t", ";", "|")
NO_SEPARATOR = "\x1f"  # of a file with one column
SPACES, CUT = " ", "\x1e"  # any number of them between columns, and what stands there once they are cut
NUMBERS = ("number", "whole")
HINT = re.compile(r"\"?sep=(.)\"?[,;\t|]*\s*", re.IGNORECASE)  # Excel's
COMMENT = re.compile(r"\s*(#|%|//)")
NAMING = re.compile(r"[\W_]*[^\W\d_]")  # a letter comes before any digit


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


NOT_MEASURED = _set("n.d. nd n.a. n/d bdl lod loq missing unknown none null nan inf -inf error off fail failed absent")
UNITS = _set(
    """s sec second seconds ms us µs ns min minutes h hr hour hours d day days yr year years m mm cm km um µm nm in ft g kg mg ug
    µg t lb oz l ml dl mol mmol k c f °c °f degc degf pa hpa kpa mpa bar mbar psi atm v mv kv a ma w kw mw wh kwh j kj hz khz
    mhz ghz n kn rad deg lux lx db ppm ppb count counts usd eur % kph mph bpm mmhg ts rn avg smp max tot std unitless none -"""
)
TYPES = _set(
    """continuous discrete string c s time class meta i int integer float double number numeric text str bool boolean date
    datetime object category factor char varchar -"""
)


class Form(NamedTuple):
    """How a file writes a table. said: the line of names as it is, None without one. skip: lines before the first row. units: the
    first line of units below the names, () without."""

    separator: str
    quote: str
    names: list[str]
    said: list[str] | None
    skip: int
    remarks: tuple[str, ...]
    units: tuple[str, ...] = ()


def form_of(lines: Sequence[str]) -> Form:
    """The form of a file that begins with these lines.

    A title (lines of another width) and comments are passed over; the last comment may hold the names, as numpy writes it. Names
    may be one fewer than cells: then the first column has none (as R writes it).
    """
    lines, remarks = [line.lstrip("\ufeff") if i == 0 else line for i, line in enumerate(lines)], []
    hint = HINT.fullmatch(lines[0]) if lines else None
    skip = top = int(hint is not None)
    if hint:
        remarks.append(f"line sep={hint[1]} left out")
    while skip < len(lines) and (not lines[skip].strip() or COMMENT.match(lines[skip])):
        skip += 1
    if skip == len(lines):
        skip = top  # the cells begin so
    comments = [line for line in lines[top:skip] if line.strip()]
    separator, quote, rows = _separated(lines[skip:], hint[1] if hint else "")
    width = _width([row for row, _ in rows])
    if not width:
        return Form(separator, quote, [], None, skip, ())
    start = _start_of(rows, width)
    said: list[str] | None = rows[start][0]
    first, below = rows[start][0][:width], [row for row, _ in rows[start + 1 :] if row]
    if len(first) == width - 1 and width > 1 and not any(row[width - 1].strip() for row in below if len(row) == width):
        width -= 1  # separators at the ends of the lines below
    units, sure = _top(first, below, width)
    after = rows[start + units][1]
    if comments and sure < 2 and start == 0 and (own := _in_comment(comments[-1], separator, quote, width)):
        first, said, after, units, comments = own, own, 0, 0, comments[:-1]
    elif not sure:
        first, said, after, units = (
            [f"column {i + 1}" for i in range(width)],
            None,
            rows[start - 1][1] if start else 0,
            0,
        )
    if comments:
        remarks.append(
            f"{len(comments):,} lines of comments left out" if len(comments) > 1 else "a line of comments left out"
        )
    if start:
        remarks.append(f"what stands above the table left out (line {skip + 1})")
    if units:
        cells = ", ".join(filter(None, map(str.strip, below[0][:4])))
        remarks.append(f"{f'{units} lines' if units > 1 else 'the line'} below the names taken for units ({cells})")
    names = ["", *first] if len(first) < width else first
    below_names = tuple(cell.strip() for cell in below[0][:width]) if units else ()
    return Form(
        separator, quote, [name.strip()[:200] for name in names], said, skip + after, tuple(remarks), below_names
    )


def _top(first: Sequence[str], below: Sequence[list[str]], width: int) -> tuple[int, int]:
    """How many lines of units are below a line, and whether that holds the names, as `_names` has it."""
    below = [row[:width] for row in below if len(row) >= width and not any(row[width:])]
    first = ["", *first] if len(first) < width else first
    units = _units_below(below)
    if _names(first, [row for row in below[units:] if row != first]) == 2:
        return units, 2
    return units, _names(first, below[units:])


def _in_comment(line: str, separator: str, quote: str, width: int) -> list[str] | None:
    """The names in a comment, if they are as many as cells."""
    bare = COMMENT.sub("", line, count=1).strip(" \t\r\n" if separator != "\t" else " \r\n")
    named = bare if bare and not bare.startswith(separator) else line.strip()
    rows = cut([named], separator, quote)
    cells = rows[0][0] if rows else []
    if width == 1:
        return cells if len(cells) == 1 and len(named.split()) == 1 else None
    return cells if len(cells) in (width, width - 1 if width > 2 else width) else None


def for_csv(lines: Iterable[str], separator: str) -> tuple[Iterable[str], str]:
    """The lines and the separator that csv's reader takes: any number of spaces between columns are one mark."""
    return ((CUT.join(line.split()) for line in lines), CUT) if separator == SPACES else (lines, separator)


def cut(lines: Sequence[str], separator: str, quote: str) -> list[tuple[list[str], int]]:
    """The rows that a separator makes of these lines, each with the number of lines up to its end."""
    rows: list[tuple[list[str], int]] = []
    plain, mark = for_csv(lines, separator)
    reader = csv.reader(plain, delimiter=mark, quotechar=quote, skipinitialspace=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return rows
        except csv.Error:
            continue
        rows.append((row, reader.line_num))


def _separated(lines: Sequence[str], given: str) -> tuple[str, str, list[tuple[list[str], int]]]:
    """The separator that cuts most lines into equally many cells and that the first of them has, the quotes, and the rows.

    given: the one that the file names itself. A file whose first line has none has one column, unless that line is a title.
    """
    head = next((line for line in lines if line.strip()), "")
    quote = '"'
    if not any('"' in line for line in lines):
        marks = [c.strip() for line in lines for c in re.split(r"[,;\t|]", line)]
        quote = "'" if 3 * sum(len(c) > 1 and c[0] == c[-1] == "'" for c in marks) >= len(marks) else quote
    best: tuple[float, int, float, int] = (-1.0, 0, 0, 0)
    separator, rows = NO_SEPARATOR, cut(lines, NO_SEPARATOR, quote)
    several = sum(each in head for each in SEPARATORS) > 1
    for each in (given,) if given and given in head else SEPARATORS:
        found = cut(lines, each, quote)
        full = [row for row, _ in found if row]
        width = _width(full)
        share = sum(len(row) == width for row in full) / max(1, len(full))
        start = _start_of(found, width) if full else 0
        above = sum(bool(row) for row, _ in found[:start])
        if width < 2 or (above and not _is_title(found, start, width)):
            continue
        typed = _typed(found[start:], width) if several else 0.0  # 1,5;2,5: a comma cuts these into equally many cells
        if (score := (round(share, 1), -above, typed, width)) > best:
            best, separator, rows = score, each, found
    if separator == NO_SEPARATOR and '"' not in "".join(lines) and len(head.split()) > 1:
        found = cut(lines, SPACES, quote)
        width = len(head.split())
        if all(len(row) == width for row, _ in found if row) and len(found) > 2 and 2 * _typed(found, width) > 1:
            separator, rows = SPACES, found
    return separator, quote, rows


def _typed(rows: Sequence[tuple[list[str], int]], width: int) -> float:
    """The share of columns that hold numbers, days or truths below their first line."""
    below = [row for row, _ in rows[1:] if len(row) == width]
    return sum(infer(cells).form != "text" for cells in zip(*below, strict=True)) / width


def _start_of(rows: Sequence[tuple[list[str], int]], width: int) -> int:
    """The first row that belongs to the table: it is as wide as most, or lacks the name of the first column.

    A row of three or more cells of which one is filled, at most, is a title that a program has made as wide as the table.
    """
    fuller = width > 2 and any(sum(map(bool, map(str.strip, row))) > 1 for row, _ in rows)
    for i, (row, _) in enumerate(rows[:-1]):
        if fuller and len(row) == width and sum(map(bool, map(str.strip, row))) < 2:
            continue
        if len(row) == width or (len(row) > width > 1 and not any(row[width:])):
            return i
        if len(row) == width - 1 and width > 2 and len(rows[i + 1][0]) == width:
            names = _top(rows[i + 1][0], [below for below, _ in rows[i + 2 :]], width)[1]
            return i if names < 2 else i + 1
    return len(rows) - 1


def _is_title(rows: Sequence[tuple[list[str], int]], start: int, width: int) -> bool:
    """Whether what stands above this row is a title, and no name of an only column whose cells have commas in them."""
    below = [row for row, _ in rows[start:] if len(row) == width]
    if start and not rows[start - 1][0]:
        return True
    if len(below) > 1 and (len(rows[start][0]) < width or _top(below[0], below[1:], width)[1] == 2):
        return True
    forms = [infer(cells).form for cells in zip(*below, strict=True)]
    return width > 2 and any(form != "text" for form in forms)


def _width(rows: Sequence[list[str]]) -> int:
    counts = Counter(len(row) for row in rows if row)
    return max(counts, key=lambda w: (counts[w], w), default=0)


def _names(first: Sequence[str], below: Sequence[list[str]]) -> int:
    """Whether a line holds the names of the columns: 2 surely, 1 perhaps, 0 not.

    Surely, where it has a word (or a day) above numbers, or numbers in steps above others; whatever else is in it is a name, too.
    Perhaps, where all its cells are words and none recurs below.
    """
    cells = [cell.strip() for cell in first]
    columns = [[cell.strip() for cell in column] for column in zip(*below, strict=True)] or [[] for _ in cells]
    forms = [infer(column) for column in columns]
    there = [i for i, cell in enumerate(cells) if cell]
    typed = [i for i in there if forms[i].form != "text" and cells[i] not in NO_NUMBER]
    unlike = [i for i in typed if value_of(cells[i], forms[i]) is None and cells[i] not in columns[i]]
    words = [i for i in unlike if _is_word(cells[i])]
    lettered = [i for i in unlike if any(map(str.isalpha, cells[i]))]
    numbers = [i for i in typed if i not in unlike and forms[i].form in NUMBERS]
    in_steps = _in_steps(cells, numbers, columns, forms)
    if words or (len(lettered) > 1 and 2 * len(lettered) >= len(typed)):
        fractions = sum("." in cells[i] for i in numbers)
        return 0 if fractions > len(words) and not in_steps else 2
    recurs = any(cells[i] in columns[i] for i in there if forms[i].form == "text")
    if in_steps and not recurs:
        return 2
    if any(infer([cells[i]]).form != "text" or cells[i] in NO_NUMBER for i in there) or not there:
        return 0
    if all(form.form == "text" for form in forms) and recurs:
        return 0
    if len({cells[i] for i in there}) == len(there) and len(cells) - len(there) < 2:
        return 1
    return int(len(below) > 2 and not any(cells[i] in column for i in there for column in columns))


def _is_word(cell: str) -> bool:
    """A word as names are, and as no measurement is; a day is one, too."""
    if NAMING.match(cell):
        return cell.strip("<>()[] ").lower() not in NOT_MEASURED
    return infer([cell]).form in ("date", "clock")


def _in_steps(
    cells: Sequence[str], numbers: Sequence[int], columns: Sequence[Sequence[str]], forms: Sequence[Reading]
) -> bool:
    """Whether numbers above numbers are names (wavelengths, years, 0, 1, 2): they go up or down, and those below do not."""

    def goes(values: Sequence[float]) -> bool:
        steps = [b - a for a, b in itertools.pairwise(values)]
        return all(s > 0 for s in steps) or all(s < 0 for s in steps)

    def of(i: int, cell: str) -> float:
        value = value_of(cell, forms[i])
        return math.nan if value is None else value

    values = [of(i, cells[i]) for i in numbers]
    below = [
        [of(i, columns[i][row]) for i in numbers]
        for row in range(min(20, len(columns[0]) if goes(values) or not cells[0] else 0))
    ]
    if not values or not below:
        return False
    if not cells[0] and values == list(range(len(cells) - 1)):
        return True
    years = all(v.is_integer() and 1500 <= v <= 2100 for v in values) and goes(values)
    if years and len(below) > 1 and not any(1500 <= v <= 2100 and v.is_integer() for row in below for v in row):
        return True
    steps = [b - a for a, b in itertools.pairwise(values)]
    even = len(steps) > 1 and max(steps) - min(steps) <= 1e-6 * max(map(abs, steps))
    return (even or len(values) > 5) and goes(values) and 2 * sum(map(goes, below)) < len(below)


def _units_below(below: Sequence[list[str]]) -> int:
    """How many lines below the names hold units, types or the like, three at most: none has a number where numbers are below."""
    most = 0
    for count in range(1, min(4, len(below))):
        if not any(_is_unit(cell) for cell in below[count - 1]) and count == 1:
            return 0
        forms = [infer(column).form for column in zip(*below[count:], strict=True)]
        if all(_are_units(row, forms, i) for i, row in enumerate(below[:count])):
            most = count
    return most


def _are_units(row: Sequence[str], forms: Sequence[str], before: int) -> bool:
    cells = [cell.strip() for cell in row]
    typed = [cell for cell, form in zip(cells, forms, strict=True) if form != "text"]
    others = [cell for cell, form in zip(cells, forms, strict=True) if form == "text"]
    said = [cell for cell in typed if cell]
    if not all(not cell or _is_unit(cell) or cell.lower() in TYPES for cell in others) or not typed:
        return False
    if any(infer([cell]).form != "text" and not _bracketed(cell) for cell in said):
        return False
    units = sum(_is_unit(cell) for cell in said)
    if before and not said:
        return any(others)
    return 2 * len(said) >= len(typed) and 2 * units >= len(said) > 0 and any(cell.strip("-") for cell in said)


def _bracketed(cell: str) -> bool:
    return len(cell) > 2 and cell[0] + cell[-1] in ("[]", "()", "<>", "{}")


def _is_unit(cell: str) -> bool:
    """[s], degC, m/s^2, or a word for a type."""
    cell = cell.strip()
    low = cell.lower()
    compound = re.fullmatch(r"[^\W\d_]{1,6}[23²³]?(?:[*/·^ ][^\W\d_]{0,6}[-−]?[1234²³]?)*", cell) and re.search(
        r"[/^·²³]", cell
    )
    return _bracketed(cell) or low in UNITS or low in TYPES or bool(compound) or low[:1] in ("°", "µ")
