"""A page seen differently: a part of it, words and picture alike."""

import torch

from ..step import Rng
from ..tokens import Tokens
from ..tree import replace
from .rows import part

ORDER = 4  # the axis that says which word comes first: not a place on the page


def crop_rows(tokens: Tokens, rng: Rng, scale: tuple[float, float], shrink: float) -> Tokens:
    """The rows around a random one, a share in `scale` by the boxes' places on the page; `shrink` is unused.

    Places stay, because where on the page something stands is part of what it means (a title, a sum, a footer).
    """
    page = tokens.coords.clone()
    page[:, ORDER:] = 0
    numbered = replace(tokens, values=torch.arange(len(tokens), device=tokens.device), coords=page)
    chosen = part(numbered, rng, scale)
    return Tokens(tokens.values[chosen.values], tokens.coords[chosen.values], chosen.layout, tokens.name)
