"""Scenes of splats seen differently: as points are, with each splat's rotation and size along with its place."""

import torch
from jaxtyping import Float
from torch import Tensor

from ..step import Rng
from .points import part


def crop(scenes: Tensor, rng: Rng, scale: tuple[float, float], shrink: float, multiple: int) -> Float[Tensor, "B m 14"]:
    """The splats nearest to a random one of each of [B, n, 14] scenes; see `points.crop`. Brightness moves by up to 10 %."""
    values, turn, size = part(scenes, rng, scale, shrink, multiple)
    scales = values[..., 3:6] + size.log()[:, None, None]
    light = 1 + 0.1 * (2 * rng.fold("light").segments(1)[:, :, None] - 1)
    angle = torch.atan2(turn[:, 0, 1], turn[:, 0, 0])[:, None] / 2
    c, s = angle.cos(), angle.sin()
    w, x, y, z = values[..., 6:10].unbind(-1)
    turned = torch.stack([c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w], -1)
    turned = torch.where(turned[..., :1] < 0, -turned, turned)
    return torch.cat([values[..., :3], scales, turned, values[..., 10:11], values[..., 11:] * light], -1)
