"""Fewer rows of each segment, by chance: where rows are a set, any part of them is a part of the sample."""

import torch

from ..step import Rng
from ..tokens import Tokens, choose, select


def thin(tokens: Tokens, rng: Rng, scale: tuple[float, float]) -> Tokens:
    """A random choice of each segment's rows: a share in `scale`, at least one row. Order and slots stay."""
    spans = tokens.layout
    score = rng.fold("which").rows(spans.seg, spans.place)[:, 0].masked_fill(tokens.slot, -1.0)
    share = (scale[0] + (scale[1] - scale[0]) * rng.segments()[:, 0]).tolist()
    counts = tuple(
        spans.slots + (min(n, max(1, round(s * n))) if n else 0) for s, n in zip(share, tokens.content, strict=True)
    )
    order = score.argsort(stable=True)
    order = order[spans.seg[order].argsort(stable=True)]
    rank = torch.empty_like(order)
    rank[order] = spans.place
    keep = rank < torch.tensor(counts, device=score.device)[spans.seg]
    return select(tokens, choose(keep, counts))
