"""Narrower and shallower nets inside a wide one, of the same weights: its first channels, some of its blocks (POA, Zhang et al.,
"POA: Pre-training Once for Models of All Sizes", 2024).

A part keeps whole heads. A linear map that reads fewer channels than it was made for counts each for more, full / fewer, so that
what comes out is about as large; the factor is folded into the weight. Blocks are spread evenly, first and last among them.
"""

import math
import re
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import Mistake
from ..step import Step
from .encoder import Encoder, Model
from .linear import Linear

_BLOCK = re.compile(r"trunk\.blocks\.(\d+)\.")


class Elastic(nn.Module):
    """A student's parts as encoders, another one at every step. It owns nothing: gradients reach the student's weights.

    Parts have from `narrowest` of the heads and `shallowest` of the blocks up to all, but not all of both. They come in a
    shuffled order, each `repeat` squared times a round if it is the smallest, once if it is nearly the whole.
    """

    def __init__(self, student: Encoder, narrowest: float = 0.375, shallowest: float = 0.5, repeat: int = 3) -> None:
        super().__init__()
        _plain(student)
        self._student = (student,)  # in a tuple, so that its weights are registered once
        self.shapes = _parts(student.shape, narrowest, shallowest, repeat)

    cuts = True  # into the student's weights, which must be whole
    blocks: tuple[nn.Module, ...] = ()  # of its own, to be compiled: they are the student's

    def at(self, step: Step) -> Encoder:
        """The part that this step trains."""
        turn, place = divmod(step.index, len(self.shapes))
        keys = torch.arange(len(self.shapes))
        order = Step(turn, 0, step.seed).rng("part", keys).segments()[:, 0].argsort(stable=True)
        return part(self._student[0], self.shapes[int(order[place])])


def part(student: Encoder, shape: Model) -> Encoder:
    """A part of the student that works on the student's own weights, for one step: it has no parameters itself."""
    with torch.device("meta"):
        small = student.like(shape=shape)
    for name, weight in _cut(student, small).items():
        home, _, own = name.rpartition(".")
        delattr(small.get_submodule(home), own)
        setattr(small.get_submodule(home), own, weight)
    return small


@torch.no_grad()
def extract(student: Encoder, width: int, depth: int) -> Encoder:
    """A part as an encoder of its own, to keep, to save or to train further. width: whole heads of the student's."""
    _plain(student)
    head = student.width // student.shape.heads
    if width % head or not head <= width <= student.width or not 1 <= depth <= student.shape.depth:
        raise Mistake(
            f"a part of this encoder has a width of {head}, {2 * head}, ... or {student.width} and a depth of 1 to "
            f"{student.shape.depth}, not {width} and {depth}"
        )
    shape = replace(student.shape, width=width, depth=depth, heads=width // head)
    small = student.like(shape=shape).to(student.slots.device)
    small.load_state_dict(_cut(student, small))
    return small


def _plain(student: Encoder) -> None:
    stacks = [name for name, p in student.trunk.named_parameters() if p.ndim > 2]
    if stacks:
        raise Mistake(f"{student.shape.trunk} has no smaller nets inside: {stacks[0]} is a stack of matrices")
    if student.parts:
        raise Mistake(
            f"an encoder whose parts were replaced ({', '.join(student.parts)}) has no smaller nets inside: fold them in"
        )


class narrow(nn.Module):
    """A head that also takes rows of a part: they stand for its first inputs and count for more, as in the part itself.

    inner: begins with a linear map of `width` inputs.
    """

    def __init__(self, inner: nn.Module, width: int) -> None:
        super().__init__()
        self.inner, self.width = inner, width

    def forward(self, x: Float[Tensor, "N d"]) -> Float[Tensor, "N out"]:
        fewer = x.shape[1]
        return self.inner(F.pad(x * (self.width / fewer), (0, self.width - fewer)))


def _parts(whole: Model, narrowest: float, shallowest: float, repeat: int) -> list[Model]:
    """All parts but the whole, the small ones several times (release: `create_dynamic_networks`, net_select_scale)."""
    heads, depths = _upto(whole.heads, narrowest), _upto(whole.depth, shallowest)
    head = whole.width // whole.heads
    found = [
        replace(whole, width=h * head, heads=h, depth=d)
        for h, often in zip(heads, np.linspace(repeat, 1, len(heads)), strict=True)
        for d, too in zip(depths, np.linspace(repeat, 1, len(depths)), strict=True)
        if (h, d) != (whole.heads, whole.depth)
        for _ in range(round(often * too))
    ]
    if not found:
        raise Mistake(
            f"an encoder of {whole.heads} heads and {whole.depth} blocks has no smaller parts: raise model.heads or model.depth"
        )
    return found


def _upto(whole: int, least: float) -> range:
    if not 0 < least <= 1:
        raise Mistake(f"the smallest part is a share of the whole, above 0 and at most 1, not {least}")
    return range(max(1, math.ceil(least * whole)), whole + 1)


def _cut(student: Encoder, small: Encoder) -> dict[str, Tensor]:
    """The student's weights in the shapes of `small`, by its names."""
    full = dict(student.named_parameters())
    last, between = student.shape.depth - 1, max(1, small.shape.depth - 1)
    kept = [
        i * last // between for i in range(small.shape.depth)
    ]  # int(linspace(0, last, depth)), without its rounding
    found: dict[str, Tensor] = {}
    for home, module in small.named_modules():
        stacked = module.stacked if isinstance(module, Linear) else 1  # queries, keys and values: the first of each
        for own, like in module.named_parameters(recurse=False):
            name = f"{home}.{own}" if home else own
            whole = full[_BLOCK.sub(lambda block: f"trunk.blocks.{kept[int(block[1])]}.", name)]
            found[name] = weight = _first(whole, tuple(like.shape), stacked)
            if isinstance(module, nn.Linear) and own == "weight":
                found[name] = weight * (whole.shape[1] / like.shape[1])
    return found


def _first(x: Tensor, shape: tuple[int, ...], stacked: int) -> Tensor:
    """The first channels along every axis; along axis 0 of each of the `stacked` parts that lie there."""
    x = x.unflatten(0, (stacked, -1))[:, : shape[0] // stacked].flatten(0, 1)
    return x[(slice(None), *(slice(n) for n in shape[1:]))]
