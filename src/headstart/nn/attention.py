"""One `attend` over packed rows: every row attends to the rows of its own segment.

Chosen by facts and measurement: equal lengths -> one dense call; ragged on CUDA -> PyTorch's varlen kernel; ragged on a CPU ->
segments grouped by length, which is exact and needs no mask, or, where there are many lengths, padded to a few. `by_length` is
the reference that the others are tested against.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ..tokens import Layout
from ..tree import tree

SHORT = (
    512  # rows up to which softmax(q k) v written out beats the fused kernel on a CPU in bf16; in fp32 it never does
)
MANY = (
    8  # lengths beyond which padding to a few beats a call for each, on a CPU: always in bf16, up to 128 rows in fp32
)
ROUND = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)  # then multiples of 256


@tree
class Bias:
    """What is added to the scores of some pairs of rows, head by head. A pair of which a row is -1 does not count."""

    first: Int[Tensor, "E"]  # the row that asks
    second: Int[Tensor, "E"]  # the row that is asked
    value: Float[Tensor, "E H"]


def attend(
    q: Float[Tensor, "T H D"],
    k: Float[Tensor, "U H D"],
    v: Float[Tensor, "U H D"],
    layout: Layout,
    context: Layout | None = None,
    causal: bool = False,
    bias: Bias | None = None,
) -> Float[Tensor, "T H D"]:
    """Scaled dot-product attention inside segments.

    `context` lays out the rows of k and v where they differ from those of q (segment by segment the same samples).
    `causal`: a row sees itself and earlier rows of its segment; needs q and k to be the same rows.
    """
    if causal and context is not None:
        raise ValueError("causal attention has no meaning across two sequences")
    context = context or layout
    if context.segments != layout.segments:
        raise ValueError(f"{layout.segments} segments cannot attend to {context.segments}")
    if not len(q):
        return q  # no row asks: a batch in which every sample lacks this part
    if bias is not None:
        return biased(q, k, v, layout, context, causal, bias)
    if layout.uniform and context.uniform:
        return dense(q, k, v, layout, context, causal)
    if q.is_cuda and q.dtype in (torch.bfloat16, torch.float16):
        return varlen(q, k, v, layout, context, causal)
    if not q.is_cuda and _many(layout, context, q.dtype):
        return padded(q, k, v, layout, context, causal)
    return by_length(q, k, v, layout, context, causal)


def _many(layout: Layout, context: Layout, dtype: torch.dtype) -> bool:
    """So many lengths that padding beats a call for each; a row must have something to attend to."""
    short = max(layout.max_len, context.max_len) <= 128
    pairs = set(zip(layout.lengths, context.lengths, strict=True))
    return len(pairs) > MANY and (short or dtype != torch.float32) and min(context.lengths) > 0


def _core(
    q: Float[Tensor, "S N H D"], k: Float[Tensor, "S M H D"], v: Float[Tensor, "S M H D"], causal: bool
) -> Float[Tensor, "S N H D"]:
    longest = max(q.shape[1], k.shape[1])
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    plain = not q.is_cuda and q.dtype != torch.float32 and longest <= SHORT
    return (written_out if plain else fused)(q, k, v, causal).transpose(1, 2)


def written_out(q: Tensor, k: Tensor, v: Tensor, causal: bool, bias: Tensor | None = None) -> Tensor:
    """softmax(q k + bias) v as three products, [S, H, N, D]."""
    score = (q * (1 / math.sqrt(q.shape[-1]))) @ k.transpose(-1, -2)
    if bias is not None:
        score = score + bias.to(score.dtype)
    if causal:
        later = torch.ones(score.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        score = score.masked_fill(later, -torch.inf)
    return score.softmax(-1) @ v


def fused(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """The same by PyTorch's kernel."""
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal)


def dense(q: Tensor, k: Tensor, v: Tensor, layout: Layout, context: Layout, causal: bool = False) -> Tensor:
    """All segments are equally long: rows are a free [S, N] grid."""
    s = layout.segments
    q4, k4, v4 = (x.reshape(s, -1, *x.shape[1:]) for x in (q, k, v))
    out = _core(q4, k4, v4, causal)
    return out.reshape(q.shape)


def biased(
    q: Tensor, k: Tensor, v: Tensor, layout: Layout, context: Layout, causal: bool, bias: Bias
) -> Float[Tensor, "T H D"]:
    """The same with something added to the scores of pairs: segments of equal lengths together, their scores written out."""
    out, heads = torch.zeros_like(q), q.shape[1:]
    for n, m, rows, columns in same_lengths(layout.lengths, context.lengths, str(q.device)):
        asking = q[rows].view(-1, n, *heads).transpose(1, 2)
        asked, told = (x[columns].view(-1, m, *heads).transpose(1, 2) for x in (k, v))
        i, j = place_in(rows, bias.first, len(q)), place_in(columns, bias.second, len(k))
        cells = len(asking) * n * m
        at = torch.where(
            (i >= 0) & (j >= 0), i * m + j % m, cells
        )  # those of other groups fall into a cell of their own
        added = bias.value.new_zeros(cells + 1, heads[0]).index_add(0, at, bias.value)[:-1]
        score = added.view(-1, n, m, heads[0]).permute(0, 3, 1, 2)
        out[rows] = written_out(asking, asked, told, causal, score).transpose(1, 2).reshape(-1, *heads)
    return out


