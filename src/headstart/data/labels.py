"""Labels: which column, key, file or folder holds them, and when values are classes and when quantities.

All that looks for labels asks here: arrays, tables, tables that lie beside the files, folders, graphs.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .cells import Column
from .names import by_folder
from .source import DataError, Source

# names that say so, in lower case, the most telling first
IN_TABLE = ("label", "labels", "class", "target", "y", "species", "category", "outcome")
BESIDE = ("label", "labels", "class", "class_name", "category", "target", "y", "species", "diagnosis")  # in a sidecar
SIDECARS = ("labels", "label", "metadata", "annotations", "classes", "targets", "index")  # names of such tables
IN_GRAPH = ("class", "label", "target", "y")
IN_ARCHIVE = ("y", "labels", "label")  # keys beside the samples'
SPLITS = frozenset({"train", "training", "val", "valid", "validation", "dev", "test", "testing"})  # folders, no classes
MANY_CLASSES = 50  # different whole numbers, stored as floats, beyond which they are quantities
FEW = 20  # different values of a last column that may be a label
CLASSES, NUMBERED = 1000, 50  # classes; different whole numbers that are classes rather than a quantity
GRAPH_CLASSES = 100


def said_of_labels(source: Source) -> str:
    """What `describe` adds about labels."""
    if source.labels is None:
        return ""
    return f", {len(source.classes)} classes" if source.classes else ", with a quantity for each"


def as_labels(
    values: np.ndarray, n: int, title: str, classes: Sequence[str] = ()
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as int64, -1 where unknown, and their names: as given, or the strings, or "0", "1", ...

    Floats that are not whole, negative or of more than 50 values are quantities to be predicted: float32, NaN where unknown,
    and no names.
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.shape != (n,):
        raise DataError(f"{title} has {n} samples but labels of shape {list(values.shape)}: give one per sample")
    if values.dtype.kind in "US":
        names, codes = np.unique(values.astype(str), return_inverse=True)
        return codes.astype(np.int64), tuple(names.tolist())
    if values.dtype.kind == "f":
        known = values[np.isfinite(values)]
        whole = np.array_equal(known, np.trunc(known))
        if not whole or known.min(initial=0) < -1 or len(np.unique(known)) > MANY_CLASSES:
            return values.astype(np.float32), ()
        values = np.where(np.isfinite(values), values, -1)
    if values.dtype.kind not in "iubf" or not np.array_equal(values, np.trunc(values)):
        raise DataError(f"the labels of {title} are not whole ({values.dtype}): number or name the classes")
    labels = values.astype(np.int64)
    if labels.min() < -1 or labels.max() >= 100_000:
        raise DataError(f"the labels of {title} go from {labels.min()} to {labels.max()}: number classes 0, 1, 2, ...")
    if classes and labels.max() >= len(classes):
        raise DataError(f"{title} has label {labels.max()} but {len(classes)} class names: name every class")
    return labels, tuple(classes) or tuple(str(i) for i in range(int(labels.max()) + 1))


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


def folder_labels(files: Sequence[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The first folder of each name is its label, if two such folders hold files; files in the root get -1.

    Where the first folders are only splits (train, val, test), the folders below them name the classes.
    """
    folders, at = by_folder(files)
    parts = [name.split("/")[:-1] for name in folders]
    first = {p[0].lower() for p in parts if p}
    level = 1 if first and first <= SPLITS else 0
    classes = sorted({p[level] for p in parts if len(p) > level})
    if len(classes) < 2:
        return None, ()
    code = {name: i for i, name in enumerate(classes)}
    codes = np.array([code[p[level]] if len(p) > level else -1 for p in parts], dtype=np.int64)
    return codes[at], tuple(classes)


def candidates(names: Sequence[str], column: Callable[[str], Column]) -> tuple[str, ...]:
    """Columns of a table that may hold labels, the likeliest first. column: the column of a name."""
    by_name = [n for n in names if says_label(n, names)]
    by_name.sort(key=lambda n: IN_TABLE.index(n.lower()))
    last = names[-1]
    if last not in by_name and len(names) > 1:
        values = column(last)
        if values.form in ("text", "whole", "truth") and 2 <= len(_different(values)) <= FEW:
            by_name.append(last)
    return tuple(by_name)


