"""Data on a grid of any number of axes: checked, brought to a size, cut into patches, and put together again."""

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ..errors import Mistake, Unreadable
from ..forms import Sample
from ..tokens import Tokens, every, layout
from .want import Want

T = TypeVar("T")
MOST = 2**27  # numbers in one sample: 512 MiB as float32
LONGEST = 2**16  # along one axis
HUGE = 1e9  # no measured intensity is larger; beyond it float32 could overflow once standardised


def checked(values: object, axes: str) -> np.ndarray:
    """`values` as a writable array with these axes ("C H W"), real numbers of any dtype; else Unreadable.

    At most 2^27 numbers, and 65,536 along one axis.
    """
    form = f"[{', '.join(axes.split())}]"
    if not hasattr(values, "__array__"):
        raise Unreadable("", f"a {type(values).__name__} is no array {form}")
    try:
        array = np.asarray(values)
    except Exception as error:  # an object of the user's own, a tensor on a device, ...
        raise Unreadable("", f"it cannot be taken as an array {form} ({error})") from error
    if array.dtype.kind not in "biuf":
        raise Unreadable("", f"it holds {array.dtype} values, not real numbers")
    if array.ndim != len(axes.split()):
        raise Unreadable("", f"its shape is {list(array.shape)}, not {form}")
    if array.size == 0:
        raise Unreadable("", f"it is empty: its shape is {list(array.shape)}")
    if array.size > MOST or max(array.shape) > LONGEST:
        raise Unreadable(
            "", f"its shape {list(array.shape)} is too large: at most {MOST:,} numbers, {LONGEST:,} an axis"
        )
    return np.require(array, array.dtype.newbyteorder("="), ["C", "W"])


