"""Rows that have to do with each other, and attention that knows it: a learned number for each sort of pair is added to its
scores (Ying et al., "Do Transformers Really Perform Bad for Graph Representation?", 2021, section 3.1.3)."""

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from ..tokens import Pairs, Tokenizer, Tokens
from .attention import Bias, same_lengths


class PairBias(nn.Module):
    """A number for each sort of pair and each head. `partial(Block, attention=partial(Attention, bias=PairBias))` uses it."""

    paired = True

    def __init__(self, heads: int, sorts: int = 6) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.randn(sorts, heads) * 0.02)

    def forward(self, x: Tokens) -> Bias:
        if x.pairs is None:
            raise ValueError("these rows come without pairs: their encoder's trunk must say `paired`")
        if x.pairs.sorts > len(self.value):
            raise ValueError(
                f"there are {x.pairs.sorts} sorts of pairs, and numbers for {len(self.value)}: raise PairBias(sorts=)"
            )
        return Bias(x.pairs.first, x.pairs.second, self.value.to(x.values.dtype)[x.pairs.sort])


def pairs_of(tokenizer: Tokenizer, tokens: Tokens, placeless: Bool[Tensor, "T"] | None = None) -> Pairs:
    """The pairs that a tokenizer sees in these rows; where it knows of none, neighbours. Rows without a place are in none."""
    found = tokenizer.pairs(tokens) or neighbours(tokens)
    if placeless is None:
        return found
    rows = torch.arange(len(tokens), device=tokens.device)
    return found.moved(rows.masked_fill(placeless, -1))


def neighbours(tokens: Tokens) -> Pairs:
    """Rows of one segment that lie one step apart along one axis: of one sort for each axis and direction."""
    axes = min(3, tokens.coords.shape[1])
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    every = torch.arange(len(tokens), device=tokens.device)
    for n, _, rows, _ in same_lengths(tokens.layout.lengths, tokens.layout.lengths, str(tokens.device)):
        number = every[rows].view(-1, n)
        apart = tokens.coords[rows, :axes].view(-1, n, axes)
        apart = apart[:, None] - apart[:, :, None]  # [S, n, n, C], from the first row to the second
        near = (apart.abs().sum(-1) - 1).abs() < 1e-4
        near &= ~(tokens.slot[rows].view(-1, n, 1) | tokens.slot[rows].view(-1, 1, n))
        s, i, j = near.nonzero(as_tuple=True)
        step = apart[s, i, j]
        axis = step.abs().argmax(-1)
        sort = 2 * axis + (step.gather(1, axis[:, None])[:, 0] < 0)
        found.append((number[s, i], number[s, j], sort))
    first, second, sort = (torch.cat(each) for each in zip(*found, strict=True))
    return Pairs(first, second, sort, max(1, 2 * axes))
