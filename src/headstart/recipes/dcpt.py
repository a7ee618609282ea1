"""DCPT: the encoder says in which way a sample was spoiled, and does not forget how a clean one looks (Hu et al., "Universal
Image Restoration Pre-training via Degradation Classification", 2025).

Hides: nothing; a copy of each sample is spoiled in one of five ways: noise, fading, coarse steps, rows that run into one another,
dead cells.
Predicts: which of the five it was, from features of several depths; and each clean row itself.
Use when: you will restore, denoise or judge the quality of signals (pictures, scans, sound, sensor data), and defects are what
the encoder should see. Not for ids, and hardly for naming what a sample shows.
Mechanism: features are mixed from the deepest up, each under a learned share, and classified; reproducing clean samples keeps
them able to say what was there.
Differs from the paper in: rows are spoiled as standardised numbers, in five ways that any signal has (paper: 3, 5 or 10 of
rain, haze, noise, blur, low light and others); the mixer's blocks are row by row, with GELU (release: convolutions with ReLU, and
a halving of the grid from level to level), for all levels of a transformer have one grid; one optimizer for both parts;
cross-entropy, which is the release's focal loss at its default gamma of 0. The paper's pixel loss, rates and steps are not
published: L1 here. Its gain in restoration did not show at the scale of minutes (evidence/dcpt.py).
Command: headstart pretrain fashion-mnist recipe=dcpt
Expected: on digits that were held out every one of the five defects is named in more than 0.8 of the cases, a linear probe names
them better than where none was named in training, and clean digits can be read off the frozen encoder, which they can less where
none was reproduced: `python -m evidence run dcpt`.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..corrupt import Make, clean
from ..errors import Mistake
from ..losses import cross_entropy, l1
from ..nn.encoder import Model, encoder
from ..nn.heads import mean, rows_of
from ..nn.linear import LayerNorm, Linear
from ..nn.transformer import Mlp, initialise
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Rng, warmup_cosine
from ..terms import Term, given
from ..tokens import Tokens, View, every

Spoil = Callable[[Tokens, Float[Tensor, "T 1"], Rng], Tensor]  # rows and, from 0.5 to 1, how badly; spoiled values


def noisy(tokens: Tokens, much: Tensor, rng: Rng) -> Tensor:
    """White noise of up to the signal's own spread."""
    spans = tokens.layout
    return tokens.values + much * rng.normal(spans.seg, spans.place - spans.slots, tokens.values.shape[-1])


def faded(tokens: Tokens, much: Tensor, rng: Rng) -> Tensor:
    """Low light: down to a third of the contrast, at a lower level."""
    gain = 1 - 0.7 * much
    return gain * tokens.values - (1 - gain)


def coarse(tokens: Tokens, much: Tensor, rng: Rng) -> Tensor:
    """Few levels: steps of up to one and a half spreads."""
    step = 1.5 * much
    return (tokens.values / step).round() * step


def blurred(tokens: Tokens, much: Tensor, rng: Rng) -> Tensor:
    """Rows run into the ones before and after them."""
    spans = tokens.layout
    low, high = spans.cu[:-1].long()[spans.seg] + spans.slots, spans.cu[1:].long()[spans.seg] - 1
    row = torch.arange(len(tokens), device=tokens.device)
    before, after = (tokens.values[(row + way).maximum(low).minimum(high)] for way in (-1, 1))
    return torch.lerp(tokens.values, (before + after) / 2, 0.7 * much)


def dead(tokens: Tokens, much: Tensor, rng: Rng) -> Tensor:
    """Up to half of the cells say nothing."""
    spans = tokens.layout
    drawn = rng.rows(spans.seg, spans.place - spans.slots, tokens.values.shape[-1])
    return tokens.values.masked_fill(drawn < 0.5 * much, 0)


def untouched(tokens: Tokens, much: Tensor, rng: Rng) -> Tensor:
    """As it was: in the place of a defect."""
    return tokens.values


DEFECTS: tuple[Spoil, ...] = (noisy, faded, coarse, blurred, dead)
MEANINGLESS = dict.fromkeys(
    ("table", "events", "molecule", "graph", "music", "document"),
    "a row is a record of numbers and categories, not a stretch of a signal, and has none of a signal's defects",
)
SMALL = {"optim.lr": 1e-3, "data.batch": 32}  # of its check: docs/log.md, 2026-11-26
IDEAS = {
    "samples are spoiled": {"defects": (untouched,) * len(DEFECTS)},
    "the defect is named": {"naming": 0.0},
    "several depths": {"levels": 1},
    "clean samples are reproduced": {"reproduce": 0.0},
}


