"""One class of several for each sample: softmax, cross-entropy with smoothed labels, rare classes made to count."""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ..forms import Json
from ..probes import Figure
from ..probes._marking import balanced as balanced_of
from .calibrating import calibration_error, softmax, surprise, temperature_of
from .task import apart, share_doubt


@dataclass(frozen=True)
class Classification:
    """Labels are numbers of classes, 0 to K - 1.

    weights: how much a sample of each class counts, () for all alike; smoothing: share of the target that all classes have in
    common (Szegedy et al., "Rethinking the Inception Architecture", 2016, section 7).
    """

    classes: tuple[str, ...]
    weights: tuple[float, ...] = ()
    smoothing: float = 0.1

    name = "classification"
    quantity = ""
    several = False
    rows = False

    @property
    def outputs(self) -> int:
        return len(self.classes)

    @property
    def uneven(self) -> bool:
        return bool(self.weights)

    def targets(self, labels: np.ndarray) -> Tensor:
        return torch.from_numpy(labels.astype(np.int64))

    def loss(self, out: Float[Tensor, "B K"], target: Tensor) -> Float[Tensor, "B"]:
        each = F.cross_entropy(out, target, reduction="none", label_smoothing=self.smoothing)
        return each * out.new_tensor(self.weights)[target] if self.weights else each

    def said(self, out: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        return softmax(out, temperature)

    def score(self, out: np.ndarray, labels: np.ndarray) -> float:
        """Less the surprise at the true classes where confidence is mended, classes weighted as in training: how sure the head is
        can be put right afterwards (`temperature_of`), so it does not choose."""
        weight = np.array(self.weights)[labels] if self.weights else None
        return -surprise(softmax(out, temperature_of(out, labels, weight)), labels, weight)

    def marks(self, said: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None) -> dict[str, Figure]:
        """Accuracy; and the mean over classes of the share that was found, where classes are uneven."""
        right, n = said.argmax(1) == labels, len(labels)
        there, counts = np.unique(labels, return_counts=True)
        value = float(right.mean())
        accuracy = Figure(value, share_doubt(value, n), n, float(counts.max() / n))
        found = {"accuracy": apart(accuracy, (right - value) / n, groups)}
        if len(there) > 1 and counts.max() >= 1.5 * counts.min():
            recalls = [float(right[labels == c].mean()) for c in there]
            error = sum(share_doubt(r, int(m)) ** 2 for r, m in zip(recalls, counts, strict=True)) ** 0.5 / len(there)
            mean = Figure(float(np.mean(recalls)), error, n, 1 / len(there))
            found["balanced accuracy"] = apart(mean, balanced_of(right, labels)[1], groups)
        return found

    def temperature(self, out: np.ndarray, labels: np.ndarray) -> float:
        return temperature_of(out, labels)

    def unsure(self, said: np.ndarray, labels: np.ndarray) -> float | None:
        return calibration_error(said, labels)

    def state(self) -> Json:
        return asdict(self)


def balanced(labels: np.ndarray, count: int) -> tuple[float, ...]:
    """Weights with which each of `count` classes counts alike in sum, 1 in the mean over these labels [n]."""
    sizes = np.bincount(labels, minlength=count)
    there = sizes > 0
    return tuple((np.where(there, len(labels) / np.maximum(sizes, 1), 0) / there.sum()).tolist())
