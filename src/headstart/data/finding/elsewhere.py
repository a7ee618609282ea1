"""Labels and groups that lie in a file of their own: data.label=labels.csv, or data.label=labels.csv:species for one of its
columns; data.group=labels.csv:patient.
"""

import copy
from pathlib import Path

import numpy as np

from ...home import expanded
from .. import labels
from ..classes import Labelled, Labels, as_column, as_labels, is_one_hot, noted
from ..groups import AUTO, Groups, decide
from ..masks import fractions, of_array
from ..readers._npz import load_array
from ..source import DataError, Source
from ..sources.array import ArraySource
from ..sources.files import FileSource
from ..sources.listed import ListSource
from . import masks, sidecar


def named(said: str, where: object, word: str = "data.label") -> tuple[Path, str | None] | None:
    """The file that a word names, as it stands or from the folder of the data, and the column; None: it names no such file."""
    whole = (said, None)
    file, _, column = said.rpartition(":")
    for name, of in [whole, (file, column)] if file and column else [whole]:
        if not name.lower().endswith((*sidecar.SUFFIXES, ".npy")):
            continue
        beside = [expanded(where) / name] if isinstance(where, str | Path) else []
        found = next((path for path in (expanded(name), *beside) if path.is_file()), None)
        if found is None:
            raise DataError(f"{word}={said}: there is no file {name}")
        return found, of
    return None


def mask_folder(label: str, where: object) -> Path | None:
    """The folder of masks that a word names, as it stands or from the folder of the data; None: it names none.

    A name without a slash is one only if it says so: data.label=masks; others may be columns.
    """
    if "/" not in label and "\\" not in label and not set(labels.words(label)) & masks.WORDS:
        return None
    beside = [expanded(where) / label] if isinstance(where, str | Path) else []
    return next((path for path in (*beside, expanded(label)) if path.is_dir()), None)


def attach_masks(source: Source, place: Path) -> Source:
    """The same samples, without those that lie in a folder of masks, with these; DataError where they are not files."""
    if not isinstance(source, FileSource):
        raise DataError(f"data.label={place}: masks in a folder are of files, and this is {source.describe()}")
    inside = [(source.folder / name).resolve().is_relative_to(place.resolve()) for name in source.files]
    if any(inside):
        keep = np.flatnonzero(~np.array(inside))
        source = copy.copy(source)
        source.files = [source.files[i] for i in keep.tolist()]
        source.groups = None if source.groups is None else source.groups[keep]
    source.labels, source.classes = None, ()
    if not source.files:
        raise DataError(f"data.label={place}: there is nothing beside the masks; give the folder of the samples, too")
    source.masks = masks.in_folder(place, source.files)
    return source


def attach(source: Source, path: Path, column: str | None) -> Source:
    """The same samples with the labels of a file.

    A table names samples in one of its columns; where it names none of them and has as many rows as there are samples, they go by
    their order. DataError where neither is so.
    """
    if path.suffix == ".npy" and isinstance(source, ArraySource | ListSource | FileSource):
        values = load_array(path, path, mmap_mode="r")
        if values.ndim > 1 and values.shape[1:] != (1,) and len(values) == len(source) and not is_one_hot(values):
            reason = fractions(np.asarray(values[0]))
            if not reason:
                source.masks, source.labels, source.classes = of_array(values, path.name), None, ()
                return source
            if values.ndim > 2:
                raise DataError(f"data.label={path.name}: these are no masks, as of the first {reason}")
    found = _in_order(load_array(path, path), source, path) if path.suffix == ".npy" else _told(source, path, column)
    if not isinstance(source, Labelled):
        raise DataError(f"{source.describe()} takes no labels from a file")
    groups = [line for line in source.why.split("; ") if line.startswith("groups: ")]
    source.labels, source.classes, source.why = found.values, found.classes, noted(found.why, *groups)
    return source


def groups_of(source: Source, path: Path, column: str | None) -> Groups:
    """What a column of a file says of the samples: by their names, else by their order. DataError where neither is so."""
    names = [source.name(i) for i in range(len(source))]
    if path.suffix == ".npy":
        columns: sidecar.Columns = {path.stem: load_array(path, path).tolist()}
    else:
        columns, _ = sidecar.read_columns(path)
    rows = len(next(iter(columns.values()), []))
    if column is None and len(columns) == 1:
        column = next(iter(columns))
    table = sidecar.listing(path.name, columns, names) if len(columns) > 1 else ""
    if isinstance(table, sidecar.Sidecar):
        found = table.groups(column or AUTO)
    elif rows == len(source):
        found = decide(list(columns), lambda c: as_column(c, columns[c]), path.name, column or AUTO, at=np.arange(rows))
    else:
        raise DataError(
            f"no column of {path} names the samples of {source.describe()}, and it has {rows:,} rows: name each sample in one of "
            "its columns"
        )
    if found.name is None:
        why = f" ({found.why.removeprefix('groups: ')})" if found.why else ""
        raise DataError(
            f"{path} has no column that is plainly taken for groups{why}: say which, data.group={path}:COLUMN"
        )
    return found


def _told(source: Source, path: Path, column: str | None) -> Labels:
    columns, _ = sidecar.read_columns(path)
    rows = len(next(iter(columns.values()), []))
    table = sidecar.listing(path.name, columns, [source.name(i) for i in range(len(source))])
    if isinstance(table, sidecar.Sidecar):
        found = table.labels(column)
        if found.values is None:
            raise DataError(f"{path} has no column that is plainly the label: say which, data.label={path}:COLUMN")
        return found
    if rows != len(source) or (column is None and len(columns) > 1):
        raise DataError(
            f"no column of {path} names the samples of {source.describe()}, and it has {rows:,} rows: name each sample in one of "
            "its columns"
        )
    one = labels.decide(list(columns), lambda c: as_column(c, columns[c]), path.name, column or next(iter(columns)))
    return one._replace(why=f"{one.why}, row by row in the order of the samples")


def _in_order(values: np.ndarray, source: Source, path: Path) -> Labels:
    found, classes = as_labels(values, len(source), str(path))
    return Labels(found, classes, f"labels from {path.name}, in the order of the samples")