def says_label(name: str, names: Sequence[str]) -> bool:
    """A column's name says that it is the label; "y" does not beside "x" or "z"."""
    near = {n.lower() for n in names} & {"x", "z"}
    return name.lower() in IN_TABLE and not (name.lower() == "y" and near)


def beside_candidates(columns: Mapping[str, Sequence[Any]], n: int) -> list[str]:
    """Columns of a sidecar about n files that could be labels: the one that is called so first. No column of which every value is
    another."""
    named = [c for c in columns if c.lower() in BESIDE]
    rest = [c for c in columns if c not in named and 1 < len(set(map(str, columns[c]))) <= n // 2]
    return sorted(named, key=lambda c: BESIDE.index(c.lower())) + rest


def beside_chosen(candidates: Sequence[str], alone: bool) -> str | None:
    """The candidate that is called a label, or the only other column of the sidecar (`alone`)."""
    return candidates[0] if candidates and (alone or candidates[0].lower() in BESIDE) else None


def called_label(columns: Iterable[str]) -> str | None:
    """The first column of a table of paths that is called a label."""
    return next((c for c in columns if c.lower() in BESIDE), None)


def graph_attribute(values: Mapping[str, Iterable[str]], n: int) -> str | None:
    """The attribute of n graphs or nodes with a telling name whose values repeat."""
    for name, own in values.items():
        if name.lower() in IN_GRAPH and 2 <= len(set(own)) <= min(GRAPH_CLASSES, n / 2):
            return name
    return None


def archive_keys(samples: str) -> list[str]:
    """Keys (lower case) under which the labels of the samples may lie, the likeliest first: x_train has y_train."""
    pairs = [("images", "labels"), ("image", "label"), ("data", "labels"), ("x", "y")]
    return [samples.replace(a, b, 1) for a, b in pairs if a in samples] + list(IN_ARCHIVE)


def idx_name(samples: str) -> str:
    """The name of the idx file with the labels of one with images."""
    return re.sub(r"idx\d", "idx1", samples.replace("images", "labels"))


def labels_of(column: Column, title: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Classes (int64, -1 missing) and their names; or quantities (float32, NaN missing) and no names.

    Texts and truths are classes. So are whole numbers with at most 50 different values, or at most 1,000 from 0 or 1 on
    without a gap, twenty rows for each. Other numbers are quantities, and so are dates (days since 1970).
    """
    values, odd = column.values, column.odd
    if column.form == "text":
        used = np.unique(values[values >= 0])
        words = np.array([column.words[i] for i in used])
        if not 1 <= len(used) <= min(CLASSES, max(1, len(values) // 2)):
            raise DataError(
                f"column {column.name!r} of {title} has {len(used):,} different texts: these are no classes"
            )
        order = np.argsort(words)
        of = np.full(len(column.words) + 1, -1)
        of[used[order]] = np.arange(len(used))
        return of[values].astype(np.int64), tuple(words[order].tolist())
    there = ~np.isnan(values)
    different = np.unique(values[there])
    if not len(different):
        raise DataError(f"column {column.name!r} of {title} holds no label: every cell is missing")
    if column.form == "truth" or (column.form == "whole" and not odd and _numbered(different, len(values))):
        labels = np.where(there, np.searchsorted(different, values), -1)
        names = (
            ["true" if v else "false" for v in different] if column.form == "truth" else [f"{v:.0f}" for v in different]
        )
        return labels.astype(np.int64), tuple(names)
    return (values / (86_400 if column.form in ("date", "clock") else 1)).astype(np.float32), ()


def _numbered(different: np.ndarray, n: int) -> bool:
    k = len(different)
    gapless = different[0] in (0, 1) and different[-1] - different[0] == k - 1
    return k <= NUMBERED or (gapless and k <= CLASSES and n >= 20 * k)


def _different(column: Column) -> np.ndarray:
    values = column.values
    return np.unique(values[values >= 0] if column.form == "text" else values[~np.isnan(values)])


def _natural(name: str) -> tuple[int, float, str]:
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)
