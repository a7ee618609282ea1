"""AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019): the default."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from ..step import Schedule, curve
from ._groups import grouped
from ._protocol import Optim, one_pass, sensible


@dataclass(frozen=True)
class AdamW:
    """AdamW; vectors (biases, norms, class and mask tokens) are not decayed. `clip` bounds the gradient's norm."""

    lr: Schedule = 1e-3
    weight_decay: Schedule = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = 3.0
    scales: Mapping[str, float] = field(default_factory=dict)
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        sensible(self)

    gradients = staticmethod(one_pass)

    def build(self, module: nn.Module) -> torch.optim.AdamW:
        """PyTorch's, fused."""
        groups = [group.options() for group in grouped(module, self.scales, self.layer_decay)]
        return torch.optim.AdamW(groups, betas=self.betas, fused=True)

    @classmethod
    def like(cls, other: Optim) -> "AdamW":
        lr = curve(other.lr, cls.lr)
        return cls(lr, clip=other.clip, scales=other.scales, layer_decay=other.layer_decay)
