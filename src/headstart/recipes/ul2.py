"""UL2: short gaps, long gaps and a missing end are three ways of one task, and a mode row says which (Tay et al., "UL2:
Unifying Language Learning Paradigms", 2022).

Hides: spans, each behind one special row: short ones (R), a quarter at the end (S), or long or many ones (X).
Predicts: the rows of the spans one by one, each from what is left of the sample and from what was written before it.
Use when: rows have an order, and one encoder should serve labels, filling in and going on (text, code, proteins, series). The
mode row says how it is used; `embed` reads samples without one. Not for sets, where no row comes before another.
Mechanism: a causal decoder that cross-attends to the encoder; each step draws a mode, and of R and X one of their denoisers.
Differs from the paper in: the mixture is drawn for a step, not for a sample; a span stands behind one special row at the place
of its first row, so that places tell spans apart (paper: numbered sentinels), and as every row is told its place the length of a
span is given, not predicted; span lengths are a random partition (T5's) with as many spans as keep the mean; rows of numbers are
restored by squared error. The denoisers are those of the paper's table 1 (the third-party preset of UL2_5 has (8, 0.15) under X).
Command: headstart pretrain texts/ recipe=ul2
Expected: rates and span lengths as in table 1, and held-out losses in R and X below a third of those after as many steps of S
alone; the mode row itself changes a loss by less than 0.001, as places show the spans; `python -m evidence run ul2`.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..corrupt import Make, lowest
from ..losses import mse
from ..nn.crossing import CrossBlock, alone
from ..nn.encoder import Model, encoder
from ..nn.heads import lighter, told
from ..nn.linear import LayerNorm, Linear
from ..nn.position import sincos
from ..nn.transformer import initialise
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import Rng, draw, warmup_cosine
from ..targets import raw
from ..terms import masked
from ..tokens import Layout, Rows, Tokens, View, layout, rows_where
from ..tree import replace

MEANINGLESS = dict.fromkeys(("table", "graph", "molecule", "points", "splats"), "its rows have no order to write in")
SMALL = {"depth": 1, "optim.lr": 2e-3, "data.batch": 64}  # of its check on made-up data: docs/log.md, 2026-11-26
MODES = {"r": 0.33, "s": 0.34, "x": 0.33}  # how often each is drawn
SENTINEL, R, S, X = range(4)  # special vectors


def ul2(data: Data, size: str | Model = "B", depth: int = 12) -> Recipe:
    """Three modes by chance, written by one decoder of `depth` blocks."""
    enc = encoder(data.tokenizers, size, specials=4)
    write = Writer(data.only.embed(lighter(enc.width)), enc.width, data.dim, depth)
    views = {
        "r": ("x", denoise(R, ((3, 0.15), (8, 0.15)))),
        "s": ("x", denoise(S, ((math.inf, 0.25),))),
        "x": ("x", denoise(X, ((3, 0.5), (8, 0.5), (64, 0.15), (64, 0.5)))),
    }
    terms = {mode: masked(head=write, target=raw, loss=mse, view=mode) for mode in views}
    task = Objective(enc, views, terms, weights=draw(MODES))
    return Recipe(task, data, AdamW(lr=warmup_cosine(1e-3), weight_decay=0.05), steps=data.epochs(20))


def denoise(mode: int, denoisers: tuple[tuple[float, float], ...]) -> Make:
    """A view by one of these (mean length of a span, share that is hidden), drawn once a step; of infinite length: the end."""

    def make(tokens: Tokens, rng: Rng) -> View:
        length, share = denoisers[int(rng.fold("which").number() * len(denoisers))]
        counts = tuple(max(1, round(share * n)) if n else 0 for n in tokens.content)
        u = rng.fold("spans").number()  # rounded by chance, so that the mean length is kept where spans are few
        many = tuple(
            max(1, min(int(m / length + u), m, n - m + 1)) if m else 0
            for m, n in zip(counts, tokens.content, strict=True)
        )
        hidden = ending(tokens, counts) if math.isinf(length) else scattered(tokens, counts, many, rng)
        return View(shortened(tokens, hidden, many, mode), tokens, hidden)

    return make


def ending(tokens: Tokens, counts: tuple[int, ...]) -> Rows:
    """The last so many rows of every segment."""
    spans = tokens.layout
    return rows_where(_before_end(spans) < torch.tensor(counts, device=tokens.device)[spans.seg], counts)


def _before_end(spans: Layout) -> Tensor:
    return spans.cu.diff()[spans.seg] - 1 - spans.place


def scattered(tokens: Tokens, counts: tuple[int, ...], many: tuple[int, ...], rng: Rng) -> Rows:
    """`many` spans of `counts` rows in all, every arrangement as likely as another: which of the gaps between rows that stay hold
    a span, and which hidden rows begin one. Two spans never touch."""
    spans, device = tokens.layout, str(tokens.device)
    gaps = layout(tuple(n - m + 1 if m else 0 for n, m in zip(tokens.content, counts, strict=True)), 0, device)
    rest = layout(counts, 0, device)
    held = lowest(rng.fold("place").rows(gaps.seg, gaps.place)[:, 0], gaps, many)
    begins = rng.fold("length").rows(rest.seg, rest.place)[:, 0].masked_fill(rest.place == 0, -1.0)
    span = lowest(begins, rest, many).mask.cumsum(0) - 1
    place = rest.place + gaps.place[held.index][span]  # hidden rows before it, and rows that stay before its span
    index = spans.cu[:-1].long()[rest.seg] + spans.slots + place
    mask = torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)
    return Rows(mask.index_fill(0, index, True), index, counts)


def shortened(tokens: Tokens, hidden: Rows, many: tuple[int, ...], mode: int) -> Tokens:
    """A mode row, then the sample with one special row in place of every span."""
    spans = tokens.layout
    begins = hidden.mask & ~hidden.mask.roll(1)  # a slot is never hidden, so spans begin anew in every segment
    times = (begins | ~hidden.mask).long() + (spans.place == spans.slots).long()
    sizes = zip(spans.lengths, hidden.counts, many, strict=True)
    short = layout(tuple(n - m + k + (m > 0) for n, m, k in sizes), spans.slots, str(tokens.device))
    index = torch.repeat_interleave(times, output_size=short.rows)
    first = short.place == short.slots  # the first row, twice: as the mode, one place before itself
    special = torch.where(begins[index], SENTINEL, -1).masked_fill(first, mode)
    before = torch.zeros_like(tokens.coords[:1])
    before[:, :1] = 1.0
    coords = torch.where(first[:, None], tokens.coords[index] - before, tokens.coords[index])
    return replace(tokens, values=tokens.values[index], coords=coords, layout=short, special=special)


class Writer(nn.Module):
    """Writes the hidden rows in their order: each knows its place, the row before it in its span, what was written so far, and
    the encoded rows. embed: a tokenizer's own, to this decoder's width."""

    def __init__(self, embed: nn.Module, width: int, out: int, depth: int) -> None:
        super().__init__()
        dim = lighter(width)
        self.enter, self.start = Linear(width, dim), nn.Parameter(torch.randn(dim) * 0.02)
        self.blocks = nn.ModuleList(CrossBlock(dim, dim // 32, causal=True) for _ in range(depth))
        self.norm, self.out = LayerNorm(dim, eps=1e-6), Linear(dim, out)
        initialise(self)
        self.embed = embed

    def forward(self, z: Tokens, view: View) -> Float[Tensor, "K out"]:
        clean, at = view.clean, view.hidden.index
        x = z.with_values(told(self.enter(z.values), z))
        if clean.values.is_floating_point():
            clean = clean.with_values(clean.values.to(x.values.dtype))
        payload = self.embed(clean)[at - 1]  # a slot stands before the first row, so there is one before each
        y = torch.where(view.hidden.mask[at - 1, None], payload, self.start)
        y = (y + sincos(clean.coords[at], y.shape[1])).to(x.values.dtype)
        rows = alone(clean, view.hidden, y)
        for block in self.blocks:
            rows = block(rows, x)
        return self.out(self.norm(rows.values))
