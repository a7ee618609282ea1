"""Point-BERT: small groups of points are given words by an autoencoder, then a hidden clump of them is named from the rest (Yu et
al., "Point-BERT: Pre-training 3D Point Cloud Transformers with Masked Point Modeling", 2022).

Hides: a ball of rows, a quarter to nine twentieths of a cloud, under a learnt mask: in each cloud, and in one mixed from the rows
of two.
Predicts: the word of each hidden row; and from the class token of a mixed cloud, which two clouds it is of, in which shares.
Use when: samples are clouds of points of single things (scans, parts, plants), and there is time to learn words first. Not when a
run is short, since half of it learns words alone, nor for sweeps of streets, whose rows are too unlike.
Mechanism: in the first half of training a discrete autoencoder (Gumbel softmax over `codes` words, rebuilt points by Chamfer
distance) finds words; in the second it is fixed, and the encoder learns from them.
Differs from the paper in: both halves are one run; the autoencoder's two graph networks are one transformer block each, between
the same row-wise maps, and its points come from one map, not from a folded grid; words are balanced over a batch; a row is
swapped with the one at the same place of a random other cloud (paper: of the flipped batch), and keeps its word in its own cloud;
the encoder's way into rows does not begin as the autoencoder's; no drop path.
Command: headstart pretrain clouds/ recipe=point_bert
Expected: words are learnt in the first half and fixed in the second; of held-out digits, as clouds, hidden words are told better
than by their frequencies, by more than 0.7 nats, and whole clouds, by their class tokens, better than before training:
`python -m evidence run point_bert`.
"""

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from .. import dist
from ..corrupt import Fill, Make, Score, aliens, between, corrupt, keep, mask_token, random
from ..errors import Mistake
from ..nn.encoder import Model, encoder
from ..nn.heads import at_hidden, first
from ..nn.linear import LayerNorm, Linear
from ..nn.position import sincos
from ..nn.queue import Queue
from ..nn.transformer import Transformer, initialise
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Rng, Schedule, cosine, during, ramp, round_of, warmup_cosine
from ..teacher import Ema
from ..terms import Term, masked
from ..tokenizers import PointsTokenizer
from ..tokens import Tokens, View, content, every, segment_mean
from ..tree import replace

SMALL = {
    "codes": 256,
    "queue": 1024,
    "optim.lr": 4e-3,
    "data.batch": 32,
}  # at lower rates all rows come to share a word or two


def ball(tokens: Tokens, rng: Rng) -> Float[Tensor, "T"]:
    """A clump: the distance to one row, drawn for each sample."""
    spans = tokens.layout
    content = (spans.cu.diff() - spans.slots)[:, None]
    at = (spans.cu[:-1, None] + spans.slots + (rng.segments() * content).long())[:, 0]
    return (tokens.coords - tokens.coords[at.clamp(max=len(tokens) - 1)][spans.seg]).norm(dim=1)


def mixed(make: Make) -> Make:
    """`make` of clouds in which some rows, a share drawn for each sample, are another cloud's, each with its place.

    The view's label is, for every row, the row of the unmixed clouds that it is.
    """

    def mix(tokens: Tokens, rng: Rng) -> View:
        spans = tokens.layout
        here = torch.arange(len(tokens), device=tokens.device)
        there = aliens(tokens, every(tokens).index, rng.fold("partner"))
        swapped = here.index_copy(0, every(tokens).index, there)
        away = rng.fold("which").rows(spans.seg, spans.place - spans.slots) > rng.fold("share").segments()[spans.seg]
        source = torch.where(away[:, 0], swapped, here)
        cloud = replace(tokens, values=tokens.values[source], coords=tokens.coords[source])
        return replace(make(cloud, rng.fold("make")), label=source)

    return mix


def unmixed(make: Make) -> Make:
    """`make` of clouds as they are: what takes mixing out."""
    return lambda tokens, rng: replace(
        make(tokens, rng.fold("make")), label=torch.arange(len(tokens), device=tokens.device)
    )


