"""ECG-JEPA: a few stretches of a recording are shown, and what a slow teacher makes of the rest is predicted (Weimann and
Conrad, "Self-Supervised Pre-Training with Joint-Embedding Predictive Architecture Boosts ECG Classification Performance", 2025).

Hides: all but 15 to 25 % of the rows, in runs of at least `least`.
Predicts: at every hidden row the teacher's vector, which saw the whole sample.
Use when: samples are recordings or sequences in an order, noisy enough that their exact values are not worth restoring. The
order of rows must mean something: not for tables, sets and graphs.
Mechanism: regression on features instead of the input; long gaps cannot be bridged by their neighbours.
Differs from the paper in: runs lie between kept rows drawn at random (release: in the intervals left, by their length); the
teacher moves after the step (release: before the next, which is the same); encoders have biases; positions as ours; the share
shown is drawn once a step, as in the release.
Command: headstart pretrain recordings/ recipe=ecg_jepa
Expected: on made-up recordings, held-out features predicted with less than 0.85 of the error of the mean at their place, and with
less than 1 / 1.4 of that from a stranger's context; with a teacher that is the student itself neither; `python -m evidence run
ecg_jepa`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..corrupt import Fill, Make, between, corrupt, drop, keep, random
from ..losses import l1
from ..nn.encoder import Model, encoder
from ..nn.heads import decoder
from ..nn.position import sincos
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Rng, Schedule, cosine, ramp, warmup_cosine
from ..targets import Taught, features
from ..teacher import Ema
from ..terms import masked
from ..tokens import Tokens, View, rows_where

MEANINGLESS = dict.fromkeys(
    ("table", "molecule", "graph", "points", "splats"),
    "rows have no order of their own, so a run of them is a random choice: use t_jepa",
)
BLOCKS = 32  # runs of a sample at most; each takes about half of what is left to hide, so there are hardly ever ten

Hide = Callable[[float, float, int, Fill], Make]  # of the least and the most that is shown, and the least run
SLOW = ramp(0.998, 0.9995)


@dataclass(frozen=True)
class runs:
    """A view that keeps a share of the rows, from `low` to `high`, drawn once a step, and loses the others in runs.

    Kept are exactly ceil(share * n) of n rows. Every run has at least `least` rows, or all that are to be hidden if they are
    fewer.
    """

    low: float
    high: float
    least: int
    fill: Fill = drop

    def __call__(self, tokens: Tokens, rng: Rng) -> View:
        spans = tokens.layout
        share = self.low + (self.high - self.low) * rng.fold("share").number()
        kept = tuple(math.ceil(share * n) for n in tokens.content)
        counts = tuple(n - k for n, k in zip(tokens.content, kept, strict=True))
        keeps, left = (torch.tensor(each, device=tokens.device) for each in (kept, counts))
        sizes = self._sizes(left, min(BLOCKS, max(1, max(counts, default=0) // self.least)), rng.fold("sizes"))
        # each run lies before one of a sample's kept rows, or after the last, all alike; several there are one long run
        gap = (rng.fold("gaps").segments(sizes.shape[1]) * (keeps + 1)[:, None]).long()
        seg = torch.repeat_interleave(torch.arange(len(kept), device=tokens.device), keeps, output_size=sum(kept))
        number = torch.arange(sum(kept), device=tokens.device) - (keeps.cumsum(0) - keeps)[seg]
        place = number + (sizes[seg] * (gap[seg] <= number[:, None])).sum(1)
        mask = (~tokens.slot).index_fill(0, spans.cu[:-1].long()[seg] + spans.slots + place, False)
        hidden = rows_where(mask, counts)
        return View(self.fill(tokens, hidden, rng), tokens, hidden)

    def _sizes(self, left: Int[Tensor, "S"], most: int, rng: Rng) -> Int[Tensor, "S n"]:
        """Sizes of up to `most` runs of each sample, then 0: from `least` to all that is left, each alike."""
        drawn, sizes = rng.segments(most), []
        for number in range(most):
            size = self.least + (drawn[:, number] * (left - self.least + 1).clamp(min=0)).long()
            # what would be left over is too little for a run of its own, so this one takes it
            size = torch.where((left - size < self.least) | (number == most - 1), left, size)
            sizes.append(size)
            left = left - size
        return torch.stack(sizes, 1)


def singly(low: float, high: float, least: int, fill: Fill) -> Make:
    """Hide as many rows, each by itself: what takes the stretches out."""
    return corrupt(random, between(1 - high, 1 - low), fill)


class signal(Taught):
    """The row itself under a fixed map to the width of features: what takes out all that the teacher makes of it."""

    def forward(self, view: View, rows: Int[Tensor, "K"], scene: Scene) -> Float[Tensor, "K D"]:
        x, width = view.clean.values[rows], scene.taught.z[view.name].values.shape[1]
        if not x.is_floating_point():
            return sincos(x[:, None].float(), width)
        fixed = torch.randn(x.shape[1], width, generator=torch.Generator().manual_seed(0), device="cpu")
        return x.float() @ fixed.to(x.device) / x.shape[1] ** 0.5


SMALL = {"depth": 2, "optim.lr": 2e-3, "data.batch": 64}  # measured: docs/log.md, 2026-11-26
IDEAS = {
    "long stretches are hidden": {"hide": singly},
    "only a few rows are read": {"fill": keep},
    "features are predicted": {"target": signal},
    "a slow teacher": {"momentum": 0.0},
}


def ecg_jepa(
    data: Data,
    size: str | Model = "S",
    least: int = 10,
    depth: int = 8,
    hide: Hide = runs,
    fill: Fill = drop,
    target: type[Taught] = features,
    momentum: Schedule = SLOW,
) -> Recipe:
    """Show 15 to 25 % of the rows, hide the rest in runs of at least `least`, and predict the teacher there."""
    enc = encoder(data.tokenizers, size)
    predictor = decoder(enc.width, enc.width, depth, dim=enc.width // 2, heads=enc.shape.heads)
    latent = masked(target=target(), head=predictor, loss=l1)
    task = Objective(enc, {"x": hide(0.15, 0.25, least, fill)}, {"latent": latent}, teacher=Ema(momentum))
    optim = AdamW(warmup_cosine(1e-3, end=1e-6), weight_decay=cosine(0.01, 0.1), betas=(0.9, 0.99))
    return Recipe(task, data, optim, steps=data.epochs(200))
