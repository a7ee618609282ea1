"""Find the partner: SimCLR, SwAV, CLIP, SigLIP, VICReg differ in views, heads and loss."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ..nn.heads import Read, mean
from ..scene import Scene
from .term import Meeting, Term


class contrast(Term):
    """Several looks at the same samples, each read off as one vector and projected, meet in a loss.

    views: their names; a view of several crops gives one look for each. head: one for all views, or one for each. loss: called
    with a [B, D] for every look. Samples of which a part is missing are left out.
    """

    def __init__(
        self,
        views: tuple[str, ...],
        head: nn.Module | Mapping[str, nn.Module],
        loss: Callable[..., Tensor],
        read: Read = mean,
    ) -> None:
        super().__init__()
        self.read, self.loss, self.reads = read, loss, views
        self.by_row = False
        self.head = nn.ModuleDict(head) if isinstance(head, Mapping) else head

    def meets(self) -> Meeting:
        """Every view that it reads meets the others."""
        head = self.head
        each = {name: head[name] if isinstance(head, nn.ModuleDict) else head for name in self.reads}
        return Meeting(each, self.read)

    def forward(self, scene: Scene) -> Tensor:
        looks, meeting = {name: scene.student.z[name] for name in self.reads}, self.meets()
        there = [
            all(parts) for parts in zip(*(_there(z.content, scene.batch.size) for z in looks.values()), strict=True)
        ]
        size, missing = scene.batch.size, not all(there)
        chosen = torch.tensor(there).nonzero()[:, 0].to(scene.batch.index.device)
        projections: list[Tensor] = []
        for name, z in looks.items():
            for crop in meeting.read(z).split(size):
                projections.append(meeting.heads[name](crop[chosen] if missing else crop))
        return self.loss(*projections)


def _there(content: tuple[int, ...], size: int) -> list[bool]:
    """Which samples have rows in every crop."""
    return [all(content[sample::size]) for sample in range(size)]