def finite(array: np.ndarray) -> np.ndarray:
    """The same as float32, if all values are finite and below 1e9; else Unreadable."""
    with np.errstate(over="ignore", invalid="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise Unreadable("", "it holds NaN or infinite values")
    if np.abs(array).max() > HUGE:
        raise Unreadable("", f"it holds values beyond {HUGE:.0e}, which no measurement has")
    return array


def usable(samples: Iterable[Sample], check: Callable[[Sample], T], kind: str) -> list[T]:
    """What `check` makes of the samples it does not refuse; a Mistake where it refuses all."""
    good, reason = [], "there are none"
    for sample in samples:
        try:
            good.append(check(sample))
        except Unreadable as error:
            reason = error.reason
    if not good:
        raise Mistake(f"no {kind} sample can be used ({reason}): look at what the data holds")
    return good


def sizes(native: float, axes: int, others: float, want: Want, patches: Sequence[int] = (4, 8, 16)) -> tuple[int, int]:
    """(side, patch) in pixels: as wanted, else for about `want.rows` rows in a cube of `axes` sides `native` long.

    others: rows per patch of that cube (bands, tubelets; less than 1 where a sample is no cube). Without a wanted side, a
    sample of more than twice the wanted rows, in the largest of `patches`, is made smaller. Sides are at most 4,096, and
    multiples of the patch.
    """

    def rows(patch: int) -> float:
        return others * math.ceil(aim / patch) ** axes

    aim = want.side or max(1, round(native))
    aim = min(aim, 4096)
    patch = want.patch or min(patches, key=lambda p: abs(math.log(rows(p) / want.rows)))
    count = math.ceil(aim / patch)
    if not want.side and rows(patch) > 2 * want.rows:
        count = max(1, math.floor((2 * want.rows / others) ** (1 / axes) + 1e-9))
    return patch * count, patch


def near(sides: Sequence[int], side: int, patch: int) -> tuple[int, ...]:
    """Sides of nearly the same proportions, all multiples of `patch`, the longest of them `side`."""
    longest = max(sides)
    return tuple(side if n == longest else max(1, round(n * side / longest / patch)) * patch for n in sides)


def cut(x: Float[Tensor, "B C ..."], patch: tuple[int, ...]) -> Float[Tensor, "T P"]:
    """Patches of every sample in reading order, one a row: pixel by pixel, the channels of a pixel together.

    Sides that are no multiple of their patch are continued by repeating the last value.
    """
    b, c, *sides = x.shape
    more = [-n % p for n, p in zip(sides, patch, strict=True)]
    if any(more):
        x = F.pad(x, [v for m in reversed(more) for v in (0, m)], mode="replicate")
    split = [v for n, p in zip(x.shape[2:], patch, strict=True) for v in (n // p, p)]
    k = len(patch)
    order = [0, *range(2, 2 + 2 * k, 2), *range(3, 3 + 2 * k, 2), 1]
    return x.reshape(b, c, *split).permute(order).reshape(-1, math.prod(patch) * c)


def places(batch: int, counts: Sequence[int], device: torch.device) -> Float[Tensor, "T K"]:
    """Where the patches of `cut` lie, in patches."""
    axes = torch.meshgrid(*(torch.arange(n, dtype=torch.float32, device=device) for n in counts), indexing="ij")
    return torch.stack(axes, -1).reshape(-1, len(counts)).repeat(batch, 1)


def patched(x: Float[Tensor, "B C ..."], patch: tuple[int, ...], kind: str) -> Tokens:
    """The patches of standardised samples of one size, as tokens."""
    rows = cut(x, patch)
    counts = [-(-n // p) for n, p in zip(x.shape[2:], patch, strict=True)]
    spans = layout((len(rows) // len(x),) * len(x), 0, str(rows.device))
    return Tokens(rows, places(len(x), counts, rows.device), spans, kind)


def content(tokens: Tokens) -> tuple[Tensor, Tensor]:
    """(rows, coordinates) of what is no slot, on the CPU, rows in float64."""
    data = ~tokens.slot.cpu()
    return tokens.values.detach().double().cpu()[data], tokens.coords.cpu()[data]


def join(rows: Float[Tensor, "n P"], coords: Tensor, patch: tuple[int, ...]) -> Float[Tensor, "C ..."]:
    """Undo `cut` for one sample: rows at these places; patches that no row tells of are NaN."""
    at = coords.round().long()
    counts = (at.amax(0) + 1).tolist()
    canvas = rows.new_full((*counts, rows.shape[1]), math.nan)
    canvas[tuple(at.T)] = rows
    k = len(patch)
    canvas = canvas.view(*counts, *patch, -1)
    order = [2 * k, *(axis for i in range(k) for axis in (i, k + i))]
    return canvas.permute(order).reshape(-1, *(n * p for n, p in zip(counts, patch, strict=True)))


def uncut(rows: Float[Tensor, "T P"], counts: Sequence[int], patch: tuple[int, ...]) -> Float[Tensor, "B C ..."]:
    """Undo `cut` for samples of so many patches along every axis."""
    k = len(patch)
    x = rows.reshape(-1, *counts, *patch, rows.shape[1] // math.prod(patch))
    order = [0, 2 * k + 1, *(axis for i in range(1, k + 1) for axis in (i, k + i))]
    return x.permute(order).reshape(len(x), x.shape[-1], *(n * p for n, p in zip(counts, patch, strict=True)))


@dataclass(frozen=True)
class Grids:
    """The grids that rows of patches make: one for a picture, one for every band of a scene in several."""

    index: Int[Tensor, "K"]  # rows of the tokens, grid after grid, each in reading order
    first: Int[Tensor, "G"]  # where in it each begins
    counts: list[tuple[int, ...]]  # patches along every axis

    def of(self, members: Sequence[int]) -> Int[Tensor, "n N"]:
        """The rows of these grids, which must be of one size."""
        size, device = math.prod(self.counts[members[0]]), self.index.device
        start = self.first[torch.tensor(members, device=device)]
        return self.index[start[:, None] + torch.arange(size, device=device)]


def grids(tokens: Tokens, axes: int) -> Grids:
    """Where the grids of packed tokens lie, as the last `axes` coordinates tell; a Mistake where a part of one is missing.

    Waits for the device: how large a grid is only the coordinates say.
    """
    index = every(tokens).index
    at = tokens.coords[index, tokens.coords.shape[1] - axes :].round().long()
    first = (at == 0).all(1).nonzero()[:, 0]
    ends = torch.cat([first, first.new_tensor([len(at)])])
    counts = [tuple(c) for c in (at[ends[1:] - 1] + 1).tolist()]
    if int(ends[0]) or ends.diff().tolist() != [math.prod(c) for c in counts]:
        raise Mistake(
            "this method puts samples together again from their rows, and some rows are missing: use no crops"
        )
    return Grids(index, first, counts)


def alike(keys: Iterable[Hashable]) -> list[list[int]]:
    """The numbers of those that have the same key."""
    found: dict[Hashable, list[int]] = {}
    for number, key in enumerate(keys):
        found.setdefault(key, []).append(number)
    return list(found.values())


@lru_cache(maxsize=32)  # a set's samples ask for the same ones again and again
def sampling(old: int, new: int, step: float) -> Float[Tensor, "new old"]:
    """Weights that read `new` points, `step` old ones apart, about the middle of `old`: a triangle as wide as the step.

    It averages where it coarsens, so nothing aliases, and interpolates where it refines. Points outside weigh nothing.
    """
    at = (torch.arange(new, dtype=torch.float64) - (new - 1) / 2) * step + (old - 1) / 2
    width = max(1.0, step)
    weights = (1 - (at[:, None] - torch.arange(old)).abs() / width).clamp(min=0)
    inside = (at > -0.5 - 1e-6) & (at < old - 0.5 + 1e-6)
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-9) * inside[:, None]
    return weights.to(torch.float32)


def middle(old: int, new: int, step: float) -> np.ndarray:
    """Where `new` points, `step` old ones apart, lie about the middle of `old`, as `sampling` has them."""
    return (np.arange(new) - (new - 1) / 2) * step + (old - 1) / 2


def resample(
    x: Float[Tensor, "C ..."], new: Sequence[int], steps: Sequence[float], outside: float = 0.0
) -> Float[Tensor, "C ..."]:
    """`new` points along every axis, `steps` old ones apart, about the middle; what lies beyond the data is `outside`."""
    x = x - outside
    for axis, (n, step) in enumerate(zip(new, steps, strict=True), start=1):
        if n != x.shape[axis] or step != 1:
            weights = sampling(int(x.shape[axis]), int(n), float(step))
            x = torch.tensordot(weights, x, dims=([1], [axis])).movedim(0, axis)
    return (x + outside).contiguous()


def resize(x: Float[Tensor, "C ..."], sides: Sequence[int]) -> Float[Tensor, "C ..."]:
    """The whole of it in these sides, without aliasing."""
    return resample(x, sides, [old / new for old, new in zip(x.shape[1:], sides, strict=True)])


def moments(parts: Sequence[Tensor]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and spread of every channel over these [C, ...]; the spread of a channel that never changes is 1."""
    flat = torch.cat([x.flatten(1).double() for x in parts], 1)
    mean, std = flat.mean(1), flat.std(1, correction=0)
    std = torch.where(std > 1e-6 * mean.abs(), std, 1.0)
    return tuple(mean.tolist()), tuple(std.tolist())


def column(values: Sequence[float], axes: int, device: torch.device | str = "cpu") -> Float[Tensor, "C ..."]:
    """A number per channel, shaped to be taken with [C, ...] of `axes` axes."""
    return torch.tensor(values, dtype=torch.float32, device=device).view(-1, *(1,) * axes)
