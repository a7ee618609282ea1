"""SelfPatch: each row is to say what its most similar neighbours say together (Yun et al., "Patch-level Representation
Learning for Self-supervised Vision Transformers", 2022).

Hides: nothing; two big and eight small crops.
Predicts: the teacher's word on the whole sample, across crops; and, for each row, the teacher's summary of its neighbours.
Use when: parts of a sample are to be told apart without labels (regions of a picture, phases of a series) and neighbours
mostly belong together. Not where rows have no order, nor where what matters is one row wide.
Mechanism: DINO, plus a cross-entropy from rows to class-attention pools of the 4 most similar of the 8 nearest rows.
Differs from the paper in: the nearest rows are those of least distance between coordinates, inside the sample, so one rule
serves series, pictures and volumes; at the edge of a picture they lie further in (release: the window wraps round to the
other side); crops jitter brightness and contrast only; prototypes train from the first step; no drop path; rows pass the
encoder's last norm before they are pooled (release: after); the encoder's class token is a register, so read it by the mean.
Command: headstart pretrain fashion-mnist recipe=selfpatch
Expected: rows are led by the most similar of the rows beside them, and on held-out squares of photographs that loss falls below
0.95 of what it was: `python -m evidence run selfpatch`.
"""

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ..augment import multicrop
from ..corrupt import clean
from ..losses import CenteredCE, centred, soft_cross_entropy
from ..nn.encoder import Model, encoder
from ..nn.heads import prototypes
from ..nn.linear import LayerNorm
from ..nn.transformer import Block, initialise
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Schedule, cosine, warmup_cosine
from ..teacher import Ema
from ..terms import Term, distill
from ..terms.term import average
from ..tokens import Tokens, every, layout, reserve, rows_where

NEAR = 8  # the nearest rows that are looked at; on a grid of three axes 26
MEANINGLESS = {"table": "columns have no order, so no column is the neighbour of another"}
Choose = Callable[[Tokens, int], tuple[Int[Tensor, "K"], tuple[int, ...]]]


def alike(z: Tokens, k: int, near: int = NEAR, similar: bool = True) -> tuple[Int[Tensor, "K"], tuple[int, ...]]:
    """(rows, counts): for each content row the `k` most similar of its nearest ones, without itself; all where there are fewer.

    The nearest are `near` by largest-coordinate distance, or 26 where there are three axes: on a grid, the ring around a row.
    similar: False takes the nearest of these, whatever they are like.
    """
    spans, rows = z.layout, every(z).index
    size, at = (spans.segments, max(z.content, default=0)), (spans.seg[rows], spans.place[rows] - spans.slots)
    there, number = (rows.new_zeros(size).index_put(at, x) for x in (torch.ones_like(rows), rows))
    place = z.coords.new_zeros(*size, z.coords.shape[1]).index_put(at, z.coords[rows])
    apart = (place[:, :, None] - place[:, None]).abs()
    far = apart.amax(-1) + 1e-3 * apart.sum(
        -1
    )  # of rows equally far along one axis, straight ones before slanting ones
    wrong = (there[:, None] == 0) | torch.eye(size[1], dtype=torch.bool, device=z.device)
    ring = min(max(near, 3 ** min(place.shape[-1], 3) - 1), size[1])
    neighbours = far.masked_fill(wrong, torch.inf).sort(dim=-1, stable=True).indices[..., :ring]  # [S, N, ring]
    like = likeness(z, at, size).masked_fill(wrong, -torch.inf).gather(2, neighbours)
    order = like.sort(dim=-1, descending=True, stable=True).indices
    best = neighbours.gather(2, order[..., :k]) if similar else neighbours[..., :k]  # [S, N, k]
    counts = tuple(min(k, n - 1) for n in z.content for _ in range(n))
    chosen = torch.arange(best.shape[-1], device=z.device) < (there.sum(1)[:, None, None] - 1) * there[:, :, None]
    flat = torch.nonzero_static(chosen.flatten(), size=sum(counts))[:, 0]
    found = number.gather(1, best.flatten(1)).flatten()[flat]
    return found, counts


# of its check on made-up data: docs/log.md, 2026-11-26
SMALL = {"codes": 1024, "row_codes": 512, "local": 4, "optim.lr": 1e-3, "data.batch": 32}
SLOW = cosine(0.996, 1.0)
IDEAS = {
    "rows are led by their neighbours": {"beside": 0.0},
    "neighbours lie near": {"choose": partial(alike, near=10**6)},
    "the most similar of them": {"choose": partial(alike, similar=False)},
    "a slow teacher": {"momentum": 0.0},
}


