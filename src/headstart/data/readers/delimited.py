"""Tables as text: CSV and its relatives. Separator, names, encoding and types are found out from the content."""

import csv
import gzip
import itertools
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import NamedTuple

from ..cells import LOOK, NO_NUMBER, Column, Growing, Habits, Reading, habits_of, infer, value_of
from ..encoding import beginning, blocks, encoding_of, said
from ..source import DataError, Source
from ..sources.events import event_columns, opened
from ..sources.table import CELLS, COLUMNS, Columns, unique

SUFFIXES = (".csv", ".tsv", ".tab", ".psv", ".csv.gz", ".tsv.gz")
SEPARATORS = (",", "\t", ";", "|")
FILE, INFLATED = 2**33, 2**31  # bytes of a file; characters that a compressed one may hold
LINE = 2**20  # characters
BAD, CHUNK = 1000, 20_000  # bad lines that are listed; rows that are read at once
TOP = 200  # lines that the form of a file is judged by
NO_SEPARATOR = "\x1f"  # of a file with one column
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
    """How a file writes a table. said: the line of names as it is, None without one. skip: lines before the first row."""

    separator: str
    quote: str
    names: list[str]
    said: list[str] | None
    skip: int
    remarks: tuple[str, ...]


def kind(start: bytes, path: Path) -> str | None:
    """ "events" if the names are those of a list of events, else "table"; None for what does not look like a table.

    A file that is not called .csv, .tsv, ... must have at least two columns in each of five lines, and numbers in one.
    """
    called = path.name.lower().endswith(SUFFIXES)
    try:
        text = _start(start)
    except (UnicodeDecodeError, zlib.error):
        return None
    if "\0" in text or not text.strip():
        return None
    lines = text.splitlines(keepends=True)
    if len(lines) > 1 and not text.endswith(("\n", "\r")):
        lines.pop()  # cut in the middle
    form = _form_of(lines)
    if not called:
        rows = _cut(lines[form.skip :], form.separator, form.quote)
        widths = {len(row) for row, _ in rows if row} | {len(form.names)}
        steady = len(rows) + bool(form.said) >= 5 and len(widths) == 1 and max(widths) >= 2 and form.separator != "|"
        if not steady or not any(infer(c).form in NUMBERS for c in zip(*(row for row, _ in rows if row), strict=False)):
            return None
        if text.lstrip()[:1] in "{[<":
            return None
    return "events" if form.said and event_columns(tuple(form.names)) else "table"


def open(path: Path, label: str | None = None, kind: str | None = None) -> Source:
    """The rows of one file; or the records of its patients, if it is a list of events. `label` names the label column.

    kind: "table", "events" or "series" (a line per time step), where the names of the columns mislead.
    """
    return opened(load(path), label, kind)


def load(path: Path) -> Columns:
    """The table in a file of at most 8 GiB, 2 GiB unpacked, 4,096 columns, 200 million cells, and a million characters a line.

    Lines of another number of cells than most are left out and listed. Types are judged by all rows: a column that turns out to
    hold something else is read again, and a cell that does not fit is kept as text. Without a line of names the columns are
    "column 1", ...; a first column that has no name and only counts the rows is left out. Lines of comments, of units and Excel's
    "sep=;" are no rows. What was guessed is said by the table's `remarks`.
    """
    path = Path(path)
    with _in_words(path):
        encoding = _encoding(path)
        return _fill(path, encoding, _form(path, encoding))


def texts(path: Path) -> tuple[dict[str, list[object]], str]:
    """The same table by columns with every cell as it is written, and a remark about its encoding."""
    with _in_words(path):
        encoding = _encoding(path)
        form = _form(path, encoding)
        rows = list(_Rows(path, encoding, form))
    if not rows:
        raise DataError(f"{path} holds no rows: give a table with a line of names and at least one row")
    cells = zip(*rows, strict=True)
    return {name: [cell.strip() for cell in c] for name, c in zip(unique(form.names), cells, strict=True)}, said(
        encoding
    )


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        if path.stat().st_size > FILE:
            raise DataError(f"{path} is larger than {FILE >> 30} GiB: divide it, or save it as Parquet")
        yield
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise DataError(f"{path} cannot be read ({reason or error}): check the file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no table ({error}): save it again as UTF-8 with commas") from error


