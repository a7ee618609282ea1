"""MiniRocket (Dempster, Schmidt & Webb 2021): how often fixed little patterns, stretched in time, are met in a signal.

84 kernels of nine weights, three of them 2 and six -1, at up to 32 dilations; of each the share of time at which it answers
more than a bias (PPV), for biases that are quantiles of its answers to samples drawn by lot: 9,996 numbers. Several
channels are added up in random subsets for every kernel and dilation, as in the authors' multivariate code; samples of
unequal length are padded with zeros and judged by the time they have, as in their code for variable lengths, so that
nothing is stretched. Differs from the paper: channels are standardised over the data set, gaps bridged by straight lines,
and a signal of many points is averaged piece by piece to at most 1,024 points (and 65,536 numbers), which bounds the time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..forms import Sample
from ..tokenizers.rates import filled
from ..tokens import Tokenizer
from . import Vectors, rival, spread

KERNELS = np.array(list(combinations(range(9), 3)))  # [84, 3]: which weights are 2
FEATURES, DILATIONS, CHANNELS = 9_996, 32, 9
POINTS, NUMBERS = 1_024, 65_536
AT_ONCE = 1 << 16  # values of a channel in a batch: what is worked on stays in the cache
LEARN = 2_000  # samples that mean, spread and biases are from


@dataclass(frozen=True)
class Kernel:
    """A kernel at a dilation. taps: which three weights are 2. channels: that are added up. biases: [m], m may be 0. whole: the
    ends count, where the kernel reaches over zeros."""

    dilation: int
    taps: tuple[int, int, int]
    channels: tuple[int, ...]
    whole: bool
    biases: Tensor


@rival("MiniRocket + linear", kinds=("series", "trajectory"))
def minirocket(samples: Sequence[Sample], tokenizer: Tokenizer) -> Vectors:
    """Kernels and biases from up to 2,000 samples spread over these."""
    chosen = [signal(sample) for sample in spread(samples, LEARN)]
    each = np.stack([(np.nansum(x, 1), np.nansum(x * x, 1), (~np.isnan(x)).sum(1)) for x in map(np.float64, chosen)])
    total, square, n = each.sum(0)
    mean = total / np.maximum(n, 1)
    std = np.sqrt(np.maximum(square / np.maximum(n, 1) - mean**2, 0))
    std = np.where(std > 1e-6 * np.maximum(np.abs(mean), 1e-20), std, 1.0)

    def ready(sample: Sample) -> np.ndarray:
        x, gone = filled((signal(sample) - mean[:, None]) / std[:, None])
        x = np.where(gone.all(1, keepdims=True), 0, x).clip(-1e6, 1e6)
        return shortened(x, max(1, min(POINTS, NUMBERS // len(x)))).astype(np.float32)

    kernels = learnt([ready(x) for x in chosen])
    return lambda asked: transformed([ready(x) for x in asked], kernels)


def signal(sample: Sample) -> Float[np.ndarray, "C L"]:
    """A series as it is; of a trajectory all numbers over its steps, NaN where the last state has no action."""
    if not isinstance(sample, dict):
        return np.asarray(sample)
    state, action = sample["state"], sample["action"]
    both = np.full((len(state), state.shape[1] + action.shape[1]), np.nan, np.float32)
    both[:, : state.shape[1]], both[: len(action), state.shape[1] :] = state, action
    return both.T


def shortened(x: Float[np.ndarray, "C L"], points: int) -> Float[np.ndarray, "C l"]:
    """At most so many points, each the mean of as many."""
    if x.shape[1] <= points:
        return x
    edges = np.arange(points) * x.shape[1] // points
    return np.add.reduceat(x, edges, axis=1) / np.diff(edges, append=x.shape[1])


def learnt(signals: list[np.ndarray], features: int = FEATURES, seed: int = 0) -> list[Kernel]:
    """The 84 kernels at every dilation that the longest of these signals has room for, and their biases."""
    rng = np.random.default_rng(seed)
    count = len(signals[0])
    kernels: list[Kernel] = []
    done = 0
    for turn, (dilation, each) in enumerate(_dilations(max(x.shape[1] for x in signals), features)):
        for i, taps in enumerate(KERNELS.tolist()):
            width = int(2 ** rng.uniform(0, np.log2(min(count, CHANNELS) + 1)))
            channels = tuple(sorted(rng.choice(count, width, replace=False).tolist()))
            plain = Kernel(dilation, (*taps,), channels, (turn + i) % 2 == 0, torch.zeros(0))
            ((answer, _),) = answers(torch.from_numpy(signals[rng.integers(len(signals))])[:, None], [plain])
            at = torch.tensor([(done + k) * (5**0.5 + 1) / 2 % 1 for k in range(1, each + 1)], dtype=torch.float32)
            kernels.append(replace(plain, biases=torch.quantile(answer[0], at) if each else at))
            done += each
    return kernels


def _dilations(longest: int, features: int) -> list[tuple[int, int]]:
    """(dilation, features of each kernel at it): evenly spaced exponents up to where a kernel spans the longest signal."""
    each = max(1, features // len(KERNELS))
    steps = min(each, DILATIONS)
    exponents = np.linspace(0, max(0.0, np.log2(max(1, longest - 1) / 8)), steps)
    found, counts = np.unique((2**exponents).astype(int), return_counts=True)
    counts = (counts * each / steps).astype(int)
    np.add.at(counts, np.arange(each - counts.sum()) % len(counts), 1)
    return list(zip(found.tolist(), counts.tolist(), strict=True))


def transformed(signals: list[np.ndarray], kernels: list[Kernel]) -> Float[np.ndarray, "n F"]:
    """The share of time at which each kernel answers more than each of its biases, signal by signal."""
    lengths = np.array([x.shape[1] for x in signals])
    out = np.empty((len(signals), sum(len(k.biases) for k in kernels)), np.float32)
    order, start = np.argsort(lengths, kind="stable"), 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and (stop + 1 - start) * lengths[order[stop]] <= AT_ONCE:
            stop += 1
        at, start = order[start:stop], stop
        x = np.zeros((len(signals[0]), len(at), lengths[at[-1]]), np.float32)
        for place, i in enumerate(at):
            x[:, place, : lengths[i]] = signals[i]
        out[at] = _shares(torch.from_numpy(x), torch.from_numpy(lengths[at]), kernels)
    return out


def _shares(x: Float[Tensor, "C B L"], lengths: Tensor, kernels: list[Kernel]) -> np.ndarray:
    """[B, F] of signals that are followed by zeros."""
    shares, place = [], torch.arange(x.shape[-1])
    ones, room = torch.ones(x.shape[-1]), x.new_empty(max(len(k.biases) for k in kernels), *x.shape[1:])
    beyond = place >= lengths[:, None]
    ragged = bool(beyond.any())
    for (answer, kernel), biases in zip(answers(x, kernels), (k.biases for k in kernels), strict=True):
        if not len(biases):
            continue
        n = lengths
        if ragged:
            answer = answer.masked_fill_(beyond, -torch.inf)
        if not kernel.whole:
            cut = 4 * kernel.dilation
            short = lengths <= 2 * cut  # nothing would be left of these: their ends count
            ends = ((place < cut) | (place >= lengths[:, None] - cut)) & ~short[:, None]
            answer = answer.masked_fill_(ends, -torch.inf)
            n = torch.where(short, lengths, lengths - 2 * cut)
        more = torch.gt(
            answer, biases[:, None, None], out=room[: len(biases)]
        )  # as floats: six times faster than bools
        shares.append((more @ ones / n).T)  # a sum of ones is exact, whatever its order
    return torch.cat(shares, 1).numpy()


def answers(x: Float[Tensor, "C B L"], kernels: Sequence[Kernel]) -> Iterator[tuple[Float[Tensor, "B L"], Kernel]]:
    """What each kernel says at every point, zeros around; sums are taken number by number, in one order for every batch."""
    size, dilation = x.shape[-1], 0
    for kernel in kernels:
        if kernel.dilation != dilation:
            dilation = kernel.dilation
            wide = torch.nn.functional.pad(x, (4 * dilation, 4 * dilation))
            every = wide[..., :size].clone()
            for k in range(1, 9):
                every += wide[..., k * dilation : k * dilation + size]
        first, *rest = kernel.channels
        mixed, weight_one = wide[first], every[first]
        if rest:
            mixed, weight_one = mixed + wide[rest[0]], weight_one + every[rest[0]]
        for channel in rest[1:]:
            mixed += wide[channel]
            weight_one += every[channel]
        a, b, c = (mixed[..., k * dilation : k * dilation + size] for k in kernel.taps)
        yield (a + b).add_(c).mul_(3).sub_(weight_one), kernel
