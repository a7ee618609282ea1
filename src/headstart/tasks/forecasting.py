"""The next values of every channel: what comes after a context, in units of that context's own mean and spread."""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ..forms import Json
from ..probes import Figure

ERROR = "mean absolute error"  # what chooses, and what the verdict is about


def empty(count: int, channels: int, horizon: int) -> np.ndarray:
    """What is known of `count` contexts, to be filled: a record array [n].

    future: [channels, horizon], in the data's units, NaN where nothing is known. mean, scale: of each channel of the context.
    place: which channel of the tokenizer each is. unit: contexts of one number hang together.
    """
    form = [("future", "f8", (channels, horizon)), *((name, "f8", (channels,)) for name in ("mean", "scale"))]
    return np.zeros(count, np.dtype([*form, ("place", "i8", (channels,)), ("unit", "i8")]))


@dataclass(frozen=True)
class Forecasting:
    """Labels are records as `empty` makes them. Outputs are the future of each channel, less the context's mean, in its spreads.

    spread, naive: of each channel of what is learnt from, the standard deviation, and the mean absolute error of saying that the
    next value is the one `period` before it (Hyndman and Koehler 2006). apart: one channel is said at a time.
    """

    horizon: int
    context: int
    spread: tuple[float, ...]
    naive: tuple[float, ...]
    apart: bool = False
    period: int = 1

    name = "forecasting"
    several = False
    rows = False
    uneven = False
    classes: tuple[str, ...] = ()

    @property
    def quantity(self) -> str:
        return f"the next {self.horizon:,} values"

    @property
    def channels(self) -> int:
        return 1 if self.apart else len(self.spread)

    @property
    def outputs(self) -> int:
        return self.channels * self.horizon

    def targets(self, labels: np.ndarray) -> Tensor:
        z = (labels["future"] - labels["mean"][..., None]) / labels["scale"][..., None]
        return torch.from_numpy(z.reshape(len(labels), -1).astype(np.float32))

    def loss(self, out: Float[Tensor, "B K"], target: Tensor) -> Float[Tensor, "B"]:
        """Squared error up to one spread of the context, absolute error beyond (Huber 1964), over what is known."""
        known = ~target.isnan()
        each = F.huber_loss(out, target.nan_to_num(), reduction="none") * known
        return each.sum(1) / known.sum(1).clamp(min=1)

    def said(self, out: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """[m, channels, horizon], still in units of the contexts."""
        return out.reshape(len(out), self.channels, self.horizon).astype(np.float64)

    def errors(self, said: np.ndarray, labels: np.ndarray) -> Float[np.ndarray, "m C H"]:
        """How far off, in the data's units; NaN where nothing is known."""
        off: np.ndarray = said * labels["scale"][..., None] + labels["mean"][..., None] - labels["future"]
        return off

    def score(self, out: np.ndarray, labels: np.ndarray) -> float:
        off = self.errors(self.said(out), labels)
        return -float(np.mean(_each(np.abs(off), np.asarray(self.spread)[labels["place"]])))

    def marks(self, said: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None) -> dict[str, Figure]:
        """Absolute and squared error in spreads of what was learnt from, and the absolute scaled error; their standard errors are
        over units, as futures that overlap say little more than one of them."""
        off = self.errors(said, labels)
        spread, naive = (np.asarray(x)[labels["place"]] for x in (self.spread, self.naive))
        of = {
            ERROR: _each(np.abs(off), spread),
            "mean squared error": _each(off**2, spread**2),
            "MASE": _each(np.abs(off), naive),
        }
        return {name: _figure(each, labels["unit"]) for name, each in of.items()}

    def temperature(self, out: np.ndarray, labels: np.ndarray) -> float:
        return 1.0

    def unsure(self, said: np.ndarray, labels: np.ndarray) -> float | None:
        return None

    def state(self) -> Json:
        return {name: value for name, value in asdict(self).items() if name != "classes"}


def _each(off: np.ndarray, by: np.ndarray) -> np.ndarray:
    """[m]: the mean over channels and steps that are known, of each context. off: [m, C, H], by: [m, C]."""
    x = off / by[..., None]
    known = ~np.isnan(x)
    mean: np.ndarray = np.where(known, x, 0.0).sum((1, 2)) / np.maximum(known.sum((1, 2)), 1)
    return mean


def _figure(each: np.ndarray, unit: np.ndarray) -> Figure:
    """The mean of [m] with what each unit moves it."""
    value, at = float(each.mean()), np.unique(unit, return_inverse=True)[1]
    moves = np.bincount(at, (each - value) / len(each))
    return Figure(value, standard_error(moves), len(each), higher=False, units=len(moves), moves=moves)


def standard_error(moves: np.ndarray) -> float:
    """Of a mean that independent units move so far."""
    n = len(moves)
    return float((np.square(moves).sum() * n / max(1, n - 1)) ** 0.5)
