"""Structural objectives: find the rows that were swapped, or put back what they were, without any mask (Di Liello, "Structural
Self-Supervised Objectives for Transformers", 2023).

Hides: 0.15 of the rows behind other rows of the data; nothing marks them. (ssp: half of a sample behind another sample's half.)
Predicts: task=rts and c-rts: of every row whether it was swapped; slm: what the swapped rows were; ssp: whether two halves are of
one sample, and what the rows swapped in them were.
Use when: rows are ids or rows of numbers whose neighbours say what fits, and the encoder will never see a mask in use. rts is
cheap (one number for each row) and soon too easy; c-rts makes it harder where the model errs; slm is the slowest and knows most.
Mechanism: c-rts draws the other row from a cluster that the model now mistakes for this row's own: softmax(2 * count), the counts
of errors less successes brought to 0..1 for each cluster.
Differs from the paper in: the share swapped is exact in every sample; other rows are drawn from those that the data have, not
from a whole vocabulary, and rows of numbers from up to 1,024 of them; clusters are k-means of the ids' neighbours, or of the
numbers (paper: read from a file); counts change at swapped rows only (an option of the released code, whose default counts every
row left alone, too, so that a cluster is never swapped for itself); ssp sees halves of samples with those of other samples, and
is learnt beside slm (paper: spans of paragraphs with hard negatives of the same document, beside masked tokens or detection; its
other structural tasks need documents and are left out). The released code divides by the row's range along the wrong axis and
adds a pair of clusters once a step however often it came; this is the paper's form.
Command: headstart pretrain texts/ recipe=structural_ssl_rts_slm task=c-rts
Expected: nothing marks a swap, and c-rts draws what is mistaken for a row at least 2.5 times as often as what is not; swapped
parts of held-out digits are found with a balanced accuracy above 0.6, swapped measurements put back with less than 0.75 of the
error of a column's mean, and halves told to be of one row or of two more than 0.59 of the time;
`python -m evidence run structural_ssl_rts_slm`.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from .. import dist
from ..corrupt import Make, clean, hide, mismatched, random
from ..errors import Mistake, Unreadable
from ..losses import mse
from ..nn.encoder import Encoder, Model, encoder
from ..nn.heads import at_hidden, first
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Rng, Step, warmup_cosine
from ..targets import Target, raw
from ..terms import Term, classify, masked
from ..tokens import Rows, Tokens, View, every, rows_where, select
from ..tree import replace

SMALL = {"optim.lr": 2e-3, "data.batch": 64}

SOME, MOST = 256, 1024  # samples looked at, and rows of numbers kept, for what may be swapped in
AROUND = 64  # neighbours told apart: the most frequent ids, and all others together
EACH = 4  # rows in a cluster, on average at least


def all_rows(view: View) -> Rows:
    """Of every row it is asked whether it was swapped."""
    return every(view.seen)


def swapped_rows(view: View) -> Rows:
    """Of the swapped rows alone it is asked."""
    return view.hidden


def shown(view: View, rows: Tensor, scene: Scene) -> Tensor:
    """What rows say after the swap."""
    return view.seen.values[rows]


IDEAS = {
    "nothing marks a swapped row": {"masks": 1.0},
    "rts: every row is judged": {"judged": swapped_rows},
    "c-rts: swapped for what is mistaken for it": {"beta": 0.0},
    "slm: swapped rows are put back": {"target": shown},
    "ssp: beside a loss of rows": {"beside": 0.0},
}
TASKS = ("rts", "c-rts", "slm", "ssp")


def structural_ssl_rts_slm(
    data: Data,
    size: str | Model = "B",
    task: str = "rts",
    ratio: float = 0.15,
    clusters: int = 64,
    beta: float = 2.0,
    masks: float = 0.0,
    beside: float = 1.0,
    judged: Callable[[View], Rows] = all_rows,
    target: Target = raw,
) -> Recipe:
    """task: rts, c-rts (with so many clusters, sharpened by beta), slm, or ssp (halves of samples; `beside` weighs its slm).
    masks: the share of swapped rows that a mask stands for."""
    if task not in TASKS:
        raise Mistake(f"task={task}: choose one of {', '.join(TASKS)}")
    enc, swap = encoder(data.tokenizers, size, specials=int(masks > 0)), partial(Swap, data, ratio=ratio, masks=masks)
    restore = partial(masked, at_hidden(Linear(enc.width, data.dim)), target, mse)
    if task == "ssp":
        objective = halves(enc, swap, restore, beside)
    elif task == "slm":
        objective = Objective(enc, {"x": swap()}, {task: restore()})
    else:
        x = swap(clusters=clusters if task == "c-rts" else 1, beta=beta)
        objective = Objective(enc, {"x": x}, {task: swapped(Linear(enc.width, 1), x, judged)})
    return Recipe(objective, data, AdamW(lr=warmup_cosine(1e-4), weight_decay=0.01), steps=data.epochs(40))


class Swap(nn.Module):
    """A view with `ratio` of the rows swapped for rows of the data: from a cluster drawn by what the model now confuses with the
    row's own, and there any. One cluster: any row of the data. masks: how many of the swapped rows are a mask instead. of: the
    view whose rows are swapped."""

    entries: Tensor  # rows that may be swapped in, cluster by cluster
    start: Int[Tensor, "C"]
    size: Int[Tensor, "C"]
    marks: Tensor  # [ids] the cluster of every id; of rows of numbers [C, D] the centres
    counts: Float[Tensor, "C C"]

    def __init__(
        self,
        data: Data,
        clusters: int = 1,
        ratio: float = 0.15,
        beta: float = 2.0,
        masks: float = 0.0,
        of: Make = clean,
    ) -> None:
        super().__init__()
        self.ratio, self.beta, self.masks, self.of = ratio, beta, masks, of
        with torch.device("cpu"):  # what the data are is the same wherever the model is built
            entries, around, ids = stock(data)
            wanted = max(1, min(clusters, len(entries) // EACH))
            cluster, centres = kmeans(around, wanted)
            size = torch.bincount(cluster, minlength=len(centres))
            self.register_buffer("entries", entries[cluster.argsort(stable=True)])
            self.register_buffer("size", size)
            self.register_buffer("start", size.cumsum(0) - size)
            marks = torch.zeros(data.dim, dtype=torch.int64).index_copy(0, entries, cluster) if ids else centres
            self.register_buffer("marks", marks)
            self.register_buffer("counts", torch.ones(len(centres), len(centres)))
        self._learnt: Tensor | None = None

    def forward(self, tokens: Tokens, rng: Rng) -> View:
        view = self.of(tokens, rng)
        tokens, spans = view.clean, view.clean.layout
        hidden = hide(tokens, random(tokens, rng.fold("hide")), self.ratio)
        at = hidden.index
        u = rng.fold("fill").rows(spans.seg[at], spans.place[at] - spans.slots, 2)
        share = self.confused()[self.cluster(tokens.values[at])]
        drawn = (share.cumsum(1) <= u[:, :1]).sum(1).clamp(max=len(self.size) - 1)
        place = self.start[drawn] + (u[:, 1] * self.size[drawn]).long()
        seen = tokens.with_values(tokens.values.index_copy(0, at, self.entries[place]))
        if self.masks:
            mask = rng.fold("mask").rows(spans.seg[at], spans.place[at] - spans.slots)[:, 0] < self.masks
            seen = replace(seen, special=torch.full_like(spans.seg, -1).index_fill(0, at[mask], 0))
        return replace(view, seen=seen, hidden=hidden)

    def confused(self) -> Float[Tensor, "C C"]:
        """For a row of each cluster, how likely one of each cluster takes its place."""
        low, high = self.counts.amin(1, keepdim=True), self.counts.amax(1, keepdim=True)
        return (self.beta * (self.counts - low) / (high - low).clamp(min=1e-6)).softmax(1)

    def cluster(self, values: Tensor) -> Int[Tensor, "K"]:
        """The cluster of rows."""
        return torch.cdist(values, self.marks).argmin(1) if values.is_floating_point() else self.marks[values]

    @torch.no_grad()
    def learn(self, view: View, right: Tensor) -> None:
        """Note at which swapped rows the model was right; the counts move after the step."""
        was, now = (tokens.values[view.hidden.index] for tokens in (view.clean, view.seen))
        changed = (was != now).view(len(was), -1).any(1)
        pairs = self.cluster(was), self.cluster(now)
        learnt = torch.where(right, -1.0, 1.0) * changed
        self._learnt = torch.zeros_like(self.counts).index_put(pairs, learnt, accumulate=True)

    @torch.no_grad()
    def after_step(self, step: Step) -> None:
        if self._learnt is not None:
            self.counts += dist.mean(self._learnt) * dist.world()
            self._learnt = None


class swapped(Term):
    """Says of every row whether it was swapped; that a row may have been swapped for its like counts as swapped."""

    def __init__(self, head: nn.Module, swap: Swap, judged: Callable[[View], Rows] = all_rows) -> None:
        super().__init__()
        self.head, self.swap, self.judged, self.reads = head, swap, judged, ("x",)

    def forward(self, scene: Scene) -> Tensor:
        view = scene.views["x"]
        logits = self.head(scene.student.z["x"].values)[:, 0].float()
        if self.training:
            self.swap.learn(view, logits[view.hidden.index] > 0)
        rows = self.judged(view).index
        return F.binary_cross_entropy_with_logits(logits[rows], view.hidden.mask[rows].float())


def stock(data: Data) -> tuple[Tensor, Float[Tensor, "V F"], bool]:
    """(entries, what clusters them, whether they are ids): the ids that some of the samples have, with the ids around them; or
    rows of numbers, as they are."""
    seen = list(some(data))
    if not seen:  # a plan made without its data: only the shapes of the model count then
        return torch.arange(data.dim), torch.eye(data.dim, 1), True
    values = torch.cat(seen)
    if values.is_floating_point():
        taken = values[torch.linspace(0, len(values) - 1, min(len(values), MOST)).long()]
        return taken, taken, False
    ids, count = values.unique(return_counts=True)
    rank = torch.empty(data.dim, dtype=torch.int64)
    rank[ids[count.argsort(descending=True, stable=True)]] = torch.arange(len(ids)).clamp(max=AROUND - 1)
    around = torch.zeros(data.dim, 2 * AROUND)
    for sample in seen:
        left, right = sample[:-1], sample[1:]
        one = torch.ones(len(left))
        around.index_put_((left, rank[right]), one, accumulate=True)
        around.index_put_((right, rank[left] + AROUND), one, accumulate=True)
    around = around[ids]
    return ids, (around / around.sum(1, keepdim=True).clamp(min=1)).sqrt(), True


def some(data: Data) -> Iterator[Tensor]:
    """The rows of up to 256 samples, spread over the data."""
    for index in np.unique(np.linspace(0, len(data.source) - 1, SOME).astype(int)).tolist():
        try:
            yield data.only(data.only.fitted(data.source[index])).values
        except Unreadable:
            continue


def kmeans(x: Float[Tensor, "V F"], k: int, rounds: int = 20) -> tuple[Int[Tensor, "V"], Float[Tensor, "C F"]]:
    """(cluster of each, centres): Lloyd's rounds from points far from one another. No cluster is empty, so there may be fewer."""
    centres = x[:1]
    for _ in range(k - 1):
        far = torch.cdist(x, centres).amin(1)
        centres = torch.cat([centres, x[far.argmax()][None]])
    for _ in range(rounds):
        near = torch.cdist(x, centres).argmin(1)
        count = torch.bincount(near, minlength=len(centres))
        sums = torch.zeros_like(centres).index_add(0, near, x)
        centres = torch.where(count[:, None] > 0, sums / count[:, None].clamp(min=1), centres)
    used, near = torch.cdist(x, centres).argmin(1).unique(return_inverse=True)
    return near, centres[used]


