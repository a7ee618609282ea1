"""The pre-norm transformer (ViT form) over packed rows. A variant is another `block`, passed in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ..tokens import Layout, Rows, Tokens, layout
from .attention import Bias, attend, place_in
from .linear import LayerNorm, Linear

Turn = Callable[[Tensor, Tensor], Tensor]  # queries or keys [T, H, d], coordinates [T, C] -> the same rows, turned


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
    """Multi-head self-attention inside segments.

    turn: what is done to queries and keys by where their rows sit (`rotary`). bias: made with the number of heads, what is
    added to the scores of pairs of rows (`PairBias`).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        causal: bool = False,
        turn: Turn | None = None,
        bias: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} does not divide into {heads} heads")
        self.heads, self.causal, self.turn = heads, causal, turn
        self.qkv, self.out = Linear(width, 3 * width, stacked=3), Linear(width, width)
        self.bias = None if bias is None else bias(heads)

    def forward(self, x: Tokens, keys: Keys | None = None) -> Float[Tensor, "T D"]:
        """Every row attends to its segment, or only to those of its rows that are `keys`."""
        values, count = x.values, len(x)
        if keys is None:
            q, k, v = self.qkv(values).view(count, 3, self.heads, -1).unbind(1)
            if self.turn is not None:
                q, k = self.turn(q, x.coords), self.turn(k, x.coords)
            found = attend(q, k, v, x.layout, causal=self.causal, bias=self._bias(x))
            return self.out(found.reshape(values.shape))
        if self.causal:
            raise ValueError("a causal row must know what lies before it, which a choice of keys hides")
        q, (k, v) = self._queries(x, slice(None)), self._keys(x, keys.index)
        found = attend(q, k, v, x.layout, keys.layout, bias=self._bias(x, second=keys.index))
        return self.out(found.reshape(values.shape))

    def only(self, x: Tokens, rows: Rows) -> Float[Tensor, "K D"]:
        """The output at these rows alone; the rest of x is read but not answered for."""
        if self.causal:
            raise ValueError("a causal row must know what lies before it, which a choice of rows hides: use forward")
        ends = layout(rows.counts, 0, str(x.device))
        q, (k, v) = self._queries(x, rows.index), self._keys(x, slice(None))
        found = attend(q, k, v, ends, x.layout, bias=self._bias(x, first=rows.index))
        return self.out(found.reshape(len(rows), x.values.shape[1]))

    def _queries(self, x: Tokens, at: Tensor | slice) -> Float[Tensor, "K H d"]:
        rows, width = x.values[at], x.values.shape[1]
        q = self.qkv.part(rows, slice(0, width)).view(len(rows), self.heads, width // self.heads)
        return q if self.turn is None else self.turn(q, x.coords[at])

    def _keys(self, x: Tokens, at: Tensor | slice) -> tuple[Float[Tensor, "K H d"], Float[Tensor, "K H d"]]:
        rows, width = x.values[at], x.values.shape[1]
        k, v = (
            self.qkv.part(rows, slice(width, 3 * width)).view(len(rows), 2, self.heads, width // self.heads).unbind(1)
        )
        return (k if self.turn is None else self.turn(k, x.coords[at])), v

    def _bias(self, x: Tokens, first: Tensor | None = None, second: Tensor | None = None) -> Bias | None:
        """What is added to scores; first, second: the rows that ask and are asked, where these are not all."""
        if self.bias is None:
            return None
        found: Bias = self.bias(x)
        ends = ((first, found.first), (second, found.second))
        a, b = (rows if chosen is None else place_in(chosen, rows, len(x)) for chosen, rows in ends)
        return Bias(a, b, found.value)


def layer_norm(width: int) -> LayerNorm:
    """The norm of a ViT."""
    return LayerNorm(width, eps=1e-6)


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)). attention, mlp, norm: the parts it is made of."""

    def __init__(
        self,
        width: int,
        heads: int,
        ratio: float = 4.0,
        causal: bool = False,
        attention: Callable[..., nn.Module] = Attention,
        mlp: Callable[[int, int], nn.Module] = Mlp,
        norm: Callable[[int], nn.Module] = layer_norm,
    ) -> None:
        super().__init__()
        self.norm1, self.attention = norm(width), attention(width, heads, causal=causal)
        self.norm2, self.mlp = norm(width), mlp(width, int(ratio * width))

    def forward(self, x: Tokens, keys: Keys | None = None) -> Tokens:
        y = x.values + self.attention(x.with_values(self.norm1(x.values)), keys)
        return x.with_values(y + self.mlp(self.norm2(y)))

    def only(self, x: Tokens, rows: Rows) -> Float[Tensor, "K D"]:
        """What forward gives at these rows, without computing the others."""
        attention = cast(Attention, self.attention)
        y = x.values[rows.index] + attention.only(x.with_values(self.norm1(x.values)), rows)
        return y + self.mlp(self.norm2(y))


class Trunk(Protocol):
    """What an encoder runs its rows through: made with (width, depth, heads, causal=...), found by its importable name.

    Called with embedded rows, the rows that may be attended to (None: all), and depths; gives the rows after each of these
    depths, in their order, and last those of the whole. Rows may become fewer: then they come with a layout and coordinates
    of their own, slots at the head of every segment. Losses beside the task travel as `Tokens.asides`.
    """

    absolute: bool  # rows are to be told their place before they come in (False: its blocks look at the coordinates)
    paired: bool  # its blocks look at `Tokens.pairs`
    blocks: nn.ModuleList  # from the first to the last; empty where it has none

    def __call__(self, x: Tokens, keys: Keys | None = None, depths: tuple[int, ...] = ()) -> list[Tokens]: ...


class Transformer(nn.Module):
    """The plain trunk: a stack of blocks and a final norm. block: made with (width, heads, causal=...)."""

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        causal: bool = False,
        block: Callable[..., nn.Module] = Block,
        absolute: bool = True,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(block(width, heads, causal=causal) for _ in range(depth))
        self.norm = LayerNorm(width, eps=1e-6)
        self.absolute, self.paired = absolute, asks_pairs(self)
        initialise(self)

    def forward(self, x: Tokens, keys: Keys | None = None, depths: tuple[int, ...] = ()) -> list[Tokens]:
        found = []
        for depth, block in enumerate(self.blocks):
            if depth in depths:
                found.append(x)
            x = block(x, keys)
        return [*found, *[x] * (len(self.blocks) in depths), x.with_values(self.norm(x.values))]


def asks_pairs(module: nn.Module) -> bool:
    """Some part inside looks at pairs of rows: it says so by `paired`."""
    return any(getattr(part, "paired", False) is True for part in module.modules())


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
