"""SSAST: at every hidden place the model both picks the true row out of all that are hidden in this sample, and draws it (Gong et
al., "SSAST: Self-Supervised Audio Spectrogram Transformer", 2022).

Hides: 400 of 512 rows, in squares of 3, 4 or 5 rows a side (one size for a sample), under a learnt mask; where rows lie along one
axis, single rows.
Predicts: which of the hidden rows of the sample stands where, and what it holds, by two heads.
Use when: samples are longer than what varies in them, spectrograms above all: the rows of one sample are many and unlike, so that
picking among them asks for detail, while the sample's own colour helps nobody. Not where the rows of a sample are much alike.
Mechanism: negatives come from the same sample, so what all its rows share (speaker, room, level) cannot tell them apart.
Differs from the paper in: both terms read one corrupted view, as in the paper's algorithm 1 (the released code draws two masks
and encodes twice); the cross-entropy runs over the hidden rows for each prediction, as in the paper's equation 1 (the released
code runs it over the predictions for each row); of the last square that is too much, its own rows stay (released code: the rows
of lowest number in the whole mask), and squares do not wrap around the edge; warm-up then cosine, at the data's batch size
(released code: the rate is halved where the accuracy stalls, 24 samples).
Command: headstart pretrain recordings/ recipe=ssast
Expected: picking hangs on no other sample, its loss on held-out sounds is below 0.9 of that of saying nothing, and what is drawn
has less than 0.6 of the mean row's squared error: `python -m evidence run ssast`.
"""

import itertools
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..corrupt import Fill, Score, corrupt, keep, mask_token, random
from ..errors import Mistake
from ..losses import mse
from ..nn.encoder import Model, encoder
from ..nn.heads import at_hidden
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Rng, warmup_cosine
from ..targets import raw
from ..terms import Term, masked
from ..tokens import Tokens

SIDES = (3, 4, 5)  # rows along a side of a square

MEANINGLESS = {
    "table": "its cells have no order, so hidden ones are no part of anything, and the name of a column gives a cell away"
}
Among = Callable[[Float[Tensor, "K D"], Float[Tensor, "K D"], tuple[int, ...]], Float[Tensor, "K"]]


def squares(tokens: Tokens, rng: Rng) -> Float[Tensor, "T"]:
    """Squares (cubes) of the grid, one after another: a row scores the lowest draw among the corners whose square covers it.
    Single rows where they lie along one axis, or along more than three."""
    if not 2 <= tokens.coords.shape[1] <= 3:
        return random(tokens, rng)
    spans, slot = tokens.layout, tokens.slot[:, None]
    side = SIDES[0] + (len(SIDES) * rng.fold("side").segments()[:, 0]).long()
    at = tokens.coords.floor().long()
    low = at.new_zeros(spans.segments, at.shape[1]).scatter_reduce(
        0, spans.seg[:, None].expand_as(at), at.masked_fill(slot, 1 << 40), "amin", include_self=False
    )
    at = at - low[spans.seg]
    primes = torch.tensor([0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35], device=at.device)[: at.shape[1]]
    score, corners = torch.ones(len(tokens), device=at.device), rng.fold("corner")
    for offset in itertools.product(range(SIDES[-1]), repeat=at.shape[1]):
        corner = at - torch.tensor(offset, device=at.device)
        covers = (corner >= 0).all(1) & (side[spans.seg] > max(offset))
        drawn = corners.rows(spans.seg, (corner * primes).sum(1) & 0x7FFFFFFF)[:, 0]
        score = torch.where(covers, torch.minimum(score, drawn), score)
    return score


def among(prediction: Float[Tensor, "K D"], truth: Float[Tensor, "K D"], counts: tuple[int, ...]) -> Float[Tensor, "K"]:
    """-log of the share that exp(said . truth) of a row has among the truths of its own sample (the paper's equation 1).

    counts: rows of each sample, which lie one sample after another.
    """
    starts = list(itertools.accumulate(counts, initial=0))
    losses = prediction.new_zeros(len(prediction), dtype=torch.float32)
    for n in sorted(set(counts) - {0}):
        first = torch.tensor(
            [s for s, count in zip(starts, counts, strict=False) if count == n], device=prediction.device
        )
        rows = first[:, None] + torch.arange(n, device=prediction.device)
        logits = prediction[rows].float() @ truth[rows].float().transpose(1, 2)  # [samples, n said, n truths]
        right = torch.arange(n, device=prediction.device).repeat(len(rows))
        losses = losses.index_copy(0, rows.flatten(), F.cross_entropy(logits.flatten(0, 1), right, reduction="none"))
    return losses


def among_all(
    prediction: Float[Tensor, "K D"], truth: Float[Tensor, "K D"], counts: tuple[int, ...]
) -> Float[Tensor, "K"]:
    """The same among the truths of all samples."""
    return among(prediction, truth, (sum(counts),))


SMALL = {"ratio": 0.6, "optim.lr": 4e-3, "data.batch": 16}  # of its check on made-up data: docs/log.md, 2026-11-26
IDEAS = {
    "squares of rows are hidden": {"score": random},
    "rows are picked": {"pick": 0.0},
    "from among those of their own sample": {"within": among_all},
    "rows are drawn": {"draw": 0.0},
    "hidden rows are not seen": {"fill": keep},
}


def ssast(
    data: Data,
    size: str | Model = "B",
    ratio: float = 400 / 512,
    draw: float = 10.0,
    pick: float = 1.0,
    score: Score = squares,
    within: Among = among,
    fill: Fill = mask_token,
) -> Recipe:
    """Hide `ratio` of the rows in squares; pick each from among them, which counts `pick`, and draw it, which counts `draw`."""
    enc = encoder(data.tokenizers, size, specials=1)

    def head() -> at_hidden:
        return at_hidden(nn.Sequential(Linear(enc.width, enc.width), nn.ReLU(), Linear(enc.width, data.dim)))

    terms = {"pick": picked(head(), within), "draw": masked(target=raw, head=head(), loss=mse)}
    task = Objective(enc, {"x": corrupt(score, ratio, fill)}, terms, weights={"pick": pick, "draw": draw})
    optim = AdamW(lr=warmup_cosine(1e-4), weight_decay=5e-7, betas=(0.95, 0.999))
    return Recipe(task, data, optim, steps=data.epochs(10))


class picked(Term):
    """What the head says of a hidden row must be nearer to that row than to all others hidden in the same sample."""

    def __init__(self, head: nn.Module, within: Among = among) -> None:
        super().__init__()
        self.head, self.within, self.reads, self.hides = head, within, ("x",), "x"

    def forward(self, scene: Scene) -> Tensor:
        view = scene.views["x"]
        truth = view.clean.values[view.hidden.index]
        if not truth.is_floating_point():
            raise Mistake(
                "ssast picks the row of numbers that is most like a guess, and the rows of this kind are ids: mae takes them"
            )
        return self.within(self.predicted(scene), truth, view.hidden.counts).mean()

    def predicted(self, scene: Scene) -> Float[Tensor, "K D"]:
        """What is said of the hidden rows."""
        return self.head(scene.student.z["x"], scene.views["x"])
