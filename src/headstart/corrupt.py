"""Hide rows, then fill the holes: `corrupt(score, ratio, fill)` makes the view that a student must repair.

A mask is a score per row: `hide` takes the lowest `round(ratio * n)` content rows of every segment. Scores read only
coordinates, so one definition serves pictures, series and text, and the counts are known on the host.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .errors import Mistake
from .step import Rng
from .tokens import Layout, Rows, Tokens, View, layout, rows_where, select
from .tree import replace

Score = Callable[[Tokens, Rng], Tensor]  # [T], low score = hide first
Count = Callable[[Tokens, Rng], tuple[int, ...]]  # how many rows of every segment to hide
Fill = Callable[[Tokens, Rows, Rng], Tokens]
Make = Callable[[Tokens, Rng], View]


def random(tokens: Tokens, rng: Rng) -> Float[Tensor, "T"]:
    """Every row alone (MAE, He et al. 2022, section 3)."""
    return rng.rows(tokens.layout.seg, tokens.layout.place - tokens.layout.slots)[:, 0]


def groups(tokens: Tokens, rng: Rng, seeds: int = 4, spread: float = 2.0) -> Float[Tensor, "T"]:
    """Connected groups: the distance to the nearest of a few random rows, each reaching up to `spread` times as far.

    The largest-coordinate distance makes rectangles of a grid (GMML, Atito et al.), intervals of a series, and cubes
    of a volume.
    """
    spans = tokens.layout
    content = spans.cu.diff() - spans.slots
    at = (rng.fold("seed").segments(seeds) * content[:, None]).long() + (spans.cu[:-1] + spans.slots)[:, None]
    reach = 1 + (spread - 1) * rng.fold("reach").segments(seeds)
    centre = tokens.coords[at.clamp(max=len(tokens) - 1)]  # [S, seeds, C]
    far = (tokens.coords[:, None] - centre[spans.seg]).abs().amax(-1) / reach[spans.seg]
    return far.amin(1) + 1e-3 * random(tokens, rng.fold("ties"))


def tube(tokens: Tokens, rng: Rng) -> Float[Tensor, "T"]:
    """Rows at one place of all axes but the first stand or fall together (VideoMAE, Tong et al. 2022)."""
    spans = tokens.layout
    primes = torch.tensor([0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35], device=tokens.device)
    where = (64 * tokens.coords[:, 1:4]).round().long()
    code = (where * primes[: where.shape[1]]).sum(1) & 0x7FFFFFFF
    return rng.rows(spans.seg, code)[:, 0]


def hide(tokens: Tokens, score: Float[Tensor, "T"], ratio: float | tuple[int, ...]) -> Rows:
    """The round(ratio * n) lowest-scoring of the n content rows of every segment, at least one; or so many as given for each."""
    if isinstance(ratio, tuple):
        counts = ratio
    elif 0 <= ratio <= 1:
        counts = tuple(max(1, round(ratio * n)) if n and ratio else 0 for n in tokens.content)
    else:
        raise Mistake(f"ratio is the share of rows to hide, between 0 and 1, not {ratio}")
    return lowest(score.masked_fill(tokens.slot, torch.inf), tokens.layout, counts)


@dataclass(frozen=True)
class between:
    """A share of the rows between `low` and `high`, drawn once a step for all samples; so their lengths stay equal."""

    low: float
    high: float

    def __call__(self, tokens: Tokens, rng: Rng) -> tuple[int, ...]:
        share = self.low + (self.high - self.low) * rng.fold("share").number()
        return tuple(max(1, round(share * n)) if n else 0 for n in tokens.content)


@dataclass(frozen=True)
class sometimes:
    """A share between `low` and `high` for each sample, with probability p; else none of its rows (iBOT's blocks)."""

    p: float
    low: float
    high: float

    def __call__(self, tokens: Tokens, rng: Rng) -> tuple[int, ...]:
        u = rng.fold("share").segments(2)
        shares = torch.where(u[:, 0] < self.p, self.low + (self.high - self.low) * u[:, 1], 0.0).tolist()
        return tuple(max(1, round(s * n)) if n and s else 0 for s, n in zip(shares, tokens.content, strict=True))


def lowest(score: Float[Tensor, "T"], spans: Layout, counts: tuple[int, ...]) -> Rows:
    """The `counts` rows of lowest score in every segment."""
    if spans.uniform and len(set(counts)) == 1:
        order = score.view(spans.segments, spans.max_len).argsort(dim=1, stable=True)[:, : counts[0]]
        mask = torch.zeros(spans.segments, spans.max_len, dtype=torch.bool, device=score.device)
        return rows_where(mask.scatter_(1, order, True).flatten(), counts)
    order = score.argsort(stable=True)
    order = order[spans.seg[order].argsort(stable=True)]  # by segment, then by score: row r of it has rank place[r]
    rank = torch.empty_like(order)
    rank[order] = spans.place
    return rows_where(rank < torch.tensor(counts, device=score.device)[spans.seg], counts)


def corrupt(score: Score, ratio: float | Count, fill: Fill) -> Make:
    """A view with `ratio` of each sample's rows hidden where `score` is low, and `fill` in their place."""

    def make(tokens: Tokens, rng: Rng) -> View:
        share = ratio(tokens, rng) if callable(ratio) else ratio
        hidden = hide(tokens, score(tokens, rng.fold("hide")), share)
        return View(fill(tokens, hidden, rng.fold("fill")), tokens, hidden)

    return make


def clean(tokens: Tokens, rng: Rng) -> View:
    """The sample as it is, nothing hidden."""
    nothing = torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)
    return View(tokens, tokens, rows_where(nothing, (0,) * tokens.layout.segments))


