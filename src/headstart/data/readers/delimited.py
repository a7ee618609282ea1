"""Tables as text: CSV and its relatives. Separator, names, encoding and types are found out from the content."""

import csv
import gzip
import itertools
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from pathlib import Path

from ..cells import NO_NUMBER, Column, Growing, infer
from ..encoding import beginning, blocks, encoding_of, said
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
    with _in_words(path):
        encoding = _encoding(path)
        separator, names, skip = _form(path, encoding)
        return _fill(path, encoding, separator, names, skip)


def texts(path: Path) -> tuple[dict[str, list[object]], str]:
    """The same table by columns with every cell as it is written, and a remark about its encoding."""
    with _in_words(path):
        encoding = _encoding(path)
        separator, names, skip = _form(path, encoding)
        rows = list(_Rows(path, encoding, separator, len(names), skip))
    if not rows:
        raise DataError(f"{path} holds no rows: give a table with a line of names and at least one row")
    cells = zip(*rows, strict=True)
    return {name: [cell.strip() for cell in c] for name, c in zip(unique(names), cells, strict=True)}, said(encoding)


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


def _fill(path: Path, encoding: str, separator: str, names: list[str], skip: int) -> Columns:
    rows = _Rows(path, encoding, separator, len(names), skip)
    comma = separator in ";\t"
    growing: list[Growing] = []
    chunks = iter(rows)
    while chunk := list(itertools.islice(chunks, CHUNK)):
        cells = list(zip(*chunk, strict=True))
        if not growing:
            growing.extend(Growing(n, infer(c[:LOOK], comma)) for n, c in zip(names, cells, strict=True))
        for column, some in zip(growing, cells, strict=True):
            column.add(some)
    growing = growing or [Growing(name, infer(())) for name in names]
    return Columns(_title(path), _named([g.done() for g in growing]), rows.bad, rows.bad_lines, remark=said(encoding))


class _Rows:
    """The rows of a table that have as many cells as most; what was wrong with the others, once it has been read."""

    def __init__(self, path: Path, encoding: str, separator: str, width: int, skip: int):
        self.path, self.encoding, self.separator, self.width, self.skip = path, encoding, separator, width, skip
        self.bad: list[tuple[int, str]] = []  # (line, reason), the first thousand
        self.bad_lines = 0

    def __iter__(self) -> Iterator[list[str]]:
        path, width, total = self.path, self.width, 0
        with _text(path, self.encoding) as file:
            reader = csv.reader(_lines(file, path), delimiter=self.separator, skipinitialspace=True)
            for number in itertools.count():
                try:
                    row = next(reader)
                except StopIteration:
                    break
                except csv.Error as error:
                    row, reason = [], str(error)
                else:
                    reason = f"{len(row)} cells, not {width}"
                    if number < self.skip or not row:
                        continue
                if len(row) != width:
                    if len(row) > width and not any(row[width:]):
                        row = row[:width]  # separators at the end of the line
                    else:
                        self.bad_lines += 1
                        self.bad += [(reader.line_num, reason)] * (len(self.bad) < BAD)
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
