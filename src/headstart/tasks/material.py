"""Labelled samples as fine-tuning takes them: what their labels mean, which are learnt from, and which choose."""

import numpy as np

from ..data.classes import listed
from ..data.feeding.prepare import Prepared
from ..data.groups import judgeable
from ..data.source import DataError
from ..errors import Mistake, shown
from ..scoring.labelled import unlabelled
from .asked import Asked
from .dividing import Material, held_out
from .meaning import counted, enough, known, task_of
from .segmenting import gathered_rows, wants_masks
from .task import Task


def gathered(source: Prepared, where: object, asked: Asked, seed: int) -> Material:
    """The labelled samples of a prepared source, divided; a Mistake that says what is missing where they do not suffice."""
    if wants_masks(source, asked):
        return gathered_rows(source, where, asked, seed)
    if source.labels is None:
        raise unlabelled(where, source.source)
    meant = _meant(source, asked)
    if asked.empty is not None and meant != "multilabel":
        raise Mistake(
            f"empty={asked.empty}: only a sample that may have several classes can have none of them; leave it out"
        )
    at = np.arange(len(source)) if asked.empty == "none" else np.flatnonzero(known(source.labels))
    task, labels = task_of(source.labels[at], source.classes, meant, asked.weighted, asked.smoothing)
    enough(task, labels)
    groups = None if source.groups is None else source.groups[at]
    if groups is not None and len(np.unique(groups)) < 2:
        raise DataError(
            f"all labelled samples of {where} hang together (one recording, one group) and are never divided: give others too"
        )
    if task.classes and not task.several:
        judgeable(labels, groups, task.classes, where)
    held = held_out(labels, groups, asked.held, seed)
    rest = np.setdiff1d(np.arange(len(at)), held)
    if task.classes and not task.several:
        lost = sorted(set(labels.tolist()) - set(labels[rest].tolist()))
        if lost:
            raise DataError(
                f"all samples of {task.classes[lost[0]]} hang together (one recording, one group), so that they cannot be both "
                "learnt from and judged by: give others too"
            )
    return Material(source, at, labels, task, rest, held, _notes(source, at, labels, task, asked, groups, rest, held))


def _meant(source: Prepared, asked: Asked) -> str | None:
    """The task that was asked for, or several classes at once where labels are clearly lists; a Mistake where they may be."""
    lists = listed(source.classes)
    if asked.task is not None or lists is None:
        return asked.task
    if lists.clear:
        return "multilabel"
    if lists.again:
        first = next(name for name, parts in zip(source.classes, lists.parts, strict=True) if len(parts) > 1)
        raise Mistake(
            f"labels such as {shown(first)} may be lists of several classes, or names of one: say task=multilabel, or "
            "task=classification"
        )
    return None


def _notes(
    source: Prepared,
    at: np.ndarray,
    labels: np.ndarray,
    task: Task,
    asked: Asked,
    groups: np.ndarray | None,
    rest: np.ndarray,
    held: np.ndarray,
) -> list[str]:
    none = int((~known(source.labels)).sum()) if source.labels is not None else 0
    without = len(source) - len(at)
    what = counted(task, labels) if task.classes else f"from {labels.min():g} to {labels.max():g}"
    notes = [f"{task.name}: {what}" + (f"; {without:,} samples without a label are left out" if without else "")]
    if task.uneven:
        notes.append(
            "classes are uneven, and rare ones count as much as common ones (weights=none: as often as they come)"
        )
    if task.several:
        if asked.task is None:
            notes.append(
                "labels are lists, and each class in them is told by itself (task=classification: a list is one class)"
            )
        if none:
            taken = "none of the classes" if asked.empty == "none" else "unlabelled"
            other = "unknown" if asked.empty == "none" else "none: none of the classes"
            notes.append(f"{none:,} samples with nothing in place of a label are taken for {taken} (empty={other})")
    elif task.classes and listed(source.classes):
        notes.append("names of classes look like lists of several: if they are, say task=multilabel")
    together = groups is not None and len(np.unique(groups)) < len(groups)
    kept = "; what hangs together is never divided" if together else ""
    notes.append(
        f"{len(rest):,} samples are learnt from, {len(held):,} are held back to choose the rate, the step and the temperature "
        f"(held={asked.held:g}){kept}"
    )
    if task.classes and not task.several and (unjudged := sorted(set(labels.tolist()) - set(labels[held].tolist()))):
        notes.append(f"nobody judges {', '.join(task.classes[k] for k in unjudged[:4])}: all its samples hang together")
    return notes
