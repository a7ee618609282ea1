"""How good what was said was, where the truth is known; in lines for people."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..data.classes import taken_apart
from ..errors import so_many
from ..probes import Figure
from .predicting import Predicted
from .segmentation import overlap
from .segmenting import NAMES
from .task import Task

SURE = 1.96  # standard errors in half of a 95 % interval


def judged(task: Task, found: Predicted) -> dict[str, Figure]:
    """Figures of predictions whose samples have labels of the same meaning; none where there are no two of them."""
    if found.maps is not None:
        return overlap(found.tables, NAMES, found.groups)
    if found.labels is None or not len(found):
        return {}
    if not task.classes:
        values = np.array(found.labels)
        known = np.isfinite(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
        true = values[known].astype(np.float64) if known.any() else np.zeros(0)
        return task.marks(found.said[known], true, _of(found, known)) if len(true) > 1 and true.std() > 0 else {}
    names = [str(label) for label in found.labels]
    number = {name: k for k, name in enumerate(task.classes)}
    if task.several:
        table, parts = taken_apart(names, task.classes)
        shared = [(number[p], k) for k, p in enumerate(parts) if p in number]
        labels = np.zeros((len(names), task.outputs), np.int64)
        for mine, theirs in shared:
            labels[:, mine] = table[:, theirs]
        known = np.array([bool(name) for name in names]) if shared else np.zeros(len(names), bool)
    else:
        labels = np.array([number.get(name, -1) for name in names])
        known = labels >= 0
    return task.marks(found.said[known], labels[known], _of(found, known)) if known.sum() > 1 else {}


def _of(found: Predicted, known: np.ndarray) -> np.ndarray | None:
    return None if found.groups is None else found.groups[known]


def said_of(name: str, mark: Figure) -> str:
    """A figure in words: accuracy 0.812 ± 0.034 (by chance 0.1) on 500 samples; ± is half of a 95 % interval over samples, or
    over what is independent of them."""
    chance = "" if mark.chance is None else f" (by chance {mark.chance:.3g})"
    half = _half(mark)
    apart = f" ({mark.units:,} independent)" if 0 < mark.units < mark.n else ""
    return f"{name} {mark.value:.3f} ± {half:.3f}{chance} on {mark.n:,} samples{apart}"


def verdict(marks: Mapping[str, Figure]) -> str:
    """Whether anything is told better than by chance, in a sentence; "" where no figure says what chance is."""
    gains = {
        name: (mark, mark.over(replace(mark, value=mark.chance)))
        for name, mark in marks.items()
        if mark.chance is not None
    }
    if not gains:
        return ""
    judges = so_many(min(mark.units or mark.n for mark, _ in gains.values()), "judge")
    open_ = f"cannot be told with {judges} whether anything is told better than by chance"
    each = ", ".join(
        f"{name} {mark.value:.3f} ± {_half(mark):.3f} (by chance {mark.chance:.3g})"
        for name, (mark, _) in gains.items()
    )
    if any(mark.handful for mark, _ in gains.values()):
        return f"{open_}: {each}"
    clear = {name: _by(mark, gain) for name, (mark, gain) in gains.items() if abs(gain) > _half(mark)}
    better = [f"{name} by {by}" for name, by in clear.items() if gains[name][1] > 0]
    worse = [f"{name} by {by}" for name, by in clear.items() if gains[name][1] < 0]
    if better:
        return f"better than by chance: {', '.join(better)}" + (f"; worse: {', '.join(worse)}" if worse else "")
    if all(gain <= 0 for _, gain in gains.values()):
        return f"nothing here is told better than by chance: {each}"
    return f"{open_}: {each}"


def _by(mark: Figure, gain: float) -> str:
    return f"{abs(gain):.3f} ({abs(gain) - _half(mark):.3f} to {abs(gain) + _half(mark):.3f})"


def _half(mark: Figure) -> float:
    return mark.half if mark.units else SURE * mark.error
