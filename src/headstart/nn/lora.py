"""Low-rank updates of frozen maps: what a released encoder learns anew, in few numbers (LoRA, Hu et al. 2022)."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import Mistake
from .encoder import Encoder
from .linear import Linear
from .transformer import Attention


class LowRank(Linear):
    """A frozen linear map plus scale * up @ down on some slices of its output; `up` begins at zero, so nothing changes at first.

    parts: (start, stop) of the output features that are updated, each with its own pair of factors. The sum of weights is made
    at every call: its cost is that of `rank` rows more.
    """

    def __init__(
        self, frozen: Linear, rank: int, parts: tuple[tuple[int, int], ...], alpha: float | None = None
    ) -> None:
        super().__init__(frozen.in_features, frozen.out_features, frozen.bias is not None, frozen.stacked)
        self.weight, self.bias = frozen.weight, frozen.bias  # the same tensors
        self.rank, self.parts, self.alpha = rank, parts, rank if alpha is None else alpha
        self.scale = self.alpha / rank
        self.down = nn.ParameterList(nn.Parameter(torch.randn(rank, self.in_features) / rank) for _ in parts)
        self.up = nn.ParameterList(nn.Parameter(torch.zeros(stop - start, rank)) for start, stop in parts)
        for p in frozen.parameters():
            p.requires_grad_(False)

    def arguments(self) -> dict[str, Any]:
        return {"rank": self.rank, "parts": self.parts, "alpha": self.alpha}

    @classmethod
    def of(cls, plain: Linear, **arguments: Any) -> "LowRank":
        return cls(plain, **arguments)

    def whole(self) -> Float[Tensor, "out in"]:
        """The frozen weight with its update."""
        update = torch.zeros_like(self.weight)
        for part, up, down in zip(self.parts, self.up, self.down, strict=True):
            rows = torch.arange(*part, device=update.device)
            update = update.index_add(0, rows, up @ down)
        return self.weight + self.scale * update

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.whole().to(x.dtype), None if self.bias is None else self.bias.to(x.dtype))

    def part(self, x: Tensor, rows: slice) -> Tensor:
        bias = None if self.bias is None else self.bias[rows].to(x.dtype)
        return F.linear(x, self.whole()[rows].to(x.dtype), bias)

    def folded(self) -> dict[str, Tensor]:
        """The plain linear map that does the same."""
        return {"weight": self.whole().detach()} | ({} if self.bias is None else {"bias": self.bias})


def adapt(encoder: Encoder, rank: int, blocks: int) -> None:
    """Freeze an encoder but for its last `blocks` blocks and all norms; queries and values of the others get low-rank updates
    (ExPLoRA, Khanna et al. 2024, section 4)."""
    every = list(encoder.blocks)
    asking = [attention for block in every for attention in block.modules() if isinstance(attention, Attention)]
    if not asking:
        raise Mistake(f"low-rank updates go to the attention of blocks, and {encoder.shape.trunk} has none")
    encoder.requires_grad_(False)
    for block in every[len(every) - blocks :]:
        block.requires_grad_(True)
    for block in every[: len(every) - blocks]:
        for attention in [part for part in block.modules() if isinstance(part, Attention)]:
            width = attention.qkv.in_features
            attention.qkv = LowRank(attention.qkv, rank, ((0, width), (2 * width, 3 * width)))
    for part in encoder.modules():
        if isinstance(part, nn.LayerNorm):
            part.requires_grad_(True)
