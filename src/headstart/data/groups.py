"""Which samples hang together (those of a patient, a site, a speaker) and are never divided between learning and judging: the
word data.group, and the columns that are plainly named for it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from ..errors import shown, so_many
from .cells import Column
from .classes import noted
from .labels import pick, words
from .names import by_folder
from .source import DataError

AUTO, NONE, FOLDERS = "auto", "none", "folders"
OF = "says which samples hang together"
# words of columns that say whom a sample is of, by themselves; and those that do so as an identifier (site_id, user id)
WHO = frozenset(words("participant patient subject person speaker mrn pid"))
WHOSE = WHO | frozenset(
    words(
        """user site hospital centre center clinic donor animal mouse member client customer household family student athlete
        driver visitor device session recording volunteer individual specimen"""
    )
)
MARKS = frozenset(words("id ids no nr num number code key uid uuid identifier"))
NOTHING_ELSE = "nothing would be left to learn from"
EACH = 2  # rows of a group, at least and on average, from which on a column is taken by its name


class Groups(NamedTuple):
    """What of n samples hangs together. values: int64 [n], a number that those of a group share; None where each stands alone.

    why: how they were found, in a line for people. name: the column that says it, which is no input.
    """

    values: np.ndarray | None = None
    why: str = ""
    name: str | None = None


@runtime_checkable
class Grouped(Protocol):
    """What can be told what hangs together."""

    groups: np.ndarray | None
    why: str


@runtime_checkable
class ByColumn(Protocol):
    """A source whose columns say what hangs together."""

    def hold_together(self, asked: str) -> None:
        """Samples with one value of this column (AUTO: one that is named for it; NONE: of none) are never divided."""
        ...


def _of_whom(name: str) -> str | None:
    """The word by which a column is plainly named for whom its samples are of: patient, Subject ID, speaker_no, site_id."""
    said = words(name)
    if len(said) == 1 and said[0].endswith("id") and said[0].removesuffix("id") in WHOSE:
        return said[0].removesuffix("id")
    core = [word for word in said if word not in MARKS]
    return core[0] if len(core) == 1 and core[0] in (WHO if len(said) == 1 else WHOSE) else None


def decide(
    names: Sequence[str],
    column: Callable[[str], Column],
    title: str,
    asked: str = AUTO,
    label: str | None = None,
    at: np.ndarray | None = None,
    what: str = "column",
) -> Groups:
    """The groups that a column of a table says: the one asked for; else one that is named for it and has at least two samples for
    each value on average, a person's before another's, and the one with the fewest values.

    label: the column of the labels, which says none. at: int64 [n], the row of each sample, -1 where it has none; None: they are
    the rows. what: these are. DataError if the one asked for is not there, or is the label.
    """
    if asked == NONE:
        return Groups()
    of = f" of {title}" if at is not None else ""
    if asked != AUTO:
        name = pick(asked, names, title, what)
        if name == label:
            raise DataError(f"{what} {name} of {title} is taken for the label, too: say which is, with data.label=")
        return said(_numbers(column(name), at), f"{what} {name}{of}, as asked", name)
    found: list[tuple[bool, int, str, np.ndarray]] = []
    not_taken: list[str] = []
    for name in names:
        whom = None if name == label else _of_whom(name)
        if whom is not None:
            cells = column(name)
            values = _numbers(cells, at)
            filled = values[values < 2 * len(cells.values)]  # an empty cell says nothing, and is no patient
            count = len(np.unique(filled))
            if len({*names} - {label}) < 2:
                not_taken.append(refused(name, NOTHING_ELSE, what, of))
            elif 1 < count <= len(filled) / EACH:
                found.append((whom not in WHO, count, name, values))
            else:
                not_taken.append(refused(name, _unfit(name, count, len(filled), len(values)), what, of))
    if not found:
        return Groups(why=noted(*not_taken))
    _, _, name, values = min(found, key=lambda each: each[:2])
    others = " or ".join(f"{what} {other}" for _, _, other, _ in found if other != name)
    may = f", though {others} may be meant" if others else ""
    taken = said(values, f"{what} {name}{of}, by its name{may} (data.group=, none undoes it)", name)
    return taken._replace(why=noted(taken.why, *not_taken))


def refused(name: str, reason: str, what: str = "column", of: str = "") -> str:
    """That a column which is named for whom samples are of says no groups, and why, in a line."""
    return f"groups: not by {what} {name}{of}: {reason}"


def _unfit(name: str, count: int, filled: int, samples: int) -> str:
    """Why so many values of a column, which so many of all samples have, are no groups."""
    if 2 * filled < samples:
        return f"{samples - filled:,} of {samples:,} samples have no value"
    if count < 2:
        return "all samples are of one"
    if count == filled:
        return "each sample has its own"
    return f"{count:,} values of {filled:,} samples are too many (data.group={name} takes them)"


def said(values: np.ndarray, what: str, name: str | None = None) -> Groups:
    """Groups of these numbers, and in a line what they are; where all are one, or each is its own, that nothing hangs on it."""
    count = len(np.unique(values))
    if count == len(values):
        return Groups(None, f"groups: {what}: each sample has its own, so that none hangs together with another", name)
    if count == 1:
        return Groups(None, f"groups: {what}: all samples are of one, so that nothing can be divided by it", name)
    kept = f"{count:,} groups of {len(values):,} samples in all, never divided between learning and judging"
    return Groups(values, f"groups: {what}, {kept}", name)


def judgeable(labels: np.ndarray, groups: np.ndarray | None, names: Sequence[str], where: object) -> str:
    """Which classes lie within one group each, so that nobody can both learn them and judge by them, in a line for people; ""
    where none does. DataError where fewer than two are left.

    labels: [n], -1 unknown; quantities (floats) have no classes. groups: [n], or None. names: of the classes, by number.
    """
    if groups is None or labels.dtype.kind == "f":
        return ""
    every, several = np.unique(labels[labels >= 0]), classes_apart(labels, groups)
    alone = [names[c] if c < len(names) else str(c) for c in np.setdiff1d(every, several).tolist()]
    if not alone:
        return ""
    some = ", ".join(map(shown, alone[:4])) + (", ..." if len(alone) > 4 else "")
    lie = "lies within one group or recording" if len(alone) == 1 else "lie within one group or recording each"
    within = f"{len(alone):,} of {so_many(len(every), 'class')} ({some}) {lie}"
    if len(several) > 1 or len(every) < 2:
        return f"{within}, which is never divided between learning and judging, and so cannot be judged"
    raise DataError(
        f"{where}: {within}, and what hangs together is never divided between learning and judging, so that fewer than two "
        "classes can be judged: give samples of several groups of each class, say what else hangs together (data.group=), or, "
        "where samples of one group may both teach and judge, data.group=none"
    )


def classes_apart(labels: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """The classes, of labels [n] (-1 unknown), that samples have which do not all hang together, in order."""
    groups = np.arange(len(labels)) if groups is None else groups
    known = labels >= 0
    each = np.unique(np.stack([labels[known], groups[known]]), axis=1)[0]
    classes, count = np.unique(each, return_counts=True)
    return classes[count > 1]


def of_folders(files: Sequence[str]) -> Groups:
    """The files of each folder hang together."""
    return said(by_folder(files)[1], "the folder of each, as asked")


def hold(source: Grouped, found: Groups) -> None:
    """Let samples hang together in this way and no other, and say so."""
    before = [line for line in source.why.split("; ") if not line.startswith("groups: ")]
    source.groups, source.why = found.values, noted(*before, found.why)


def _numbers(column: Column, rows: np.ndarray | None = None) -> np.ndarray:
    """int64 [n]: a number for each value of a column, and one of its own for each sample without any. rows: of the samples."""
    values = column.values
    missing = values < 0 if column.form == "text" else np.isnan(values)
    at = np.unique(values, return_inverse=True)[1].astype(np.int64)
    for number, written in enumerate(sorted(set(column.odd.values()))):
        odd = [row for row, text in column.odd.items() if text == written]
        at[odd], missing[odd] = len(values) + number, False
    if rows is not None:
        at, missing = at[rows], missing[rows] | (rows < 0)
    at[missing] = 2 * len(values) + np.flatnonzero(missing)
    return at
