"""Parquet and Arrow files whose cells are samples: pictures and sounds as Hugging Face's `datasets` packs them, and recordings
as lists of numbers. Their other columns hold names and labels."""

import json
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from ...errors import Unreadable
from ...extras import need
from ...forms import Sample
from ..cells import Column
from ..classes import Labels
from ..labels import decide
from ..source import DataError, Source
from ..sources.pair import PairSource, Part

TEXTS = frozenset(("caption", "captions", "text", "description", "title", "prompt", "sentence", "report", "transcript"))
RATES = frozenset(("rate", "fs", "sampling_rate", "sample_rate", "sampling_frequency", "sfreq", "hz"))
NAMES = frozenset(("name", "file", "file_name", "filename", "path", "id", "key", "__key__", "uid"))
KEPT = 3  # parts of a file in memory
FIRST = 32  # cells that are looked into


class Cells(NamedTuple):
    """What the columns of a file hold. files: columns of whole files, and the kind of these; waves: sounds that are decoded
    already; points: lists of numbers, each a channel; plain: all others."""

    files: dict[str, str]
    waves: tuple[str, ...]
    points: tuple[str, ...]
    plain: tuple[str, ...]

    @property
    def kinds(self) -> dict[str, str]:
        """The parts of a sample, and their kinds."""
        every = [(name, kind) for name, kind in self.files.items()] + [(name, "audio") for name in self.waves]
        once = [kind for _, kind in every]
        found = {kind if once.count(kind) == 1 else name: kind for name, kind in every}
        return found | ({"series": "series"} if self.points else {})


@runtime_checkable
class _Schema(Protocol):
    """A pyarrow.Schema, as far as it is used here."""

    names: list[str]
    metadata: dict[bytes, bytes] | None

    def __iter__(self) -> "Iterator[_Field]": ...


@runtime_checkable
class _Field(Protocol):
    """A pyarrow.Field, as far as it is used here."""

    name: str
    type: object


@runtime_checkable
class _Batch(Protocol):
    """A pyarrow.RecordBatch, as far as it is used here."""

    num_rows: int


@runtime_checkable
class _Arrow(Protocol):
    """A pyarrow.Table, as far as it is used here."""

    schema: _Schema
    num_rows: int
    num_columns: int

    def column(self, name: str) -> "_Chunks": ...
    def select(self, names: list[str]) -> "_Arrow": ...
    def to_batches(self) -> "list[_Batch]": ...


class _Chunks(Protocol):
    """A pyarrow.ChunkedArray, as far as it is used here."""

    def __getitem__(self, index: int) -> "_Scalar": ...
    def __len__(self) -> int: ...


class _Scalar(Protocol):
    """A pyarrow.Scalar, as far as it is used here."""

    def as_py(self) -> object: ...


class Parts:
    """Rows in parts of these sizes, of which the last few are kept. own: cells may name files, as an object of the user's may."""

    def __init__(
        self, schema: _Schema, sizes: Sequence[int], read: Callable[[int, list[str]], _Arrow], own: bool = False
    ):
        self.schema, self.read, self.own = schema, read, own
        self.lock = threading.Lock()  # pyarrow's readers have one position
        self.kept: OrderedDict[tuple[int, str], _Chunks] = OrderedDict()
        self.starts = np.cumsum([0, *sizes])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def cell(self, name: str, row: int) -> object:
        """One cell, as Python has it."""
        part = int(np.searchsorted(self.starts, row, side="right")) - 1
        with self.lock:
            key = part, name
            if key not in self.kept:
                self.kept[key] = self.read(part, [name]).column(name)
                while len(self.kept) > KEPT * max(1, len({n for _, n in self.kept})):
                    self.kept.popitem(last=False)
            self.kept.move_to_end(key)
            column = self.kept[key]
        return column[row - int(self.starts[part])].as_py()


def parts_of(path: Path) -> Parts:
    """A Parquet file by its row groups, an Arrow file by its batches."""
    with path.open("rb") as file:
        parquet = file.read(4) == b"PAR1"
    if parquet:
        file = need("pyarrow.parquet", "tables", "reading .parquet").ParquetFile(path, memory_map=True)
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        return Parts(file.schema_arrow, sizes, lambda i, names: file.read_row_group(i, columns=names))
    table, pa = arrow(path), need("pyarrow", "tables", "reading .arrow")
    batches = table.to_batches()
    sizes = [batch.num_rows for batch in batches]
    return Parts(table.schema, sizes, lambda i, names: pa.Table.from_batches([batches[i]]).select(names))


