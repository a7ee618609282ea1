"""Tables as text: CSV and its relatives. Separator, names, encoding and types are found out from the content."""

import codecs
import csv
import gzip
import itertools
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ..cells import NO_NUMBER, Column, Growing, infer
from ..source import DataError, Source
from ..sources.events import event_columns, opened
from ..sources.table import CELLS, COLUMNS, Columns, unique

SUFFIXES = (".csv", ".tsv", ".tab", ".psv", ".csv.gz", ".tsv.gz")
SEPARATORS = (",", "\t", ";", "|")
FILE, INFLATED = 2**33, 2**31  # bytes of a file; characters that a compressed one may hold
LINE = 2**20  # characters
LOOK, BAD = 4000, 1000  # rows that types are judged by; bad lines that are listed
CHUNK = 20_000


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
    lines = text.splitlines()
    if len(lines) > 1 and not text.endswith(("\n", "\r")):
        lines.pop()  # cut in the middle
    separator, rows = _separated(lines)
    widths = Counter(map(len, rows))
    if not called:
        steady = len(rows) >= 5 and len(widths) == 1 and max(widths) >= 2 and separator != "|"
        if not steady or not any(infer(c).form in ("number", "whole") for c in zip(*rows[1:], strict=False)):
            return None
        if text.lstrip()[:1] in "{[<":
            return None
    names, _ = _header(rows)
    return "events" if names and event_columns(tuple(names)) else "table"


def open(path: Path, label: str | None = None, kind: str | None = None) -> Source:
    """The rows of one file; or the records of its patients, if it is a list of events. `label` names the label column.

    kind: "table", "events" or "series" (a line per time step), where the names of the columns mislead.
    """
    return opened(load(path), label, kind)


def load(path: Path) -> Columns:
    """The table in a file of at most 8 GiB, 2 GiB unpacked, 4,096 columns, 200 million cells, and a million characters a line.

    Lines of another number of cells than most are left out and listed. Types are judged by the first 4,000 rows; a later cell
    that does not fit is kept as text. Without a line of names the columns are "column 1", ...; a first column that has no name
    and only counts the rows is left out. 1.234,5 is understood where the separator is a semicolon or tab.
    """
    path = Path(path)
    try:
        if path.stat().st_size > FILE:
            raise DataError(f"{path} is larger than {FILE >> 30} GiB: divide it, or save it as Parquet")
        encoding = _encoding(path)
        separator, names, skip = _form(path, encoding)
        return _fill(path, encoding, separator, names, skip)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or error}): check the file"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no table ({error}): save it again as UTF-8 with commas") from error


def _fill(path: Path, encoding: str, separator: str, names: list[str], skip: int) -> Columns:
    width, bad_lines = len(names), 0
    bad: list[tuple[int, str]] = []
    comma = separator in ";\t"
    growing: list[Growing] = []
    chunk: list[list[str]] = []
    total = 0

    def flush() -> None:
        cells = list(zip(*chunk, strict=True)) if chunk else [()] * width
        if not growing:
            growing.extend(Growing(n, infer(c[:LOOK], comma)) for n, c in zip(names, cells, strict=True))
        for column, some in zip(growing, cells, strict=True):
            column.add(some)
        chunk.clear()

    with _text(path, encoding) as file:
        reader = csv.reader(_lines(file, path), delimiter=separator, skipinitialspace=True)
        for number in itertools.count():
            try:
                row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                row, reason = [], str(error)
            else:
                reason = f"{len(row)} cells, not {width}"
                if number < skip or not row:
                    continue
            if len(row) != width:
                if len(row) > width and not any(row[width:]):
                    row = row[:width]  # separators at the end of the line
                else:
                    bad_lines += 1
                    bad += [(reader.line_num, reason)] * (len(bad) < BAD)
                    continue
            chunk.append(row)
            total += 1
            if total * width > CELLS:
                raise DataError(f"{path} holds more than {CELLS:,} cells: divide it, or save it as Parquet")
            if len(chunk) == CHUNK:
                flush()
    flush()
    if bad_lines > total:
        raise DataError(f"{path}: {bad_lines:,} lines do not have {width} cells, {total:,} do: it is no table")
    return Columns(_title(path), _named([g.done() for g in growing]), bad, bad_lines)


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


