"""Trajectories seen differently: another stretch of them."""

import torch

from ..step import Rng
from ..tokens import Tokens, rows_where, select


def crop_rows(tokens: Tokens, rng: Rng, scale: tuple[float, float], shrink: float) -> Tokens:
    """A contiguous stretch of each segment, a share in `scale` of its rows. Steps cannot be thinned: `shrink` is unused."""
    spans = tokens.layout
    u = rng.segments(2)
    share = (scale[0] + (scale[1] - scale[0]) * u[:, 1]).tolist()
    content = tokens.content
    sizes = tuple(min(n, max(1, round(s * n))) for s, n in zip(share, content, strict=True))
    size, whole = (torch.tensor(x, device=tokens.device) for x in (sizes, content))
    start = (u[:, 0] * (whole - size + 1)).long()
    place = spans.place - spans.slots - start[spans.seg]
    keep = ((place >= 0) & (place < size[spans.seg])) | tokens.slot
    return select(tokens, rows_where(keep, tuple(spans.slots + n for n in sizes)))
