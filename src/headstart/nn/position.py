"""Where a row sits, as a vector: one definition for any number of axes."""

import torch
from jaxtyping import Float
from torch import Tensor


def sincos(coords: Float[Tensor, "T C"], width: int) -> Float[Tensor, "T width"]:
    """Fixed sine-cosine position embedding (Vaswani et al. 2017, section 3.5), the width shared out over the axes.

    The innermost axis comes first, as in MAE's released code, so that its weights can be compared. Coordinates may be
    fractional; what does not divide evenly stays zero.
    """
    axes = coords.shape[1]
    out = coords.new_zeros(len(coords), width)
    if not axes:
        return out
    half = width // (2 * axes)
    rate = 10_000.0 ** (-torch.arange(half, dtype=torch.float64, device=coords.device) / half)
    angle = coords.flip(1)[:, :, None] * rate.to(coords.dtype)
    waves = torch.stack([angle.sin(), angle.cos()], 2)  # [T, C, 2, half]
    out[:, : 2 * axes * half] = waves.flatten(1)
    return out