def _fill(path: Path, encoding: str, form: Form) -> Columns:
    usual = {";": ",", "\t": ""}.get(form.separator, ".")
    growing = [Growing(name, Reading("text"), habits=Habits(usual=usual)) for name in form.names]
    rows = _read(path, encoding, form, growing, list(range(len(growing))), usual)
    while stale := [i for i, column in enumerate(growing) if column.stale]:
        for i in stale:
            growing[i] = growing[i].again()
        _read(path, encoding, form, growing, stale, usual)
    remarks = [said(encoding), *form.remarks, *_of_columns(growing)]
    columns = _named([column.done() for column in growing])
    return Columns(_title(path), columns, rows.bad, rows.bad_lines, remark=", ".join(filter(None, remarks)))


def _read(path: Path, encoding: str, form: Form, growing: list[Growing], which: list[int], usual: str) -> "_Rows":
    """Read the file from its top, and some of its columns; those that turn out to be something else are stale."""
    rows = _Rows(path, encoding, form)
    chunks, every = iter(rows), len(which) == len(growing)
    habits = growing[0].habits or Habits(usual=usual)
    begun = not all(growing[i].reading.form == "text" and not growing[i].exact and not growing[i].first for i in which)
    while chunk := list(itertools.islice(chunks, CHUNK)):
        cells = list(zip(*chunk, strict=True)) if every else [tuple(row[i] for row in chunk) for i in which]
        if not begun:
            counts = [Counter(map(str.strip, c[:LOOK])) for c in cells]
            habits = habits_of(counts, usual)
            for i, count in zip(which, counts, strict=True):
                growing[i].begin(count, habits)
            begun = True
        for i, some in zip(which, cells, strict=True):
            if not growing[i].stale:
                growing[i].add(some)
                growing[i].look(habits)
    for i in which:
        growing[i].look(habits, last=True)
    return rows


def _of_columns(growing: list[Growing]) -> list[str]:
    """What was guessed about columns, in a few words."""

    def some(columns: Iterable[Growing]) -> str:
        names = [column.name for column in columns]
        return f"{len(names):,} columns" if len(names) > 3 else " and ".join(names)

    numbers = [g for g in growing if g.reading.form in NUMBERS]
    days = [g for g in growing if g.reading.form in ("date", "clock")]
    by_sign: dict[str, list[Growing]] = {}
    for column in numbers:
        by_sign.setdefault(column.reading.sign, []).append(column)
    out = [f"{sign} left out in {some(columns)}" for sign, columns in by_sign.items() if sign]
    what = {
        "decimal commas": [g for g in numbers if g.reading.comma],
        "marks between thousands": [
            g for g in numbers if g.reading.marked and not g.reading.comma and not g.reading.sign
        ],
        "days from eight digits": [g for g in days if g.reading.compact],
    }
    out += [f"{marks} in {some(columns)}" for marks, columns in what.items() if columns]
    late = [g for g in growing if g.widened not in (-1, 0)]
    return out + ([f"{some(late)} judged by later rows than the first"] if late else [])


class _Rows:
    """The rows of a table that have as many cells as most; what was wrong with the others, once it has been read."""

    def __init__(self, path: Path, encoding: str, form: Form):
        self.path, self.encoding, self.form = path, encoding, form
        self.bad: list[tuple[int, str]] = []  # (line, reason), the first thousand
        self.bad_lines = 0

    def __iter__(self) -> Iterator[list[str]]:
        path, width, total, again = self.path, len(self.form.names), 0, self.form.said
        with _text(path, self.encoding) as file:
            lines = itertools.islice(_lines(file, path), self.form.skip, None)
            reader = csv.reader(lines, delimiter=self.form.separator, quotechar=self.form.quote, skipinitialspace=True)
            while True:
                try:
                    row = next(reader)
                except StopIteration:
                    break
                except csv.Error as error:
                    row, reason = [], str(error)
                else:
                    if not row:
                        continue
                    reason = "the line of names again" if row == again else f"{len(row)} cells, not {width}"
                if len(row) != width or row == again:
                    if len(row) > width and not any(row[width:]):
                        row = row[:width]  # separators at the end of the line
                    else:
                        self.bad_lines += 1
                        self.bad += [(reader.line_num + self.form.skip, reason)] * (len(self.bad) < BAD)
                        continue
                total += 1
                if total * width > CELLS:
                    raise DataError(f"{path} holds more than {CELLS:,} cells: divide it, or save it as Parquet")
                yield row
        if self.bad_lines > total:
            raise DataError(f"{path}: {self.bad_lines:,} lines do not have {width} cells, {total:,} do: it is no table")


