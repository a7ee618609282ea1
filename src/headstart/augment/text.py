"""Text seen differently: another passage of it."""

from ..step import Rng
from ..tokens import Tokens
from .passage import passage


def crop_rows(tokens: Tokens, rng: Rng, scale: tuple[float, float], shrink: float) -> Tokens:
    """A random passage of each text, a share in `scale`. Bytes cannot be resampled: `shrink` is unused."""
    return passage(tokens, rng, scale)
