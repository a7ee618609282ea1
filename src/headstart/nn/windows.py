"""Attention within windows of the coordinates: what a row pays grows with the window, not with the sample (Liu et al., "Swin
Transformer", 2021; with a class token that sees everything: Beltagy et al., "Longformer", 2020, section 3.1)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..errors import Mistake
from ..tokens import Layout, Tokens, layout
from .attention import attend
from .linear import Linear
from .transformer import Keys

AXES = 3  # the windows divide the first three axes


class WindowAttention(nn.Module):
    """Multi-head attention of each row to the rows of its window and to its sample's slots; slots attend to the whole sample.

    size: of a window along every axis, in the units of the coordinates. Windows begin at multiples of it; `shift` moves them by
    half of that. How many rows are in a window the host must know, so a device is waited for once a call.
    `partial(Block, attention=partial(WindowAttention, size=7.0))`.
    """

    def __init__(self, width: int, heads: int, causal: bool = False, size: float = 4.0, shift: bool = False) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} does not divide into {heads} heads")
        if causal:
            raise Mistake("a causal row must know what lies before it, which windows hide")
        self.heads, self.size, self.shift = heads, size, shift
        self.qkv, self.out = Linear(width, 3 * width, stacked=3), Linear(width, width)

    def forward(self, x: Tokens, keys: Keys | None = None) -> Float[Tensor, "T D"]:
        q, k, v = self.qkv(x.values).view(len(x), 3, self.heads, -1).unbind(1)
        asked = Keys(torch.arange(len(x), device=x.device), x.layout) if keys is None else keys
        found = torch.zeros_like(q)
        mine = torch.nonzero_static(~x.slot, size=sum(x.content))[:, 0]
        window, segment = self.windows(x, mine)
        rows, spans = _grouped(mine, window, len(segment))
        open_to = torch.zeros(len(x), dtype=torch.bool, device=x.device).index_fill(0, asked.index, True)
        slots = (x.layout.cu[:-1].long()[segment, None] + torch.arange(x.layout.slots, device=x.device)).flatten()
        of = torch.arange(len(segment), device=x.device).repeat_interleave(x.layout.slots)
        every, at = torch.cat([slots, mine]), torch.cat([of, window])
        seen = open_to[every]
        columns, beside = _grouped(every[seen], at[seen], len(segment))
        found = found.index_copy(0, rows, attend(q[rows], k[columns], v[columns], spans, beside))
        heads = torch.nonzero_static(x.slot, size=x.layout.slots * x.layout.segments)[:, 0]
        if len(heads):
            ends = layout((x.layout.slots,) * x.layout.segments, 0, str(x.device))
            told = attend(q[heads], k[asked.index], v[asked.index], ends, asked.layout)
            found = found.index_copy(0, heads, told)
        return self.out(found.reshape(x.values.shape))

    def windows(self, x: Tokens, rows: Int[Tensor, "K"]) -> tuple[Int[Tensor, "K"], Int[Tensor, "W"]]:
        """The window of each of these rows, and the segment of each window."""
        places = x.coords[rows, :AXES] / self.size + (0.5 if self.shift else 0.0)
        cells = torch.cat([x.layout.seg[rows, None], places.floor().long()], 1)
        found, window = cells.unique(dim=0, return_inverse=True)
        return window, found[:, 0]


def _grouped(rows: Int[Tensor, "K"], group: Int[Tensor, "K"], groups: int) -> tuple[Int[Tensor, "K"], Layout]:
    """The rows of each group one after another, and how they lie."""
    counts = tuple(group.bincount(minlength=groups).tolist())
    return rows[group.argsort(stable=True)], layout(counts, 0, str(rows.device))
