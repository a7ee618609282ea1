"""How parameters move: a frozen description, built into PyTorch's own optimizer when training starts."""

from dataclasses import dataclass

import torch
from torch import nn

from .step import Schedule


@dataclass(frozen=True)
class AdamW:
    """AdamW; vectors (biases, norms, class and mask tokens) are not decayed. `clip` bounds the gradient's norm."""

    lr: Schedule = 1e-3
    weight_decay: Schedule = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = 3.0

    def build(self, module: nn.Module) -> torch.optim.AdamW:
        """One fused optimizer over everything in `module` that learns, in two groups: decayed and not."""
        learning = [p for p in module.parameters() if p.requires_grad]
        matrices = [p for p in learning if p.ndim >= 2 and min(p.shape) > 1]
        chosen = set(map(id, matrices))
        vectors = [p for p in learning if id(p) not in chosen]
        groups = [{"params": matrices, "decay": True}, {"params": vectors, "decay": False}]
        return torch.optim.AdamW([g for g in groups if g["params"]], betas=self.betas, fused=True)
