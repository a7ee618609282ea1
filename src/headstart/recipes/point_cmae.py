"""Point-CMAE: one sample is masked twice and restored twice, and what is hidden in both must be described alike (Ren et al.,
"Bringing Masked Autoencoders Explicit Contrastive Properties for Point Cloud Self-Supervised Learning", 2024).

Hides: `ratio` of the rows, at random, in two views of every sample independently.
Predicts: the hidden rows, each view by its own decoder: points as sets, anything else number by number; and, at rows that are
hidden in both views, the other decoder's description of that row.
Use when: `mae` suits your data, and labels will be few: the agreement makes features of one row steadier. It costs two encoders'
passes and two decoders. Made for clouds of points; nothing in it is special to them.
Mechanism: the masks are the augmentation; 1 - cosine without negatives, which restoring keeps from collapsing.
Differs from the paper in: only rows of one number are led together, as the paper writes (release: every row hidden in both is led
to all rows of the other view, since its mask is spread over a whole matrix); positions are fixed and row embeddings linear;
no class token of each branch; no scaling and shifting of clouds; distances are in units of the spread of points in a row, where
`restore` counts about as much as the paper's 1000 in units of the whole cloud.
Command: headstart pretrain clouds/ recipe=point_cmae
Expected: what both views hide is led to its own row in the other view, and no row else; on held-out digits, as clouds, two
descriptions of a row nearer than those of two rows by more than 0.3 of cosine, and a linear probe better than before training:
`python -m evidence run point_cmae`.
"""

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ..corrupt import Fill, Score, corrupt, drop, keep, random
from ..losses import chamfer, mse
from ..nn.encoder import Model, encoder
from ..nn.heads import decoder
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Rng, warmup_cosine
from ..targets import Target, normalised, raw
from ..terms import Term, masked
from ..tokens import Tokens, View
from ..tree import replace

# of its check on made-up data: docs/log.md, 2026-11-26
SMALL = {"depth": 1, "restore": 1.0, "optim.lr": 2e-3, "data.batch": 32}

Loss = Callable[[Tensor, Tensor], Tensor]
Led = Callable[
    [Tensor, Tensor, View, View], Tensor
]  # two decoders' [K, dim] at the hidden rows of two views -> one number


def own_row(one: Float[Tensor, "K D"], two: Float[Tensor, "L D"], a: View, b: View) -> Float[Tensor, ""]:
    """1 - cosine to the same row in the other view, on average over rows hidden in both."""
    there = torch.zeros(len(b.clean), two.shape[1], device=two.device).index_copy(0, b.hidden.index, two)
    both = b.hidden.mask[a.hidden.index].float()
    apart = 1 - F.cosine_similarity(one, there[a.hidden.index], dim=-1)
    return (apart * both).sum() / both.sum().clamp(min=1)


def any_row(one: Float[Tensor, "K D"], two: Float[Tensor, "L D"], a: View, b: View) -> Float[Tensor, ""]:
    """1 - cosine to all that the other view hides of the sample: what takes out that rows are led one by one."""
    spans = b.clean.layout
    total = torch.zeros(spans.segments, two.shape[1], device=two.device)
    total = total.index_add(0, spans.seg[b.hidden.index], F.normalize(two, dim=-1))
    middle = total / torch.tensor(b.hidden.counts, device=two.device).clamp(min=1)[:, None]
    return (1 - (F.normalize(one, dim=-1) * middle[spans.seg[a.hidden.index]]).sum(-1)).mean()


def alike(tokens: Tokens, rng: Rng) -> Float[Tensor, "T"]:
    """Each row alone, and in all views the same: what takes out that each view has a mask of its own."""
    return random(tokens, replace(rng, key=0 * rng.key))


IDEAS = {
    "hidden rows are withheld": {"fill": keep},
    "each view has a mask of its own": {"score": alike},
    "what is hidden is restored": {"restore": 0.0},
    "two descriptions agree": {"agree": 0.0},
    "row by row": {"led": any_row},
}


def point_cmae(
    data: Data,
    size: str | Model = "S",
    ratio: float = 0.6,
    depth: int = 4,
    restore: float = 5.0,
    agree: float = 1.0,
    score: Score = random,
    fill: Fill = drop,
    led: Led = own_row,
) -> Recipe:
    """Restore what two masks of `ratio` hide, with two decoders of `depth` blocks that agree about what both hide."""
    enc = encoder(data.tokenizers, size)
    out, target, loss = restoring(data)
    heads = {v: decoder(enc.width, out, depth, dim=enc.width, heads=enc.shape.heads) for v in ("a", "b")}
    terms: dict[str, Term] = {v: masked(target=target, head=head, loss=loss, view=v) for v, head in heads.items()}
    terms["agree"] = agreement(heads, led)
    views = {v: ("x", corrupt(score, ratio, fill)) for v in heads}
    task = Objective(enc, views, terms, weights={"a": restore, "b": restore, "agree": agree})
    return Recipe(task, data, AdamW(lr=warmup_cosine(1e-3, over=0.033), weight_decay=0.05), steps=data.epochs(300))


def restoring(data: Data) -> tuple[int, Target, Loss]:
    """How many numbers of a row are restored, which, and how errors are measured: points in any order, all else as it lies."""
    if data.only.kind != "points":
        return data.dim, normalised if data.signal else raw, mse
    width = 3 + data.only.features  # type: ignore[attr-defined]
    points = data.dim // width * width  # cells of a sweep hold one number more: how many points there are
    return points, partial(firsts, points), partial(chamfer, width=width)


def firsts(count: int, view: View, rows: Int[Tensor, "K"], scene: Scene) -> Float[Tensor, "K n"]:
    """The first `count` numbers of the payload."""
    return view.clean.values[rows, :count]


class agreement(Term):
    """What two decoders make of a row, before they put it out, is led together."""

    def __init__(self, heads: dict[str, decoder], led: Led) -> None:
        super().__init__()
        self.decoders, self.reads, self.led_to = nn.ModuleDict(heads), tuple(heads), led

    def forward(self, scene: Scene) -> Tensor:
        a, b = (scene.views[name] for name in self.reads)
        decoders = [cast(decoder, self.decoders[name]) for name in self.reads]
        one, two = (d.features(scene.student.z[v.name], v).float() for d, v in zip(decoders, (a, b), strict=True))
        return self.led_to(one, two, a, b)
