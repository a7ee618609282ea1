"""Say what was added: noise of a known level lies over a whole sample, and is told from it (DDPM-CD, EEGDM)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..corrupt import Make, clean
from ..errors import Mistake
from ..losses import mse
from ..scene import Scene
from ..step import Rng
from ..tokens import Tokens, View, every
from ..tree import replace
from .term import Term, average

Told = Callable[[Tensor, Tensor, Tensor], Tensor]  # clean, noise [K, D], share left [K, 1] -> what to say [K, D]


@dataclass(frozen=True)
class squared_cosine:
    """The share of a sample's variance that is left at each level of noise, from 0 (all) to `levels` (next to nothing).

    A squared cosine; no level has less than a thousandth of the one before (Nichol and Dhariwal 2021, section 3.2 and appendix).
    """

    levels: int = 50

    def __post_init__(self) -> None:
        if self.levels < 1:
            raise Mistake(f"there is at least 1 level of noise, not {self.levels}")

    def __call__(self, level: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        t = level.double()  # and so it stays: at the first levels 1 - share is small, and its root is asked for
        return torch.maximum(self._curve(t), 1e-3 * self._curve(t - 1))

    def _curve(self, t: Tensor) -> Tensor:
        begin = math.cos(0.008 / 1.008 * math.pi / 2) ** 2
        return ((t / self.levels + 0.008) / 1.008 * math.pi / 2).cos() ** 2 / begin


def noised(left: squared_cosine) -> Make:
    """A view of every sample under normal noise, at a level from 1 to the highest, drawn for each; label: the noise, [T, D].

    Rows are standardised by their tokenizer, so noise and sample are of one size.
    """

    def make(tokens: Tokens, rng: Rng) -> View:
        if not tokens.values.is_floating_point():
            raise Mistake("noise is laid over numbers, and the rows of this kind are ids: mae and gmml hide whole rows")
        spans = tokens.layout
        level = 1 + (rng.fold("level").segments()[:, 0] * left.levels).floor()
        noise = rng.fold("noise").normal(spans.seg, spans.place - spans.slots, tokens.values.shape[-1])
        noise = noise.masked_fill(tokens.slot[:, None], 0)
        keep, add = _roots(left(level)[spans.seg, None], noise)
        seen = tokens.with_values(keep * tokens.values + add * noise)
        return replace(clean(tokens, rng), seen=seen, level=level, label=noise)

    return make


def velocity(x: Float[Tensor, "K D"], noise: Float[Tensor, "K D"], left: Float[Tensor, "K 1"]) -> Float[Tensor, "K D"]:
    """sqrt(left) * noise - sqrt(1 - left) * sample: of one size at every level (Salimans and Ho 2022, appendix D)."""
    keep, add = _roots(left, x)
    return keep * noise - add * x


def _roots(left: Float[Tensor, "K 1"], like: Tensor) -> tuple[Tensor, Tensor]:
    return left.sqrt().to(like.dtype), (1 - left).sqrt().to(like.dtype)


class diffuse(Term):
    """The head says at every content row of a `noised` view what the noise did to it.

    head: encoded rows [K, width] -> [K, D]. left: the schedule that the view was made with. target: `velocity`, or your own.
    """

    def __init__(self, head: nn.Module, left: squared_cosine, target: Told = velocity, view: str = "x") -> None:
        super().__init__()
        self.head, self.left, self.target, self.view = head, left, target, view
        self.reads = (view,)

    def forward(self, scene: Scene) -> Tensor:
        view, rows = scene.views[self.view], every(scene.views[self.view].clean).index
        if view.level is None or view.label is None:
            raise ValueError(f"view {view.name!r} has no noise over it: make it with noised(...)")
        share = self.left(view.level)[view.clean.layout.seg[rows], None]
        target = self.target(view.clean.values[rows], view.label[rows], share)
        prediction = self.head(scene.student.z[self.view].values[rows])
        return average(mse(prediction, target), None if view.weight is None else view.weight[rows])
