"""One step of training, as the loop takes it: whoever times steps or measures them takes this one."""

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from . import dist
from .data.feeding.loader import collate
from .forms import Json
from .memory import keep_freed
from .nn.encoder import Encoder, set_dtype
from .nn.linear import fastest_dtype
from .nn.recompute import blocks, in_slices, recompute
from .objective import Loss, Objective
from .optim import set_rates
from .recipe import Recipe, Run
from .sharding import Shards
from .step import Step
from .tokens import Batch
from .tree import to

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def device_of(run: Run) -> torch.device:
    """The device a run asks for; "auto" takes CUDA where there is one (torchrun's local rank), then the CPU."""
    name = run.device if run.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if name == "cuda" else name)


def dtype_of(run: Run, device: torch.device) -> torch.dtype:
    """The dtype rows are computed in."""
    return fastest_dtype(device) if run.dtype == "auto" else DTYPES[run.dtype]


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

    def __init__(self, recipe: Recipe, run: Run) -> None:
        keep_freed()
        self.recipe, self.device = recipe, device_of(run)
        self.shards = Shards(recipe, self.device) if run.shard and dist.world() > 1 else None
        self.objective = self.shards.objective if self.shards else recipe.objective.to(self.device)
        set_dtype(self.objective, dtype_of(run, self.device))
        if run.accumulate > 1:
            in_slices(self.objective, run.accumulate)
        if run.recompute:
            recompute(blocks(self.objective))
        if run.compile:
            for encoder in cast(Iterable[Encoder], self.objective.encoders.values()):
                for block in encoder.blocks:
                    block.compile(dynamic=True)
        self.optimizer = recipe.optim.build(self.objective)  # freezes what has no rate, before DDP asks what learns
        self.module = self.objective if self.shards else dist.wrap(self.objective, self.device)

    def gather(self) -> tuple[Objective, torch.optim.Optimizer]:
        """The recipe's objective as it is now, with an optimizer that remembers what this one does: what is probed and saved. All
        ranks ask for it at once."""
        if self.shards is None:
            return self.objective, self.optimizer
        self.shards.gather(self.optimizer)
        return self.recipe.objective, self.shards.optimizer

    def restore(self, put_back: Callable[[Objective, torch.optim.Optimizer], Json]) -> Json:
        """Have a checkpoint put back; returns its facts."""
        if self.shards is None:
            return put_back(self.objective, self.optimizer)
        facts = put_back(self.recipe.objective, self.shards.optimizer)
        self.shards.spread(self.optimizer)
        return facts

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
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
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
        if self.shards is not None:
            self.shards.reduce()
        return loss
