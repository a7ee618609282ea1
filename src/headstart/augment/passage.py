"""A passage of a sequence: neighbouring rows of each segment, for every kind whose rows have an order."""

import torch

from ..step import Rng
from ..tokens import Tokens
from .rows import part


def passage(tokens: Tokens, rng: Rng, scale: tuple[float, float]) -> Tokens:
    """A share in `scale` of each segment's rows, one after another; the first axis starts at 0 again.

    A part of a sequence is a sequence, so nothing in it says from where it was taken.
    """
    spans = tokens.layout
    numbered = Tokens(
        torch.arange(len(tokens), device=tokens.device),
        spans.place.to(torch.float32)[:, None],
        spans,
        tokens.name,
    )
    chosen = part(numbered, rng, scale)
    coords, at = tokens.coords[chosen.values], chosen.layout
    first = (at.cu[:-1].long() + at.slots).clamp(max=max(0, len(chosen) - 1))
    start = coords[first, 0][at.seg].masked_fill(chosen.slot, 0.0)
    coords = torch.cat([coords[:, :1] - start[:, None], coords[:, 1:]], 1)
    return Tokens(tokens.values[chosen.values], coords, at, tokens.name)
