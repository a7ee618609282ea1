"""Mugs: three losses at once keep fine, middling and coarse structure: the sample among others, the sample with its nearest
neighbours among others, and the group it belongs to (Zhou et al., "Mugs: A Multi-Granular Self-Supervised Learning
Framework", 2022).

Hides: nothing; crops of a sample show different parts of it.
Predicts: what a slow teacher says of the sample's other crops: which sample it is, which sample among its like, which group.
Use when: one encoder must serve fine and coarse distinctions and you do not know which will be asked for. Not when: time is
short, for every step pays for three heads, two queues and two memories; DINO alone finds coarse groups.
Mechanism: InfoNCE with a queue; the same on what a block makes of a crop and its neighbours in a memory; DINO's prototypes.
Differs from the paper in: every crop is made alike (paper: strong and weak alterations; memories are fed with weak ones, here
with the first big crop); neighbours are sought and kept as means of the encoder's last, normalised rows (release: sought by the
mean before the last norm, class token included); places of queue and memory count as they fill (release: random vectors);
prototypes learn from the first step, the embedding as fast as the rest, no drop path. All terms count a third (release: the
weights of terms stand in the denominator only). Queues and memories hold no more than there are samples: a queue that spans
epochs sets a sample apart from itself.
Command: headstart pretrain fashion-mnist recipe=mugs
Expected: each of the three losses asks its share, kept samples join a crop and are told apart from it, and other crops of
held-out squares of photographs are found more than 4.5 times as often as by chance: `python -m evidence run mugs`.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..augment import multicrop
from ..corrupt import clean
from ..losses import CenteredCE, QueueNCE
from ..nn.encoder import Model, encoder
from ..nn.heads import first, mean, prototypes
from ..nn.linear import LayerNorm, Linear
from ..nn.queue import Queue
from ..nn.transformer import Block, initialise
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene, Side
from ..step import Schedule, Step, cosine, ramp, warmup_cosine
from ..teacher import Ema
from ..terms import Term, distill
from ..tokens import Tokens, layout, rows_where

# of its check on made-up data: docs/log.md, 2026-11-26
SMALL = {"codes": 1024, "local": 4, "queue": 4096, "optim.lr": 2e-3, "data.batch": 64}
SLOW, THIRDS = cosine(0.996, 1.0), (1 / 3, 1 / 3, 1 / 3)
IDEAS = {
    "which sample it is": {"shares": (0.0, 0.5, 0.5)},
    "which sample among its like": {"shares": (0.5, 0.0, 0.5)},
    "which group": {"shares": (0.5, 0.5, 0.0)},
    "neighbours join a crop": {"near": 0},
    "earlier samples are told apart": {"queue": 0},
    "a slow teacher": {"momentum": 0.0},
}


def mugs(
    data: Data,
    size: str | Model = "S",
    codes: int = 65_536,
    local: int = 10,
    queue: int = 65_536,
    near: int = 8,
    shares: tuple[float, float, float] = THIRDS,
    momentum: Schedule = SLOW,
) -> Recipe:
    """Two big crops and `local` small ones; each queue and memory holds `queue` samples, at most as many as there are, and `near`
    of a memory join each crop; `codes` prototypes tell groups. shares: of the losses of sample, neighbours and group."""
    data = data.with_views(multicrop(big=2, small=local, big_scale=(0.25, 1.0), small_scale=(0.05, 0.25)))
    enc, seen, led = encoder(data.tokenizers, size), ("big", "small") if local else ("big",), ("big",)
    out, inner, kept = min(256, 4 * enc.width), min(2048, 16 * enc.width), min(queue, len(data.source))
    one, around = maps(enc.width, inner, inner, out), joined(enc.shape, maps(enc.width, inner, inner, out), kept, near)
    group = CenteredCE(codes, student_temp=0.1, teacher_temp=ramp(0.04, 0.07, over=0.3))
    terms: dict[str, Term] = {
        "instance": distill(seen, led, one, halves(QueueNCE(out, kept)), first, predictor(out, 2 * inner)),
        "local": flock(seen, led, around, halves(QueueNCE(out, kept)), predictor(out, 2 * inner)),
        "group": distill(seen, led, prototypes(enc.width, codes), halves(group), first),
    }
    views, weights = dict.fromkeys(seen, clean), dict(zip(terms, shares, strict=True))
    task = Objective(enc, views, terms, weights=weights, teacher=Ema(momentum))
    optim = AdamW(warmup_cosine(8e-4), weight_decay=cosine(0.04, 0.2), betas=(0.9, 0.999))
    return Recipe(task, data, optim, steps=data.epochs(400))


class flock(Term):
    """`distill` for a head that is told how many samples there are, because it keeps the first crop of each in a memory."""

    def __init__(
        self, student: tuple[str, ...], teacher: tuple[str, ...], head: nn.Module, loss: nn.Module, predictor: nn.Module
    ) -> None:
        super().__init__()
        self.head, self.loss, self.predictor = head, loss, predictor
        self.reads, self.reads_teacher = student, teacher

    def forward(self, scene: Scene) -> Tensor:
        assert scene.teacher is not None
        prediction = self.predictor(self._project(scene.student, self.reads, scene.batch.size))
        target = self._project(scene.teacher, self.reads_teacher, scene.batch.size)
        return self.loss(prediction, target, scene.step)

    def _project(self, side: Side, views: tuple[str, ...], size: int) -> Tensor:
        crops = torch.cat([mean(side.z[name]) for name in views])  # crop-major: [crops * B, D]
        return side.heads[self.name](crops, size).unflatten(0, (-1, size))


class joined(nn.Module):
    """What one block makes of a crop and the `top` most like it in a memory, read at the crop's own row (section 3.2)."""

    def __init__(self, shape: Model, inner: nn.Module, memory: int, top: int = 8) -> None:
        super().__init__()
        self.top, self.inner = min(top, memory), inner
        self.block, self.norm = Block(shape.width, shape.heads), LayerNorm(shape.width, eps=1e-6)
        self.memory = Queue(memory, shape.width)  # the teacher's copy has its own: what is led are parameters
        initialise(self)

    def forward(self, x: Float[Tensor, "S D"], size: int) -> Float[Tensor, "S E"]:
        rows = torch.cat([x[:, None], self.neighbours(x)], 1)
        spans = layout((rows.shape[1],) * len(x), 0, str(x.device))
        own = rows_where(spans.place == 0, (1,) * len(x))
        self.memory.put(x[:size])
        together = Tokens(rows.flatten(0, 1), x.new_zeros(spans.rows, 0), spans)
        return self.inner(self.norm(self.block.only(together, own)))

    @torch.no_grad()
    def neighbours(self, x: Float[Tensor, "S D"]) -> Float[Tensor, "S top D"]:
        """The rows of the memory of greatest cosine; the row itself where the memory is not that full yet."""
        kept = self.memory.rows
        like = F.normalize(x, dim=1) @ F.normalize(kept, dim=1).T
        score, at = like.masked_fill(~self.memory.filled, -torch.inf).topk(self.top)
        return torch.where(score.isfinite()[..., None], kept[at], x[:, None])


class halves(nn.Module):
    """Pairs of big crops count as much together as pairs of a small and a big one (release: loss.py). loss: a mean over pairs of
    different crops."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(
        self, prediction: Float[Tensor, "n B K"], target: Float[Tensor, "m B K"], step: Step
    ) -> Float[Tensor, ""]:
        n, m = len(prediction), len(target)
        every = self.loss(prediction, target, step)
        if n == m:
            return every
        big, pairs, few = self.loss(prediction[:m], target, step), m * (n - 1), m * (m - 1)
        return (big + (pairs * every - few * big) / (pairs - few)) / 2


def maps(*widths: int) -> nn.Sequential:
    """Linear maps without bias from width to width, a GELU between."""
    parts = [part for a, b in pairwise(widths) for part in (Linear(a, b, bias=False), nn.GELU())]
    made = nn.Sequential(*parts[:-1])
    initialise(made)
    return made


class predictor(nn.Module):
    """Two maps of what the head said at unit length: the student's alone."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.inner = maps(width, hidden, width)

    def forward(self, x: Float[Tensor, "n B D"]) -> Float[Tensor, "n B D"]:
        return self.inner(F.normalize(x, dim=-1))
