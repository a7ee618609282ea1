"""Graphs seen differently: a connected part, a few edges fewer, other numbers for the nodes."""

import torch
from torch import Tensor

from ..step import Rng
from ..tokens import Tokens, rows_where, select
from ..tree import replace

DROPPED = 0.1  # share of edges left out (GraphCL, You et al. 2020, drops up to 0.2)


def crop_rows(tokens: Tokens, rng: Rng, scale: tuple[float, float], shrink: float) -> Tokens:
    """`part`, and the nodes numbered anew at random: a graph is the same in any order. `shrink` has no meaning here."""
    seen = part(tokens, rng, scale)
    return _renumbered(seen, rng.fold("numbers"))


def part(tokens: Tokens, rng: Rng, scale: tuple[float, float]) -> Tokens:
    """A share in `scale` of each graph's nodes, those fewest steps from a random one, and nine in ten of the edges between them.

    Before edges are dropped the part is connected. Where the graph is not, and the start's component is used up, its other
    components follow one after another. At least one node stays.
    """
    spans, slot = tokens.layout, tokens.slot
    a, b = (tokens.coords[:, i].round().long().clamp(min=0) for i in (0, 1))
    node, edge = (a == b) & ~slot, (a != b) & ~slot
    width = int(torch.maximum(a, b).max()) + 1 if len(tokens) else 1
    a, b = spans.seg * width + a, spans.seg * width + b  # a number for every node of the batch
    nodes = _per_segment(node, tokens)
    u = rng.segments(2)

    there = torch.zeros(spans.segments * width, dtype=torch.bool, device=tokens.device)
    there[a[node]] = True
    edge = edge & there[a] & there[b]
    number = torch.arange(spans.segments * width, device=tokens.device)
    rank = torch.cumsum(there.view(-1, width).long(), 1).flatten() - 1
    start = there & (rank == (u[:, 0] * nodes).long()[number // width])
    far = _steps(start, there, a[edge], b[edge], width)

    tie = torch.zeros(len(far), device=tokens.device)
    tie[a[node]] = rng.fold("ties").rows(spans.seg[node], spans.place[node])[:, 0]
    order = tie.argsort(stable=True)
    order = order[far[order].argsort(stable=True)]
    order = order[(order // width).argsort(stable=True)]
    place = torch.empty_like(order)
    place[order] = number % width
    wanted = ((scale[0] + (scale[1] - scale[0]) * u[:, 1]) * nodes).round().long().clamp(min=1)
    stays = there & (place < wanted[number // width])

    held = rng.fold("edges").rows(spans.seg, spans.place)[:, 0] >= DROPPED
    keep = slot | (node & stays[a]) | (edge & stays[a] & stays[b] & held)
    return select(tokens, rows_where(keep, tuple(_per_segment(keep, tokens).tolist())))


def _steps(start: Tensor, there: Tensor, a: Tensor, b: Tensor, width: int) -> Tensor:
    """How many edges away the start is; nodes of other components come after, one component behind the other."""
    number = torch.arange(len(there), device=there.device)
    beyond = (number % width + 1) * (width + 1)  # the lowest number of a component is where it is entered
    far = torch.where(there, beyond, (width + 2) ** 2).masked_fill(start, 0)
    for _ in range(width):
        nearer = far.scatter_reduce(0, a, far[b] + 1, "amin").scatter_reduce(0, b, far[a] + 1, "amin")
        if torch.equal(nearer, far):
            break
        far = nearer
    return far


def _renumbered(tokens: Tokens, rng: Rng) -> Tokens:
    """The same rows with the numbers of the nodes of each graph dealt out anew."""
    spans = tokens.layout
    a, b = (tokens.coords[:, i].round().long().clamp(min=0) for i in (0, 1))
    width = int(torch.maximum(a, b).max()) + 1 if len(tokens) else 1
    node = (a == b) & ~tokens.slot
    chance = torch.full((spans.segments * width,), 2.0, device=tokens.device)
    chance[(spans.seg * width + a)[node]] = rng.rows(spans.seg[node], spans.place[node])[:, 0]
    number = chance.view(-1, width).argsort(dim=1, stable=True).argsort(dim=1).flatten()
    ends = torch.stack([number[spans.seg * width + x] for x in (a, b)], 1).to(tokens.coords.dtype)
    ends = torch.where(tokens.slot[:, None], tokens.coords[:, :2], ends)
    return replace(tokens, coords=torch.cat([ends, tokens.coords[:, 2:]], 1))


def _per_segment(rows: Tensor, tokens: Tokens) -> Tensor:
    """How many of these rows every segment has."""
    count = torch.zeros(tokens.layout.segments, dtype=torch.long, device=tokens.device)
    return count.index_add(0, tokens.layout.seg, rows.long())
