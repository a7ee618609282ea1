"""What sits between an encoder's rows and a loss, and how a sample is read off as one vector."""

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..tokens import Tokens, View, every, layout, segment_mean
from .linear import LayerNorm, Linear
from .position import sincos
from .transformer import Block, initialise

Read = Callable[[Tokens], Tensor]  # Tokens [T, D] -> [S, ...]


def first(z: Tokens) -> Float[Tensor, "S D"]:
    """The class token: the first reserved row of every segment."""
    if not z.layout.slots:
        raise ValueError("these rows were packed without slots, so there is no class token: read them with mean")
    return z.values[z.layout.cu[:-1].long()]


def last(z: Tokens) -> Float[Tensor, "S D"]:
    """The last row of every segment: where a causal encoder knows the whole sample."""
    return z.values[z.layout.cu[1:].long() - 1]


def mean(z: Tokens) -> Float[Tensor, "S D"]:
    """The mean over content rows."""
    return segment_mean(z.values, z.layout)


def mean_std(z: Tokens) -> Float[Tensor, "S E"]:
    """Mean and standard deviation over content rows: what is there, and how much it varies over the sample."""
    centre = segment_mean(z.values, z.layout)
    spread = segment_mean((z.values.float() - centre[z.layout.seg]) ** 2, z.layout)
    return torch.cat([centre, (spread + 1e-6).sqrt()], 1)


def boxes(z: Tokens) -> Float[Tensor, "S B2D"]:
    """`mean_std` in each half along every axis: 2 parts of a series, 4 of a picture. Says also where things are.

    The halves divide each sample's own extent; a part without rows is zero. Beyond three axes it is `mean_std`.
    """
    spans, axes = z.layout, z.coords.shape[1]
    if not 1 <= axes <= 3:  # 2 ** 4 parts and more would be nearly empty, and places by name have no halves
        return mean_std(z)
    rows = torch.nonzero_static(~z.slot, size=sum(z.content))[:, 0]
    x, coords, seg = z.values[rows].float(), z.coords[rows], spans.seg[rows]
    each = seg[:, None].expand(-1, axes)
    low, high = (
        coords.new_zeros(spans.segments, axes).scatter_reduce(0, each, coords, f, include_self=False)
        for f in ("amin", "amax")
    )
    upper = (coords > ((low + high) / 2)[seg]).long()
    parts = 2**axes
    part = seg * parts + (upper * 2 ** torch.arange(axes, device=upper.device)).sum(1)
    count = x.new_zeros(spans.segments * parts).index_add(0, part, x.new_ones(len(x))).clamp(min=1)[:, None]
    centre = x.new_zeros(spans.segments * parts, x.shape[1]).index_add(0, part, x) / count
    spread = torch.zeros_like(centre).index_add(0, part, (x - centre[part]) ** 2) / count
    return torch.cat([centre, spread.sqrt()], 1).view(spans.segments, -1)


def rows_of(z: Tokens) -> Float[Tensor, "K D"]:
    """Every content row, for what is said of each."""
    return z.values[every(z).index]


class at_hidden(nn.Module):
    """A map applied to the rows that were hidden; for views whose holes were filled, not dropped."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        initialise(self)

    def forward(self, z: Tokens, view: View) -> Float[Tensor, "K D"]:
        if view.dropped:
            raise ValueError(
                "at_hidden needs a row for everything hidden, but they were dropped: use a decoder, or another fill"
            )
        return self.inner(z.values[view.hidden.index])


class decoder(nn.Module):
    """A light transformer that puts mask tokens where rows are missing and predicts them (MAE, section 3 and A.1).

    The last block and the output are computed at hidden rows alone: nobody reads the others.
    """

    def __init__(self, width: int, out: int, depth: int = 8, dim: int | None = None, heads: int | None = None) -> None:
        super().__init__()
        dim = dim or min(512, max(64, round(width / 96) * 64))  # two thirds; 512 at ViT-B and above, as in the paper
        heads = heads or dim // 32
        self.enter = Linear(width, dim)
        self.mask = nn.Parameter(torch.randn(dim) * 0.02)
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
        self.norm = LayerNorm(dim, eps=1e-6)
        self.out = Linear(dim, out)
        initialise(self)

    def forward(self, z: Tokens, view: View) -> Float[Tensor, "K out"]:
        clean, hidden = view.clean, view.hidden
        x = self.enter(z.values)
        mask = self.mask.to(x.dtype)
        if view.dropped:
            x = mask.expand(len(clean), -1).index_copy(0, view.kept.index, x)
        else:
            x = torch.where(hidden.mask[:, None], mask, x)
        place = sincos(clean.coords, x.shape[1])
        x = x + place.masked_fill(clean.slot[:, None], 0).to(x.dtype)
        if not len(self.blocks):
            return self.out(self.norm(x[hidden.index]))
        for block in self.blocks[:-1]:
            x = block(x, clean.layout)
        x = cast(Block, self.blocks[-1]).only(x, clean.layout, hidden, layout(hidden.counts, 0, str(x.device)))
        return self.out(self.norm(x))


class prototypes(nn.Module):
    """DINO's projection head: three layers, a unit-length bottleneck, then cosine similarity to `codes` prototypes.

    (Caron et al. 2021, appendix C; the released code's `norm_last_layer=True`: prototypes have unit length.)
    """

    def __init__(self, width: int, codes: int, hidden: int = 2048, bottleneck: int = 256) -> None:
        super().__init__()
        self.project = nn.Sequential(
            Linear(width, hidden), nn.GELU(), Linear(hidden, hidden), nn.GELU(), Linear(hidden, bottleneck)
        )
        self.codes = nn.Parameter(torch.randn(codes, bottleneck))
        for part in self.project:
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=0.02)
                nn.init.zeros_(part.bias)

    def forward(self, x: Float[Tensor, "S D"]) -> Float[Tensor, "S codes"]:
        x = F.normalize(self.project(x).float(), dim=-1, eps=1e-6)
        return x @ F.normalize(self.codes, dim=-1).T
