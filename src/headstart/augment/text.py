"""Text seen differently: another passage of it."""

from torch import Tensor

from ..step import Rng


def crop(text: Tensor, rng: Rng, scale: tuple[float, float], shrink: float, multiple: int) -> Tensor:
    """A random passage of one text [1, L] of bytes: a share in `scale`. Bytes cannot be resampled: `shrink` is unused."""
    u = rng.segments(2)[0]
    length = text.shape[-1]
    size = max(multiple, round(float(scale[0] + (scale[1] - scale[0]) * u[0]) * length))
    start = int(float(u[1]) * (length - size + 1))
    return text[:, start : start + size]
