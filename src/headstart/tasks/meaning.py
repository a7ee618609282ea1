"""What labels ask of a head: classes, several classes at once, or a quantity; and whether there are enough of them."""

from collections.abc import Sequence

import numpy as np

from ..data.classes import taken_apart
from ..errors import Mistake, shown
from .classification import Classification, balanced
from .multilabel import Multilabel
from .regression import Regression
from .task import Task

LEAST = 10  # labelled samples, of which some are held back to choose by
UNEVEN = 1.5  # times as many samples of the commonest class as of the rarest, from which on classes are weighted
NAMES = ("classification", "multilabel", "regression", "segmentation")


def known(labels: np.ndarray) -> np.ndarray:
    """Which of [n] labels say something."""
    return np.isfinite(labels) if labels.dtype.kind == "f" else labels >= 0


def task_of(
    labels: np.ndarray,
    names: Sequence[str] = (),
    task: str | None = None,
    weighted: bool | None = None,
    smoothing: float = 0.1,
) -> tuple[Task, np.ndarray]:
    """(task, labels as it wants them) for known labels [n]: floats are quantities, whole numbers classes, numbered anew in the
    order of np.unique.

    names: of the classes, by their number. task: one of NAMES, where labels may mean several things. weighted: rare classes count
    as much as common ones; None: where they are uneven.
    """
    if not len(labels):
        raise Mistake("no sample has a label: there is nothing to tune to")
    quantity = labels.dtype.kind == "f"
    if task == "regression" and not quantity:
        labels, quantity = _numbers(labels, names), True
    if quantity and task in ("classification", "multilabel"):
        raise Mistake(f"task={task}: these labels are quantities, such as {float(labels[0]):g}; leave the word out")
    if quantity:
        std = float(labels.std(dtype=np.float64))
        if not std > 0:
            raise Mistake(f"all {len(labels):,} labels are {float(labels[0]):g}: there is nothing to tell apart")
        return Regression(float(labels.mean(dtype=np.float64)), std), labels
    if task == "multilabel":
        lists, parts = taken_apart(names)
        table = np.concatenate([lists, np.zeros_like(lists[:1])])[labels]  # of -1, none of the classes
        there = table.max(0) > 0
        if there.sum() < 2:
            raise Mistake("task=multilabel: these labels name fewer than two classes, apart by ; or | or a comma")
        return Multilabel(tuple(np.array(parts, object)[there].tolist())), table[:, there]
    numbers, coded = np.unique(labels, return_inverse=True)
    if len(numbers) < 2:
        raise Mistake(f"all {len(labels):,} labels are of one class: give samples of at least two")
    sizes = np.bincount(coded)
    if weighted is None:
        weighted = bool(sizes.max() >= UNEVEN * sizes.min())
    said = tuple(names[c] if c < len(names) else str(c) for c in numbers.tolist())
    return Classification(said, balanced(coded, len(numbers)) if weighted else (), smoothing), coded


def enough(task: Task, labels: np.ndarray) -> None:
    """A Mistake that says what there is of each class, where that is too little to learn from and to judge by."""
    sizes = np.bincount(labels, minlength=task.outputs) if task.classes and not task.several else np.zeros(0, int)
    if len(labels) < LEAST:
        each = f": {counted(task, labels)}" if len(sizes) else ""
        raise Mistake(f"{len(labels)} labelled samples are too few to tune to{each}; label at least {LEAST}")
    once = [name for name, size in zip(task.classes, sizes, strict=False) if size == 1]
    if once:
        raise Mistake(
            f"of {_few(once)} there is one sample, which cannot be both learnt from and judged by: label more, or take this "
            "label away"
        )


def counted(task: Task, labels: np.ndarray) -> str:
    """How many samples there are of each class, the rarest and the commonest of many."""
    sizes = labels.sum(0) if task.several else np.bincount(labels, minlength=task.outputs)
    order = np.argsort(sizes, kind="stable")
    said = [f"{shown(task.classes[k])} {sizes[k]:,}" for k in order]
    return ", ".join(said) if len(said) <= 6 else f"{', '.join(said[:2])} ... {', '.join(said[-2:])}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names[:4])) + (f" and {len(names) - 4} more classes" if len(names) > 4 else "")


def _numbers(labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Classes whose names are numbers, as these."""
    try:
        values = np.array([float(name) for name in names])
    except ValueError:
        word = next(name for name in names if not name.replace(".", "", 1).lstrip("-").isdigit())
        raise Mistake(f"task=regression: labels such as {word!r} are no numbers; leave the word out") from None
    return values[labels].astype(np.float32)
