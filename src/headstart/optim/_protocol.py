"""What the loop asks of an optimizer's description: rates, a bound on the gradient, and PyTorch's own optimizer built from it."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import nn

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


def one_pass(optimizer: torch.optim.Optimizer, compute: Callable[[], Loss]) -> Loss:
    """`Optim.gradients` of most optimizers: the gradient where the weights stand."""
    return compute()


def set_rates(optimizer: torch.optim.Optimizer, optim: Optim, step: Step) -> float:
    """Give every group its share of the rate and of the decay at this step; the whole rate."""
    lr, decay = at(optim.lr, step), at(optim.weight_decay, step)
    for group in optimizer.param_groups:
        group["lr"], group["weight_decay"] = lr * group["scale"], decay if group["decay"] else 0.0
    return lr
