"""A part of a sample as a choice of its rows: for kinds whose samples are no arrays, on any device, all samples at once."""

from jaxtyping import Float
from torch import Tensor

from ..corrupt import lowest
from ..step import Rng
from ..tokens import Tokens, select


def part(tokens: Tokens, rng: Rng, scale: tuple[float, float]) -> Tokens:
    """The rows nearest to a random one of each segment (largest-coordinate distance): a share in `scale`, at least one row."""
    spans = tokens.layout
    content = spans.cu.diff() - spans.slots
    u = rng.segments(2)
    at = (u[:, 0] * content).long() + spans.cu[:-1] + spans.slots
    far = (tokens.coords - tokens.coords[at.clamp(max=len(tokens) - 1)][spans.seg]).abs().amax(-1)
    return share(tokens, far + 1e-4 * rng.fold("ties").rows(spans.seg, spans.place)[:, 0], u[:, 1], scale)


def share(tokens: Tokens, score: Float[Tensor, "T"], u: Float[Tensor, "S"], scale: tuple[float, float]) -> Tokens:
    """The rows of lowest score: of each segment a share between the ends of `scale` (u: where, in [0, 1)), at least one row;
    slots stay."""
    spans = tokens.layout
    shares = (scale[0] + (scale[1] - scale[0]) * u).tolist()
    counts = tuple(
        spans.slots + (min(n, max(1, round(s * n))) if n else 0) for s, n in zip(shares, tokens.content, strict=True)
    )
    return select(tokens, lowest(score.masked_fill(tokens.slot, -1.0), spans, counts))
