"""What was said at earlier steps, kept to compare with."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from .. import dist
from ..step import Step


class Queue(nn.Module):
    """The last `size` vectors that were put in, of all ranks and equal on all of them; zeros where nothing has come yet.

    What is put in while training waits until the step is over. begin: the share of training before which nothing is kept.
    """

    rows: Float[Tensor, "N D"]
    at: Int[Tensor, ""]

    def __init__(self, size: int, dim: int, begin: float = 0.0) -> None:
        super().__init__()
        self.begin = begin
        self.register_buffer("rows", torch.zeros(size, dim))
        self.register_buffer("at", torch.zeros((), dtype=torch.int64))  # how many have come so far
        self._new: Tensor | None = None

    @property
    def filled(self) -> Bool[Tensor, "N"]:
        """Places that something has come to."""
        return torch.arange(len(self.rows), device=self.at.device) < self.at

    def put(self, x: Float[Tensor, "B D"]) -> None:
        """Keep these, from the next step on; of several calls in a step the last one counts."""
        if self.training:
            self._new = x.detach()

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        new, self._new = self._new, None
        if new is None or step.done < self.begin or not len(self.rows):
            return
        new = dist.gather(new)[: len(self.rows)].to(self.rows.dtype)
        where = (self.at + torch.arange(len(new), device=new.device)) % len(self.rows)
        self.rows.index_copy_(0, where, new)
        self.at.add_(len(new))
