"""The contract of a term."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ..losses import cross_entropy
from ..nn.heads import Read
from ..scene import Scene
from ..tokens import Tokens


@dataclass(frozen=True)
class Meeting:
    """Views of the same samples that are brought together. heads: each view's projection. read: how rows become one vector."""

    heads: Mapping[str, nn.Module]
    read: Read

    def project(self, view: str, z: Tokens) -> Tensor:
        """[S, D] of the segments of a view's encoded rows."""
        return self.heads[view](self.read(z))


class Term(nn.Module):
    """One part of a loss. Owns its head; everything it remembers is a buffer, moved by `after_step` of the part that remembers.

    reads: the views it needs encoded by the student; reads_teacher: by the teacher. depths: also after so many blocks. by_row:
    it asks for each row of these views, so a trunk that gives fewer will not do; a term that reads samples as wholes says False.
    restores: the view whose hidden rows it can give back, if it can. hides: the view of which it predicts hidden rows from the
    others, if it does; `predicted` says what. ahead: the view whose rows may not see those after them, if there is one.
    """

    reads: tuple[str, ...] = ()
    reads_teacher: tuple[str, ...] = ()
    depths: tuple[int, ...] = ()
    by_row: bool = True
    restores: str | None = None
    hides: str | None = None
    ahead: str | None = None
    name: str = ""  # its name in the objective, set there
    head: nn.Module

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Identity()

    def look_up(self, index: Tensor) -> None:
        """Make what it keeps of these samples for the whole run. Whoever times steps calls it first; a step does by itself."""

    def led(self) -> nn.Module | None:
        """What the teacher has a copy of, besides the encoder, if the term reads a teacher: the head."""
        return self.head

    def meets(self) -> Meeting | None:
        """The views whose vectors it brings together, for probes of pairs; None: it does not."""
        return None

    def predicted(self, scene: Scene) -> Tensor:
        """[K, ...] what it says of the K hidden rows of the view `hides`, before that is compared with anything."""
        raise TypeError(f"{type(self).__name__} hides a view, and has no `predicted`: define one that returns [K, ...]")

    def restored(self, scene: Scene) -> Tensor:
        """[K, D] what it says is the payload at the hidden rows of the view `restores`, for pictures."""
        raise TypeError(f"{type(self).__name__} restores a view, and has no `restored`: define one that returns [K, D]")

    def forward(self, scene: Scene) -> Tensor:
        raise TypeError(f"{type(self).__name__} is a Term without a forward: define one that returns the loss")


def row_losses(loss: Callable[[Tensor, Tensor], Tensor], prediction: Tensor, target: Tensor) -> Tensor:
    """What is wrong at each row: by `loss` where the target is numbers, by cross-entropy where it is an id."""
    return loss(prediction, target) if target.is_floating_point() else cross_entropy(prediction, target)


def average(losses: Tensor, weight: Tensor | None) -> Tensor:
    """The mean over rows, each counting by its weight; 0 where nothing is scored."""
    if not len(losses):
        return losses.sum()
    if weight is None:
        return losses.mean()
    return (losses * weight).sum() / weight.sum().clamp(min=1e-6)
