"""A part of a sample as a choice of its rows: for kinds whose samples are no arrays, on any device, all samples at once."""

import torch

from ..step import Rng
from ..tokens import Tokens, choose, select


def part(tokens: Tokens, rng: Rng, scale: tuple[float, float]) -> Tokens:
    """The rows nearest to a random one of each segment (largest-coordinate distance): a share in `scale`, at least one row."""
    spans = tokens.layout
    content = spans.cu.diff() - spans.slots
    u = rng.segments(2)
    at = (u[:, 0] * content).long() + spans.cu[:-1] + spans.slots
    far = (tokens.coords - tokens.coords[at.clamp(max=len(tokens) - 1)][spans.seg]).abs().amax(-1)
    far = far + 1e-4 * rng.fold("ties").rows(spans.seg, spans.place)[:, 0]
    far = far.masked_fill(tokens.slot, -1.0)
    share = (scale[0] + (scale[1] - scale[0]) * u[:, 1]).tolist()
    counts = tuple(
        spans.slots + (min(n, max(1, round(s * n))) if n else 0) for s, n in zip(share, tokens.content, strict=True)
    )
    order = far.argsort(stable=True)
    order = order[spans.seg[order].argsort(stable=True)]
    rank = torch.empty_like(order)
    rank[order] = spans.place
    keep = rank < torch.tensor(counts, device=far.device)[spans.seg]
    return select(tokens, choose(keep, counts))
