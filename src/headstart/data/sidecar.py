"""Tables that lie beside the data: which file is of which class, in labels.csv and the like."""

import csv
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..extras import need
from .source import DataError, as_labels

NAMES = ("labels", "label", "metadata", "annotations", "classes", "targets", "index")
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
LABELS = ("label", "labels", "class", "class_name", "category", "target", "y", "species", "diagnosis")
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
        """Columns that could be labels: the one that is called so first. No column of which every value is another."""
        others = [c for c in self.columns if c != self.files]
        named = [c for c in others if c.lower() in LABELS]
        rest = [c for c in others if c not in named and 1 < len(set(map(str, self.columns[c]))) <= len(self.at) // 2]
        return sorted(named, key=lambda c: LABELS.index(c.lower())) + rest

    def chosen(self) -> str | None:
        """The column that is called a label, or the only other one."""
        found = self.candidates()
        return found[0] if found and (found[0].lower() in LABELS or len(self.columns) == 2) else None

    def labels(self, column: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """Classes int64 (-1 where a file is not listed), or quantities float32 (NaN likewise), in the order of the files."""
        if column not in self.columns:
            raise DataError(f"{self.name} has no column {column}: choose label= among {', '.join(self.columns)}")
        labels, classes = column_labels(self.columns[column], f"{self.name}, column {column}")
        unknown = np.array([np.nan if labels.dtype.kind == "f" else -1], labels.dtype)
        return np.concatenate([labels, unknown])[self.at], classes


def column_labels(values: Sequence[Any], title: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """A column as labels: numbers that are not whole are quantities, everything else names classes; "" is unknown."""
    texts = ["" if v is None else str(v).strip() for v in values]
    known = np.array([t != "" for t in texts])
    try:
        numbers = np.array([float(t) if t else np.nan for t in texts])
    except ValueError:
        numbers = None  # type: ignore[assignment]
    if numbers is not None and (numbers[np.isfinite(numbers)] % 1 != 0).any():
        return as_labels(numbers, len(texts), title)
    names = sorted(set(texts) - {""}, key=_natural)
    code = {name: i for i, name in enumerate(names)}
    return np.array([code[t] if k else -1 for t, k in zip(texts, known, strict=True)], np.int64), tuple(names)


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


def _natural(name: str) -> tuple[int, float, str]:
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)