def arrow(path: Path) -> _Arrow:
    """The pyarrow.Table in an Arrow or Feather file, or a stream of batches as `datasets` saves it; its values stay on disk."""
    pa = need("pyarrow", "tables", "reading .arrow")
    with path.open("rb") as file:
        stream = file.read(4) == b"\xff\xff\xff\xff"
    if stream:
        return pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def class_names(schema: _Schema) -> dict[str, list[str]]:
    """The names of the classes of columns that hold their numbers, as `datasets` writes them into the metadata."""
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        told = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {
            name: list(map(str, of["names"]))
            for name, of in told.items()
            if isinstance(of, dict) and of.get("_type") == "ClassLabel" and isinstance(of.get("names"), list)
        }
    return {}


def cells_of(path: Path) -> Cells | None:
    """What the columns hold, if any of them holds samples; None of a plain table, or of a file that cannot be read."""
    with suppress(Exception):  # broken, or without pyarrow: `columnar` says it in words
        return cells_in(parts_of(path))
    return None


def cells_in(parts: Parts) -> Cells | None:
    import pyarrow as pa

    t, files, waves, points, plain = pa.types, dict[str, str](), [], [], []
    for field in parts.schema:
        kind, inside = field.type, _fields(field.type)
        if (
            t.is_binary(kind)
            or t.is_large_binary(kind)
            or {"bytes", "path"} >= inside > {"path"}
            or inside == {"bytes"}
        ):
            found = _kind_of(parts, field.name)
            if found is not None:
                files[field.name] = found
        elif inside >= {"array", "sampling_rate"}:
            waves.append(field.name)
        elif _is_list(kind) and _numbers(kind):
            points.append(field.name)
        elif not inside and not _is_list(kind):
            plain.append(field.name)
    if points and not _are_recordings(parts, points, len(plain)):
        points = []
    return Cells(files, tuple(waves), tuple(points), tuple(plain)) if files or waves or points else None


def open_cells(parts: Parts, title: str, cells: Cells, label: str | None, column: Callable[[str], Column]) -> Source:
    """The samples of a file: of one part, or pairs where there are several; a caption beside a picture is a part, too."""
    count = len(parts)
    if not count:
        raise DataError(f"{title} holds no rows")
    own, kinds = dict(zip(cells.kinds, [*cells.files, *cells.waves, ""], strict=False)), cells.kinds
    read: dict[str, Callable[[int], Sample]] = {}
    for part, name in own.items():
        if kinds[part] == "series" and part == "series":
            rate = next((n for n in cells.plain if n.lower() in RATES), None)
            read[part] = partial(_recording, parts, cells.points, rate)
        elif name in cells.waves:
            read[part] = partial(_wave, parts, name)
        else:
            read[part] = partial(_file, parts, name, kinds[part])
    told = [n for n in cells.plain if n.lower() in TEXTS]
    if told and (not kinds or kinds.keys() == {"image"}):
        kinds, read["text"] = kinds | {"text": "text"}, partial(_text, parts, told[0])
    rest = [n for n in cells.plain if n not in told and n.lower() not in RATES]
    labels = decide(rest, column, title, label) if rest or label else Labels()
    named = next((n for n in rest if n.lower() in NAMES and n != labels.name), None)
    names = _names(title, column(named) if named else None, count)
    refs = dict.fromkeys(read, range(count))
    known = {*cells.files, *cells.waves, *cells.points, *cells.plain}
    gone = [field.name for field in parts.schema if field.name not in known]
    why = "; ".join(filter(None, (labels.why, f"without {', '.join(gone[:5])}" if gone else "")))
    source = PairSource(names, kinds, refs, read, title, labels.values, labels.classes, why)
    return source if len(kinds) > 1 else Part(source, next(iter(kinds)))


def _names(title: str, column: Column | None, count: int) -> Sequence[str]:
    plain = [f"{title}[{i}]" for i in range(count)]
    if column is None:
        return plain
    told = ["" if (cell := column.cell(i)) is None else str(cell) for i in range(count)]
    return [name or other for name, other in zip(told, plain, strict=True)] if len(set(told)) == count else plain


