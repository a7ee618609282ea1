"""Signals seen differently: another stretch of time, another gain. What is missing stays missing."""

import torch
from jaxtyping import Float
from torch import Tensor

from ..step import Rng

TURNS = 2


def turn(series: Tensor, number: int) -> Tensor:
    """[B, C, L] signals as they are, or backwards."""
    return series.flip(-1) if number % 2 else series


def crop(series: Tensor, rng: Rng, scale: tuple[float, float], shrink: float, multiple: int) -> Float[Tensor, "B C l"]:
    """A random stretch of each of [B, C, L] signals, a share in `scale` of its length, resampled to `shrink` * L.

    The amplitude changes by up to 20 % around each channel's own level, which stays.
    Linear interpolation, next to a gap (NaN) the nearest value; the result is a multiple of `multiple` long.
    """
    x = series.to(torch.float32)
    length = x.shape[-1]
    size = max(multiple, round(shrink * length / multiple) * multiple)
    u = rng.segments(3)
    share = scale[0] + (scale[1] - scale[0]) * u[:, 0]
    start = u[:, 1] * (1 - share) * (length - 1)
    at = start[:, None] + torch.linspace(0, 1, size, device=x.device) * (share * (length - 1))[:, None]
    left = at.long().clamp(max=length - 1)
    right = (left + 1).clamp(max=length - 1)
    part = (at - left)[:, None]
    before, after = (x.gather(2, i[:, None].expand(-1, x.shape[1], -1)) for i in (left, right))
    x = torch.lerp(before, after, part)
    x = torch.where(x.isnan(), torch.where(part < 0.5, before, after), x)
    level = x.nanmean(2, keepdim=True)
    gain = 1 + 0.2 * (2 * u[:, 2:, None] - 1)
    return torch.lerp(level, x, gain)
