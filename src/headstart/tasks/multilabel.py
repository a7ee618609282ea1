"""Any number of classes for each sample: a yes or no for each, independent of the others."""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float
from sklearn.metrics import average_precision_score
from torch import Tensor
from torch.nn import functional as F

from ..forms import Json
from ..probes import Figure
from ..probes.multilabel import precision
from .calibrating import calibration_error, coldest
from .task import apart, share_doubt

HALF = 0.5  # the probability from which on a class is said to be there


@dataclass(frozen=True)
class Multilabel:
    """Labels are [n, K] of ones and zeros."""

    classes: tuple[str, ...]

    name = "multilabel"
    quantity = ""
    several = True
    rows = False
    uneven = False

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def targets(self, labels: np.ndarray) -> Tensor:
        return torch.from_numpy(labels.astype(np.float32))

    def loss(self, out: Float[Tensor, "B K"], target: Tensor) -> Float[Tensor, "B"]:
        return F.binary_cross_entropy_with_logits(out, target, reduction="none").mean(1)

    def said(self, out: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """Probabilities [m, K], each of its own: a row does not sum to 1."""
        return 1 / (1 + np.exp(-np.clip(out.astype(np.float64) / temperature, -60, 60)))

    def score(self, out: np.ndarray, labels: np.ndarray) -> float:
        t = self.temperature(out, labels)
        return -self._surprise(out, labels, t)

    def _surprise(self, out: np.ndarray, labels: np.ndarray, temperature: float) -> float:
        p = np.clip(self.said(out, temperature), 1e-9, 1 - 1e-9)
        wrong = 1 / (len(labels) + 2)  # as of one class, `calibrating.surprise`
        true = labels * (1 - wrong) + (1 - labels) * wrong
        return -float((true * np.log(p) + (1 - true) * np.log(1 - p)).mean())

    def marks(self, said: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None) -> dict[str, Figure]:
        """Which share of yes and no is right; and the mean average precision of the classes that occur, its error from 100 draws
        of the samples with replacement."""
        n, right = len(labels), float(((said >= HALF) == (labels > 0)).mean())
        usual = float(np.maximum(labels.mean(0), 1 - labels.mean(0)).mean())
        each = ((said >= HALF) == (labels > 0)).mean(1)
        found = {
            "right of yes and no": apart(Figure(right, share_doubt(right, n), n, usual), (each - right) / n, groups)
        }
        value, known = _precision(said, labels), (labels.max(0) > 0) & (labels.min(0) < 1)
        if value is not None:
            rng = np.random.default_rng(0)
            again = [_precision(said[i], labels[i]) for i in rng.integers(0, n, (100, n))]
            draws = [v for v in again if v is not None]
            mark = Figure(value, float(np.std(draws)), n, float(labels.mean()))
            found["mean average precision"] = apart(mark, precision(said[:, known], labels[:, known])[1], groups)
        return found

    def temperature(self, out: np.ndarray, labels: np.ndarray) -> float:
        return coldest(lambda t: self._surprise(out, labels, t))

    def unsure(self, said: np.ndarray, labels: np.ndarray) -> float | None:
        """Of all answers, yes or no, together."""
        yes = said.reshape(-1)
        return calibration_error(np.stack([1 - yes, yes], 1), (labels.reshape(-1) > 0).astype(np.int64))

    def state(self) -> Json:
        return asdict(self)


def _precision(said: np.ndarray, labels: np.ndarray) -> float | None:
    """The mean over classes that are there and not everywhere; None where there is none."""
    known = (labels.max(0) > 0) & (labels.min(0) < 1)
    each = [average_precision_score(labels[:, k], said[:, k]) for k in np.flatnonzero(known)]
    return float(np.mean(each)) if each else None
