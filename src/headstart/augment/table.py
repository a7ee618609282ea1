"""A table's row seen differently: fewer of its columns, and some cells as another row has them."""

import torch

from ..step import Rng
from ..tokens import Tokens
from .thin import thin

SWAPPED = 0.2  # of the cells that stay


def crop_rows(tokens: Tokens, rng: Rng, scale: tuple[float, float], shrink: float) -> Tokens:
    """A random share of the cells in `scale` (TransTab's parts of a row, Wang & Sun 2022), a fifth of them then replaced by
    what another row of the batch says in the same column (SCARF, Bahri et al. 2022, section 3). `shrink` is unused."""
    return swap(thin(tokens, rng.fold("columns"), scale), rng.fold("swap"), SWAPPED)


def swap(tokens: Tokens, rng: Rng, share: float) -> Tokens:
    """Each cell with probability `share` says what another segment's cell of its column says, if there is one."""
    spans = tokens.layout
    if not len(tokens):
        return tokens
    _, column = torch.unique(tokens.coords, dim=0, return_inverse=True)
    column = torch.where(tokens.slot, -1, column)
    u = rng.rows(spans.seg, spans.place, 2)
    order = u[:, 0].argsort(stable=True)
    order = order[column[order].argsort(stable=True)]  # the cells of a column side by side, shuffled
    there = column[order]
    first = torch.searchsorted(there, there)
    following = torch.arange(1, len(order) + 1, device=order.device).clamp(max=len(order) - 1)
    following = torch.where(there[following] == there, following, first)
    following[-1] = first[-1]
    partner = torch.empty_like(order)
    partner[order] = order[following]
    swapped = (u[:, 1] < share) & ~tokens.slot
    return tokens.with_values(torch.where(swapped[:, None], tokens.values[partner], tokens.values))
