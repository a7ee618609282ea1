"""Samples with masks as fine-tuning takes them, and maps of classes at the samples' own size as prediction gives them."""

from collections.abc import Callable, Iterator

import numpy as np

from ..alignment import UNKNOWN
from ..data.feeding.prepare import Prepared
from ..data.masks import called, name_of
from ..data.source import DataError
from ..errors import Mistake, shown, so_many
from ..probes import Figure
from ..scoring.features import Indices
from ..scoring.labelled import refused
from ..scoring.masked import Masked, aligned, coded, masked, values_of
from .asked import Asked
from .classification import balanced
from .dividing import TRIES, Material, held_out
from .fitting import READ, Tuned
from .meaning import LEAST, UNEVEN
from .segmentation import Segmentation, counted, overlap

BATCH = 64  # samples whose rows are at hand together
NAMES = ("mean IoU", "pixel accuracy")


def wants_masks(source: Prepared, asked: Asked) -> bool:
    """Whether rows are named: as asked, or as there are masks and no labels of samples."""
    given = masked(source).masks
    return asked.task == "segmentation" or (asked.task is None and source.labels is None and given is not None)


def gathered_rows(source: Prepared, where: object, asked: Asked, seed: int) -> Material:
    """The samples that have a mask, divided; a Mistake that says what is missing where they do not suffice."""
    given = masked(source)
    aligned(given.tokenizer, source.source[int(source.origin[0])])
    if given.masks is None:
        raise DataError(
            f"{where} has no masks{refused(source.source)}: put pictures in images/ and their masks, under the same names, in "
            "masks/; give an .npz with x and y of one whole number for every point; or say where they are: data.label=masks/"
        )
    if asked.read not in (None, READ):
        raise Mistake(f"read={asked.read}: a segmentation reads every row for itself; leave the word out")
    values, said = values_of(given.numbers(), asked.ignore)
    if len(values) < 2:
        raise Mistake(
            f"{_reasons(given)}the masks of {where} name {so_many(len(values), 'class')}: give masks of at least two"
        )
    rows = [given[i].labels(values) for i in range(len(source))]
    at = np.flatnonzero([(each >= 0).any() for each in rows])
    if len(at) < LEAST:
        raise Mistake(
            f"{_reasons(given)}{len(at)} samples with a mask are too few to tune to; give masks of at least {LEAST}"
        )
    labels = np.full((len(at), max(map(len, rows))), UNKNOWN, np.int16)
    for row, i in zip(labels, at, strict=True):
        row[: len(rows[i])] = rows[i]
    known = labels[labels >= 0].astype(np.int64)
    sizes = np.bincount(known, minlength=len(values))
    if (sizes > 0).sum() < 2:
        raise Mistake(
            f"all rows of {where} are of one class, {name_of(values[int(sizes.argmax())])}, as each has that of most of its "
            "points: pre-train with a smaller data.patch, or give masks that show more of the others"
        )
    there = sizes[sizes > 0]
    uneven = bool(there.max() >= UNEVEN * there.min()) if asked.weighted is None else asked.weighted
    weights = balanced(known, len(values)) if uneven else ()
    names, unnamed = called(given.masks, values)
    task = Segmentation(names, values, weights, asked.smoothing)
    groups = None if source.groups is None else source.groups[at]
    if groups is not None and len(np.unique(groups)) < 2:
        raise DataError(f"all samples of {where} that have a mask hang together and are never divided: give others too")
    held = _held(labels, groups, asked.held, seed, len(values))
    rest = np.setdiff1d(np.arange(len(at)), held)
    notes = _notes(given, task, sizes, len(at), [said, given.seen.doubt, unnamed])
    lost = [name for k, name in enumerate(task.classes) if sizes[k] and not (labels[rest] == k).any()]
    if lost:
        notes.append(f"{', '.join(lost[:4])} is to be seen in samples alone that are held back, and is not learnt")
    notes.append(
        f"{len(rest):,} samples are learnt from, {len(held):,} are held back to choose the rate, the step and the temperature "
        f"(held={asked.held:g}); a sample is never divided"
    )
    return Material(source, at, labels, task, rest, held, notes, given)


def _held(labels: np.ndarray, groups: np.ndarray | None, share: float, seed: int, classes: int) -> np.ndarray:
    """Samples that are held back: of several draws the one that leaves most classes to both sides."""
    table = np.stack([(labels == k).any(1) for k in range(classes)], 1)
    draws = [held_out(table, groups, share, seed + i * 1000) for i in range(TRIES)]
    return max(draws, key=lambda held: int((table[held].any(0) & np.delete(table, held, 0).any(0)).sum()))


def _notes(given: Masked, task: Segmentation, sizes: np.ndarray, count: int, said: list[str]) -> list[str]:
    assert given.masks is not None
    share = sizes / sizes.sum()
    order = np.argsort(share, kind="stable")
    each = [f"{shown(task.classes[k])} {100 * share[k]:.3g} %" for k in order]
    what = ", ".join(each if len(each) <= 6 else [*each[:2], "...", *each[-2:]])
    without = len(given.prepared) - count
    notes = [
        given.masks.why,
        f"segmentation: rows of {what}, in {so_many(count, 'sample')}"
        + (f"; {without:,} without a mask are left out" * (without > 0)),
    ]
    notes += filter(None, said)
    if given.wrong:
        notes.append(f"{so_many(len(given.wrong), 'mask')} cannot be used; {given.first_wrong}")
    small = [name for name, size in zip(task.classes, sizes, strict=True) if not size]
    if small:
        notes.append(
            f"no row is mostly of {', '.join(small[:4])}, so that it is never named: rows of a smaller data.patch would be"
        )
    if task.uneven:
        notes.append(
            "classes are uneven, and rare ones count as much as common ones (weights=none: as often as they come)"
        )
    return notes


def _reasons(given: Masked) -> str:
    """Why masks cannot be used, before what is lacking for that."""
    if not given.wrong:
        return ""
    return f"{so_many(len(given.wrong), 'mask')} cannot be used ({given.first_wrong}), and "


def maps(
    tuned: Tuned, given: Masked, at: Indices, progress: Callable[[int, int], None] | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """(map, true map) of each of these samples, at its own size: places in the classes of the task, -1 where the truth is
    unknown; None without a mask."""
    task = tuned.task
    assert isinstance(task, Segmentation)
    for start in range(0, len(at), BATCH):
        some = at[start : start + BATCH]
        for i, out in zip(some, tuned.by_row(given.prepared, some), strict=True):
            laid = given[int(i)]
            if len(out) != len(laid.coords):
                raise Mistake(
                    f"this encoder gives {len(out)} of {len(laid.coords)} rows of a sample, so that it names no place"
                )
            true = None if laid.mask is None else coded(laid.mask, task.values)
            yield laid.along.spread(out, laid.coords), true
        if progress is not None:
            progress(min(len(at), start + BATCH), len(at))


def judged_maps(tuned: Tuned, given: Masked, at: Indices) -> dict[str, Figure]:
    """Figures of the maps of samples that have a mask, point by point; windows of one recording are one sample that judges."""
    groups = given.prepared.groups
    tables = [counted(said, true, tuned.task.outputs) for said, true in maps(tuned, given, at) if true is not None]
    return overlap(tables, NAMES, None if groups is None else groups[np.asarray(at)].tolist())
