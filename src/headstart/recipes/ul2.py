"""UL2: short gaps, long gaps and a missing end are three ways of one task, and a mode row says which (Tay et al., "UL2:
Unifying Language Learning Paradigms", 2022).

Hides: spans, each behind one numbered special row: short ones (R), a quarter at the end (S), or long or many ones (X).
Predicts: the rows of the spans one by one, each from what is left of the sample and from what was written before it, and of each
whether it is the last of its span.
Use when: rows have an order, and one encoder should serve labels, filling in and going on (text, code, proteins, series). The
mode row says how it is used; `embed` reads samples without one. Not for sets, where no row comes before another.
Mechanism: a causal decoder that cross-attends to the encoder; each step draws a mode, and of R and X one of their denoisers.
What is seen is counted anew, so that nothing but the mode tells how long the spans are.
Differs from the paper in: the mixture is drawn for a step, not for a sample; that a span ends is said at its last row and not
after it; span lengths are a random partition (T5's) with as many spans as keep the mean; where a sample has more than 100 spans
their numbers begin anew; rows of numbers are restored by squared error. The denoisers are those of the paper's table 1 (the
third-party preset of UL2_5 has (8, 0.15) under X).
Command: headstart pretrain texts/ recipe=ul2
Expected: the denoisers are drawn as in table 1, and places tell no lengths; English is written with fewer nats than its letters
have by how often they come, and in two of three modes the row of a wrong one costs more than 0.05 nats;
`python -m evidence run ul2`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

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
from ..scene import Scene
from ..step import Rng, draw, warmup_cosine
from ..terms import Term
from ..terms.term import row_losses
from ..tokens import Layout, Rows, Tokens, View, layout, rows_where
from ..tree import replace

MEANINGLESS = dict.fromkeys(("table", "graph", "molecule", "points", "splats"), "its rows have no order to write in")
SMALL = {"depth": 1, "optim.lr": 2e-3, "data.batch": 64}
SENTINELS = 100  # of T5

Denoisers = tuple[tuple[float, float], ...]  # mean length of a span (infinite: the end), share that is hidden
Places = Callable[[Int[Tensor, "T"], Layout, Layout], Int[Tensor, "T"]]


@dataclass(frozen=True)
class Mode:
    """row: the special vector that says so. share: of the steps. denoisers: one of them is drawn for a step."""

    row: int
    share: float
    denoisers: Denoisers


Mixture = Mapping[str, Mode]
MIXTURE: Mixture = {
    "r": Mode(0, 0.33, ((3, 0.15), (8, 0.15))),
    "s": Mode(1, 0.34, ((math.inf, 0.25),)),
    "x": Mode(2, 0.33, ((3, 0.5), (8, 0.5), (64, 0.15), (64, 0.5))),
}
SHORT: Mixture = {name: Mode(mode.row, float(name == "r"), mode.denoisers[:1]) for name, mode in MIXTURE.items()}
UNSAID: Mixture = {name: Mode(0, mode.share, mode.denoisers) for name, mode in MIXTURE.items()}


def renumbered(index: Int[Tensor, "T"], seen: Layout, clean: Layout) -> Int[Tensor, "T"]:
    """Rows that are seen lie where as many rows of the sample would, one after another."""
    return clean.cu[:-1].long()[seen.seg] + seen.place - (seen.place > seen.slots).long()


def as_they_were(index: Int[Tensor, "T"], seen: Layout, clean: Layout) -> Int[Tensor, "T"]:
    """Rows that are seen lie where they lay in the sample, so that gaps between places are as long as the spans."""
    return index


Causal = partial(CrossBlock, causal=True)
IDEAS = {
    "a mixture of denoisers": {"mixture": SHORT},
    "a mode row says which": {"mixture": UNSAID},
    "spans are numbered": {"sentinels": 1},
    "places tell no lengths": {"places": as_they_were},
    "rows are written one after another": {"block": CrossBlock},
}


def ul2(
    data: Data,
    size: str | Model = "B",
    depth: int = 12,
    sentinels: int = SENTINELS,
    mixture: Mixture = MIXTURE,
    places: Places = renumbered,
    block: Callable[..., nn.Module] = Causal,
) -> Recipe:
    """Three modes by chance, written by one decoder of `depth` blocks, which knows spans by `sentinels` numbers."""
    enc = encoder(data.tokenizers, size, specials=len(MIXTURE) + sentinels)
    assert enc.specials is not None
    nn.init.normal_(enc.specials)  # as large as places, or modes and numbers would hardly be told apart
    write = Writer(data.only.embed(lighter(enc.width)), enc.width, data.dim, depth, sentinels, block)
    views = {name: ("x", denoise(mode, sentinels, places)) for name, mode in mixture.items()}
    terms = {name: written(write, name) for name in views}
    task = Objective(enc, views, terms, weights=draw({name: mode.share for name, mode in mixture.items()}))
    return Recipe(task, data, AdamW(lr=warmup_cosine(1e-3), weight_decay=0.05), steps=data.epochs(20))


def denoise(mode: Mode, sentinels: int = SENTINELS, places: Places = renumbered) -> Make:
    """A view by one of the mode's denoisers, drawn once a step."""

    def make(tokens: Tokens, rng: Rng) -> View:
        length, share = mode.denoisers[int(rng.fold("which").number() * len(mode.denoisers))]
        counts = tuple(max(1, round(share * n)) if n else 0 for n in tokens.content)
        u = rng.fold("spans").number()  # rounded by chance, so that the mean length is kept where spans are few
        many = tuple(
            max(1, min(int(m / length + u), m, n - m + 1)) if m else 0
            for m, n in zip(counts, tokens.content, strict=True)
        )
        hidden = ending(tokens, counts) if math.isinf(length) else scattered(tokens, counts, many, rng)
        return View(shortened(tokens, hidden, many, mode.row, sentinels, places), tokens, hidden)

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