def mismatched(tokens: Tokens, rng: Rng) -> View:
    """Half of the samples with all rows of another one of the batch in place of their own, nothing hidden; label: 1 where a
    sample has its own rows, else 0 (image-text matching; Chen et al. "UNITER", 2020)."""
    spans = tokens.layout
    if spans.segments < 2:
        raise Mistake("mismatched needs at least two samples in a batch: raise data.batch")
    order = rng.segments()[:, 0].argsort()  # by each sample's own draw: the partner does not depend on batch order
    source = torch.arange(spans.segments, device=tokens.device)
    half = spans.segments // 2
    source[order[:half]] = order.roll(1)[:half]
    lengths = tuple(spans.lengths[i] for i in source.tolist())
    new = layout(lengths, spans.slots, str(tokens.device))
    rows = spans.cu[:-1].long()[source][new.seg] + new.place
    others = replace(tokens, values=tokens.values[rows], coords=tokens.coords[rows], layout=new)
    own = torch.ones_like(source).index_fill(0, order[:half], 0)
    return replace(clean(others, rng), label=own)


def drop(tokens: Tokens, hidden: Rows, rng: Rng) -> Tokens:
    """Take hidden rows out: the encoder never sees them and never pays for them (MAE)."""
    lengths = zip(tokens.layout.lengths, hidden.counts, strict=True)
    return select(tokens, rows_where(~hidden.mask, tuple(n - k for n, k in lengths)))


def keep(tokens: Tokens, hidden: Rows, rng: Rng) -> Tokens:
    """Hidden rows as they are, so that nothing is withheld: what takes hiding out of a method."""
    return tokens


def noise(tokens: Tokens, hidden: Rows, rng: Rng) -> Tokens:
    """Standard normal noise where rows are numbers, which their tokenizer standardised; where they are ids, those of rows of the
    same sample that are not hidden, so that frequent ones come often (BERT's random replacement, within a sample); a sample of
    which nothing is shown keeps its own."""
    if not tokens.values.is_floating_point():
        at, spans = hidden.index, tokens.layout
        seg = spans.seg[at]
        shown = ~hidden.mask & ~tokens.slot
        counts = torch.zeros_like(spans.cu[1:], dtype=torch.long).index_add_(0, spans.seg, shown.long())
        drawn = rng.rows(seg, spans.place[at] - spans.slots)[:, 0]
        wanted = (counts.cumsum(0) - counts)[seg] + (drawn * counts[seg]).long()
        among = rows_where(shown, tuple(n - k for n, k in zip(tokens.content, hidden.counts, strict=True))).index
        source = torch.where(counts[seg] > 0, torch.cat([among, at[:1]])[wanted.clamp(max=len(among))], at)
        return tokens.with_values(tokens.values.index_copy(0, at, tokens.values[source]))
    where, spans = hidden.index, tokens.layout
    drawn = rng.normal(spans.seg[where], spans.place[where] - spans.slots, tokens.values.shape[-1])
    return tokens.with_values(tokens.values.index_copy(0, where, drawn.to(tokens.values.dtype)))


def mask_token(tokens: Tokens, hidden: Rows, rng: Rng) -> Tokens:
    """The encoder's learned mask, its first special vector (BERT, SimMIM): `encoder(..., specials=1)`."""
    special = torch.full((len(tokens),), -1, device=tokens.device)
    return replace(tokens, special=special.index_fill(0, hidden.index, 0))


def other_sample(tokens: Tokens, hidden: Rows, rng: Rng) -> Tokens:
    """The row at the same place of another sample of the batch ("alien" rows, GMML)."""
    return tokens.with_values(
        tokens.values.index_copy(0, hidden.index, tokens.values[aliens(tokens, hidden.index, rng)])
    )


def aliens(tokens: Tokens, rows: Int[Tensor, "K"], rng: Rng) -> Int[Tensor, "K"]:
    """For each of these rows the one at the same place of another sample of the batch, always of the same one; itself where that
    sample is empty."""
    spans = tokens.layout
    if spans.segments < 2:
        raise Mistake("rows of another sample need at least two samples in a batch: raise data.batch")
    shuffled = rng.segments()[:, 0].argsort()  # by each sample's own draw: the partner does not depend on batch order
    partner = torch.empty_like(shuffled)
    partner[shuffled] = shuffled.roll(1)
    other = partner[spans.seg[rows]]
    content = (spans.cu.diff() - spans.slots).clamp(min=1)
    place = (spans.place[rows] - spans.slots) % content[other]
    source = spans.cu[:-1][other] + spans.slots + place
    return torch.where(spans.cu.diff()[other] > spans.slots, source, rows)


def one_of(*fills: Fill, p: tuple[float, ...]) -> Fill:
    """One fill per sample, drawn with probabilities p."""
    if len(fills) != len(p) or abs(sum(p) - 1) > 1e-6:
        raise ValueError(f"one_of needs a probability for each of its {len(fills)} fills, summing to 1, not {p}")
    edges = torch.tensor(p).cumsum(0)[:-1]

    def fill(tokens: Tokens, hidden: Rows, rng: Rng) -> Tokens:
        drawn = torch.bucketize(rng.fold("which").segments()[:, 0], edges.to(tokens.device), right=True)
        which = drawn[tokens.layout.seg]
        values, special = tokens.values, torch.full((len(tokens),), -1, device=tokens.device)
        for number, each in enumerate(fills):
            filled = each(tokens, hidden, rng.fold(number))
            mine = which == number
            values = torch.where(mine.view(-1, *[1] * (values.ndim - 1)), filled.values, values)  # numbers or ids
            if filled.special is not None:
                special = torch.where(mine, filled.special, special)
        return replace(tokens, values=values, special=special if (mask_token in fills) else None)

    return fill
