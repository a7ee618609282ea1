"""Source code seen differently: another stretch of neighbouring rows."""

from ..step import Rng
from ..tokens import Tokens
from .passage import passage


def crop_rows(tokens: Tokens, rng: Rng, scale: tuple[float, float], shrink: float) -> Tokens:
    """A random passage of each file, a share in `scale`, its first line numbered 0; `shrink` is unused."""
    return passage(tokens, rng, scale)
