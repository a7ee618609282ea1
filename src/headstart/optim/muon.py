"""Muon: hidden matrices move by the nearest orthogonal matrix of their momentum, all else by AdamW (Jordan et al., "Muon: An
optimizer for hidden layers in neural networks", 2024).

The update of a matrix has equal singular values, so rare directions learn as fast as common ones; its size hangs on the rate
alone. Differs from the source in: queries, keys and values are one matrix here, and are made orthogonal together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import torch
from torch import nn

from ..errors import Mistake
from ..step import Schedule, curve
from ._groups import grouped
from ._protocol import Optim, one_pass, sensible


@dataclass(frozen=True)
class Muon:
    """Muon for matrices whose names fit `hidden` (those inside blocks, the decoder's too), AdamW for the rest (entrances, heads,
    biases, norms), which learns at the share `rest` of the rate. Both decay as AdamW does."""

    lr: Schedule = 0.02
    weight_decay: Schedule = 0.01
    momentum: float = 0.95
    rest: float = 0.015
    betas: tuple[float, float] = (0.9, 0.95)
    hidden: str = "*blocks.*"
    clip: float = 3.0
    scales: Mapping[str, float] = field(default_factory=dict)
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        sensible(self)

    gradients = staticmethod(one_pass)

    def build(self, module: nn.Module) -> "MuonWithAdamW":
        """PyTorch's torch.optim.Muon and fused AdamW, as one. Raises Mistake where no matrix is a hidden one."""
        learning = {name: p for name, p in module.named_parameters() if p.requires_grad}
        hidden = [n for n, p in learning.items() if p.ndim == 2 and min(p.shape) > 1 and fnmatchcase(n, self.hidden)]
        if not hidden:
            raise Mistake(f"no matrix that learns is called {self.hidden!r}: change optim.hidden, or take optim=adamw")
        rest = [name for name in learning if name not in set(hidden)]
        inner = [g.options() for g in grouped(module, self.scales, self.layer_decay, hidden)]
        outer = [g.options(self.rest) for g in grouped(module, self.scales, self.layer_decay, rest)]
        return MuonWithAdamW(
            torch.optim.Muon(inner, momentum=self.momentum), torch.optim.AdamW(outer, betas=self.betas, fused=True)
        )

    @classmethod
    def like(cls, other: Optim) -> "Muon":
        lr = curve(other.lr, cls.lr)
        return cls(lr, clip=other.clip, scales=other.scales, layer_decay=other.layer_decay)


class MuonWithAdamW(torch.optim.Optimizer):
    """Two optimizers over different parameters as one: they share the groups and the memory."""

    def __init__(self, *parts: torch.optim.Optimizer) -> None:
        groups = [group for part in parts for group in part.param_groups]
        super().__init__(groups, {})
        self.param_groups, self.parts = groups, parts
        for part in parts:
            part.state = self.state

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for part in self.parts:
            part.step()