def _form(path: Path, encoding: str) -> tuple[str, list[str], int]:
    """The separator, the columns' names and how many lines come before the first row."""
    with _text(path, encoding) as file:
        lines = list(itertools.islice(_lines(file, path), 200))
    separator, rows = _separated(lines)
    if not any(rows):
        raise DataError(f"{path} is empty: give a table with a line of names and rows")
    names, skip = _header(rows)
    width = _width(rows)
    if not names:
        names = [f"column {i + 1}" for i in range(width)]
    if len(names) > COLUMNS:
        raise DataError(f"{path} has {len(names):,} columns, more than {COLUMNS:,}: leave some out")
    return separator, [re.sub(r"^[#%]\s*", "", name).strip()[:200] for name in names], skip


def _separated(lines: list[str]) -> tuple[str, list[list[str]]]:
    """The separator that cuts most lines into equally many cells, and the rows it makes."""
    best: tuple[float, int, str, list[list[str]]] = (-1.0, 0, ",", [])
    for separator in SEPARATORS:
        rows = []
        reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
        while True:
            try:
                rows.append(next(reader))
            except StopIteration:
                break
            except csv.Error:
                continue
        full = [row for row in rows if row]
        width = _width(full)
        share = sum(len(row) == width for row in full) / max(1, len(full)) if width > 1 else 0.0
        if (round(share, 1), width) > best[:2]:
            best = (round(share, 1), width, separator, rows)
    return best[2], best[3]


def _width(rows: list[list[str]]) -> int:
    counts = Counter(len(row) for row in rows if row)
    return max(counts, key=lambda w: (counts[w], w), default=0)


def _header(rows: list[list[str]]) -> tuple[list[str], int]:
    """The columns' names, [] if the file names none, and the rows up to the first row of data.

    A title before the table (a line of another width) is passed over. A line is one of names if its cells differ, none is a
    number, and it does not recur below. Names may be one fewer than cells: then the first column has none (as R writes it).
    """
    width, skip = _width(rows), 0
    while skip < len(rows) - 1 and len(rows[skip]) not in ((width, width - 1) if width > 2 else (width,)):
        skip += 1
    first = [cell.strip() for cell in rows[skip]]
    below = [row for row in rows[skip + 1 :] if len(row) == width]
    if len(first) == width - 1:
        first = ["", *first]
    said = first[1:] or first
    is_names = (
        len(set(said)) == len(said)
        and not any(cell in NO_NUMBER and cell for cell in said)
        and not any(infer([cell]).form != "text" for cell in first if cell)
        and any(first)
    )
    if is_names and below and not any(infer([r[i] for r in below]).form != "text" for i in range(width)):
        again = sum(first[i] in {r[i].strip() for r in below} for i in range(width) if first[i])
        is_names = again == 0
    return (first, skip + 1) if is_names else ([], skip)


def _encoding(path: Path) -> str:
    """UTF-8 if all of the file is, UTF-16 if it begins so, else Latin-1."""
    with _bytes(path) as file:
        start = file.read(2)
        if start in (b"\xff\xfe", b"\xfe\xff"):
            return "utf-16"
        decoder, total = codecs.getincrementaldecoder("utf-8")(), 0
        block = start
        while block:
            total += len(block)
            if total > INFLATED and path.suffix.lower() == ".gz":
                raise DataError(f"{path} unpacks to more than {INFLATED >> 30} GiB: divide it")
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                return "latin-1"
            block = file.read(1 << 20)
    return "utf-8-sig"


def _bytes(path: Path) -> IO[Any]:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return path.open("rb")


def _text(path: Path, encoding: str) -> IO[Any]:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding=encoding, errors="replace", newline="")
    return path.open(encoding=encoding, errors="replace", newline="")


def _lines(file: IO[Any], path: Path) -> Iterator[str]:
    total = 0
    while line := file.readline(LINE):
        total += len(line)
        if len(line) >= LINE:
            raise DataError(f"{path} has a line of more than {LINE:,} characters: it is no table")
        if total > FILE:
            raise DataError(f"{path} unpacks to more than {FILE >> 30} GiB: divide it")
        yield line.replace("\0", "") if "\0" in line else line


def _start(start: bytes) -> str:
    """The beginning of the file as text, which may end in half a character."""
    if start[:2] == b"\x1f\x8b":
        start = zlib.decompressobj(31).decompress(start, 4096)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return start[: len(start) // 2 * 2].decode("utf-16")
    try:
        return start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start >= len(start) - 4:
            return start[: error.start].decode("utf-8-sig")
        if any(byte < 9 or 13 < byte < 32 for byte in start):
            raise
        return start.decode("latin-1")
