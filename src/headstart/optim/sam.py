"""SAM: the gradient where the loss nearby is worst, so that training ends where it is flat (Foret et al., "Sharpness-Aware
Minimization for Efficiently Improving Generalization", 2021)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from ..objective import Loss
from ..step import Schedule
from ._protocol import Optim, sensible
from .adamw import AdamW


@dataclass(frozen=True)
class SAM:
    """Any other optimizer, given the gradient at w + rho * g / |g| instead of g at w: two passes a step, twice the time.

    Both passes see the same samples, views and masks. Under several processes all climb by the gradient of the whole batch.
    Words that it does not know go to `base`.
    """

    base: Optim = field(default_factory=AdamW)
    rho: float = 0.05

    def __post_init__(self) -> None:
        sensible(self)

    @property
    def lr(self) -> Schedule:
        return self.base.lr

    @property
    def weight_decay(self) -> Schedule:
        return self.base.weight_decay

    @property
    def clip(self) -> float:
        return self.base.clip

    @property
    def scales(self) -> Mapping[str, float]:
        return self.base.scales

    @property
    def layer_decay(self) -> float:
        return self.base.layer_decay

    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        """The base's: nothing more is remembered from step to step."""
        return self.base.build(module)

    def gradients(self, optimizer: torch.optim.Optimizer, compute: Callable[[], Loss]) -> Loss:
        """The loss where the weights stand; in `.grad` the gradient uphill of it. Weights are put back to the last bit."""
        loss = compute()
        moved = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if not moved:
            return loss
        with torch.no_grad():
            grads = [p.grad for p in moved]
            size = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
            kept = [p.clone() for p in moved]
            torch._foreach_add_(moved, torch._foreach_mul(grads, self.rho / (size + 1e-12)))
        optimizer.zero_grad(set_to_none=True)
        try:
            self.base.gradients(optimizer, compute)
        finally:
            with torch.no_grad():
                torch._foreach_copy_(moved, kept)
        return loss

    @classmethod
    def like(cls, other: Optim) -> "SAM":
        return cls(other)
