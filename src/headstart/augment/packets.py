"""A flow seen differently: another run of its packets."""

from ..step import Rng
from ..tokens import Tokens
from .passage import passage


def crop_rows(tokens: Tokens, rng: Rng, scale: tuple[float, float], shrink: float) -> Tokens:
    """Neighbouring rows of each flow, a share in `scale`, the first packet numbered 0; `shrink` is unused."""
    return passage(tokens, rng, scale)
