"""TERA: sound is spoiled along time, frequency and loudness at once, and made whole again (Liu et al., "TERA: Self-Supervised
Learning of Transformer Encoder Representation for Speech", 2021).

Hides: stretches of seven moments, 15 % of the time, emptied in eight samples of ten, taken from elsewhere in one, left alone in
one; a band of up to a fifth of the frequencies, emptied all along; and in 15 % of the samples noise lies over everything.
Predicts: the numbers where a stretch or the band was, and nowhere else.
Use when: rows are moments of several frequencies or channels (a spectrogram whose patches are as wide as you like, a recording of
many channels), and a small model is to be used as it is. Not for a single channel: there is no band to miss.
Mechanism: a stretch is told from its surroundings in time, a band from the other frequencies, and noise makes both harder.
Differs from the paper in: a moment is what the tokenizer makes of it (paper: 10 ms; data.patch sets it), and a sample too short
for seven of them in 15 % loses fewer, but one at least; two stretches may begin at the same moment; noise is drawn for each
sample (released code: for each batch); no dropout; a plain pre-norm transformer (paper: three layers,
post-norm).
Command: headstart pretrain recordings/ recipe=tera
Expected: the error in emptied stretches below 0.6 of the mean moment's and in emptied bands below 0.6 of the mean band's; without
the bands that is more than 1.3 times as high: `python -m evidence run tera`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ..errors import Mistake
from ..nn.encoder import Model, encoder
from ..nn.linear import LayerNorm, Linear
from ..nn.transformer import initialise
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Rng, warmup_cosine
from ..terms import Term
from ..tokenizers import AudioTokenizer, SeriesTokenizer
from ..tokens import Tokenizer, Tokens, View, every

Asked = Callable[[View], Tensor]  # [T, D], the numbers that count


def altered(view: View) -> Bool[Tensor, "T D"]:
    """The numbers that lie in a stretch or in the band."""
    return cast(Tensor, view.label)


def everything(view: View) -> Bool[Tensor, "T D"]:
    """All numbers: what takes out that only altered ones are asked for."""
    return (~view.clean.slot)[:, None].expand_as(view.clean.values)


SMALL = {"optim.lr": 4e-3, "data.batch": 16}  # measured: docs/log.md, 2026-11-26
IDEAS = {
    "time: stretches are altered": {"ratio": 0.0},
    "stretches, not single moments": {"length": 1},
    "channels: a band is emptied": {"band": 0.0},
    "magnitude: noise over everything": {"noise": 0.0},
    "only what was altered is asked for": {"asked": everything},
}


def tera(
    data: Data,
    size: str | Model = "B",
    ratio: float = 0.15,
    length: int = 7,
    band: float = 0.2,
    noise: float = 0.15,
    asked: Asked = altered,
) -> Recipe:
    """Spoil stretches of `length` moments, `ratio` of the time, a band of up to `band` of the frequencies, and with probability
    `noise` everything a little; repair the first two."""
    enc = encoder(data.tokenizers, size)
    spoil = spoiled(cells_of(data.only), ratio, length, band, noise)
    head = nn.Sequential(Linear(enc.width, enc.width), nn.GELU(), LayerNorm(enc.width), Linear(enc.width, data.dim))
    task = Objective(enc, {"x": spoil}, {"repair": repair(head, asked)})
    optim = AdamW(lr=warmup_cosine(2e-4, over=0.07), weight_decay=0.01, betas=(0.9, 0.999), clip=5.0)
    return Recipe(task, data, optim, steps=data.epochs(100))


@dataclass(frozen=True)
class Cells:
    """Which channel (frequency, lead) each number of a row tells of: `within` the row, plus `step` for each unit of its second
    coordinate. Of `channels` in all; numbers that tell of none have -channels."""

    within: tuple[int, ...]
    step: int
    channels: int

    def of(self, tokens: Tokens) -> Int[Tensor, "T D"]:
        """The channel of every number."""
        within = torch.tensor(self.within, device=tokens.device)
        if not self.step:
            return within.expand(len(tokens), -1)
        return within + self.step * tokens.coords[:, 1:2].round().long()


def cells_of(tokenizer: Tokenizer) -> Cells:
    """The channels of rows that are moments."""
    if isinstance(tokenizer, AudioTokenizer):
        return Cells(tuple(i // tokenizer.frames for i in range(tokenizer.dim)), tokenizer.bands, tokenizer.mels)
    if isinstance(tokenizer, SeriesTokenizer):
        each = tokenizer.form == "apart"
        seen = tuple(0 if each else i // tokenizer.patch for i in range(tokenizer.dim_seen))
        flags = (-tokenizer.channels,) * (tokenizer.dim - tokenizer.dim_seen)
        return Cells(seen + flags, int(each), tokenizer.channels)
    raise Mistake(
        f"tera empties stretches of time and bands of channels, which rows of {tokenizer.kind} do not have: use gmml"
    )


@dataclass(frozen=True)
class spoiled:
    """The view: rows altered in place along time, channels and loudness. Its label says which numbers the first two were.

    Rows are given moment after moment, as many to each; 0 is the mean, since tokenizers standardise.
    """

    cells: Cells
    ratio: float = 0.15
    length: int = 7
    band: float = 0.2
    noise: float = 0.15

    def __call__(self, tokens: Tokens, rng: Rng) -> View:
        if not tokens.values.is_floating_point():
            raise Mistake("tera takes rows of numbers, and the rows of this kind are ids")
        spans = tokens.layout
        inside, shift = self.stretches(tokens, rng.fold("time"))
        content = (spans.cu.diff() - spans.slots)[spans.seg]
        place = torch.minimum((spans.place - spans.slots + shift).clamp(min=0), content - 1)
        elsewhere = tokens.values[(spans.cu[:-1][spans.seg] + spans.slots + place).clamp(0, max(0, len(tokens) - 1))]
        dice = rng.fold("dice").segments()[spans.seg]
        filled = torch.where(dice < 0.8, 0.0, torch.where(dice < 0.9, elsewhere, tokens.values))
        empty = self.bands(tokens, rng.fold("band")) & ~tokens.slot[:, None]
        x = torch.where(inside[:, None], filled, tokens.values).masked_fill(empty, 0.0)
        loud = 0.2 * (rng.fold("noisy").segments() < self.noise)[spans.seg]
        x = x + loud * rng.fold("noise").normal(spans.seg, spans.place - spans.slots, x.shape[1])
        return View(tokens.with_values(x), tokens, every(tokens), label=inside[:, None] | empty)

    def stretches(self, tokens: Tokens, rng: Rng) -> tuple[Bool[Tensor, "T"], Int[Tensor, "T"]]:
        """Which rows lie in a stretch, and by how many rows that stretch is moved where it is taken from elsewhere."""
        spans, slot = tokens.layout, tokens.slot
        content = spans.cu.diff() - spans.slots
        time = tokens.coords[:, 0].round().long().masked_fill(slot, 0)
        moments = (
            torch.zeros_like(content, dtype=torch.long).scatter_reduce(0, spans.seg, time + 1, "amax").clamp(min=1)
        )
        each = (content // moments).clamp(min=1)  # rows of a moment
        long = (self.ratio * moments).round().long().clamp(1, self.length)
        many = (self.ratio * moments / long).round().long().clamp(min=1 if self.ratio else 0)
        most = max(1, round(self.ratio * max(tokens.content, default=0) + 1))  # no segment has more stretches
        room = moments - long + 1
        start, other = ((rng.fold(name).segments(most) * room[:, None]).long() for name in ("to", "from"))
        late = time[:, None] - start[spans.seg]
        covers = (
            (late >= 0)
            & (late < long[spans.seg][:, None])
            & (torch.arange(most, device=late.device) < many[spans.seg][:, None])
        )
        covers &= ~slot[:, None]
        which = covers.long().argmax(1, keepdim=True)  # the first of several
        moved = (other - start)[spans.seg].gather(1, which)[:, 0] * each[spans.seg]
        return covers.any(1), moved

    def bands(self, tokens: Tokens, rng: Rng) -> Bool[Tensor, "T D"]:
        """Which numbers lie in the sample's band."""
        channels, u = self.cells.channels, rng.segments(2)
        wide = (u[:, :1] * (int(self.band * channels) + 1)).long()
        low = (u[:, 1:] * (channels - wide + 1)).long()
        at, seg = self.cells.of(tokens), tokens.layout.seg
        return (at >= low[seg]) & (at < (low + wide)[seg])


class repair(Term):
    """The head says what every row was; it is wrong by the mean absolute error over the numbers that are asked for."""

    def __init__(self, head: nn.Module, asked: Asked = altered) -> None:
        super().__init__()
        self.head, self.asked, self.reads = head, asked, ("x",)
        initialise(head)

    def forward(self, scene: Scene) -> Float[Tensor, ""]:
        view = scene.views["x"]
        wrong = (self.head(scene.student.z["x"].values).float() - view.clean.values).abs()
        marked = self.asked(view)
        return (wrong * marked).sum() / marked.sum().clamp(min=1)
