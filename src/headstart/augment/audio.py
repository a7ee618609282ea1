"""Sounds heard differently: another stretch of time, a little faster or slower, nearer, through another microphone."""

import torch
from jaxtyping import Float
from torch import Tensor

from ..step import Rng

SPEED = 1.2  # at most so much faster or slower: three semitones
TURNS = 2


def turn(waves: Tensor, number: int) -> Tensor:
    """[B, C, L] sounds as they are, or backwards."""
    return waves.flip(-1) if number % 2 else waves


def crop(waves: Tensor, rng: Rng, scale: tuple[float, float], shrink: float, multiple: int) -> Float[Tensor, "B C l"]:
    """A stretch of each of [B, C, L] sounds, a share in `scale` of its length, in `shrink` * L samples.

    Its middle is drawn where the sound is: half the time in proportion to the amplitude, else anywhere. The stretch is sped up or
    slowed down by at most 1.2 to fill what it is given; what is then left is silence. Loudness changes by up to 6 dB
    either way, and the spectrum is tilted (a first-order filter). The result is a multiple of `multiple` samples.
    """
    x = waves.to(torch.float32)
    b, channels, length = x.shape
    size = max(multiple, round(shrink * length / multiple) * multiple)
    u = rng.segments(6)
    share = (scale[0] + (scale[1] - scale[0]) * u[:, 0]).clamp(max=1)
    loud = x.abs().mean(1).double().cumsum(1) + 1e-9
    heard = torch.searchsorted(loud / loud[:, -1:], u[:, 1:2].double())[:, 0].clamp(max=length - 1) / length
    middle = torch.where(u[:, 2] < 0.5, heard.to(torch.float32), u[:, 1])
    start = (middle - share / 2).clamp(min=0).minimum(1 - share) * length
    reach = share * length
    speed = (reach / size).clamp(1 / SPEED, SPEED)
    offset = torch.arange(size, device=x.device) * speed[:, None]
    at = start[:, None] + offset
    left = at.long().clamp(0, length - 1)
    right = (left + 1).clamp(max=length - 1)
    part = (at - left).clamp(0, 1)[:, None]
    pick = [x.gather(2, i[:, None].expand(b, channels, size)) for i in (left, right)]
    y = (pick[0] * (1 - part) + pick[1] * part) * (offset < reach[:, None])[:, None]
    tilt = 0.5 * (2 * u[:, 3, None, None] - 1)
    y = torch.cat([y[..., :1], y[..., 1:] + tilt * y[..., :-1]], -1)
    return y * torch.pow(2.0, 2 * u[:, 4, None, None] - 1)
