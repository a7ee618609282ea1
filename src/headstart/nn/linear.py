"""Parameters stay fp32; arithmetic runs in the dtype of the rows that come in. Written out, instead of autocast."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Linear(nn.Linear):
    """nn.Linear whose weight follows the dtype of its input."""

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


def fastest_dtype(device: torch.device | str) -> torch.dtype:
    """bf16 where the machine multiplies it in hardware, else fp32."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type == "cpu":
        has = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return torch.bfloat16 if has else torch.float32
    return torch.float32
