"""Each process holds a share of every weight, gradient and moment: PyTorch's FSDP2 (`torch.distributed.fsdp.fully_shard`).

What is trained is a sharded copy. The recipe's own objective stays whole, in the memory of the host: into it the shares are
gathered before whatever reads it (a probe, a checkpoint, the end), so that nobody else knows of shares, and a checkpoint of one
way of training is one of the other.
"""

import copy
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from . import dist
from .errors import Mistake
from .nn.encoder import Encoder, encoders
from .nn.recompute import Trunk, blocks
from .nn.transformer import Keys
from .optim import AdamW
from .recipe import Recipe
from .tokens import Tokens
from .tree import replace


class Shards:
    """A recipe's objective, student and teacher alike, sharded over all ranks; and the whole of it, with an optimizer, as it was
    when it was last gathered. Raises Mistake for an optimizer that works on whole matrices."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        if not isinstance(recipe.optim, AdamW):
            name = type(recipe.optim).__name__.lower()
            raise Mistake(
                f"run.shard=true: {name} works on whole matrices, and here each process has a part: optim=adamw"
            )
        self.device, self.recipe = device, recipe
        self.objective = copy.deepcopy(recipe.objective).to(device)
        recipe.objective.cpu()
        self.optimizer = recipe.optim.build(recipe.objective)
        recipe.optim.build(self.objective)  # freezes what has no rate, before it is sharded
        self.scalars = {p for p in self.objective.parameters() if p.ndim == 0}  # which nothing is left of to divide
        divide = partial(fully_shard, mesh=init_device_mesh(device.type, (dist.world(),)), ignored_params=self.scalars)
        if not any(cast(Encoder, part).cuts for part in self.objective.encoders.values()):  # which needs whole weights
            for block in blocks(self.objective):
                divide(block)
                if "only" in dir(block):
                    register_fsdp_forward_method(block, "only")
        divide(self.objective)
        for part in encoders(self.objective):
            part.trunk.forward = partial(_same_layout, part.trunk.forward)

    def reduce(self) -> None:
        """After the backward pass: the mean over ranks of the gradients that are not divided."""
        for p in self.scalars:
            if p.grad is not None:
                p.grad = dist.mean(p.grad)

    def gather(self, optimizer: torch.optim.Optimizer) -> None:
        """Bring what is whole up to date, on every rank at once. optimizer: the one that trains the shards."""
        whole = self.recipe.objective.state_dict()
        with torch.no_grad():
            for name, value in self.objective.state_dict().items():
                whole[name].copy_(_full(value))
        for mine, theirs in self._pairs():
            state = {key: _full(value).clone() for key, value in optimizer.state.get(mine, {}).items()}
            if state:
                self.optimizer.state[theirs] = {key: value.cpu() for key, value in state.items()}

    def spread(self, optimizer: torch.optim.Optimizer) -> None:
        """Take over what is whole, as a checkpoint left it."""
        whole = self.recipe.objective.state_dict()
        with torch.no_grad():
            for name, value in self.objective.state_dict().items():
                value.copy_(_like(whole[name], value))
        for mine, theirs in self._pairs():
            if theirs in self.optimizer.state:
                optimizer.state[mine] = {
                    key: _like(value, mine) if value.shape == mine.shape else value.to(self.device)
                    for key, value in self.optimizer.state[theirs].items()
                }

    def _pairs(self) -> list[tuple[nn.Parameter, nn.Parameter]]:
        """Each parameter as a share, and whole."""
        whole = dict(self.recipe.objective.named_parameters())
        return [(p, whole[name]) for name, p in self.objective.named_parameters()]


def _full(value: Tensor) -> Tensor:
    return value.full_tensor() if isinstance(value, DTensor) else value


def _like(whole: Tensor, share: Tensor) -> Tensor:
    """The share of it that this rank holds."""
    whole = whole.to(share.device)
    if not isinstance(share, DTensor):
        return whole
    return distribute_tensor(whole, share.device_mesh, share.placements, src_data_rank=None)


def _same_layout(trunk: Trunk, x: Tokens, keys: Keys | None = None, depths: tuple[int, ...] = ()) -> list[Tokens]:
    """What the trunk makes, in the very layout that came in where it is equal: FSDP hands on copies of records."""
    spans = x.layout
    return [
        replace(each, layout=spans)
        if (each.layout.lengths, each.layout.slots) == (spans.lengths, spans.slots)
        else each
        for each in trunk(x, keys, depths)
    ]
