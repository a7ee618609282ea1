"""Regularly sampled signals as rows of short windows: all channels of a window are one row."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..tokens import Tokens, layout
from .payload import Numbers


@dataclass(frozen=True)
class SeriesTokenizer:
    """[C, L] -> ceil(L / patch) rows of [C * patch], standardised per channel over the data set.

    Standardising by the data set, not by the sample, keeps the level of a signal and tells a causal model nothing of
    the future. A last window that is not full repeats the last value.
    """

    patch: int = 8
    channels: int = 1
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    kind = "series"
    axes = ("t [windows]",)

    @classmethod
    def fit(cls, series: list[np.ndarray], patch: int) -> "SeriesTokenizer":
        """Mean and spread per channel of these [C, L] signals."""
        flat = np.concatenate([x.astype(np.float64) for x in series], 1)
        std = np.where(flat.std(1) > 0, flat.std(1), 1.0)  # a channel that never changes stays as it is
        return cls(patch, len(flat), tuple(map(float, flat.mean(1))), tuple(map(float, std)))

    @property
    def dim(self) -> int:
        return self.patch * self.channels

    def __call__(self, sample: np.ndarray | Tensor) -> Tokens:
        return self.many(torch.as_tensor(sample)[None])

    def many(self, series: Tensor) -> Tokens:
        """[B, C, L] signals of one length, in one go."""
        if series.ndim != 3 or series.shape[1] != self.channels:
            raise ValueError(f"expected signals [{self.channels}, L], not {list(series.shape[1:])}")
        mean, std = (torch.tensor(x, device=series.device)[:, None] for x in (self.mean, self.std))
        x = (series.to(torch.float32) - mean) / std
        x = F.pad(x, (0, -x.shape[-1] % self.patch), mode="replicate")
        b, n = len(x), x.shape[-1] // self.patch
        rows = x.view(b, self.channels, n, self.patch).transpose(1, 2).reshape(b * n, self.dim)
        coords = torch.arange(n, dtype=torch.float32, device=rows.device).repeat(b)[:, None]
        return Tokens(rows, coords, layout((n,) * b, 0, str(rows.device)))

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> Float[Tensor, "C L"]:
        """One signal again, in its own units."""
        x = (
            tokens.values[~tokens.slot]
            .float()
            .view(-1, self.channels, self.patch)
            .transpose(0, 1)
            .reshape(self.channels, -1)
        )
        return x * torch.tensor(self.std)[:, None] + torch.tensor(self.mean)[:, None]

    def state(self) -> dict[str, Any]:
        return asdict(self)
