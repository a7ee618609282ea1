"""Clips seen differently: another part and stretch of them, the same for all frames, lighter or darker."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ..step import Rng

TUBE = 2  # frames in a row
TURNS = 4


def turn(clips: Tensor, number: int) -> Tensor:
    """[B, T, C, H, W] clips turned by `number` quarters counter-clockwise, every frame alike: nothing is interpolated."""
    return clips.rot90(number, (-2, -1))


def crop(
    clips: Tensor, rng: Rng, scale: tuple[float, float], shrink: float, multiple: int
) -> Float[Tensor, "B t C h w"]:
    """A random part of each of [B, T, C, H, W] clips: area in `scale`, aspect 3/4 to 4/3, the same in every frame.

    The result has `shrink` times the sides, rounded to `multiple`, and a run of `shrink` times the frames, rounded to 2.
    Brightness and contrast move by up to 40 % with probability 0.8. Neither space nor time is mirrored: which way
    things move is what clips are about.
    """
    x = clips.to(torch.float32) / (255.0 if clips.dtype == torch.uint8 else 1.0)
    b, t, c, h, w = x.shape
    u = rng.segments(8)
    frames = min(t, max(TUBE, round(shrink * t / TUBE) * TUBE))
    first = (u[:, 7] * (t - frames + 1)).long()
    x = x[torch.arange(b, device=x.device)[:, None], first[:, None] + torch.arange(frames, device=x.device)]
    size = [max(multiple, round(shrink * n / multiple) * multiple) for n in (h, w)]
    area = scale[0] + (scale[1] - scale[0]) * u[:, 0]
    aspect = torch.exp((2 * u[:, 1] - 1) * torch.log(torch.tensor(4 / 3, device=x.device)))
    high, wide = (area / aspect).sqrt().clamp(max=1), (area * aspect).sqrt().clamp(max=1)
    top, left = (2 * u[:, 2] - 1) * (1 - high), (2 * u[:, 3] - 1) * (1 - wide)
    zero = torch.zeros_like(top)
    theta = torch.stack([wide, zero, left, zero, high, top], 1).view(b, 2, 3)
    grid = F.affine_grid(theta, [b, 1, *size], align_corners=False)
    flat = F.grid_sample(x.flatten(1, 2), grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    x = flat.view(b, frames, c, *size)
    gain, shift = (1 + 0.4 * (2 * u[:, i] - 1).view(-1, 1, 1, 1, 1) for i in (4, 5))
    level = x.mean((1, 2, 3, 4), keepdim=True)
    return torch.where((u[:, 6] < 0.8).view(-1, 1, 1, 1, 1), ((x - level) * gain + level) * shift, x)
