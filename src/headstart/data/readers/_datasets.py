"""Datasets of Hugging Face's library as they are in memory: rows are read when they are asked for."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from ..cells import Column
from ..source import DataError, Source
from ..sources.events import opened
from ..sources.table import CELLS
from . import columnar
from ._packed import NAMES, TEXTS, Cells, Parts, _Arrow, cells_in, open_cells

TITLE = "dataset"
STREAM = 10_000  # samples that the advice about a stream speaks of


@runtime_checkable
class _Rows(Protocol):
    """A dataset that gives pyarrow tables."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice, /) -> _Arrow: ...
    def select_columns(self, names: list[str], /) -> "_Rows": ...


@runtime_checkable
class Mapped(Protocol):
    """A datasets.Dataset, as far as it is used here."""

    features: object
    column_names: object

    def __len__(self) -> int: ...
    def with_format(self, form: str, /) -> _Rows: ...
    def select_columns(self, names: list[str], /) -> object: ...


@runtime_checkable
class Streamed(Protocol):
    """A datasets.IterableDataset, as far as it is used here."""

    features: object

    def take(self, n: int, /) -> object: ...
    def with_format(self, form: str, /) -> object: ...
    def shuffle(self) -> object: ...


def is_dataset(where: object) -> bool:
    """Whether an object is a dataset of that library: of rows, a stream, or several by split."""
    if isinstance(where, Mapping):
        return bool(where) and all(isinstance(each, Mapped | Streamed) for each in where.values())
    return isinstance(where, Mapped | Streamed)


def open_dataset(where: object, kind: str | None = None, label: str | None = None) -> Source:
    """The rows of a dataset: its pictures, sounds or lists of numbers where columns hold these, its texts where there is nothing
    else, and otherwise a table."""
    if isinstance(where, Mapping):
        first = next(iter(where))
        raise DataError(
            f"this is {len(where)} datasets ({', '.join(map(str, where))}): give one of them, data[{first!r}]"
        )
    if not isinstance(where, Mapped):
        raise DataError(
            "an IterableDataset is a stream, and training asks for samples by number, many times: give what fits, "
            f"datasets.Dataset.from_list(list(data.take({STREAM})), features=data.features), or write it to a .parquet first"
        )
    rows = where.with_format("arrow")
    if not len(rows):
        raise DataError("the dataset holds no rows: give one that has some")
    schema = rows[0:1].schema

    def column(name: str) -> Column:
        return columnar.columns_of(TITLE, rows.select_columns([name])[0 : len(rows)]).column(name)

    by_name = {name: rows.select_columns([name]) for name in schema.names}
    parts = Parts(schema, [1] * len(rows), lambda i, names: by_name[names[0]][i : i + 1], own=True)
    cells = None if kind == "table" else cells_in(parts) or _texts(schema.names, kind)
    if cells is not None:
        return open_cells(parts, TITLE, cells, label, column)
    if len(rows) * len(schema.names) > CELLS:
        raise DataError(f"the dataset holds more than {CELLS:,} cells: write it to a .parquet, which is read in parts")
    return opened(columnar.columns_of(TITLE, rows[0 : len(rows)]), label, kind)


def _texts(names: list[str], kind: str | None) -> Cells | None:
    """A dataset of texts: it has a column of them, and beside it labels and names alone."""
    told = [name for name in names if name.lower() in TEXTS]
    rest = [name for name in names if name not in told and name.lower() not in NAMES]
    if len(told) == 1 and (kind == "text" or (kind is None and len(rest) <= 1)):
        return Cells({}, (), (), tuple(names))
    return None