def place_in(chosen: slice | Int[Tensor, "K"], rows: Int[Tensor, "E"], count: int) -> Int[Tensor, "E"]:
    """Which of the chosen among `count` rows these are, -1 where none of them."""
    every = torch.arange(count, device=rows.device)
    place = torch.full((count + 1,), -1, device=rows.device)  # one more, for what is -1 already
    place[every[chosen]] = every[: len(every[chosen])]
    return place[rows]


def by_length(q: Tensor, k: Tensor, v: Tensor, layout: Layout, context: Layout, causal: bool = False) -> Tensor:
    """Segments of equal lengths together: exact, any device, no mask."""
    parts, order = [], []
    for n, m, rows, columns in same_lengths(layout.lengths, context.lengths, str(q.device)):
        heads = q.shape[1:]
        group = (q[rows].view(-1, n, *heads), k[columns].view(-1, m, *heads), v[columns].view(-1, m, *heads))
        parts.append(_core(*group, causal).reshape(-1, *heads))
        order.append(rows)
    if not parts:
        return torch.zeros_like(q)
    if all(isinstance(rows, slice) for rows in order):
        return torch.cat(parts)
    every = torch.arange(len(q), device=q.device)
    back = torch.cat([every[rows] for rows in order]).argsort()
    return torch.cat(parts)[back]


@lru_cache(maxsize=256)
def same_lengths(
    lengths: tuple[int, ...], others: tuple[int, ...], device: str
) -> list[tuple[int, int, slice | Tensor, slice | Tensor]]:
    """(n, m, rows, columns) of every pair of lengths n > 0, m; slices where its segments lie together."""
    members: dict[tuple[int, int], list[int]] = defaultdict(list)
    for segment, pair in enumerate(zip(lengths, others, strict=True)):
        if pair[0]:
            members[pair].append(segment)
    starts = [torch.tensor((0, *ls)).cumsum(0) for ls in (lengths, others)]
    together = all(s[-1] - s[0] == len(s) - 1 for s in members.values())
    groups = []
    for (n, m), segments in members.items():
        pick: list[slice | Tensor] = []
        for length, start in ((n, starts[0]), (m, starts[1])):
            if together:
                first = int(start[segments[0]])
                pick.append(slice(first, first + length * len(segments)))
            else:
                pick.append((start[segments][:, None] + torch.arange(length)).flatten().to(device))
        groups.append((n, m, pick[0], pick[1]))
    return groups


def padded(q: Tensor, k: Tensor, v: Tensor, layout: Layout, context: Layout, causal: bool = False) -> Tensor:
    """Segments of about equal lengths together, the shorter ones filled up; what fills them is masked. Slots and labels never
    see it: the rows come back packed."""
    parts, back = [], _buckets(layout.lengths, context.lengths, str(q.device))
    heads = q.shape[1:]
    for n, m, rows, columns, bias in back.groups:
        group = (
            q.index_select(0, rows).view(-1, n, *heads),
            *(x.index_select(0, columns).view(-1, m, *heads) for x in (k, v)),
        )
        one, two, three = (x.transpose(1, 2) for x in group)
        parts.append(written_out(one, two, three, causal, bias).transpose(1, 2).reshape(-1, *heads))
    return torch.cat(parts).index_select(0, back.rows)


@dataclass(frozen=True)
class Buckets:
    """groups: (n, m, rows of q, rows of k, bias [S, 1, 1, m]), fillers pointing at row 0. rows: where a row of q comes back."""

    groups: list[tuple[int, int, Tensor, Tensor, Tensor]]
    rows: Tensor


@lru_cache(maxsize=256)
def _buckets(lengths: tuple[int, ...], others: tuple[int, ...], device: str) -> Buckets:
    members: dict[tuple[int, int], list[int]] = defaultdict(list)
    for segment, (n, m) in enumerate(zip(lengths, others, strict=True)):
        if n:
            members[_up(n), _up(m)].append(segment)
    starts = [torch.tensor((0, *each)).cumsum(0) for each in (lengths, others)]
    counts = [torch.tensor(each) for each in (lengths, others)]
    groups = []
    back = torch.empty(sum(lengths), dtype=torch.int64)
    filled = 0
    for (n, m), segments in members.items():
        picks, real = [], []
        for width, start, count in zip((n, m), starts, counts, strict=True):
            there = torch.arange(width) < count[segments][:, None]
            picks.append(torch.where(there, start[segments][:, None] + torch.arange(width), 0).flatten())
            real.append(there)
        bias = torch.zeros(real[1].shape).masked_fill(~real[1], -torch.inf)[:, None, None]
        mine = torch.nonzero(real[0].flatten())[:, 0]
        back[picks[0][mine]] = mine + filled
        filled += real[0].numel()
        groups.append((n, m, picks[0].to(device), picks[1].to(device), bias.to(device)))
    return Buckets(groups, back.to(device))


def _up(n: int) -> int:
    return next((size for size in ROUND if size >= n), 256 * -(-n // 256))


def varlen(q: Tensor, k: Tensor, v: Tensor, layout: Layout, context: Layout, causal: bool = False) -> Tensor:
    """PyTorch's variable-length flash kernel (CUDA, half precision)."""
    from torch.nn.attention.varlen import varlen_attn

    window = (-1, 0) if causal else (-1, -1)
    longest = [64 * -(-x.max_len // 64) for x in (layout, context)]  # rounded up: few distinct values, few recompiles
    out = varlen_attn(q, k, v, layout.cu, context.cu, longest[0], longest[1], window_size=window)
    return out if isinstance(out, Tensor) else out[0]
