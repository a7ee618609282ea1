"""Tables that lie beside the data: which file is of which class, in labels.csv and the like."""

import csv
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...extras import need
from ..labels import beside_candidates, beside_chosen, column_labels
from ..source import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
LIMIT = 2**29  # bytes of a table
Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class Sidecar:
    """A table whose column `files` names the data's files. at: int64 [n], the row of each file, -1 where it has none."""

    name: str
    columns: Columns
    files: str
    at: np.ndarray

    def candidates(self) -> list[str]:
        """Columns that could be labels, the likeliest first."""
        others = {name: values for name, values in self.columns.items() if name != self.files}
        return beside_candidates(others, len(self.at))

    def chosen(self) -> str | None:
        """The column that is called a label, or the only other one."""
        return beside_chosen(self.candidates(), len(self.columns) == 2)

    def labels(self, column: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """Classes int64 (-1 where a file is not listed), or quantities float32 (NaN likewise), in the order of the files."""
        if column not in self.columns:
            raise DataError(f"{self.name} has no column {column}: choose label= among {', '.join(self.columns)}")
        labels, classes = column_labels(self.columns[column], f"{self.name}, column {column}")
        unknown = np.array([np.nan if labels.dtype.kind == "f" else -1], labels.dtype)
        return np.concatenate([labels, unknown])[self.at], classes


def find(folder: Path, files: Sequence[str], beside: Iterable[str]) -> Sidecar | None:
    """The first of the tables `beside` (relative names) of which a column names at least half of the files it lists.

    Files may be named by their path, or by their last part with or without suffix, where that is unique.
    """
    known: dict[str, int] | None = None
    for name in beside:
        try:
            columns = read_columns(folder / name)
        except DataError:
            continue  # it is not the table we hoped for; whoever asks for it by name hears why
        if len(columns) < 2:
            continue
        known = known if known is not None else _names(files)
        for column, values in columns.items():
            rows = [known.get(_clean(v), -1) for v in values]
            hits = sum(r >= 0 for r in rows)
            if hits and 2 * hits >= len(rows):
                at = np.full(len(files), -1, np.int64)
                for i, row in enumerate(rows):
                    if row >= 0:
                        at[row] = i
                return Sidecar(name, columns, column, at)
    return None


def read_columns(path: Path) -> Columns:
    """A small table by columns: .csv, .tsv, .jsonl or .parquet of at most 512 MiB; DataError in words."""
    try:
        if path.stat().st_size > LIMIT:
            raise DataError(f"{path} is larger than {LIMIT >> 20} MiB: give a smaller table")
        suffix = path.suffix.lower()
        if suffix == ".parquet":
            parquet = need("pyarrow.parquet", "tables", f"reading {path.name}")
            return dict(parquet.read_table(path).to_pydict())
        with path.open(encoding="utf-8-sig", newline="") as file:
            if suffix == ".jsonl":
                return _rows([json.loads(line) for line in file if line.strip()], path)
            first = file.readline()
            file.seek(0)
            comma = "\t" if suffix == ".tsv" else max(",;\t", key=first.count)
            return _rows(list(csv.DictReader(file, delimiter=comma, restkey="", restval="")), path)
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror or error}): check its permissions") from error
    except (ValueError, csv.Error, RecursionError) as error:
        raise DataError(f"{path} is no table that can be read ({error}): save it again as UTF-8") from error
    except Exception as error:
        if type(error).__module__.startswith("pyarrow"):
            raise DataError(f"{path} is damaged ({error}): copy it again") from error
        raise


def _rows(rows: list[Mapping[str, Any]], path: Path) -> Columns:
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path} holds no rows with named columns: give it a first line of names")
    names = [n for n in dict.fromkeys(n for row in rows for n in row) if n]
    return {name: [row.get(name) for row in rows] for name in names}


def _names(files: Sequence[str]) -> dict[str, int]:
    """Every way to name a file without doubt, and its number."""
    known: dict[str, int] = {}
    for short in (lambda f: os.path.splitext(os.path.basename(f))[0], os.path.basename, lambda f: f):
        once: dict[str, int] = {}
        for i, file in enumerate(files):
            name = short(file)
            once[name] = -1 if name in once else i
        known.update(once)
    return known


def _clean(value: Any) -> str:
    return str(value).strip().replace("\\", "/").removeprefix("./")
