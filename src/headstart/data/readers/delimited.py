"""Tables as text: CSV and its relatives. Separator, names, encoding and types are found out from the content."""

import csv
import gzip
import itertools
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from pathlib import Path

from ..cells import LOOK, Column, Growing, Habits, Reading, habits_of, infer
from ..encoding import beginning, blocks, encoding_of, said
from ..source import DataError, Source
from ..sources.events import event_columns, opened
from ..sources.table import CELLS, COLUMNS, Columns, unique
from ._header import NUMBERS, SPACES, Form, cut, for_csv, form_of
from ._limits import unpacked

SUFFIXES = (".csv", ".tsv", ".tab", ".psv", ".csv.gz", ".tsv.gz")
FILE, INFLATED = 2**33, 2**31  # bytes of a file; characters that a compressed one may hold
LINE = 2**20  # characters
BAD, CHUNK = 1000, 20_000  # bad lines that are listed; rows that are read at once
TOP = 200  # lines that the form of a file is judged by


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
    form = form_of(lines)
    if not called:
        rows = cut(lines[form.skip :], form.separator, form.quote)
        widths = {len(row) for row, _ in rows if row} | {len(form.names)}
        steady = len(rows) + bool(form.said) >= 5 and len(widths) == 1 and max(widths) >= 2
        steady &= form.separator not in ("|", SPACES)
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


def load(path: Path, rows: int | None = None) -> Columns:
    """The table in a file of at most 8 GiB, 2 GiB unpacked, 4,096 columns, 200 million cells, and a million characters a line.

    Lines of another number of cells than most are left out and listed. Types are judged by all rows: a column that turns out to
    hold something else is read again, and a cell that does not fit is kept as text. Without a line of names the columns are
    "column 1", ...; a first column that has no name and only counts the rows is left out. Lines of comments, of units and Excel's
    "sep=;" are no rows. What was guessed is said by the table's `remarks`. rows: only so many from the top.
    """
    path = Path(path)
    with _in_words(path):
        encoding = _encoding(path) if rows is None else _encoding_at_top(path)
        return _fill(path, encoding, _form(path, encoding), rows)


def first_line(path: Path) -> bytes:
    """Its first line, as it is."""
    with _in_words(path), _bytes(path) as file:
        return file.readline(LINE)


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
        with path.open("rb") as file:
            if "\0" in _start(file.read(4096)):
                raise DataError(f"{path} is no table: its text holds zeros")
        yield
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise DataError(f"{path} cannot be read ({reason or error}): check the file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no table ({error}): save it again as UTF-8 with commas") from error


def _fill(path: Path, encoding: str, form: Form, most: int | None) -> Columns:
    usual = {";": ",", "\t": ""}.get(form.separator, ".")
    growing = [Growing(name, Reading("text"), habits=Habits(usual=usual)) for name in form.names]
    rows = _read(path, encoding, form, growing, list(range(len(growing))), usual, most)
    while stale := [i for i, column in enumerate(growing) if column.stale]:
        for i in stale:
            growing[i] = growing[i].again()
        _read(path, encoding, form, growing, stale, usual, most)
    remarks = [said(encoding), *form.remarks, *_of_columns(growing)]
    every = [column.done() for column in growing]
    columns = _named(every)
    units = {c.name: unit for c, unit in zip(every, form.units, strict=False) if unit}
    return Columns(_title(path), columns, rows.bad, rows.bad_lines, (), ", ".join(filter(None, remarks)), units)


def _read(
    path: Path, encoding: str, form: Form, growing: list[Growing], which: list[int], usual: str, most: int | None
) -> "_Rows":
    """Read the file from its top, and some of its columns; those that turn out to be something else are stale."""
    rows = _Rows(path, encoding, form)
    chunks, every = itertools.islice(rows, most), len(which) == len(growing)
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
            plain, mark = for_csv(lines, self.form.separator)
            reader = csv.reader(plain, delimiter=mark, quotechar=self.form.quote, skipinitialspace=True)
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
                if width > 1 and not any(map(str.strip, row)):
                    continue  # separators alone
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
        form = form_of(list(itertools.islice(_lines(file, path), TOP)))
    if not form.names:
        raise DataError(f"{path} is empty: give a table with a line of names and rows")
    if len(form.names) > COLUMNS:
        raise DataError(f"{path} has {len(form.names):,} columns, more than {COLUMNS:,}: leave some out")
    return form


def _encoding(path: Path) -> str:
    with _bytes(path) as file:
        return encoding_of(_bounded(blocks(file), path))


def _encoding_at_top(path: Path) -> str:
    """The same, by the whole lines of the first mebibyte."""
    with _bytes(path) as file:
        start = next(blocks(file), b"")
    return encoding_of([start[: start.rfind(b"\n") + 1] or start])


def _bounded(parts: Iterable[bytes], path: Path) -> Iterator[bytes]:
    total = 0
    for block in parts:
        total += len(block)
        if total > INFLATED and _zipped(path):
            raise DataError(f"{path} unpacks to more than {INFLATED >> 30} GiB: divide it")
        if reason := unpacked(total, path.stat().st_size, str(path)):
            raise DataError(reason)
        yield block


def _zipped(path: Path) -> bool:
    """Whether a file is gzipped, whatever it is called."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _bytes(path: Path) -> BufferedReader | gzip.GzipFile:
    if _zipped(path):
        return gzip.open(path, "rb")
    return path.open("rb")


def _text(path: Path, encoding: str) -> TextIOWrapper:
    if _zipped(path):
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
