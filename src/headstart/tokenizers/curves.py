"""A series as a picture."""

import torch
from jaxtyping import Float
from torch import Tensor

WIDTH, HEIGHT = 200, 40  # pixels of a channel's curve


def curves(x: Float[Tensor, "C L"]) -> Float[Tensor, "1 H W"]:
    """Up to four channels of a series one below the other, as black lines on white. Gaps (NaN) stay white."""
    x = x[:4, :: max(1, x.shape[1] // WIDTH)]
    low, high = (f(torch.nan_to_num(x, nan=float(x.nanmean())), 1, keepdim=True) for f in (torch.amin, torch.amax))
    height = HEIGHT - 1
    level = (height * (1 - (x - low) / (high - low).clamp(min=1e-9))).clamp(0, height)
    before = torch.cat([level[:, :1], level[:, :-1]], 1)
    top, bottom = torch.minimum(level, before)[:, None], torch.maximum(level, before)[:, None]
    y = torch.arange(HEIGHT)[None, :, None]
    inked = (y >= top.floor()) & (y <= bottom.ceil())  # false where a value is missing
    return 1 - inked.float().flatten(0, 1)[None]
