"""The contract of a task: numbers out of a head, what they mean, how wrong they are, and how good they were."""

from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ..forms import Json
from ..probes import Figure, figure


@runtime_checkable
class Task(Protocol):
    """What a head of `outputs` numbers says of a sample. The name of its file is its name on the card."""

    @property
    def name(self) -> str: ...
    @property
    def outputs(self) -> int: ...
    @property
    def classes(self) -> tuple[str, ...]: ...  # names of the columns of what is said, () of a quantity

    @property
    def quantity(self) -> str: ...  # what is said where it is no class, in words

    @property
    def several(self) -> bool: ...  # any number of classes is true of a sample, not one

    @property
    def rows(self) -> bool: ...  # something is said of every row of a sample, [B, K] of rows, and not of the sample
    @property
    def uneven(self) -> bool: ...  # samples count differently, by their class

    def targets(self, labels: np.ndarray) -> Tensor:
        """Labels [n, ...] as the loss wants them."""
        ...

    def loss(self, out: Float[Tensor, "B K"], target: Tensor) -> Float[Tensor, "B"]:
        """How wrong the head is about each of B samples."""
        ...

    def said(self, out: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """What the outputs [m, K] mean: probabilities [m, K], or quantities [m] in the unit of the labels."""
        ...

    def score(self, out: np.ndarray, labels: np.ndarray) -> float:
        """One number to choose by, higher is better, from outputs [m, K] and the true labels."""
        ...

    def marks(self, said: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None) -> dict[str, Figure]:
        """Figures of what was said, for people. groups: [m], samples of one number hang together."""
        ...

    def temperature(self, out: np.ndarray, labels: np.ndarray) -> float:
        """By what outputs are best divided before they become probabilities; 1 where they become none."""
        ...

    def unsure(self, said: np.ndarray, labels: np.ndarray) -> float | None:
        """The expected calibration error of probabilities; None where there are none."""
        ...

    def state(self) -> Json:
        """The arguments of its class, as JSON."""
        ...


def apart(mark: Figure, moves: np.ndarray, groups: np.ndarray | None) -> Figure:
    """A figure with the error of as many judges as there are groups, where some samples hang together; it is never surer than if
    none did. moves: [m], what each sample moves the value."""
    if groups is None or len(np.unique(groups)) == len(groups):
        return mark
    made = figure(mark.value, moves, (), groups)
    return replace(mark, error=max(mark.error, made.error), units=made.units)


def share_doubt(value: float, n: int) -> float:
    """The standard error of a share of n, such as an accuracy."""
    share = min(0.99, max(0.01, value))
    return float((share * (1 - share) / n) ** 0.5)
