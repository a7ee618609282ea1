"""Less memory for the same mathematics: what the backward pass needs of a trunk is computed once more instead of kept.

Losses that compare samples (contrast, centres, queues) see the whole batch all the same: trunks take it in slices, and terms
never learn of it (gradient caching, Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", 2021;
recomputing itself: Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016).
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import ParamSpec, TypeVar, cast

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..errors import Mistake
from ..tokens import Pairs, Tokens, end_to_end, layout
from ..tree import replace
from .encoder import encoders
from .transformer import Block, Keys

P = ParamSpec("P")
T = TypeVar("T")
Trunk = Callable[[Tokens, Keys | None, tuple[int, ...]], list[Tokens]]


def recompute(each: Iterable[nn.Module]) -> None:
    """Have each of these blocks keep only its input, and compute the rest again in the backward pass: a third more time."""
    for block in each:
        block.forward = partial(_again, _own(block.forward))
        if "only" in dir(block):
            part = cast(Block, block)
            part.only = partial(_again, _own(part.only))  # type: ignore[method-assign, call-arg]


def in_slices(module: nn.Module, count: int) -> None:
    """Have every encoder inside run its samples in `count` slices, of which one at a time is held in memory, and the blocks
    beside encoders (decoders) keep only their inputs."""
    inside = {id(block) for part in encoders(module) for block in blocks(part)}
    recompute(block for block in blocks(module) if id(block) not in inside)
    for part in encoders(module):
        part.trunk.forward = partial(_sliced, cast(Trunk, _own(part.trunk.forward)), count)


def blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The blocks of all stacks inside: encoders, decoders, those of a teacher."""
    for name, part in module.named_modules():
        if isinstance(part, nn.ModuleList) and name.rpartition(".")[2] == "blocks":
            yield from part


def _own(compute: Callable[P, T]) -> Callable[P, T]:
    """What is computed where nothing is recomputed: training that goes on asks for it again."""
    while isinstance(compute, partial) and compute.func in (_again, _sliced):
        compute = compute.args[0]
    return compute


def _again(compute: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """What it computes, of which nothing but the arguments is kept for the backward pass."""
    found: T = checkpoint(
        partial(compute, **named), *args, use_reentrant=False, preserve_rng_state=False
    )  # nothing is random
    return found


def _sliced(
    trunk: Trunk, count: int, x: Tokens, keys: Keys | None = None, depths: tuple[int, ...] = ()
) -> list[Tokens]:
    found = [_again(trunk, rows, some, depths) for rows, some in _slices(x, keys, count)]
    if len(found) == 1:
        return found[0]
    if any(piece.asides for piece in found[0]):
        raise Mistake(
            "this trunk asks for a loss over the whole batch (the load of its experts), and slices do not see all of it: "
            "run.accumulate=1"
        )
    whole = [end_to_end(list(pieces)) for pieces in zip(*found, strict=True)]
    return [x.with_values(each.values) if each.layout is x.layout else each for each in whole]


def _slices(x: Tokens, keys: Keys | None, count: int) -> Iterator[tuple[Tokens, Keys | None]]:
    """At most `count` slices of whole segments, of about as many rows each."""
    lengths, begin, row, key = x.layout.lengths, 0, 0, 0
    for end in _ends(lengths, count):
        inside, last = lengths[begin:end], row + sum(lengths[begin:end])
        spans = layout(inside, x.layout.slots, str(x.device))
        special = None if x.special is None else x.special[row:last]
        pairs = None if x.pairs is None else _between(x.pairs, row, last)
        rows = replace(
            x, values=x.values[row:last], coords=x.coords[row:last], layout=spans, special=special, pairs=pairs
        )
        some = None
        if keys is not None:
            held = keys.layout.lengths[begin:end]
            chosen = keys.index[key : key + sum(held)] - row
            some, key = Keys(chosen, layout(held, keys.layout.slots, str(x.device))), key + sum(held)
        yield rows, some
        begin, row = end, last


def _ends(lengths: tuple[int, ...], count: int) -> list[int]:
    """Behind which segment each slice ends."""
    total, sums = sum(lengths), 0
    ends: list[int] = []
    for number, length in enumerate(lengths, 1):
        sums += length
        if sums * count >= total * (len(ends) + 1) or number == len(lengths):
            ends.append(number)
    return ends


def _between(pairs: Pairs, first: int, last: int) -> Pairs:
    inside: Tensor = (pairs.first >= first) & (pairs.first < last)
    return Pairs(pairs.first[inside] - first, pairs.second[inside] - first, pairs.sort[inside], pairs.sorts)
