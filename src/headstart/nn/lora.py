"""Low-rank updates of frozen maps: what a released encoder learns anew, in few numbers (LoRA, Hu et al. 2022)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .encoder import Encoder
from .linear import Linear
from .transformer import Attention, Block


class LowRank(Linear):
    """A frozen linear map plus scale * up @ down on some slices of its output; `up` begins at zero, so nothing changes at first.

    parts: slices of the output features that are updated, each with its own pair of factors. The sum of weights is made at
    every call: its cost is that of `rank` rows more.
    """

    def __init__(self, frozen: nn.Linear, rank: int, parts: tuple[slice, ...], alpha: float | None = None) -> None:
        super().__init__(frozen.in_features, frozen.out_features, frozen.bias is not None)
        self.weight, self.bias = frozen.weight, frozen.bias  # the same tensors
        self.parts, self.scale = parts, (rank if alpha is None else alpha) / rank
        sizes = [len(range(*part.indices(self.out_features))) for part in parts]
        self.down = nn.ParameterList(nn.Parameter(torch.randn(rank, self.in_features) / rank) for _ in parts)
        self.up = nn.ParameterList(nn.Parameter(torch.zeros(size, rank)) for size in sizes)
        for p in frozen.parameters():
            p.requires_grad_(False)

    def whole(self) -> Float[Tensor, "out in"]:
        """The frozen weight with its update."""
        update = torch.zeros_like(self.weight)
        for part, up, down in zip(self.parts, self.up, self.down, strict=True):
            rows = torch.arange(*part.indices(self.out_features), device=update.device)
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
    encoder.requires_grad_(False)
    every = [block for block in encoder.trunk.blocks if isinstance(block, Block)]
    for block in every[len(every) - blocks :]:
        block.requires_grad_(True)
    for block in every[: len(every) - blocks]:
        attention: Attention = block.attention
        width = attention.qkv.in_features
        attention.qkv = LowRank(attention.qkv, rank, (slice(0, width), slice(2 * width, 3 * width)))
    for part in encoder.modules():
        if isinstance(part, nn.LayerNorm):
            part.requires_grad_(True)