def halves(enc: Encoder, swap: Callable[..., Swap], restore: Callable[..., Term], beside: float) -> Objective:
    """Are two halves, read as one sequence, of one sample? And what were the rows that were swapped in them?"""
    same = classify(Linear(enc.width, 2), view="b", read=first)
    views = {"a": ("x", swap(of=front)), "b": ("x", swap(of=back_or_another))}
    terms = {"same": same, "slm a": restore(view="a"), "slm b": restore(view="b")}
    weights = {"slm a": beside / 2, "slm b": beside / 2}
    return Objective(enc, views, terms, weights=weights, together=[("a", "b")])


def front(tokens: Tokens, rng: Rng) -> View:
    """The first half of every sample."""
    return clean(_half(tokens, False), rng)


def back_or_another(tokens: Tokens, rng: Rng) -> View:
    """The second half of every sample, or of another; the label says which."""
    return mismatched(_half(tokens, True), rng)


def _half(tokens: Tokens, second: bool) -> Tokens:
    spans = tokens.layout
    sizes = tuple(n - n // 2 if second else n // 2 for n in tokens.content)
    middle = (spans.cu.diff() - spans.slots)[spans.seg] // 2 + spans.slots
    mask = tokens.slot | ((spans.place >= middle) == second)
    return select(tokens, rows_where(mask, tuple(n + spans.slots for n in sizes)))
