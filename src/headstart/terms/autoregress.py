"""Say what comes next: GPT on bytes, patches of a series, or anything in an order."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..losses import mse
from ..scene import Scene
from ..targets import Target, raw
from .term import Term, average, row_losses


class autoregress(Term):
    """Every row predicts the row `shift` places on. With a class token in front, the first row of data is predicted too.

    The encoder must be causal; the head maps [K, width] to the target's width.
    """

    def __init__(
        self,
        head: nn.Module,
        target: Target = raw,
        loss: Callable[[Tensor, Tensor], Tensor] = mse,
        shift: int = 1,
        view: str = "x",
    ) -> None:
        super().__init__()
        if shift < 1:
            raise ValueError(f"shift counts rows ahead, at least 1, not {shift}")
        self.head, self.target, self.loss, self.shift, self.view = head, target, loss, shift, view
        self.reads, self.ahead = (view,), view

    def forward(self, scene: Scene) -> Tensor:
        view, z = scene.views[self.view], scene.student.z[self.view]
        spans = view.clean.layout
        before = max(0, spans.slots - 1)  # of several slots only the last one speaks
        counts = tuple(max(0, n - before - self.shift) for n in spans.lengths)
        speaks = (spans.place >= before) & (spans.place + self.shift < spans.cu.diff()[spans.seg])
        rows = torch.nonzero_static(speaks, size=sum(counts))[:, 0]
        ahead = rows + self.shift
        losses = row_losses(self.loss, self.head(z.values[rows]), self.target(view, ahead, scene))
        return average(losses, None if view.weight is None else view.weight[ahead])
