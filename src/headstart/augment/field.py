"""Radiance fields seen differently: another box of them, mirrored, in other light, thicker or thinner."""

import torch
from jaxtyping import Float
from torch import Tensor

from ..step import Rng
from .volume import box


def crop(
    fields: Tensor, rng: Rng, scale: tuple[float, float], shrink: float, multiple: int
) -> Float[Tensor, "B 4 d h w"]:
    """A random box of each of [B, 4, D, H, W] fields, see `volume.box`.

    Brightness changes by up to 40 %, the balance of the colours by up to 10 %, density by a factor of 1/2 to 2.
    """
    x = box(fields, rng, scale, shrink, multiple)
    u = (2 * rng.fold("light").segments(5) - 1).view(-1, 5, 1, 1, 1)
    light = (1 + 0.4 * u[:, :1]) * (1 + 0.1 * u[:, 1:4])
    return torch.cat([x[:, :3] * light, x[:, 3:] * 2 ** u[:, 4:]], 1)
