"""Columns that say the label by themselves, as what was written down after it does: a result looks good by these alone."""

from collections.abc import Iterable

import numpy as np

from .cells import Column

ROWS, LOOKED = 20, 5_000  # labelled rows below which nothing is said; rows that every column is looked at by first
MOST = 0.5  # of the rows, whose values are there several times, from which on a column says the label
UNLIKELY = 1e-6  # chance of such a column if it knew nothing
COPY = 0.999999  # correlation with a quantity, from which on a column is that quantity in some unit


def telling(columns: Iterable[Column], labels: np.ndarray | None) -> list[str]:
    """The columns each of whose values has one label, or which are the label in some unit. labels: [n], as a source has them."""
    if labels is None:
        return []
    known = np.flatnonzero(np.isfinite(labels) if labels.dtype.kind == "f" else labels >= 0)
    some = known[np.unique(np.linspace(0, len(known) - 1, LOOKED).astype(int))] if len(known) else known
    if len(some) < ROWS:
        return []
    return [c.name for c in columns if _tells(c, labels, some, sure=True) and _tells(c, labels, known)]


def said_of(names: list[str]) -> str:
    """What is said of such columns; "" of none."""
    if not names:
        return ""
    some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    if len(names) == 1:
        return f"column {some} alone says the label: if it was written down after it, take it out of the table"
    return (
        f"each of the columns {some} alone says the label: take those out of the table that were written down after it"
    )


def _tells(column: Column, labels: np.ndarray, rows: np.ndarray, sure: bool = False) -> bool:
    """Whether, by these rows, a column says the label. sure: and that can be no chance."""
    values, want = column.values[rows].astype(np.float64), labels[rows].astype(np.float64)
    if labels.dtype.kind == "f" and column.form != "text" and not column.odd:
        there = np.isfinite(values)
        x, y = values[there], want[there]
        if len(x) <= MOST * len(rows) or x.std() == 0 or y.std() == 0:
            return False
        return abs(float(np.corrcoef(x, y)[0, 1])) > COPY
    for number, written in enumerate(sorted(set(column.odd.values())), 1):
        odd = [row for row, text in column.odd.items() if text == written]
        values[np.isin(rows, odd)] = -1e300 * number / (len(column.odd) + 1)
    at, count = np.unique(values, return_inverse=True, return_counts=True)[1:]  # what is missing is a value, too
    label, often = np.unique(want, return_inverse=True, return_counts=True)[1:]
    again = count > 1
    first = np.zeros(len(count), np.int64)
    first[at] = label
    if count[again].sum() <= MOST * len(rows) or not (first[at] == label)[again[at]].all():
        return False
    if not sure:
        return True
    chance = np.log(((often / len(rows))[None] ** count[again][:, None]).sum(1))  # that all of a value have one label
    return bool(chance.sum() < np.log(UNLIKELY))