def dcpt(
    data: Data,
    size: str | Model = "S",
    levels: int = 4,
    naming: float = 1.0,
    reproduce: float = 1.0,
    defects: tuple[Spoil, ...] = DEFECTS,
) -> Recipe:
    """Name the defect from `levels` depths of the encoder, and reproduce clean samples; they count `naming` and `reproduce`."""
    enc = encoder(data.tokenizers, size)
    depths = tuple(sorted({max(1, round(enc.shape.depth * (i + 1) / levels)) for i in range(levels)}))
    terms = {"defect": diagnosis(enc.width, depths, len(defects)), "same": reproduced(Linear(enc.width, data.dim))}
    views: dict[str, Make | tuple[str, Make]] = {"x": clean, "spoiled": ("x", spoiled(*defects))}
    task = Objective(enc, views, terms, weights={"defect": naming, "same": reproduce})
    return Recipe(task, data, AdamW(lr=warmup_cosine(3e-4), weight_decay=0.05), steps=data.epochs(200))


def spoiled(*ways: Spoil) -> Make:
    """A view of samples each spoiled in one of these ways, from half to full strength; the label is which."""

    def make(tokens: Tokens, rng: Rng) -> View:
        if not tokens.values.is_floating_point():
            raise Mistake("dcpt spoils numbers, and the rows of this kind are ids: mae or gmml take data of any kind")
        seg = tokens.layout.seg
        u = rng.fold("how").segments(2)
        which, much = (u[:, 0] * len(ways)).long(), (0.5 + 0.5 * u[:, 1:])[seg]
        values = tokens.values
        for number, way in enumerate(ways):
            mine = (which[seg] == number) & ~tokens.slot
            values = torch.where(mine[:, None], way(tokens, much, rng.fold(number)).to(values.dtype), values)
        return View(tokens.with_values(values), tokens, every(tokens), label=which)

    return make


class diagnosis(Term):
    """The head names the label from the rows of a view after each of `depths` blocks, the deepest first."""

    def __init__(self, width: int, depths: tuple[int, ...], classes: int, view: str = "spoiled") -> None:
        super().__init__()
        self.head, self.depths, self.view, self.reads = mixer(width, len(depths), classes), depths, view, (view,)

    def forward(self, scene: Scene) -> Tensor:
        logits = self.head([scene.student.within[depth][self.view] for depth in reversed(self.depths)])
        return cross_entropy(logits, given(scene.views[self.view], scene)).mean()


class mixer(nn.Module):
    """Level by level: two residual blocks over what came so far plus the level's share of its features; two more at the end,
    the mean over rows, and a linear map."""

    def __init__(self, width: int, levels: int, classes: int) -> None:
        super().__init__()
        self.shares = nn.Parameter(torch.ones(levels))
        self.levels = nn.ModuleList(nn.Sequential(bottleneck(width), bottleneck(width)) for _ in range(levels))
        self.between = nn.ModuleList(nn.Sequential(Linear(width, width, bias=False), nn.GELU()) for _ in range(levels))
        self.end, self.name = nn.Sequential(bottleneck(width), bottleneck(width)), Linear(width, classes)
        initialise(self)

    def forward(self, features: list[Tokens]) -> Float[Tensor, "S classes"]:
        x = torch.zeros_like(features[0].values)
        for share, feature, level, between in zip(
            self.shares.softmax(0), features, self.levels, self.between, strict=True
        ):
            x = between(level(x + share.to(x.dtype) * feature.values))
        return self.name(mean(features[0].with_values(self.end(x))))


class bottleneck(nn.Module):
    """x + mlp(norm(x)), twice as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.mlp = LayerNorm(width), Mlp(width, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mlp(self.norm(x))


class reproduced(Term):
    """The head says every row of a view as it is."""

    def __init__(self, head: nn.Module, view: str = "x") -> None:
        super().__init__()
        self.head, self.view, self.reads = head, view, (view,)

    def forward(self, scene: Scene) -> Tensor:
        return l1(self.head(rows_of(scene.student.z[self.view])), rows_of(scene.views[self.view].clean)).mean()
