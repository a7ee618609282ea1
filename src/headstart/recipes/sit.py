"""SiT: a sample with whole groups of its rows spoiled is restored, and still recognised among all others (Atito et al.,
"SiT: Self-supervised vIsion Transformer", 2021).

Hides: connected groups, half of the rows of each of two crops, under noise or under another sample's rows.
Predicts: the rows that were hidden; and, with the class token, which teacher's look at the other crop is the same sample.
Use when: one model should serve both whole samples (retrieval, classes) and their parts, and batches can be 64 and more,
since the other samples of a batch are what one is told apart from. Not where many samples are near-duplicates.
Mechanism: GMML's restoring of rows plus a contrast of the class token with a moving average that sees clean crops.
Differs from the paper in: groups are whole rows, and noise takes the place of zeros, as ids have none; alien rows fill half
of the samples at the same ratio (release: 0.3); crops jitter brightness and contrast only; batch norms use the batch's own
statistics in evaluation too; no drop path. This is the released code, without the rotation task of the paper's early versions.
Command: headstart pretrain fashion-mnist recipe=sit
Expected: after 300 steps on squares of two photographs more than 18 times as many other crops are found as by chance, hidden rows
are restored with less than 0.6 of the mean row's error, and the class token has better neighbours; `python -m evidence run sit`.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..augment import multicrop
from ..corrupt import Fill, Score, corrupt, groups, keep, noise, one_of, other_sample, random
from ..losses import CrossNCE, l1
from ..nn.encoder import Model, encoder
from ..nn.heads import at_hidden, projector
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import Schedule, Step, cosine, warmup_cosine
from ..targets import raw
from ..teacher import Ema
from ..terms import distill, masked


class alone(nn.Module):
    """Every student crop is led to the teacher's other crops of its own sample, whatever the other samples are: no contrast."""

    def forward(
        self, prediction: Float[Tensor, "n B D"], target: Float[Tensor, "m B D"], step: Step
    ) -> Float[Tensor, ""]:
        """2 less twice the cosine, summed over pairs of different crops."""
        prediction, target = F.normalize(prediction.float(), dim=-1), F.normalize(target.float(), dim=-1)
        likeness = (prediction[:, None] * target[None]).sum(-1).mean(-1)
        pairs = [likeness[i, j] for i in range(len(prediction)) for j in range(len(target)) if i != j]
        return 2 * (len(pairs) - sum(pairs, likeness.new_zeros(())))


SMALL = {"width": 256, "optim.lr": 4e-3, "data.batch": 32}  # measured on made-up data: docs/log.md, 2026-11-26
FILLS: tuple[Fill, Fill] = (noise, other_sample)
SLOW = cosine(0.996, 1.0)
IDEAS = {
    "connected groups": {"score": random},
    "hidden rows are spoiled": {"fills": (keep, keep)},
    "hidden rows are restored": {"restoring": 0.0},
    "told from other samples": {"finding": alone},
    "a slow teacher": {"momentum": 0.0},
}


def sit(
    data: Data,
    size: str | Model = "S",
    ratio: float = 0.5,
    restoring: float = 1.0,
    width: int = 4096,
    score: Score = groups,
    fills: tuple[Fill, Fill] = FILLS,
    finding: Callable[[], nn.Module] = CrossNCE,
    momentum: Schedule = SLOW,
) -> Recipe:
    """Restore `ratio` of the rows, weighed by `restoring` (5 on small sets, says the release), and find the other crop."""
    data = data.with_views(multicrop(big=2, small=0, big_scale=(0.2, 1.0)))
    enc = encoder(data.tokenizers, size)
    spoil = corrupt(score, ratio, fill=one_of(*fills, p=(0.5, 0.5)))
    head = projector(enc.width, width, 256, layers=3, activation=(nn.ReLU, nn.GELU), normed=True)
    find = distill(("big",), ("big",), head, loss=finding())
    restore = masked(target=raw, head=at_hidden(three(enc.width, data.dim)), loss=l1, view="big")
    terms, weights = {"find": find, "restore": restore}, {"restore": restoring}
    task = Objective(enc, {"big": spoil}, terms, weights=weights, teacher=Ema(momentum))
    optim = AdamW(lr=warmup_cosine(5e-4, end=1e-6), weight_decay=cosine(0.04, 0.1), betas=(0.9, 0.999))
    return Recipe(task, data, optim, steps=data.epochs(800))


def three(width: int, out: int) -> nn.Module:
    """GMML's head: three layers."""
    return nn.Sequential(Linear(width, width), nn.GELU(), Linear(width, width), nn.GELU(), Linear(width, out))
