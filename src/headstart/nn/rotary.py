"""Rotary positions: queries and keys are turned by where their rows sit, so that a score hangs on how far apart two rows are.

Su et al., "RoFormer", 2021, equation 34; along several axes: Heo et al., "Rotary Position Embedding for
Vision Transformer", 2024.
"""

import torch
from jaxtyping import Float
from torch import Tensor

BASE = 10_000.0


def rotary(x: Float[Tensor, "T H d"], coords: Float[Tensor, "T C"]) -> Float[Tensor, "T H d"]:
    """Each pair of numbers of a head is turned by coordinate * rate. The pairs are dealt out to the axes in turn, and the rates
    of an axis fall from 1 towards 1 / BASE; without coordinates nothing turns.

    `partial(Block, attention=partial(Attention, turn=rotary))`, in a trunk with `absolute=False`.
    """
    axes, half = coords.shape[1], x.shape[-1] // 2
    if not axes:
        return x
    pair = torch.arange(half, device=x.device)
    rate = BASE ** (-(pair // axes).double() * axes / half)
    angle = coords[:, pair % axes] * rate.to(coords.dtype)
    cos, sin = (wave[:, None].to(x.dtype) for wave in (angle.cos(), angle.sin()))
    a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return torch.cat([a * cos - b * sin, a * sin + b * cos, rest], -1)
