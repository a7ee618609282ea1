"""What should be said at a row: a function of the view (and of a teacher), evaluated at chosen rows only."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from . import dist
from .errors import Mistake
from .step import Schedule, Step, at
from .tokens import View

Target = Callable[[View, Tensor, Any], Tensor]  # view, rows [K], scene -> [K, ...]


def raw(view: View, rows: Int[Tensor, "K"], scene: Any) -> Tensor:
    """The payload itself: numbers, to be met by a regression, or ids, to be met by a cross-entropy."""
    return view.clean.values[rows]


def normalised(view: View, rows: Int[Tensor, "K"], scene: Any) -> Float[Tensor, "K D"]:
    """The payload with each row brought to mean 0 and variance 1 (MAE, section 4.1: "normalized pixels")."""
    x = view.clean.values[rows]
    if not x.is_floating_point():
        raise Mistake(f"rows of kind '{view.clean.kind}' are ids and cannot be normalised: use the target raw")
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-6).sqrt()


class Taught(nn.Module):
    """A target that the teacher gives. through_head: it is what the teacher's copy of the term's head says, not its rows."""

    through_head = False

    def forward(self, view: View, rows: Int[Tensor, "K"], scene: Any) -> Tensor:
        raise TypeError(f"{type(self).__name__} is a Taught without a forward: define one that returns the target")


class features(Taught):
    """The rows of the teacher's encoder, which saw everything (data2vec, Baevski et al. 2022; I-JEPA, Assran et al. 2023)."""

    def forward(self, view: View, rows: Int[Tensor, "K"], scene: Any) -> Float[Tensor, "K D"]:
        return scene.teacher.z[view.name].values[rows].float()


class codes(Taught):
    """What the teacher's head says at the hidden rows, centred and sharpened: a share for each prototype, [K, codes] (iBOT,
    Zhou et al. 2022, section 3). The centre is a running mean, moved after every step."""

    center: Tensor
    through_head = True

    def __init__(self, codes: int, temperature: Schedule = 0.04, momentum: float = 0.9) -> None:
        super().__init__()
        self.temperature, self.momentum = temperature, momentum
        self.register_buffer("center", torch.zeros(codes))
        self._mean: Tensor | None = None

    def forward(self, view: View, rows: Int[Tensor, "K"], scene: Any) -> Float[Tensor, "K codes"]:
        said = scene.teacher.heads[scene.term](scene.teacher.z[view.name], view)
        if self.training and len(said):
            self._mean = dist.mean(said.detach().mean(0))
        return ((said - self.center) / at(self.temperature, scene.step)).softmax(-1)

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        if self._mean is not None:
            self.center.lerp_(self._mean, 1 - self.momentum)
            self._mean = None


class centred(nn.Module):
    """Whatever a teacher's head says, [..., codes], as a share for each prototype: less its running mean, which moves after every
    step, and sharpened (DINO, Caron et al. 2021, section 3.1). For a target that is neither a crop's nor a hidden row's own."""

    center: Tensor

    def __init__(self, codes: int, temperature: Schedule = 0.04, momentum: float = 0.9) -> None:
        super().__init__()
        self.temperature, self.momentum = temperature, momentum
        self.register_buffer("center", torch.zeros(codes))
        self._mean: Tensor | None = None

    def forward(self, said: Float[Tensor, "*n codes"], step: Step) -> Float[Tensor, "*n codes"]:
        if self.training and said.numel():
            self._mean = dist.mean(said.detach().flatten(0, -2).mean(0))
        return ((said - self.center) / at(self.temperature, step)).softmax(-1)

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        if self._mean is not None:
            self.center.lerp_(self._mean, 1 - self.momentum)
            self._mean = None
