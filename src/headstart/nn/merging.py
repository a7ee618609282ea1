"""Half the rows after the middle: rows that are alike become one (Bolya et al., "Token Merging", 2023, section 3)."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import Mistake
from ..tokens import Tokens, layout
from .attention import same_lengths
from .transformer import Block, Keys, asks_pairs, initialise, layer_norm


class Merging(nn.Module):
    """A trunk that gives one row for every two: after half of its blocks, every second row becomes one with the row most like it.

    For methods that read samples as wholes; those that ask for every row say that they get too few.
    """

    absolute = True

    def __init__(
        self, width: int, depth: int, heads: int, causal: bool = False, block: Callable[..., nn.Module] = Block
    ) -> None:
        super().__init__()
        if causal:
            raise Mistake("a causal row must not know of later ones, and rows that become one do")
        self.blocks = nn.ModuleList(block(width, heads) for _ in range(depth))
        self.norm = layer_norm(width)
        self.paired = asks_pairs(self)
        initialise(self)

    def forward(self, x: Tokens, keys: Keys | None = None, depths: tuple[int, ...] = ()) -> list[Tokens]:
        if keys is not None:
            raise Mistake("rows that nobody may attend to cannot become one with others: take another trunk")
        found = []
        for depth, block in enumerate(self.blocks):
            if depth == len(self.blocks) // 2:
                x = merged(x)
            if depth in depths:
                found.append(x)
            x = block(x)
        return [*found, *[x] * (len(self.blocks) in depths), x.with_values(self.norm(x.values))]


def merged(x: Tokens) -> Tokens:
    """Every second content row becomes one with the most similar of the others of its segment, of which it is the mean; so do
    their coordinates, and their pairs."""
    spans = x.layout
    where = torch.empty(len(x), dtype=torch.int64, device=x.device)
    kept = [spans.slots + (n + 1) // 2 for n in x.content]
    new = layout(tuple(kept), spans.slots, str(x.device))
    like = F.normalize(x.values.detach().float(), dim=-1)
    for n, _, rows, _ in same_lengths(spans.lengths, spans.lengths, str(x.device)):
        every = torch.arange(len(x), device=x.device)[rows].view(-1, n)
        where[every] = _after(like[every], spans.slots) + new.cu[spans.seg[every[:, :1]]]
    count = torch.zeros(new.rows, device=x.device).index_add(0, where, torch.ones(len(x), device=x.device))[:, None]
    values, coords = (
        (each.new_zeros(new.rows, each.shape[1], dtype=torch.float32).index_add(0, where, each.float()) / count).to(
            each.dtype
        )
        for each in (x.values, x.coords)
    )
    pairs = None if x.pairs is None else x.pairs.moved(where)
    return Tokens(values, coords, new, x.name, pairs=pairs, asides=x.asides)


def _after(like: Float[Tensor, "S n D"], slots: int) -> Int[Tensor, "S n"]:
    """The place of every row once every second content row has become one with another."""
    rows = like[:, slots:]
    staying, going = rows[:, ::2], rows[:, 1::2]
    place = torch.arange(like.shape[1], device=like.device).repeat(len(like), 1)
    place[:, slots::2] = slots + torch.arange(staying.shape[1], device=like.device)
    if going.shape[1]:
        place[:, slots + 1 :: 2] = slots + (going @ staying.transpose(1, 2)).argmax(-1)
    return place
