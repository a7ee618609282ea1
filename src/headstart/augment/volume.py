"""Scans seen differently: another box of them, mirrored, with another contrast."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ..step import Rng

TURNS = 4


def turn(scans: Tensor, number: int) -> Tensor:
    """[B, C, D, H, W] scans turned by `number` quarters about the first axis; nothing is interpolated."""
    return scans.rot90(number, (-2, -1))


def crop(
    scans: Tensor, rng: Rng, scale: tuple[float, float], shrink: float, multiple: int
) -> Float[Tensor, "B C d h w"]:
    """A random box of each of [B, C, D, H, W] scans, see `box`; contrast and brightness change by up to 20 %."""
    x = box(scans, rng, scale, shrink, multiple)
    u = 2 * rng.fold("contrast").segments(2) - 1
    gain, shift = (1 + 0.2 * u[:, i].view(-1, 1, 1, 1, 1) for i in (0, 1))
    level = x.mean((2, 3, 4), keepdim=True)
    return ((x - level) * gain + level) * shift


def box(x: Tensor, rng: Rng, scale: tuple[float, float], shrink: float, multiple: int) -> Float[Tensor, "B C d h w"]:
    """A random box: a share in `scale` of the volume, sides up to a fifth longer or shorter, mirrored along x half the time.

    It is brought to `shrink` times the sides, rounded to `multiple`, by trilinear interpolation.
    """
    x = x.to(torch.float32)
    size = [max(multiple, round(shrink * n / multiple) * multiple) for n in x.shape[2:]]
    u = rng.segments(8)
    volume = scale[0] + (scale[1] - scale[0]) * u[:, :1]
    stretch = 1 + 0.2 * (2 * u[:, 1:4] - 1)
    share = (volume ** (1 / 3) * stretch / stretch.prod(1, keepdim=True) ** (1 / 3)).clamp(max=1)  # x, y, z
    middle = (2 * u[:, 4:7] - 1) * (1 - share)
    mirror = torch.where(u[:, 7] < 0.5, 1.0, -1.0)
    sign = torch.stack([mirror, torch.ones_like(mirror), torch.ones_like(mirror)], 1)
    theta = torch.cat([torch.diag_embed(share * sign), middle[:, :, None]], 2)
    grid = F.affine_grid(theta, [len(x), 1, *size], align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
