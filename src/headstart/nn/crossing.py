"""Rows that look at another sequence of the same sample: cross-attention, and the decoder that restores one view with another
at hand (CroCo, Weinzaepfel et al. 2022; SiamMAE, Gupta et al. 2023)."""

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..tokens import Rows, Tokens, View, layout
from .attention import attend
from .heads import lighter, put_back, told
from .linear import LayerNorm, Linear
from .transformer import Attention, Mlp, initialise


class CrossAttention(nn.Module):
    """Multi-head attention of the rows of each segment to those of the same segment of another sequence."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} does not divide into {heads} heads")
        self.heads = heads
        self.ask, self.tell, self.out = Linear(width, width), Linear(width, 2 * width), Linear(width, width)

    def forward(self, x: Tokens, context: Tokens) -> Float[Tensor, "T D"]:
        """What each row finds in the context."""
        each = x.values.shape[1] // self.heads
        q = self.ask(x.values).view(len(x), self.heads, each)
        k, v = self.tell(context.values).view(len(context), 2, self.heads, each).unbind(1)
        return self.out(attend(q, k, v, x.layout, context.layout).reshape(x.values.shape))


class CrossBlock(nn.Module):
    """x + attention(norm(x)), then x + cross-attention(norm(x), norm(context)), then x + mlp(norm(x)) (CroCo, section 3.1)."""

    def __init__(self, width: int, heads: int, ratio: float = 4.0, causal: bool = False) -> None:
        super().__init__()
        self.norm1, self.attention = LayerNorm(width, eps=1e-6), Attention(width, heads, causal)
        self.norm2, self.norm_context = LayerNorm(width, eps=1e-6), LayerNorm(width, eps=1e-6)
        self.cross = CrossAttention(width, heads)
        self.norm3, self.mlp = LayerNorm(width, eps=1e-6), Mlp(width, int(ratio * width))

    def forward(self, x: Tokens, context: Tokens) -> Tokens:
        y = x.values + self.attention(x.with_values(self.norm1(x.values)))
        return self._after(x.with_values(y), context)

    def only(self, x: Tokens, rows: Rows, context: Tokens) -> Float[Tensor, "K D"]:
        """What forward gives at these rows, without computing the others."""
        y = x.values[rows.index] + self.attention.only(x.with_values(self.norm1(x.values)), rows)
        return self._after(alone(x, rows, y), context).values

    def _after(self, x: Tokens, context: Tokens) -> Tokens:
        beside = context.with_values(self.norm_context(context.values))
        y = x.values + self.cross(x.with_values(self.norm2(x.values)), beside)
        return x.with_values(y + self.mlp(self.norm3(y)))


def alone(x: Tokens, rows: Rows, values: Float[Tensor, "K D"]) -> Tokens:
    """These rows of x, without slots, saying something else."""
    return Tokens(values, x.coords[rows.index], layout(rows.counts, 0, str(x.device)), x.name)


class cross_decoder(nn.Module):
    """`heads.decoder` with a second view at hand: mask tokens stand where rows are missing, and every block also looks at the
    context's encoded rows, which stay the same for all blocks. Both views come in through one linear map.

    block: made with (width, heads); what it must have is in `CrossBlock`, the order of its parts is its own.
    """

    def __init__(
        self, width: int, out: int, depth: int = 8, dim: int | None = None, block: Callable[..., nn.Module] = CrossBlock
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError("a decoder without blocks never looks at its context: depth is at least 1")
        dim = dim or lighter(width)
        self.enter = Linear(width, dim)
        self.mask = nn.Parameter(torch.randn(dim) * 0.02)
        self.blocks = nn.ModuleList(block(dim, dim // 32) for _ in range(depth))
        self.norm = LayerNorm(dim, eps=1e-6)
        self.out = Linear(dim, out)
        initialise(self)

    def forward(self, z: Tokens, view: View, context: Tokens) -> Float[Tensor, "K out"]:
        x = view.clean.with_values(put_back(self.enter(z.values), self.mask, view))
        y = context.with_values(told(self.enter(context.values), context))
        for block in self.blocks[:-1]:
            x = block(x, y)
        return self.out(self.norm(cast(CrossBlock, self.blocks[-1]).only(x, view.hidden, y)))
