"""Molecules seen differently: a connected part, a few bonds fewer. What atoms are called stays: RDKit's order has a meaning."""

from ..step import Rng
from ..tokens import Tokens
from .graph import part


def crop_rows(tokens: Tokens, rng: Rng, scale: tuple[float, float], shrink: float) -> Tokens:
    """A share in `scale` of each molecule's atoms around a random one, and nine in ten of the bonds between (`graph.part`)."""
    return part(tokens, rng, scale)
