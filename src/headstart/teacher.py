"""A second network that leads the first."""

import copy

import torch
from torch import nn

from .step import Schedule, Step, at


class Ema(nn.Module):
    """An exponential moving average of the student: teacher <- m * teacher + (1 - m) * student, after every step.

    momentum: m, usually a schedule that ends at 1 (DINO, section 3.1).
    """

    network: nn.ModuleDict

    def __init__(self, momentum: Schedule) -> None:
        super().__init__()
        self.momentum = momentum

    def adopt(self, student: nn.ModuleDict) -> None:
        """Begin as the student's copy; learns nothing by gradient."""
        self.network = copy.deepcopy(student).requires_grad_(False)

    @torch.no_grad()
    def after_step(self, student: nn.ModuleDict, step: Step) -> None:
        mine, theirs = ([*net.parameters()] for net in (self.network, student))
        torch._foreach_lerp_(tuple(mine), tuple(theirs), 1 - at(self.momentum, step))
        for own, other in zip(self.network.buffers(), student.buffers(), strict=True):
            own.copy_(other)
