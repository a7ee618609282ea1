"""One step of training, as the loop takes it: whoever times steps or measures them takes this one."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor

from . import dist
from .data.feeding.loader import collate
from .memory import keep_freed
from .nn.encoder import Encoder, set_dtype
from .objective import Loss
from .optim import set_rates
from .recipe import Recipe
from .step import Step
from .tokens import Batch
from .tree import to


@dataclass(frozen=True)
class Taken:
    """What came of a step, alike on all ranks. loss and norm (of the gradient, before it was clipped): means over ranks."""

    loss: float
    norm: float
    lr: float
    parts: dict[str, Tensor]  # each term's loss on this rank
    stopping: bool  # some rank was asked to stop

    @property
    def finite(self) -> bool:
        """Weights have moved; else the step was left out."""
        return math.isfinite(self.loss) and math.isfinite(self.norm)


class Training:
    """A recipe on its device, ready to be trained step by step."""

    def __init__(self, recipe: Recipe, device: torch.device, dtype: torch.dtype, compiled: bool = False) -> None:
        keep_freed()
        self.recipe, self.device = recipe, device
        self.objective = recipe.objective.to(device)
        set_dtype(self.objective, dtype)
        if compiled:
            for encoder in cast(Iterable[Encoder], self.objective.encoders.values()):
                for block in encoder.blocks:
                    block.compile(dynamic=True)
        self.optimizer = recipe.optim.build(self.objective)  # freezes what has no rate, before DDP asks what learns
        self.module = dist.wrap(self.objective, device)

    def batch(self, step: Step) -> Batch:
        """This rank's samples of a step, on the device."""
        data = self.recipe.data
        mine = data.samples(step, dist.rank(), dist.world())
        return to(collate(data, mine, step, self.objective.slots, self.device), self.device)

    def take(self, batch: Batch, step: Step, asked: int = 0) -> Taken:
        """Forward, backward, and weights, teacher and memories moved, unless the loss or the gradient is not finite.

        asked: how often this process was asked to stop; all ranks hear of it.
        """
        optim = self.recipe.optim
        lr = set_rates(self.optimizer, optim, step)
        loss = optim.gradients(self.optimizer, partial(self._pass, batch, step))
        norm = torch.nn.utils.clip_grad_norm_(self.objective.parameters(), optim.clip)
        # all ranks agree: on the loss, and on whether one of them was asked to stop
        value, size, stopping = dist.mean(torch.stack([loss.total.detach(), norm, norm.new_tensor(asked)])).tolist()
        taken = Taken(value, size, lr, loss.parts, stopping > 0)
        if taken.finite:
            self.optimizer.step()
            self.objective.after_step(step)
        self.optimizer.zero_grad(set_to_none=True)
        return taken

    def _pass(self, batch: Batch, step: Step) -> Loss:
        loss: Loss = self.module(batch, step)
        loss.backward()
        return loss
