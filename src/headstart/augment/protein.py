"""A protein seen differently: another stretch of its chain."""

from ..step import Rng
from ..tokens import Tokens
from .passage import passage


def crop_rows(tokens: Tokens, rng: Rng, scale: tuple[float, float], shrink: float) -> Tokens:
    """A random stretch of each chain, a share in `scale`. Residues cannot be resampled: `shrink` is unused."""
    return passage(tokens, rng, scale)
