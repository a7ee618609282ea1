"""Pictures as rows of patches: any channel count, any size, 8-bit, 16-bit or float."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..tokens import Tokens, layout
from .payload import Numbers

RANGE = {torch.uint8: 255.0, torch.uint16: 65_535.0}  # integers are shares of their range; floats are taken as they are


@dataclass(frozen=True)
class ImageTokenizer:
    """Square patches in reading order; a row is [patch * patch * channels], pixel by pixel, standardised per channel.

    Sides that are no multiple of `patch` are continued by repeating the last row or column.
    """

    patch: int = 8
    channels: int = 3
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.25,)

    kind = "image"
    axes = ("y [patches]", "x [patches]")

    @classmethod
    def fit(cls, images: list[np.ndarray], patch: int) -> "ImageTokenizer":
        """Mean and spread per channel of these [C, H, W] pictures."""
        flat = [to_float(torch.as_tensor(x)).flatten(1).double() for x in images]
        n = sum(x.shape[1] for x in flat)
        mean = torch.stack([x.sum(1) for x in flat]).sum(0) / n
        var = torch.stack([((x - mean[:, None]) ** 2).sum(1) for x in flat]).sum(0) / n
        std = torch.where(var > 0, var.sqrt(), 1.0)  # a channel that never changes stays as it is
        return cls(patch, len(mean), tuple(mean.tolist()), tuple(std.tolist()))

    @property
    def dim(self) -> int:
        return self.patch * self.patch * self.channels

    def __call__(self, sample: np.ndarray | Tensor) -> Tokens:
        return self.many(torch.as_tensor(sample)[None])

    def many(self, images: Tensor) -> Tokens:
        """[B, C, H, W] pictures of one size, in one go."""
        x, p = self.standardise(images), self.patch
        b, c, h, w = x.shape
        if h % p or w % p:
            x = F.pad(x, (0, -w % p, 0, -h % p), mode="replicate")
            h, w = x.shape[2:]
        rows = x.view(b, c, h // p, p, w // p, p).permute(0, 2, 4, 3, 5, 1).reshape(-1, self.dim)
        y, x_ = torch.meshgrid(torch.arange(h // p), torch.arange(w // p), indexing="ij")
        coords = torch.stack([y, x_], -1).view(-1, 2).to(torch.float32).repeat(b, 1).to(rows.device)
        return Tokens(rows, coords, layout((h // p * (w // p),) * b, 0, str(rows.device)))

    def standardise(self, images: Tensor) -> Float[Tensor, "B C H W"]:
        """Mean 0 and variance 1 per channel over the data set."""
        if images.ndim != 4 or images.shape[1] != self.channels:
            raise ValueError(f"expected pictures [{self.channels}, H, W], not {list(images.shape[1:])}")
        mean, std = (torch.tensor(x, device=images.device).view(-1, 1, 1) for x in (self.mean, self.std))
        return (to_float(images) - mean) / std

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> Float[Tensor, "C H W"]:
        """One picture again, in the unit range of its pixels (floats: as given)."""
        p, rows = self.patch, ~tokens.slot
        h, w = (int(n) + 1 for n in tokens.coords[rows].amax(0))
        x = tokens.values[rows].float().view(h, w, p, p, self.channels).permute(4, 0, 2, 1, 3).reshape(-1, h * p, w * p)
        return x * torch.tensor(self.std).view(-1, 1, 1) + torch.tensor(self.mean).view(-1, 1, 1)

    def state(self) -> dict[str, Any]:
        return asdict(self)


def to_float(images: Tensor) -> Tensor:
    """fp32, integers as shares of their range."""
    return images.to(torch.float32) / RANGE.get(images.dtype, 1.0)