def _title(path: Path) -> str:
    suffix = next((s for s in reversed(SUFFIXES) if path.name.lower().endswith(s)), path.suffix)
    return path.name[: len(path.name) - len(suffix)]


def _named(columns: list[Column]) -> list[Column]:
    """Unnamed columns get a name, or go if they only count; equal names get a number."""
    first = columns[0]
    if not first.name and len(columns) > 1 and first.form == "whole" and not first.odd:
        steps = first.values[1:] - first.values[:-1]
        if (steps > 0).all():
            columns = columns[1:]
    named = [c.name or ("row" if c is first else f"column {i + 1}") for i, c in enumerate(columns)]
    for column, name in zip(columns, unique(named), strict=True):
        column.name = name
    return columns


def _form(path: Path, encoding: str) -> Form:
    """How the file writes its table, by its first lines."""
    with _text(path, encoding) as file:
        form = _form_of(list(itertools.islice(_lines(file, path), TOP)))
    if not form.names:
        raise DataError(f"{path} is empty: give a table with a line of names and rows")
    if len(form.names) > COLUMNS:
        raise DataError(f"{path} has {len(form.names):,} columns, more than {COLUMNS:,}: leave some out")
    return form


def _form_of(lines: Sequence[str]) -> Form:
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
    return Form(separator, quote, [name.strip()[:200] for name in names], said, skip + after, tuple(remarks))


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
    cut = _cut([named], separator, quote)
    cells = cut[0][0] if cut else []
    if width == 1:
        return cells if len(cells) == 1 and len(named.split()) == 1 else None
    return cells if len(cells) in (width, width - 1 if width > 2 else width) else None


def _cut(lines: Sequence[str], separator: str, quote: str) -> list[tuple[list[str], int]]:
    """The rows that a separator makes of these lines, each with the number of lines up to its end."""
    rows: list[tuple[list[str], int]] = []
    reader = csv.reader(lines, delimiter=separator, quotechar=quote, skipinitialspace=True)
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
    best: tuple[float, int, int] = (-1.0, 0, 0)
    separator, rows = NO_SEPARATOR, _cut(lines, NO_SEPARATOR, quote)
    for each in (given,) if given and given in head else SEPARATORS:
        found = _cut(lines, each, quote)
        full = [row for row, _ in found if row]
        width = _width(full)
        share = sum(len(row) == width for row in full) / max(1, len(full))
        start = _start_of(found, width) if full else 0
        above = sum(bool(row) for row, _ in found[:start])
        if width < 2 or (above and not _is_title(found, start, width)):
            continue
        if (score := (round(share, 1), -above, width)) > best:
            best, separator, rows = score, each, found
    return separator, quote, rows


def _start_of(rows: Sequence[tuple[list[str], int]], width: int) -> int:
    """The first row that belongs to the table: it is as wide as most, or lacks the name of the first column."""
    for i, (row, _) in enumerate(rows[:-1]):
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


def _encoding(path: Path) -> str:
    with _bytes(path) as file:
        return encoding_of(_bounded(blocks(file), path))


def _bounded(parts: Iterable[bytes], path: Path) -> Iterator[bytes]:
    total = 0
    for block in parts:
        total += len(block)
        if total > INFLATED and path.suffix.lower() == ".gz":
            raise DataError(f"{path} unpacks to more than {INFLATED >> 30} GiB: divide it")
        yield block


def _bytes(path: Path) -> BufferedReader | gzip.GzipFile:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rb")
    return path.open("rb")


def _text(path: Path, encoding: str) -> TextIOWrapper:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding=encoding, errors="replace", newline="")
    return path.open(encoding=encoding, errors="replace", newline="")


def _lines(file: TextIOWrapper, path: Path) -> Iterator[str]:
    total = 0
    while line := file.readline(LINE):
        total += len(line)
        if len(line) >= LINE:
            raise DataError(f"{path} has a line of more than {LINE:,} characters: it is no table")
        if total > FILE:
            raise DataError(f"{path} unpacks to more than {FILE >> 30} GiB: divide it")
        yield line.replace("\0", "") if "\0" in line else line


def _start(start: bytes) -> str:
    """The beginning of the file as text."""
    return beginning(zlib.decompressobj(31).decompress(start, 4096) if start[:2] == b"\x1f\x8b" else start)
