"""One quantity for each sample: squared error, standardised while it is learnt, said in the unit of the labels."""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..forms import Json
from ..probes import Figure
from ..probes._marking import r2
from .task import apart


@dataclass(frozen=True)
class Regression:
    """Labels are numbers; mean and std are those of what is learnt from, in their unit."""

    mean: float
    std: float

    name = "regression"
    quantity = "a quantity"
    several = False
    rows = False
    uneven = False
    outputs = 1
    classes: tuple[str, ...] = ()

    def targets(self, labels: np.ndarray) -> Tensor:
        return torch.from_numpy(((labels - self.mean) / self.std).astype(np.float32))

    def loss(self, out: Float[Tensor, "B K"], target: Tensor) -> Float[Tensor, "B"]:
        return (out[:, 0] - target).square()

    def said(self, out: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        return out[:, 0].astype(np.float64) * self.std + self.mean

    def score(self, out: np.ndarray, labels: np.ndarray) -> float:
        return -float(np.square((self.said(out) - labels) / self.std).mean())

    def marks(self, said: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None) -> dict[str, Figure]:
        """R2, with the standard error of Olkin and Finn (1995), and the mean absolute error in the unit of the labels."""
        off, n = said - labels.astype(np.float64), len(labels)
        value = float(1 - np.square(off).mean() / max(float(labels.var(dtype=np.float64)), 1e-12))
        share = min(0.99, max(0.01, value))
        far = np.abs(off)
        return {
            "R2": apart(
                Figure(value, 2 * (share / n) ** 0.5 * (1 - share), n, 0.0), r2(np.square(off), labels)[1], groups
            ),
            "mean absolute error": apart(
                Figure(float(far.mean()), float(far.std() / n**0.5), n, higher=False), (far - far.mean()) / n, groups
            ),
        }

    def temperature(self, out: np.ndarray, labels: np.ndarray) -> float:
        return 1.0

    def unsure(self, said: np.ndarray, labels: np.ndarray) -> float | None:
        return None

    def state(self) -> Json:
        return {name: value for name, value in asdict(self).items() if name != "classes"}
