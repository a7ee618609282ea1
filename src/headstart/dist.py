"""Several processes as one: ranks, a gather that gradients flow through, and PyTorch's own DDP.

Everything is a no-op in a single process, so no other file asks whether it is alone.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as td
from torch import Tensor, nn

from .errors import Mistake

T = TypeVar("T")
_alone = False
_shares = False


@contextmanager
def alone() -> Iterator[None]:
    """Inside, this process counts as the only one: what it computes is not waited for by others."""
    global _alone
    _alone = True
    try:
        yield
    finally:
        _alone = False


def start(device: torch.device) -> None:
    """Join the group that torchrun describes in the environment; nothing to do without one."""
    if "WORLD_SIZE" in os.environ and int(os.environ["WORLD_SIZE"]) > 1 and not td.is_initialized():
        td.init_process_group("nccl" if device.type == "cuda" else "gloo")


def stop() -> None:
    if td.is_available() and td.is_initialized():
        td.destroy_process_group()


def rank() -> int:
    return td.get_rank() if td.is_available() and td.is_initialized() else 0


def world() -> int:
    return td.get_world_size() if not _alone and td.is_available() and td.is_initialized() else 1


@contextmanager
def dividing(device: torch.device) -> Iterator[None]:
    """Inside, work on many samples is divided among the processes of torchrun: all must do the same in the same order."""
    global _shares
    start(device)
    _shares = True
    try:
        yield
    finally:
        _shares = False
        stop()


def divided(n: int, make: Callable[[int, int], T]) -> list[T]:
    """make(a, b), of the samples from a to b of n, on every rank: of all at once, or inside `dividing` a part from each, in
    order. Of no samples there is none."""
    if not _shares or world() == 1:
        return [make(0, n)] if n else []
    bounds = [n * k // world() for k in range(world() + 1)]
    start, end = bounds[rank() : rank() + 2]
    found: list[list[T]] = [[]] * world()
    td.all_gather_object(found, [make(start, end)] if end > start else [])
    return [each for some in found for each in some]


def divides(batch: int, among: int | None = None) -> None:
    """A Mistake where a batch does not divide among the ranks (or so many processes): said before anything is read."""
    count = among or world()
    if batch % count:
        more = batch + count - batch % count
        raise Mistake(f"data.batch={batch} does not divide among {count} processes: data.batch={more} does")


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, counts: list[int]) -> Tensor:
        ctx.counts, most = counts, max(counts)
        filled = torch.cat([x, x.new_zeros(most - len(x), *x.shape[1:])])
        parts = [torch.empty_like(filled) for _ in counts]
        td.all_gather(parts, filled.contiguous())
        return torch.cat([part[:n] for part, n in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        total = grads[0].contiguous().clone()
        td.all_reduce(total)
        return total.split(ctx.counts)[rank()], None


def gather(x: Tensor) -> Tensor:
    """x of every rank, concatenated along the first dimension, of which each may have another length; the gradient is the sum
    over ranks."""
    return _Gather.apply(x, counts(len(x))) if world() > 1 else x


def counts(n: int) -> list[int]:
    """Every rank's n."""
    if world() == 1:
        return [n]
    found: list[Any] = [None] * world()
    td.all_gather_object(found, n)
    return found


def before(n: int) -> int:
    """The sum of n over the ranks before this one: where its rows begin in what is gathered."""
    return sum(counts(n)[: rank()]) if world() > 1 else 0


def mean(x: Tensor) -> Tensor:
    """The mean of x over ranks, without gradient."""
    if world() == 1:
        return x
    x = x.detach().clone()
    td.all_reduce(x)
    return x / world()


def agree(value: Any) -> Any:
    """The first rank's value, on every rank."""
    if world() == 1:
        return value
    box = [value]
    td.broadcast_object_list(box)
    return box[0]


def wrap(module: nn.Module, device: torch.device) -> nn.Module:
    """The module as this group trains it: DDP, or itself when alone."""
    if world() == 1:
        return module
    ids = [device.index or 0] if device.type == "cuda" else None
    skips = bool(getattr(module, "skips", False))  # some steps leave parameters without a gradient
    return nn.parallel.DistributedDataParallel(module, device_ids=ids, find_unused_parameters=skips)
