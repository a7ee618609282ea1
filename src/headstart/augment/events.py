"""A record seen differently: another stretch of time, and not every event in it."""

from ..step import Rng
from ..tokens import Tokens
from .rows import part
from .thin import thin

STAYS = (0.7, 1.0)  # the share of the stretch's events that is noticed


def crop_rows(tokens: Tokens, rng: Rng, scale: tuple[float, float], shrink: float) -> Tokens:
    """The events around a random one, a share in `scale` of all, of which up to three in ten are left out. `shrink` is unused."""
    return thin(part(tokens, rng.fold("stretch"), scale), rng.fold("events"), STAYS)
