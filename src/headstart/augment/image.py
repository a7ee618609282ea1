"""Pictures seen differently: another part, mirrored, lighter or darker. Valid for any number of channels."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ..errors import Mistake
from ..step import Rng
from ..tokenizers.image import to_float

TURNS = 4


def turn(images: Tensor, number: int) -> Tensor:
    """[B, C, H, W] pictures turned by `number` quarters counter-clockwise; nothing is interpolated."""
    return images.rot90(number, (-2, -1))


def coarser(images: Tensor, factor: int) -> Float[Tensor, "B C h w"]:
    """[B, C, H, W] pictures at a `factor` times lower resolution, by means; what is left over at the far edges is cut off."""
    if min(images.shape[-2:]) < factor:
        raise Mistake(
            f"a picture of {list(images.shape[-2:])} pixels cannot be made {factor} times coarser: raise data.side"
        )
    return F.avg_pool2d(to_float(images), factor)


def crop(
    images: Tensor, rng: Rng, scale: tuple[float, float], shrink: float, multiple: int
) -> Float[Tensor, "B C h w"]:
    """A random part of each of [B, C, H, W] pictures: area in `scale`, aspect 3/4 to 4/3, mirrored half the time.

    Brightness and contrast move by up to 40 % with probability 0.8 (DINO's colour jitter, without what only RGB has).
    The result has `shrink` times the sides, rounded to `multiple`.
    """
    x = to_float(images)
    b, _, h, w = x.shape
    size = tuple(max(multiple, round(shrink * n / multiple) * multiple) for n in (h, w))
    u = rng.segments(8)
    area = scale[0] + (scale[1] - scale[0]) * u[:, 0]
    aspect = torch.exp((2 * u[:, 1] - 1) * torch.log(torch.tensor(4 / 3, device=x.device)))
    high, wide = (area / aspect).sqrt().clamp(max=1), (area * aspect).sqrt().clamp(max=1)
    top, left = (2 * u[:, 2] - 1) * (1 - high), (2 * u[:, 3] - 1) * (1 - wide)
    mirror = torch.where(u[:, 4] < 0.5, 1.0, -1.0)
    zero = torch.zeros_like(top)
    theta = torch.stack([wide * mirror, zero, left, zero, high, top], 1).view(b, 2, 3)
    grid = F.affine_grid(theta, [b, 1, *size], align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    gain, shift = (1 + 0.4 * (2 * u[:, i : i + 1, None, None] - 1) for i in (5, 6))
    level = x.mean((1, 2, 3), keepdim=True)
    jittered = ((x - level) * gain + level) * shift
    return torch.where((u[:, 7] < 0.8).view(-1, 1, 1, 1), jittered, x)