IDEAS = {
    "words are learnt first, and then named": {"phases": (0.0, 1.0)},
    "hidden rows are masked": {"fill": keep},
    "a clump is hidden": {"score": random},
    "clouds are mixed": {"mix": unmixed},
    "a queue of others": {"queue": 0},
}
Phases = tuple[Schedule, Schedule]
HALVES: Phases = (during(0.0, 0.5), during(0.5, 1.0))  # when words are learnt, and when they are named
Mix = Callable[[Make], Make]


def point_bert(
    data: Data,
    size: str | Model = "S",
    codes: int = 8192,
    queue: int = 16_384,
    phases: Phases = HALVES,
    score: Score = ball,
    fill: Fill = mask_token,
    mix: Mix = mixed,
) -> Recipe:
    """Learn `codes` words for rows, then name hidden ones, and tell mixed clouds from `queue` others."""
    enc, words = encoder(data.tokenizers, size, specials=1), Words(data, codes)
    hide = corrupt(score, between(0.25, 0.45), fill)
    head, target = at_hidden(Linear(enc.width, codes)), named(words)
    whole = nn.Sequential(Linear(enc.width, 512), nn.GELU(), Linear(512, 512))
    terms = {
        "words": rebuild(words),
        "name": masked(head, target),
        "name_mixed": masked(head, target, view="mixed"),
        "unmix": unmix(whole, Queue(queue, 512, begin=0.5)),
    }
    weights = {name: phases[name != "words"] for name in terms}
    task = Objective(enc, {"x": hide, "mixed": ("x", mix(hide))}, terms, weights=weights, teacher=Ema(0.999))
    return Recipe(task, data, AdamW(lr=warmup_cosine(5e-4, rounds=2), betas=(0.9, 0.999)), steps=data.epochs(600))


