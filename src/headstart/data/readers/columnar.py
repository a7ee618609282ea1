"""Tables by columns: Parquet, and Arrow's own files (Feather). Small ones are read at once, large Parquet files in parts."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...extras import need
from ...forms import Cell
from ..cells import WORDS, Column
from ..numbers import EXACT
from ..source import DataError, Source
from ..sources.events import event_columns, opened
from ..sources.table import CELLS, COLUMNS, Columns, Table, unique
from ._limits import unpacked
from ._packed import arrow, cells_of, class_names, open_cells, parts_of

SUFFIXES = (".parquet", ".pq", ".feather", ".arrow", ".ipc")
EXTRA = "tables"
AT_ONCE = 50_000_000  # cells; larger Parquet files are read by row groups
GROUPS = 4  # row groups that are kept
MOST = 2**31  # rows
CELL = 8  # bytes of a cell in memory, at least
PARQUET, ARROW, STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"  # a stream is what `datasets` saves


def kind(start: bytes, path: Path) -> str | None:
    """ "events" if the columns are those of a list of events, what its cells hold if these are samples (pictures, sounds, lists
    of numbers), "pair" if they hold several; else "table". None for other files."""
    stream = start.startswith(STREAM) and path.name.lower().endswith(SUFFIXES)
    if not stream and not start.startswith((PARQUET, ARROW)):
        return None
    if (cells := cells_of(path)) is not None:
        return next(iter(cells.kinds.values())) if len(cells.kinds) == 1 else "pair"
    try:
        names = _schema(path).names
    except Exception:  # broken, or without pyarrow: `open` will say it in words
        return "table"
    return "events" if event_columns(tuple(names)) else "table"


def open(path: Path, label: str | None = None, kind: str | None = None) -> Source:
    """The rows of one file; or the records of its patients, if it is a list of events. `label` names the label column.

    kind: "table", "events" or "series" (a line per time step), where the names of the columns mislead. Files, sounds and lists
    of numbers in cells are samples, and the other columns their labels.
    """
    if kind != "table" and (cells := cells_of(path)) is not None:
        return open_cells(parts_of(path), path.stem, cells, label, partial(_one, path))
    return opened(load(path), label, kind)


def _one(path: Path, name: str) -> Column:
    """One column of a file whose cells are samples."""
    with _in_words(path), path.open("rb") as file:
        if file.read(4) == PARQUET:
            table = need("pyarrow.parquet", EXTRA, "reading .parquet").read_table(path, columns=[name])
        else:
            table = arrow(path).select([name])
        return columns_of(path.stem, table).column(name)


def load(path: Path) -> Table:
    """The table in a Parquet, Arrow or Feather file of at most 4,096 columns.

    Structures become columns with dots in their names; lists, maps and bytes are left out and listed. Up to 50 million cells
    are kept in memory; a larger Parquet file is read by its row groups, of which the last four are kept; a larger Arrow file
    may have 200 million cells.
    """
    path = Path(path)
    with _in_words(path), path.open("rb") as file:
        if file.read(6).startswith(PARQUET):
            pq = need("pyarrow.parquet", EXTRA, "reading .parquet")
            opened_file = pq.ParquetFile(path, memory_map=True)
            rows, width = opened_file.metadata.num_rows, opened_file.metadata.num_columns
            _check(path, rows, width)
            if rows * width > AT_ONCE:
                return RowGroups(path, opened_file)
            table = opened_file.read()
        else:
            table = arrow(path)
            _check(path, table.num_rows, table.num_columns)
            if table.num_rows * table.num_columns > CELLS:
                raise DataError(f"{path} holds more than {CELLS:,} cells: save it as Parquet")
        return columns_of(path.stem, table)


def words(path: Path, rows: int) -> str:
    """What the texts in the first rows of a Parquet file say, a line each; nothing of one that cannot be read."""
    with suppress(Exception):  # broken, or without pyarrow: `load` says it in words
        parquet = need("pyarrow.parquet", EXTRA, "reading .parquet")
        with parquet.ParquetFile(path) as file:
            table = next(file.iter_batches(rows), None)
            return "\n".join(w for c in (table or ()) for w in c.to_pylist() if isinstance(w, str))
    return ""


class RowGroups:
    """A Parquet file that stays on disk; a row group is read when one of its rows is asked for."""

    def __init__(self, path: Path, file: Any):
        self.path, self.title, self.file = path, path.stem, file
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        self.starts = np.cumsum([0, *sizes])
        self.kept: OrderedDict[int, Columns] = OrderedDict()
        self.lock = threading.Lock()  # pyarrow's reader has one position
        self.names = self._group(0).names
        self.left_out = self._group(0).left_out

    def __len__(self) -> int:
        return int(self.starts[-1])

    def row(self, i: int) -> dict[str, Cell]:
        i = range(len(self))[i]
        group = int(np.searchsorted(self.starts, i, side="right")) - 1
        return self._group(group).row(i - int(self.starts[group]))

    def column(self, name: str) -> Column:
        """One column, all of it, in memory."""
        with _in_words(self.path), self.lock:
            table = self.file.read(columns=[name])
            return columns_of(self.title, table).column(name)

    def remarks(self) -> str:
        listed = f", without {', '.join(self.left_out[:5])}" if self.left_out else ""
        return f", read when needed in {len(self.starts) - 1:,} parts{listed}"

    def _group(self, i: int) -> Columns:
        with self.lock:
            if i not in self.kept:
                with _in_words(self.path):
                    self.kept[i] = columns_of(self.title, self.file.read_row_group(i))
                while len(self.kept) > GROUPS:
                    self.kept.popitem(last=False)
            self.kept.move_to_end(i)
            return self.kept[i]


def columns_of(title: str, table: Any) -> Columns:
    import pyarrow as pa

    classes = class_names(table.schema)
    table.validate(full=True)  # or broken offsets would be followed out of the file
    for _ in range(4):
        if any(pa.types.is_struct(f.type) for f in table.schema):
            table = table.flatten()
    columns, left_out = [], []
    for i, name in enumerate(table.column_names):
        column = _column(name or f"column {i + 1}", table.column(i))
        if column is not None and name in classes and column.form == "whole":
            column = _named(column, classes[name])
        if column is None:
            left_out.append(name)
        else:
            columns.append(column)
    for column, name in zip(columns, unique([c.name for c in columns]), strict=True):
        column.name = name
    if left_out and not columns:
        raise DataError(f"{title} holds only lists or bytes: a table has columns of numbers, texts or dates")
    return Columns(title, columns, left_out=tuple(left_out))


def _named(column: Column, names: Sequence[str]) -> Column:
    """Numbers of classes as their names; others, such as -1, are missing."""
    values = column.values
    known = (values >= 0) & (values < len(names))  # NaN is neither
    return Column(column.name, "text", np.where(known, values, -1).astype(np.int32), list(names))


def _column(name: str, values: Any) -> Column | None:
    """A chunked array as a column; None for types that no cell has."""
    import pyarrow as pa

    kind_, t = values.type, pa.types
    if t.is_dictionary(kind_):
        values = values.cast(kind_.value_type)
        kind_ = values.type
    if t.is_boolean(kind_):
        return Column(name, "truth", _floats(values.cast(pa.uint8())))
    if t.is_integer(kind_):
        found = _floats(values)
        if not (np.abs(found) >= EXACT).any():
            return Column(name, "whole", found)
        values = values.cast(pa.string())  # names: a float would round them
        kind_ = values.type
    if t.is_floating(kind_) or t.is_decimal(kind_):
        found = _floats(values.cast(pa.float64(), safe=False))
        return Column(name, "number", np.where(np.isinf(found), np.nan, found))
    if t.is_date(kind_):
        return Column(name, "date", _floats(values.cast(pa.date32()).cast(pa.int32())) * 86_400)
    if t.is_timestamp(kind_):
        per = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind_.unit]
        return Column(name, "clock", _floats(values.cast(pa.int64())) / per)
    if t.is_duration(kind_):
        per = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind_.unit]
        return Column(name, "number", _floats(values.cast(pa.int64())) / per)
    if t.is_time(kind_):  # of no day
        per = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind_.unit]
        return Column(name, "clock", _floats(values.cast(pa.int32() if t.is_time32(kind_) else pa.int64())) / per)
    if t.is_null(kind_):
        return Column(name, "text", np.full(len(values), -1, np.int32))
    if not (t.is_string(kind_) or t.is_large_string(kind_)):
        return None
    if values.nbytes > WORDS:
        raise DataError(f"column {name!r} holds more than a billion characters: divide the table")
    coded = values.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return Column(name, "text", codes, [str(w) for w in coded.dictionary.to_pylist()])


def _floats(values: Any) -> np.ndarray:
    import pyarrow as pa

    return values.cast(pa.float64(), safe=False).to_numpy().astype(np.float64)


def _schema(path: Path) -> Any:
    with path.open("rb") as file:
        if file.read(4) == PARQUET:
            return need("pyarrow.parquet", EXTRA, "reading .parquet").read_schema(path)
    return arrow(path).schema


def _check(path: Path, rows: int, width: int) -> None:
    if not 0 < rows <= MOST or not 0 < width <= COLUMNS:
        raise DataError(
            f"{path} says it has {rows:,} rows of {width:,} columns: a table has some, and at most {COLUMNS:,} columns"
        )
    if reason := unpacked(CELL * rows * width, path.stat().st_size, str(path)):
        raise DataError(reason)


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """What pyarrow says about a broken file, as an error in words."""
    pa = need("pyarrow", EXTRA, "reading " + path.suffix)
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, MemoryError, OverflowError) as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise DataError(f"{path} cannot be read ({said[0][:200]}): write the file again") from error