def _file(parts: Parts, name: str, kind: str, row: int) -> Sample:
    from . import reading  # here, because it asks all readers, this one too

    with _laid(parts, parts.cell(name, row)) as one:
        if one is None:
            raise Unreadable("", f"column {name} is empty, or only names a file that lies elsewhere")
        return reading({}, kind)(one)


@contextmanager
def _laid(parts: Parts, cell: object) -> Iterator[Path | None]:
    """What a cell holds as a file; the one that it names, where it may."""
    content = _bytes(cell)
    named = cell.get("path") if isinstance(cell, dict) and parts.own else None
    if content is None:
        yield Path(named) if isinstance(named, str) and os.path.isfile(named) else None
        return
    with tempfile.TemporaryDirectory(prefix="headstart-") as place:
        one = Path(place) / "cell"
        one.write_bytes(content)
        yield one


def _wave(parts: Parts, name: str, row: int) -> Sample:
    cell = parts.cell(name, row)
    if not isinstance(cell, dict) or cell.get("array") is None or not cell.get("sampling_rate"):
        raise Unreadable("", f"column {name} is empty")
    wave = np.asarray(cell["array"], np.float32)
    return {"wave": wave[None] if wave.ndim == 1 else wave, "rate": int(cell["sampling_rate"])}


def _recording(parts: Parts, names: Sequence[str], rate: str | None, row: int) -> Sample:
    each: list[np.ndarray] = []
    for name in names:
        cell = parts.cell(name, row)
        if cell is None:
            raise Unreadable("", f"column {name} is empty")
        try:
            values = np.array(cell, np.float32)  # None becomes NaN
        except (ValueError, TypeError) as error:
            raise Unreadable("", f"the lists in column {name} have different lengths") from error
        each.append(values[None] if values.ndim == 1 else values)
    if len({x.shape[-1] for x in each}) > 1:
        raise Unreadable("", f"columns {', '.join(names)} hold {' and '.join(str(x.shape[-1]) for x in each)} values")
    found = np.concatenate(each)
    sample: dict[str, Sample] = {"values": found}
    if len(found) == len(names):
        sample["channels"] = list(names)
    hertz = None if rate is None else parts.cell(rate, row)
    if isinstance(hertz, int | float) and hertz > 0:
        sample["rate"] = float(hertz)
    return sample


def _text(parts: Parts, name: str, row: int) -> Sample:
    cell = parts.cell(name, row)
    if not isinstance(cell, str) or not cell.strip():
        raise Unreadable("", f"column {name} is empty")
    return cell


def _bytes(cell: object) -> bytes | None:
    inner = cell.get("bytes") if isinstance(cell, dict) else cell
    return inner if isinstance(inner, bytes) and inner else None


def _kind_of(parts: Parts, name: str) -> str | None:
    """The kind of the first files in a column."""
    from . import claims  # here, because it asks all readers, this one too

    for row in range(min(FIRST, len(parts))):
        with _laid(parts, parts.cell(name, row)) as one:
            told = [] if one is None else [claim.kind for claim in claims(one) if claim.reader.read is not None]
        if told:
            return told[0]
    return None


def _are_recordings(parts: Parts, points: Sequence[str], others: int) -> bool:
    """Whether the lists say more than the other columns: a table may hold a short list beside its numbers."""
    lengths = [len(cell) for i in range(min(FIRST, len(parts))) if isinstance(cell := parts.cell(points[0], i), list)]
    return bool(lengths) and float(np.median(lengths)) >= max(8, 2 * others)


def _fields(kind: object) -> set[str]:
    """The names inside a structure; none of any other type."""
    import pyarrow as pa

    return {kind.field(i).name for i in range(kind.num_fields)} if isinstance(kind, pa.StructType) else set()


def _is_list(kind: object) -> bool:
    import pyarrow as pa

    return isinstance(kind, pa.ListType | pa.LargeListType | pa.FixedSizeListType)


def _numbers(kind: object) -> bool:
    """Whether a type is numbers, or lists of them."""
    import pyarrow as pa

    if isinstance(kind, pa.ListType | pa.LargeListType | pa.FixedSizeListType):
        return _numbers(kind.value_type)
    return isinstance(kind, pa.DataType) and (pa.types.is_floating(kind) or pa.types.is_integer(kind))
