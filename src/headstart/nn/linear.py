"""Parameters stay fp32; arithmetic runs in the dtype of the rows that come in. Written out, instead of autocast."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import dist


class Linear(nn.Linear):
    """nn.Linear whose weight follows the dtype of its input.

    stacked: of so many maps of one input its output is made, one after another (queries, keys and values). What stands in the
    place of a Linear has `part`, and `arguments` and `of`, by which it is written down and made again.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, stacked: int = 1) -> None:
        super().__init__(in_features, out_features, bias)
        self.stacked = stacked

    def arguments(self) -> dict[str, Any]:
        """What `of` takes besides the plain part."""
        shape = {"in_features": self.in_features, "out_features": self.out_features}
        return {**shape, "bias": self.bias is not None, "stacked": self.stacked}

    @classmethod
    def of(cls, plain: "Linear", **arguments: Any) -> "Linear":
        """Such a part in the place of a plain one."""
        return cls(**arguments)

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)

    def part(self, x: Tensor, rows: slice) -> Tensor:
        """Only these output features."""
        bias = None if self.bias is None else self.bias[rows].to(x.dtype)
        return F.linear(x, self.weight[rows].to(x.dtype), bias)


class LayerNorm(nn.LayerNorm):
    """nn.LayerNorm with fp32 parameters and statistics over rows of any dtype; the output has the rows' dtype."""

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu":  # the CPU kernel takes bf16 rows with fp32 parameters and saves two casts
            return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return F.layer_norm(x.float(), self.normalized_shape, self.weight, self.bias, self.eps).to(x.dtype)


class BatchNorm(nn.Module):
    """Every feature brought to mean 0 and variance 1 over the rows of all ranks, in fp32, then scaled and shifted if `affine`.

    Always by the rows at hand, in training or not: it stands in heads, which are thrown away, so it remembers nothing.
    """

    def __init__(self, width: int, affine: bool = True, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width)) if affine else None
        self.bias = nn.Parameter(torch.zeros(width)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> the same shape and dtype."""
        rows = x.flatten(0, -2).float()
        count = max(1, sum(dist.counts(len(rows))))
        centre = dist.gather(rows.sum(0)[None]).sum(0) / count
        spread = dist.gather((rows - centre).square().sum(0)[None]).sum(0) / count
        out = (x.float() - centre) * (spread + self.eps).rsqrt()
        if self.weight is not None and self.bias is not None:
            out = out * self.weight + self.bias
        return out.to(x.dtype)


def fastest_dtype(device: torch.device | str) -> torch.dtype:
    """bf16 where the machine multiplies it in hardware, else fp32."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type == "cpu":
        has = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return torch.bfloat16 if has else torch.float32
    return torch.float32