class Words(nn.Module):
    """A discrete autoencoder of rows: points -> a vector that knows its surroundings -> one of `codes` words -> points.

    The temperature of the Gumbel softmax and the weight of the words' balance move over the first of two rounds of training.
    """

    def __init__(self, data: Data, codes: int, width: int = 256) -> None:
        super().__init__()
        tokenizer = data.only
        if not isinstance(tokenizer, PointsTokenizer):
            raise Mistake(
                f"point_bert finds words for groups of points, and rows of {tokenizer.kind} are none: use beats"
            )
        self.points, self.columns = tokenizer.patch, 3 + tokenizer.features
        self.each = nn.Sequential(Linear(self.columns, 128), nn.GELU(), Linear(128, width))
        self.whole = nn.Sequential(Linear(width, width), nn.GELU(), Linear(width, width))
        self.before, self.after = (Transformer(width, 1, max(1, width // 64)) for _ in range(2))
        self.out, self.back = Linear(width, codes), Linear(width, self.points * self.columns)
        self.book = nn.Parameter(torch.randn(codes, width) * 0.02)
        self.norm = LayerNorm(width)
        for part in (self.each, self.whole, self.out, self.back):
            initialise(part)

    def cloud(self, tokens: Tokens) -> Float[Tensor, "K P C"]:
        """The points of every row of data."""
        return tokens.values[every(tokens).index][:, : self.points * self.columns].unflatten(
            1, (self.points, self.columns)
        )

    def forward(self, tokens: Tokens) -> Float[Tensor, "K codes"]:
        """How well each word fits each row of data; the order of a row's points does not matter."""
        x = self.whole(self.each(self.cloud(tokens)).amax(1))
        return self.out(self.among(self.before, x, tokens))

    def decode(self, code: Float[Tensor, "K W"], tokens: Tokens) -> Float[Tensor, "K P C"]:
        """Points for every row, from the words of all."""
        return self.back(self.among(self.after, self.norm(code), tokens)).unflatten(1, (self.points, self.columns))

    def among(self, net: Transformer, x: Float[Tensor, "K W"], tokens: Tokens) -> Float[Tensor, "K W"]:
        """The rows after they looked at the others of their sample."""
        rows = content(tokens)
        return net(rows.with_values(x + sincos(rows.coords, x.shape[1])))[-1].values


class rebuild(Term):
    """Words drawn by a Gumbel softmax must let the points be rebuilt, and all words be used."""

    def __init__(self, words: Words) -> None:
        super().__init__()
        self.head = words
        self.temperature, self.balance = cosine(1.0, 0.0625), ramp(0.0, 0.1)

    def forward(self, scene: Scene) -> Tensor:
        words, tokens = cast(Words, self.head), scene.views["x"].clean
        rows, now = every(tokens).index, round_of(scene.step, 2)[1]
        logits = words(tokens)
        rng = scene.step.rng("gumbel", scene.batch.segment_index("x"))
        u = rng.rows(tokens.layout.seg[rows], tokens.layout.place[rows], logits.shape[1]).clamp(min=1e-7)
        chosen = ((logits - (-u.log()).log()) / self.temperature(now)).softmax(-1)
        use = logits.softmax(-1).mean(0).clamp(min=1e-9)
        uneven = (use * (use * len(use)).log()).sum()
        return chamfer(words.decode(chosen @ words.book, tokens), words.cloud(tokens)) + self.balance(now) * uneven


def chamfer(a: Float[Tensor, "K P C"], b: Float[Tensor, "K Q C"]) -> Float[Tensor, ""]:
    """The mean distance of a point to the nearest of the other cloud, over both directions."""
    far = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    return (far.amin(1).mean() + far.amin(2).mean()) / 2


class named(nn.Module):
    """The target: the word that fits a hidden row best, in the cloud that the row is of."""

    def __init__(self, words: Words) -> None:
        super().__init__()
        self.words = words

    @torch.no_grad()
    def forward(self, view: View, rows: Int[Tensor, "K"], scene: Scene) -> Int[Tensor, "K"]:
        tokens = scene.views["x"].clean
        word = torch.zeros_like(tokens.layout.seg).index_copy(0, every(tokens).index, self.words(tokens).argmax(-1))
        return word[rows if view.label is None else view.label[rows]]


class unmix(Term):
    """The class token of a mixed cloud finds, among all clouds of the batch and of a queue, those that it was mixed from: by
    cross-entropy to the teacher's class tokens of whole clouds, in the shares of the mixture (temperature 0.07, as MoCo's)."""

    def __init__(self, head: nn.Module, queue: Queue) -> None:
        super().__init__()
        self.head, self.queue, self.reads, self.reads_teacher = head, queue, ("mixed",), ("x",)
        initialise(head)

    def forward(self, scene: Scene) -> Tensor:
        if scene.teacher is None:
            raise ValueError("unmix needs a teacher: give the Objective teacher=Ema(...)")
        queries = F.normalize(self.head(first(scene.student.z["mixed"])).float(), dim=-1)
        keys = F.normalize(scene.teacher.heads[scene.term](first(scene.teacher.z["x"])).float(), dim=-1)
        share, partner = mixture(scene.views["mixed"])
        now = dist.gather(keys)
        logits = queries @ torch.cat([now, self.queue.rows]).T / 0.07
        logits[:, len(now) :].masked_fill_(~self.queue.filled, -torch.inf)
        self.queue.put(keys)
        before, mine = dist.before(len(queries)), torch.arange(len(queries), device=queries.device)
        own, other = (F.cross_entropy(logits, before + which, reduction="none") for which in (mine, partner))
        return (share * own + (1 - share) * other).mean()


def mixture(view: View) -> tuple[Float[Tensor, "S"], Int[Tensor, "S"]]:
    """Of every mixed sample the share of rows that are its own, and the sample of the others."""
    spans, source = view.clean.layout, cast(Tensor, view.label)
    origin = spans.seg[source]
    share = segment_mean((origin == spans.seg).float()[:, None], spans)[:, 0]
    far = torch.where(origin == spans.seg, -1, origin)
    mine = torch.arange(spans.segments, device=far.device)
    partner = torch.full_like(mine, -1).scatter_reduce(0, spans.seg, far, "amax")
    return share, torch.where(partner < 0, mine, partner)
