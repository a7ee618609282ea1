"""The class of every row of a sample: softmax and cross-entropy over the rows whose class is known, judged sample by sample."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ..forms import Json
from ..probes import Figure, figure
from .calibrating import calibration_error, softmax, surprise, temperature_of

ROWS = "rows"  # how a sample is read: not as one vector
ROW_NAMES = ("mean IoU of rows", "accuracy of rows")
LARGEST = 2**16  # beyond which numbers in masks are no numbers of classes but colours
SOME = 20_000  # rows, evenly chosen, that choose and calibrate


@dataclass(frozen=True)
class Segmentation:
    """Labels [n, T] are places in `classes`, -1 where a row has none or a sample has fewer rows.

    values: the number of each class in a mask. weights, smoothing: as of a classification.
    """

    classes: tuple[str, ...]
    values: tuple[int, ...]
    weights: tuple[float, ...] = ()
    smoothing: float = 0.1

    name = "segmentation"
    quantity = ""
    several = False
    rows = True

    @property
    def outputs(self) -> int:
        return len(self.classes)

    @property
    def numbers(self) -> tuple[int, ...]:
        """What stands in a map for each class: its number in a mask; of colours, its place among the classes."""
        return self.values if max(self.values) < LARGEST else tuple(range(len(self.values)))

    @property
    def uneven(self) -> bool:
        return bool(self.weights)

    def targets(self, labels: np.ndarray) -> Tensor:
        return torch.from_numpy(labels.astype(np.int64))

    def loss(self, out: Float[Tensor, "B K"], target: Tensor) -> Float[Tensor, "B"]:
        """Of rows; 0 of those whose class is unknown."""
        each = F.cross_entropy(out, target, reduction="none", label_smoothing=self.smoothing, ignore_index=-1)
        return each * out.new_tensor(self.weights)[target.clamp(min=0)] if self.weights else each

    def said(self, out: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """Probabilities [n, T, K]."""
        return softmax(out.reshape(-1, self.outputs), temperature).reshape(out.shape)

    def score(self, out: np.ndarray, labels: np.ndarray) -> float:
        """As of a classification, over rows."""
        rows, true = _some(out, labels)
        weight = np.array(self.weights)[true] if self.weights else None
        return -surprise(softmax(rows, temperature_of(rows, true, weight)), true, weight) if len(true) else 0.0

    def marks(self, said: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None) -> dict[str, Figure]:
        """Of rows: "mean IoU of rows" and "accuracy of rows"; samples are independent, their rows are not."""
        named = said.argmax(-1)
        pairs = zip(named, labels, strict=True)
        return overlap([counted(mine, true[: len(mine)], self.outputs) for mine, true in pairs], ROW_NAMES, groups)

    def temperature(self, out: np.ndarray, labels: np.ndarray) -> float:
        rows, true = _some(out, labels)
        return temperature_of(rows, true) if len(true) else 1.0

    def unsure(self, said: np.ndarray, labels: np.ndarray) -> float | None:
        return calibration_error(*_some(said, labels))

    def state(self) -> Json:
        return asdict(self)


def counted(said: Int[np.ndarray, "..."], true: Int[np.ndarray, "..."], classes: int) -> Int[np.ndarray, "K K"]:
    """How many points of one sample are of each class, and are said to be of each; those whose class is unknown do not count."""
    known = true >= 0
    pairs = true[known].astype(np.int64) * classes + said[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def overlap(
    tables: Sequence[np.ndarray], names: tuple[str, str], groups: Sequence[int] | np.ndarray | None = None
) -> dict[str, Figure]:
    """Figures of these two names: the mean over classes of intersection over union (Everingham et al. 2010), counted over all
    samples together, and the share of points that are right; by chance: always the commonest class. tables: `counted` of each
    sample. groups: samples of one number hang together. None where nothing is known."""
    found, whose = [], []
    for i, table in enumerate(tables):
        if table.any():
            inside, true, said = np.diag(table), table.sum(1), table.sum(0)
            found.append(np.stack([inside, true, true + said - inside]))
            whose.append(i if groups is None else groups[i])
    if not found:
        return {}
    each = np.stack(found).astype(np.float64)  # [n, 3, K]
    inside, true, either = each.sum(0)
    there = true > 0
    share = inside[there] / either[there]
    moves = ((each[:, 0, there] - share * each[:, 2, there]) / either[there]).mean(1)
    right, known = each[:, 0].sum(1), each[:, 1].sum(1)
    accuracy, most = right.sum() / known.sum(), float(true.max() / true.sum())
    about = np.asarray(whose)
    return {
        names[0]: figure(float(share.mean()), moves, (), about, most / int(there.sum())),
        names[1]: figure(float(accuracy), (right - accuracy * known) / known.sum(), (), about, most),
    }


def _some(out: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose class is known, [m, K] and [m], evenly chosen where they are many."""
    labels = labels[:, : out.shape[1]]  # some samples may have fewer rows than all
    at = np.flatnonzero(labels.reshape(-1) >= 0)
    at = at[np.unique(np.linspace(0, len(at) - 1, SOME).astype(int))] if len(at) > SOME else at
    return out.reshape(-1, out.shape[-1])[at], labels.reshape(-1)[at].astype(np.int64)