def selfpatch(
    data: Data,
    size: str | Model = "S",
    codes: int = 65_536,
    row_codes: int = 4096,
    local: int = 8,
    k: int = 4,
    beside: float = 0.1,
    choose: Choose = alike,
    momentum: Schedule = SLOW,
) -> Recipe:
    """DINO over `codes` prototypes, and, counted `beside`, each row by its `k` most similar neighbours over `row_codes`."""
    data = data.with_views(multicrop(big=2, small=local, big_scale=(0.25, 1.0), small_scale=(0.05, 0.25)))
    enc, seen = encoder(data.tokenizers, size), ("big", "small") if local else ("big",)
    pool = attentive(enc.width, enc.shape.heads)
    whole = pooled(pool, prototypes(enc.width, codes))
    agree = distill(seen, ("big",), whole, CenteredCE(codes, student_temp=0.1, teacher_temp=0.04), read=None)
    rows = neighbours(seen, pooled(pool, prototypes(enc.width, row_codes)), centred(row_codes), k, choose)
    terms, weights, teacher = {"agree": agree, "beside": rows}, {"beside": beside}, Ema(momentum)
    task = Objective(enc, dict.fromkeys(seen, clean), terms, weights=weights, teacher=teacher)
    optim = AdamW(lr=warmup_cosine(5e-4, end=1e-6), weight_decay=cosine(0.04, 0.4), betas=(0.9, 0.999))
    return Recipe(task, data, optim, steps=data.epochs(200))


class attentive(nn.Module):
    """Any rows as one: a learned query attends to itself and to them, in two blocks (class attention, Touvron et al. 2021)."""

    def __init__(self, width: int, heads: int, depth: int = 2) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = LayerNorm(width, eps=1e-6)
        initialise(self)

    def forward(self, rows: Float[Tensor, "T D"], counts: tuple[int, ...]) -> Float[Tensor, "S D"]:
        """One row for every `counts` rows."""
        device = str(rows.device)
        each = reserve(Tokens(rows, rows.new_zeros(len(rows), 0), layout(counts, 0, device)), 1)
        heads = rows_where(each.slot, (1,) * len(counts))
        token = self.query.to(rows.dtype).expand(len(counts), -1)
        for block in self.blocks:
            both = each.with_values(each.values.index_copy(0, heads.index, token))
            token = cast(Block, block).only(both, heads)
        return self.norm(token)


class pooled(nn.Module):
    """A head over what `pool` makes of the rows of every segment."""

    def __init__(self, pool: attentive, head: nn.Module) -> None:
        super().__init__()
        self.pool, self.head = pool, head

    def forward(self, z: Tokens) -> Float[Tensor, "S codes"]:
        return self.head(self.pool(z.values[every(z).index], z.content))

    def rows(self, rows: Float[Tensor, "T D"]) -> Float[Tensor, "T codes"]:
        """What is said of each row by itself."""
        return self.head(self.pool.norm(rows))

    def sets(self, rows: Float[Tensor, "T D"], counts: tuple[int, ...]) -> Float[Tensor, "S codes"]:
        """What is said of every `counts` rows together."""
        return self.head(self.pool(rows, counts))


class neighbours(Term):
    """Every row of the student says what the teacher says of the row's most similar neighbours, in the same crop.

    Crops count alike, whatever their number of rows; a row without neighbours is not asked. shares: of what the teacher says.
    """

    def __init__(self, views: tuple[str, ...], head: pooled, shares: centred, k: int, choose: Choose = alike) -> None:
        super().__init__()
        self.head, self.shares, self.k, self.choose = head, shares, k, choose
        self.reads = self.reads_teacher = views

    def forward(self, scene: Scene) -> Tensor:
        if scene.teacher is None:
            raise ValueError("neighbours needs a teacher: give the Objective teacher=Ema(...)")
        mine, theirs = (cast(pooled, side.heads[self.name]) for side in (scene.student, scene.teacher))
        prediction, target, weight = [], [], []
        for name in self.reads:
            z, taught = scene.student.z[name], scene.teacher.z[name]
            rows, (neighbours, counts) = every(z), self.choose(taught, self.k)
            prediction.append(mine.rows(z.values[rows.index]))
            target.append(theirs.sets(taught.values[neighbours], counts))
            share = torch.tensor([1 / n if n > 1 else 0.0 for n in z.content], device=z.device)
            weight.append(share[z.layout.seg[rows.index]])
        shares = self.shares(torch.cat(target), scene.step)
        return average(soft_cross_entropy(torch.cat(prediction), shares, temperature=0.1), torch.cat(weight))


def likeness(z: Tokens, at: tuple[Tensor, Tensor], size: tuple[int, int]) -> Float[Tensor, "S N N"]:
    """The cosine between any two content rows of a segment, of which row i lies at `at`[i]."""
    x = F.normalize(z.values[every(z).index].float(), dim=-1)
    padded = x.new_zeros(*size, x.shape[1]).index_put(at, x)
    return padded @ padded.transpose(1, 2)
