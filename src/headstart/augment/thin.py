"""Fewer rows of each segment, by chance: where rows are a set, any part of them is a part of the sample."""

from ..step import Rng
from ..tokens import Tokens
from .rows import share


def thin(tokens: Tokens, rng: Rng, scale: tuple[float, float]) -> Tokens:
    """A random choice of each segment's rows: a share in `scale`, at least one row. Order and slots stay."""
    spans = tokens.layout
    score = rng.fold("which").rows(spans.seg, spans.place)[:, 0]
    return share(tokens, score, rng.segments()[:, 0], scale)
