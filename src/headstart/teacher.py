"""A second network that leads the first."""

import copy

import torch
from torch import nn

from .step import Schedule, Step, at, round_of


class Teacher(nn.Module):
    """A network that leads, begun as a copy of the student and learning nothing by gradient.

    network: {"encoders", "heads"}, the parts of the student that are led. What it remembers beside its parameters (statistics,
    memories) is its own.
    """

    network: nn.ModuleDict

    def adopt(self, student: nn.ModuleDict) -> None:
        """Begin as the student's copy."""
        self.network = copy.deepcopy(student).requires_grad_(False)

    def after_step(self, student: nn.ModuleDict, step: Step) -> None:
        """Move, once after every step; a teacher that does not stays as it began."""


class Ema(Teacher):
    """An exponential moving average of the student: teacher <- m * teacher + (1 - m) * student, after every step.

    momentum: m, usually a schedule that ends at 1 (DINO, section 3.1); 0 makes it the student itself, without gradient.
    """

    def __init__(self, momentum: Schedule) -> None:
        super().__init__()
        self.momentum = momentum

    def share(self, step: Step) -> float:
        """How much of itself it keeps at this step."""
        return at(self.momentum, step)

    @torch.no_grad()
    def after_step(self, student: nn.ModuleDict, step: Step) -> None:
        mine, theirs = ([*net.parameters()] for net in (self.network, student))
        torch._foreach_lerp_(tuple(mine), tuple(theirs), 1 - self.share(step))


class Previous(Teacher):
    """The student as it was when the present round began: a copy, taken anew after each of `rounds` equal rounds of training."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self.rounds = rounds

    @torch.no_grad()
    def after_step(self, student: nn.ModuleDict, step: Step) -> None:
        if round_of(Step(step.index + 1, step.total), self.rounds)[1].index == 0:
            mine, theirs = ([*net.parameters()] for net in (self.network, student))
            torch._foreach_copy_(tuple(mine), tuple(theirs))
