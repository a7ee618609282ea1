"""LARS: every layer moves by a share of its own size (You, Gitman and Ginsburg, "Large Batch Training of Convolutional
Networks", 2017), as large batches of contrastive methods need it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..step import Schedule, curve
from ._groups import grouped
from ._protocol import Optim, one_pass, sensible


@dataclass(frozen=True)
class LARS:
    """Momentum whose rate for each matrix is trust * |w| / (|g| + weight_decay * |w|); vectors move by plain momentum and are
    not decayed (as in SimCLR and BYOL)."""

    lr: Schedule = 0.3
    weight_decay: Schedule = 1e-6
    momentum: float = 0.9
    trust: float = 1e-3
    clip: float = math.inf  # where a gradient has only a direction, its size does no harm
    scales: Mapping[str, float] = field(default_factory=dict)
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        sensible(self)

    gradients = staticmethod(one_pass)

    def build(self, module: nn.Module) -> "LayerwiseMomentum":
        groups = [group.options() for group in grouped(module, self.scales, self.layer_decay)]
        return LayerwiseMomentum(groups, self.momentum, self.trust)

    @classmethod
    def like(cls, other: Optim) -> "LARS":
        return cls(curve(other.lr, cls.lr), scales=other.scales, layer_decay=other.layer_decay)


class LayerwiseMomentum(torch.optim.Optimizer):
    """LARS over groups of {"params", "decay"}; those with "decay" are scaled layer by layer."""

    def __init__(self, groups: list[dict[str, Any]], momentum: float, trust: float, lr: float = 1e-3) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0, "momentum": momentum, "trust": trust, "decay": True})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            moving: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            if not moving:
                continue
            grads = [p.grad for p in moving if p.grad is not None]
            update = torch._foreach_add(grads, moving, alpha=group["weight_decay"])
            if group["decay"]:
                sizes = torch.stack(torch._foreach_norm(moving))
                slopes = torch.stack(torch._foreach_norm(grads))
                rates = group["trust"] * sizes / (slopes + group["weight_decay"] * sizes)
                # a layer that is zero, or that no gradient reaches, has no size to go by
                rates = torch.where((sizes > 0) & (slopes > 0), rates, torch.ones_like(rates))
                torch._foreach_mul_(update, list(rates.unbind()))
            torch._foreach_mul_(update, group["lr"])
            for p in moving:
                if "momentum_buffer" not in self.state[p]:
                    self.state[p]["momentum_buffer"] = torch.zeros_like(p)
            speeds = [self.state[p]["momentum_buffer"] for p in moving]
            torch._foreach_mul_(speeds, group["momentum"])
            torch._foreach_add_(speeds, update)
            torch._foreach_sub_(moving, speeds)
