"""What the loop asks of an optimizer's description: rates, a bound on the gradient, and PyTorch's own optimizer built from it."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from ..errors import Mistake
from ..objective import Loss
from ..step import Schedule, Step, at


@runtime_checkable
class Optim(Protocol):
    """A frozen description. Words reach its fields: `optim.lr=3e-4`."""

    @property
    def lr(self) -> Schedule: ...  # the rate of a group whose scale is 1
    @property
    def weight_decay(self) -> Schedule: ...  # of the groups that are decayed
    @property
    def clip(self) -> float: ...  # the gradient's norm is bounded by it
    @property
    def scales(self) -> Mapping[str, float]: ...  # pattern of parameter names -> share of the rate
    @property
    def layer_decay(self) -> float: ...  # share of the rate from one block to the one below

    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        """An optimizer over all that learns in `module`; its groups come from `grouped`, and all it remembers is tensors in
        `state`, by parameter."""
        ...

    def gradients(self, optimizer: torch.optim.Optimizer, compute: Callable[[], Loss]) -> Loss:
        """Leave in `.grad` what the step goes down by, by one call of `compute` (forward and backward) or several."""
        ...


@runtime_checkable
class Kind(Protocol):
    """The class of an optimizer."""

    def __call__(self) -> Optim: ...

    def like(self, other: Optim) -> Optim:
        """This one where a recipe has `other`: rate and decay are its own, the curve of the rate and the groups the other's."""
        ...


def sensible(optim: Optim) -> None:
    """A Mistake for numbers with which no optimizer learns; what moves is a schedule, and is not looked at."""
    for name, value in ((f"optim.{f.name}", getattr(optim, f.name)) for f in dataclasses.fields(optim)):  # type: ignore[arg-type]
        word = name.removeprefix("optim.")
        if word in ("lr", "weight_decay", "rest") and not callable(value) and not 0 <= value < math.inf:
            raise Mistake(f"{name}={value}: it is a finite number, 0 or more")
        if word in ("clip", "rho", "trust") and not value > 0:
            raise Mistake(f"{name}={value}: it is more than 0")
        if word == "layer_decay" and not 0 < value <= 1:
            raise Mistake(f"{name}={value}: it is a share of the rate, above 0 and at most 1")
        if word == "momentum" and not 0 <= value < 1:
            raise Mistake(f"{name}={value}: it is from 0 to below 1")
        if word == "betas" and not (len(value) == 2 and all(0 <= beta < 1 for beta in value)):
            raise Mistake(f"{name}={value}: it is two numbers from 0 to below 1, such as (0.9,0.95)")
        if word == "scales" and not all(isinstance(x, int | float) and 0 <= x < math.inf for x in value.values()):
            raise Mistake(f"{name}={value}: every pattern has a share of the rate, 0 or more")


def one_pass(optimizer: torch.optim.Optimizer, compute: Callable[[], Loss]) -> Loss:
    """`Optim.gradients` of most optimizers: the gradient where the weights stand."""
    return compute()


def set_rates(optimizer: torch.optim.Optimizer, optim: Optim, step: Step) -> float:
    """Give every group its share of the rate and of the decay at this step; the whole rate."""
    lr, decay = at(optim.lr, step), at(optim.weight_decay, step)
    for group in optimizer.param_groups:
        group["lr"], group["weight_decay"] = lr * group["scale"], decay if group["decay"] else 0.0
    return lr
