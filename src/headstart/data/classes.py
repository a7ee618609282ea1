"""Values as labels: when they are classes and when quantities, whatever they were found in."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from ..errors import shown, so_many
from .cells import Column, Growing, infer, infer_values
from .source import DataError

MANY_CLASSES = 50  # different whole numbers, stored as floats, beyond which they are quantities
APART, COMMA = r"\s*[;|]\s*", r"\s*,\s*"  # between the names of classes in one label; a comma may be part of a name
AGAIN = {APART: 0.5, COMMA: 0.9}  # share of the members of lists, at least, that are in other labels, too
MOVED = {APART: 0.0, COMMA: 1 / 3}  # and share of them that stand first in some and later in others: no surnames
CLASSES, NUMBERED = 1000, 50  # classes; different whole numbers that are classes rather than a quantity


class Labels(NamedTuple):
    """Labels of n samples, or none. why: how they were found, or where they may be, in a line for people.

    values: int64 [n], -1 where unknown, with the names of the classes; or float32 [n], NaN where unknown, without.
    name: the column that holds them. others: columns that may be meant instead.
    """

    values: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    why: str = ""
    name: str | None = None
    others: tuple[str, ...] = ()


@runtime_checkable
class Labelled(Protocol):
    """What can say how its labels were found."""

    labels: np.ndarray | None
    classes: tuple[str, ...]
    why: str


def said_of_labels(source: Labelled) -> str:
    """What `describe` adds about labels."""
    what = f", {so_many(len(source.classes), 'class')}" if source.classes else ", with a quantity for each"
    if source.labels is not None:
        values = np.asarray(source.labels)
        unknown = int((np.isnan(values) if values.dtype.kind == "f" else values < 0).sum())
        what += f", {unknown:,} of {len(values):,} samples without" if unknown else ""
    return ("" if source.labels is None else what) + (f" ({shown(source.why)})" if source.why else "")


def noted(*remarks: str) -> str:
    """What there is to say, in a line."""
    return "; ".join(filter(None, remarks))


def as_labels(
    values: np.ndarray, n: int, title: str, classes: Sequence[str] = ()
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as int64, -1 where unknown, and their names: as given, or the strings, or "0", "1", ...

    Floats that are not whole, negative or of more than 50 values are quantities to be predicted: float32, NaN where unknown,
    and no names. [n, classes] with a single one in each row is the class where that one stands.
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if is_one_hot(values):
        values = values.argmax(1)
    if values.shape != (n,):
        raise DataError(f"{title} has {n} samples but labels of shape {list(values.shape)}: give one per sample")
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind == "U":
        names, codes = np.unique(values, return_inverse=True)
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


def is_one_hot(values: np.ndarray) -> bool:
    """[n, k] of zeros with one 1 in each row."""
    if values.ndim != 2 or values.shape[1] < 2 or values.dtype.kind not in "biuf":
        return False
    return bool(((values == 0) | (values == 1)).all() and (values.sum(1) == 1).all())


def as_column(name: str, values: Sequence[object]) -> Column:
    """Cells (texts as in a file, or values that know what they are) as a column."""
    if all(v is None or isinstance(v, str) for v in values):
        cells: Sequence[object] = ["" if v is None else v for v in values]
        growing = Growing(name, infer([str(c) for c in cells]))
    else:
        cells = [v if v is None or isinstance(v, bool | int | float | str) else _plain(v) for v in values]
        cells = [None if isinstance(v, float) and v != v else v for v in cells]
        growing = Growing(name, infer_values(cells))
    growing.add(cells)
    return growing.done()


def labels_of(column: Column, title: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Classes (int64, -1 missing) and their names; or quantities (float32, NaN missing) and no names.

    Texts and truths are classes. So are whole numbers with at most 50 different values, or at most 1,000 from 0 or 1 on
    without a gap, twenty rows for each. Other numbers are quantities, and so are dates (days since 1970).
    """
    values, odd = column.values, column.odd
    if column.form == "text":
        used = np.unique(values[values >= 0])
        words = np.array([column.words[i] for i in used])
        if not 1 <= len(used) <= min(CLASSES, max(3, len(values) // 2)) and not _few_members(
            words.tolist(), len(values)
        ):
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


class Lists(NamedTuple):
    """What names of classes are made of: the members of each, apart by `between`. again: members recur, as those of lists do.
    clear: and so in lists of more than one length that nothing else is known to be; of one length they may be crossed factors:
    "drug; day 1"."""

    parts: list[list[str]]
    between: str
    again: bool
    clear: bool


def listed(names: Sequence[str]) -> Lists | None:
    """Names of classes as lists of several, "rash; fever"; None where they do not look like that. A comma is between members only
    where that is clear."""
    if any(re.search(APART, name) for name in names):
        return _lists(names, APART)
    found = _lists(names, COMMA)
    return found if found.clear else None


def _lists(names: Sequence[str], between: str) -> Lists:
    parts = [list(dict.fromkeys(p for p in re.split(between, name.strip()) if p)) for name in names]
    many = Counter(p for each in parts for p in each)
    first, later = {each[0] for each in parts if each}, {p for each in parts for p in each[1:]}
    members = {p for each in parts if len(each) > 1 for p in each}
    count = max(1, len(members))
    again = len(members) > 1 and sum(many[p] > 1 for p in members) >= AGAIN[between] * count
    moved = len(members & first & later) >= MOVED[between] * count
    return Lists(parts, between, again, again and moved and len({len(each) for each in parts if each}) > 1)


def taken_apart(names: Sequence[str], known: Sequence[str] = ()) -> tuple[np.ndarray, tuple[str, ...]]:
    """([n, K] of ones and zeros, the names of the K classes) of names that are lists, such as "rash; fever". known: classes, by
    which it is told what stands between the members."""
    of = set(known)
    ways = [_lists(names, between).parts for between in (APART, COMMA)]
    if of:
        parts = max(ways, key=lambda way: sum(p in of for each in way for p in each))
    else:
        parts = ways[not any(re.search(APART, name) for name in names)]
    classes = tuple(sorted({p for each in parts for p in each}))
    number = {name: k for k, name in enumerate(classes)}
    table = np.zeros((len(names), len(classes)), np.int64)
    for row, each in zip(table, parts, strict=True):
        row[[number[p] for p in each]] = 1
    return table, classes


def different(column: Column) -> int:
    """How many different values are there."""
    values = column.values
    return len(np.unique(values[values >= 0] if column.form == "text" else values[~np.isnan(values)]))


def _few_members(names: Sequence[str], n: int) -> bool:
    """Whether many different texts are clearly lists of few classes."""
    found = listed(names) if names else None
    return found is not None and found.clear and len({p for each in found.parts for p in each}) <= min(CLASSES, n // 4)


def _numbered(values: np.ndarray, n: int) -> bool:
    k = len(values)
    gapless = values[0] in (0, 1) and values[-1] - values[0] == k - 1
    return k <= NUMBERED or (gapless and k <= CLASSES and n >= 20 * k)


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else str(value)
