"""What sits between an encoder's rows and a loss, and how a sample is read off as one vector."""

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..tokens import Tokens, View, every, segment_mean
from .linear import BatchNorm, LayerNorm, Linear
from .position import sincos
from .transformer import Block, initialise

Read = Callable[[Tokens], Tensor]  # Tokens [T, D] -> [S, ...]
STRETCHES = 16  # of a sample along its first axis, in `along`


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


def along(z: Tokens) -> Float[Tensor, "S ND"]:
    """The mean over content rows in each of 16 equal stretches along the first axis: what was when.

    The stretches divide each sample's own extent; one without rows is zero.
    """
    spans = z.layout
    rows = torch.nonzero_static(~z.slot, size=sum(z.content))[:, 0]
    x, at, seg = z.values[rows].float(), z.coords[rows, 0], spans.seg[rows]
    low, high = (
        at.new_zeros(spans.segments).scatter_reduce(0, seg, at, f, include_self=False) for f in ("amin", "amax")
    )
    share = (at - low[seg]) / (high - low + 1)[seg]
    part = seg * STRETCHES + (share * STRETCHES).long().clamp(0, STRETCHES - 1)
    count = x.new_zeros(spans.segments * STRETCHES).index_add(0, part, x.new_ones(len(x))).clamp(min=1)
    total = x.new_zeros(spans.segments * STRETCHES, x.shape[1]).index_add(0, part, x)
    return (total / count[:, None]).view(spans.segments, -1)


def rows_of(z: Tokens) -> Float[Tensor, "K D"]:
    """Every content row, for what is said of each."""
    return z.values[every(z).index]


def lighter(width: int) -> int:
    """The width of a decoder: two thirds of the encoder's; 512 at ViT-B and above, as in MAE."""
    return min(512, max(64, round(width / 96) * 64))


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


def put_back(x: Float[Tensor, "T D"], mask: Float[Tensor, "D"], view: View) -> Float[Tensor, "U D"]:
    """Rows of a view among all rows of its clean sample: hidden ones are the mask, and all are told where they are."""
    mask = mask.to(x.dtype)
    if view.dropped:
        x = mask.expand(len(view.clean), -1).index_copy(0, view.kept.index, x)
    else:
        x = torch.where(view.hidden.mask[:, None], mask, x)
    return told(x, view.clean)


def told(x: Float[Tensor, "T D"], tokens: Tokens) -> Float[Tensor, "T D"]:
    """These rows and where they are; slots are nowhere."""
    return x + sincos(tokens.coords, x.shape[1]).masked_fill(tokens.slot[:, None], 0).to(x.dtype)


class decoder(nn.Module):
    """A light transformer that puts mask tokens where rows are missing and predicts them (MAE, section 3 and A.1).

    The last block and the output are computed at hidden rows alone: nobody reads the others.
    """

    def __init__(self, width: int, out: int, depth: int = 8, dim: int | None = None, heads: int | None = None) -> None:
        super().__init__()
        dim = dim or lighter(width)
        heads = heads or dim // 32
        self.enter = Linear(width, dim)
        self.mask = nn.Parameter(torch.randn(dim) * 0.02)
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
        self.norm = LayerNorm(dim, eps=1e-6)
        self.out = Linear(dim, out)
        initialise(self)

    def forward(self, z: Tokens, view: View) -> Float[Tensor, "K out"]:
        return self.out(self.features(z, view))

    def features(self, z: Tokens, view: View) -> Float[Tensor, "K dim"]:
        """The hidden rows before they are put out, normalised."""
        clean, hidden = view.clean, view.hidden
        x = put_back(self.enter(z.values), self.mask, view)
        if not len(self.blocks):
            return self.norm(x[hidden.index])
        rows = clean.with_values(x)
        for block in self.blocks[:-1]:
            rows = block(rows)
        return self.norm(cast(Block, self.blocks[-1]).only(rows, hidden))


class prototypes(nn.Module):
    """DINO's projection head: three layers, a unit-length bottleneck, then cosine similarity to `codes` prototypes.

    (Caron et al. 2021, appendix C; the released code's `norm_last_layer=True`: prototypes have unit length.)
    """

    def __init__(self, width: int, codes: int, hidden: int | None = None, bottleneck: int | None = None) -> None:
        super().__init__()
        hidden = hidden or min(2048, 16 * width)  # from width 128 on this and the next are the paper's
        bottleneck = bottleneck or min(256, 4 * width)
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


class projector(nn.Sequential):
    """(Linear, BatchNorm, activation) `layers` - 1 times, then Linear to `out`: the head of SimCLR, MoCo v3, SwAV and SiT.

    activation: a class, or one for each hidden layer. normed: a last BatchNorm without gain (MoCo v3, Chen et al. 2021).
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        out: int,
        layers: int = 2,
        activation: type[nn.Module] | tuple[type[nn.Module], ...] = nn.ReLU,
        normed: bool = False,
    ) -> None:
        each = activation if isinstance(activation, tuple) else (activation,) * (layers - 1)
        parts: list[nn.Module] = []
        for act in each:
            parts += [Linear(width, hidden), BatchNorm(hidden), act()]
            width = hidden
        super().__init__(*parts, Linear(width, out), *([BatchNorm(out, affine=False)] if normed else []))
        initialise(self)
