"""The contract of a term, and the scene it is shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ..losses import cross_entropy
from ..step import Step
from ..tokens import Batch, Tokens, View


@dataclass(frozen=True)
class Side:
    """What one network made of the views: student or teacher."""

    z: dict[str, Tokens]  # encoded views, [T, width]
    heads: Mapping[str, nn.Module]  # each term's head as this network has it, by the term's name


@dataclass(frozen=True)
class Scene:
    """Everything a term may look at."""

    views: dict[str, View]
    student: Side
    teacher: Side | None
    batch: Batch
    step: Step


class Term(nn.Module):
    """One part of a loss. Owns its head; everything it remembers is a buffer.

    reads: the views it needs encoded by the student; reads_teacher: by the teacher.
    """

    reads: tuple[str, ...] = ()
    reads_teacher: tuple[str, ...] = ()
    name: str = ""  # its name in the objective, set there
    head: nn.Module

    def forward(self, scene: Scene) -> Tensor:
        raise TypeError(f"{type(self).__name__} is a Term without a forward: define one that returns the loss")

    def after_step(self, step: Step) -> None:
        """Move what the loss remembers (a centre, a queue); called once after every optimizer step."""
        for part in self.children():
            move = getattr(part, "after_step", None)
            if move is not None:
                move(step)


def row_losses(loss: Callable[[Tensor, Tensor], Tensor], said: Tensor, target: Tensor) -> Tensor:
    """What is wrong at each row: by `loss` where the target is numbers, by cross-entropy where it is an id."""
    return loss(said, target) if target.is_floating_point() else cross_entropy(said, target)


def average(losses: Tensor, weight: Tensor | None) -> Tensor:
    """The mean over rows, each counting by its weight; 0 where nothing is scored."""
    if not len(losses):
        return losses.sum()
    if weight is None:
        return losses.mean()
    return (losses * weight).sum() / weight.sum().clamp(min=1e-6)