def begun(hidden: Rows) -> Tensor:
    """[T] whether a span begins at a row: a slot is never hidden, so spans begin anew in every segment."""
    return hidden.mask & ~hidden.mask.roll(1)


def numbered(hidden: Rows, spans: Layout) -> Int[Tensor, "T"]:
    """At hidden rows the number of their span in its segment: 0, 1, ..."""
    begins = begun(hidden).long()
    upto = begins.cumsum(0)
    return upto - 1 - (upto - begins)[spans.cu[:-1].long()][spans.seg]


def shortened(tokens: Tokens, hidden: Rows, many: tuple[int, ...], mode: int, sentinels: int, places: Places) -> Tokens:
    """A mode row, then the sample with one special row in place of every span, which has the span's number."""
    spans, begins = tokens.layout, begun(hidden)
    times = (begins | ~hidden.mask).long() + (spans.place == spans.slots).long()
    sizes = zip(spans.lengths, hidden.counts, many, strict=True)
    short = layout(tuple(n - m + k + (m > 0) for n, m, k in sizes), spans.slots, str(tokens.device))
    index = torch.repeat_interleave(times, output_size=short.rows)
    first = short.place == short.slots  # the first row, twice: as the mode, one place before itself
    number = len(MIXTURE) + numbered(hidden, spans) % sentinels
    special = torch.where(begins, number, -1)[index].masked_fill(first, mode)
    before = torch.zeros_like(tokens.coords[:1])
    before[:, :1] = 1.0
    coords = tokens.coords[places(index, short, spans)]
    coords = torch.where(first[:, None], coords - before, coords)
    return replace(tokens, values=tokens.values[index], coords=coords, layout=short, special=special)


class Writer(nn.Module):
    """Writes the hidden rows in their order: each knows how many were written before it, the row before it or, where a span
    begins, the span's number, what was written so far, and the encoded rows. It says what the row is, and in one number more
    whether it is the last of its span. embed: a tokenizer's own, to this decoder's width."""

    def __init__(
        self, embed: nn.Module, width: int, out: int, depth: int, sentinels: int, block: Callable[..., nn.Module]
    ) -> None:
        super().__init__()
        dim = lighter(width)
        self.enter, self.starts = Linear(width, dim), nn.Parameter(torch.randn(sentinels, dim) * 0.02)
        self.blocks = nn.ModuleList(block(dim, dim // 32) for _ in range(depth))
        self.norm, self.out = LayerNorm(dim, eps=1e-6), Linear(dim, out + 1)
        initialise(self)
        self.embed = embed

    def forward(self, z: Tokens, view: View) -> Float[Tensor, "K out1"]:
        clean, hidden, at = view.clean, view.hidden, view.hidden.index
        x = z.with_values(told(self.enter(z.values), z))
        start = self.starts[numbered(hidden, clean.layout)[at] % len(self.starts)]
        if clean.values.is_floating_point():
            clean = clean.with_values(clean.values.to(x.values.dtype))
        payload = self.embed(clean)[at - 1]  # a slot stands before the first row, so there is one before each
        y = torch.where(hidden.mask[at - 1, None], payload, start)
        place = layout(hidden.counts, 0, str(y.device)).place[:, None].to(clean.coords.dtype)
        rows = alone(clean, hidden, (y + sincos(place, y.shape[1])).to(x.values.dtype))
        for block in self.blocks:
            rows = block(rows, x)
        return self.out(self.norm(rows.values))


class written(Term):
    """What a writer says of the hidden rows of a view: what each is, and whether its span ends there."""

    def __init__(self, head: nn.Module, view: str) -> None:
        super().__init__()
        self.head, self.view, self.reads, self.restores = head, view, (view,), view

    def restored(self, scene: Scene) -> Tensor:
        """The rows as they would be written after those that are there; of ids the likeliest."""
        view = scene.views[self.view]
        said = self.head(scene.student.z[self.view], view)[:, :-1].float()
        return said if view.clean.values.is_floating_point() else said.argmax(-1)

    def forward(self, scene: Scene) -> Tensor:
        view, at = scene.views[self.view], scene.views[self.view].hidden.index
        said = self.head(scene.student.z[self.view], view).float()
        last = ~view.hidden.mask.roll(-1)[at]  # a slot comes after the last row of a segment, or nothing at all
        ends = F.binary_cross_entropy_with_logits(said[:, -1], last.float(), reduction="none")
        losses = row_losses(mse, said[:, :-1], view.clean.values[at]) + ends
        return losses.mean() if len(losses) else losses.sum()
