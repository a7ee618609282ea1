"""Find the partner: SimCLR, MoCo, CLIP, SigLIP, VICReg differ in views, heads and loss."""

from collections.abc import Callable, Mapping
from typing import cast

from torch import Tensor, nn

from ..nn.heads import Read, mean
from .term import Scene, Term


class contrast(Term):
    """Two views of the same samples, each read off as one vector and projected by its own head, meet in a loss.

    Every sample must have both: `data.whole()`.
    """

    def __init__(
        self, a: str, b: str, head: Mapping[str, nn.Module], loss: Callable[[Tensor, Tensor], Tensor], read: Read = mean
    ) -> None:
        super().__init__()
        self.a, self.b, self.read = a, b, read
        self.head = nn.ModuleDict(head)
        self.loss = loss
        self.reads = (a, b)

    def forward(self, scene: Scene) -> Tensor:
        heads = cast(nn.ModuleDict, self.head)
        sides = [scene.student.z[name] for name in (self.a, self.b)]
        a, b = (heads[name](self.read(z)) for name, z in zip((self.a, self.b), sides, strict=True))
        return self.loss(a, b)
