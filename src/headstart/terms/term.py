"""The contract of a term."""

from collections.abc import Callable

from torch import Tensor, nn

from ..losses import cross_entropy
from ..scene import Scene


class Term(nn.Module):
    """One part of a loss. Owns its head; everything it remembers is a buffer, moved by `after_step` of the part that remembers.

    reads: the views it needs encoded by the student; reads_teacher: by the teacher. depths: also after so many blocks. by_row:
    it asks for each row of these views, so a trunk that gives fewer will not do; a term that reads samples as wholes says False.
    """

    reads: tuple[str, ...] = ()
    reads_teacher: tuple[str, ...] = ()
    depths: tuple[int, ...] = ()
    by_row: bool = True
    name: str = ""  # its name in the objective, set there
    head: nn.Module

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Identity()

    def led(self) -> nn.Module | None:
        """What the teacher has a copy of, besides the encoder, if the term reads a teacher: the head."""
        return self.head

    def forward(self, scene: Scene) -> Tensor:
        raise TypeError(f"{type(self).__name__} is a Term without a forward: define one that returns the loss")


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
