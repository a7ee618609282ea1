"""The pre-norm transformer (ViT form) over packed rows. A variant is another `block`, passed in."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ..tokens import Layout, Rows
from .attention import attend
from .linear import LayerNorm, Linear


class Mlp(nn.Module):
    """Two linear maps with a GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up, self.down = Linear(width, hidden), Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x)))


@dataclass(frozen=True)
class Keys:
    """The rows that others may attend to, and how they lie in their segments."""

    index: Int[Tensor, "K"]
    layout: Layout


class Attention(nn.Module):
    """Multi-head self-attention inside segments."""

    def __init__(self, width: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} does not divide into {heads} heads")
        self.heads, self.causal = heads, causal
        self.qkv, self.out = Linear(width, 3 * width), Linear(width, width)

    def forward(self, x: Float[Tensor, "T D"], layout: Layout, keys: Keys | None = None) -> Float[Tensor, "T D"]:
        """Every row attends to its segment, or only to those of its rows that are `keys`."""
        if keys is None:
            q, k, v = self.qkv(x).view(len(x), 3, self.heads, -1).unbind(1)
            return self.out(attend(q, k, v, layout, causal=self.causal).reshape(x.shape))
        if self.causal:
            raise ValueError("a causal row must know what lies before it, which a choice of keys hides")
        width = x.shape[1]
        q = self.qkv.part(x, slice(0, width)).view(len(x), self.heads, -1)
        k, v = (
            self.qkv.part(x[keys.index], slice(width, 3 * width)).view(-1, 2, self.heads, width // self.heads).unbind(1)
        )
        return self.out(attend(q, k, v, layout, keys.layout).reshape(x.shape))

    def only(self, x: Float[Tensor, "T D"], layout: Layout, rows: Rows, ends: Layout) -> Float[Tensor, "K D"]:
        """The output at these rows alone, which `ends` lays out; the rest of x is read but not answered for."""
        if self.causal:
            raise ValueError("a causal row must know what lies before it, which a choice of rows hides: use forward")
        width = x.shape[1]
        q = self.qkv.part(x[rows.index], slice(0, width)).view(len(rows), self.heads, width // self.heads)
        k, v = self.qkv.part(x, slice(width, 3 * width)).view(len(x), 2, self.heads, -1).unbind(1)
        return self.out(attend(q, k, v, ends, layout).reshape(len(rows), width))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, width: int, heads: int, ratio: float = 4.0, causal: bool = False) -> None:
        super().__init__()
        self.norm1, self.attention = LayerNorm(width, eps=1e-6), Attention(width, heads, causal)
        self.norm2, self.mlp = LayerNorm(width, eps=1e-6), Mlp(width, int(ratio * width))

    def forward(self, x: Float[Tensor, "T D"], layout: Layout, keys: Keys | None = None) -> Float[Tensor, "T D"]:
        x = x + self.attention(self.norm1(x), layout, keys)
        return x + self.mlp(self.norm2(x))

    def only(self, x: Float[Tensor, "T D"], layout: Layout, rows: Rows, ends: Layout) -> Float[Tensor, "K D"]:
        """What forward gives at these rows, without computing the others."""
        y = x[rows.index] + self.attention.only(self.norm1(x), layout, rows, ends)
        return y + self.mlp(self.norm2(y))


class Transformer(nn.Module):
    """A stack of blocks and a final norm."""

    def __init__(
        self, width: int, depth: int, heads: int, causal: bool = False, block: Callable[..., nn.Module] = Block
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(block(width, heads, causal=causal) for _ in range(depth))
        self.norm = LayerNorm(width, eps=1e-6)
        initialise(self)

    def forward(self, x: Float[Tensor, "T D"], layout: Layout, keys: Keys | None = None) -> Float[Tensor, "T D"]:
        return self.states(x, layout, keys)[-1]

    def states(
        self, x: Float[Tensor, "T D"], layout: Layout, keys: Keys | None = None, depths: tuple[int, ...] = ()
    ) -> list[Tensor]:
        """The rows after each of `depths` blocks, as they run through, and last the rows after all of them, normalised."""
        found = []
        for depth, block in enumerate(self.blocks):
            if depth in depths:
                found.append(x)
            x = block(x, layout, keys)
        return [*found, *[x] * (len(self.blocks) in depths), self.norm(x)]


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """The one table of initial values: Xavier-uniform matrices, zero biases, unit norms (as MAE, He et al. 2022, A.1)."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.LayerNorm):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Embedding):
            nn.init.normal_(part.weight, std=0.02)
