"""POA: every step also trains a narrower and shallower part of the student, so that encoders of many sizes can be cut out of one
(Zhang et al., "POA: Pre-training Once for Models of All Sizes", 2024).

Hides: in half of the big crops, connected groups of 10 to 50 % of the rows, under a learned mask.
Predicts: what a slow teacher says of the sample's other crops and of the hidden rows; a part of the student also what the
whole student says of the same crop.
Use when: the same encoder is wanted in several sizes (a phone, a server), or it is not known yet which size is affordable:
`headstart.nn.elastic.extract(encoder, width, depth)` cuts one out, which works as it is. Not for a single size: one step costs
nearly twice that of DINO.
Mechanism: parts are the first channels (whole heads) of evenly spread blocks, another one each step, small ones more often; what
the big net knows is distilled into weights that it shares.
Differs from the paper in: every width has the position code of its own (paper: the first channels of a learned one); hidden rows
count alike, from the first step (paper: after 30 of 346 epochs), and the part sees other masks than the whole; groups of rows in
place of rectangles; no drop path, LayerScale or rates by layer; parts are cut from the student that a run keeps (paper: from the
teacher). From the release: blocks int(linspace(0, depth - 1, d)), inputs times full / active, Sinkhorn over the batch.
Command: headstart pretrain fashion-mnist recipe=poa
Expected: the loss of a part on held-out squares of photographs is below 1.02 of the whole's, which it is not where no part was
trained: `python -m evidence run poa`.
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..augment import multicrop
from ..corrupt import Fill, Make, clean, corrupt, groups, keep, mask_token, sometimes
from ..losses import soft_cross_entropy
from ..nn.elastic import Elastic, narrow
from ..nn.encoder import Encoder, Model, encoder
from ..nn.heads import first, prototypes
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Schedule, at, cosine, ramp, warmup_cosine
from ..teacher import Ema
from ..terms import Term
from ..terms.term import average
from .swav import balanced

SMALL = {
    "codes": 512,
    "local": 2,
    "hidden": 128,
    "optim.lr": 4e-3,
    "data.batch": 32,
}  # of its check: docs/log.md, 2026-11-26


def undivided(student: Encoder) -> Encoder:
    """The whole student once more: in the place of `Elastic`."""
    return student


SLOW = cosine(0.992, 0.9999)
IDEAS = {
    "a part of the student learns": {"elastic": undivided},
    "small parts come more often": {"elastic": partial(Elastic, repeat=1)},
    "the whole leads its part": {"led": 0.0},
    "a slow teacher": {"momentum": 0.0},
    "rows are hidden": {"fill": keep},
}


def poa(
    data: Data,
    size: str | Model = "L",
    codes: int = 65_536,
    local: int = 8,
    intact: float = 0.8,
    hidden: int = 0,
    led: float = 1.0,
    momentum: Schedule = SLOW,
    elastic: Callable[[Encoder], Encoder | Elastic] = Elastic,
    fill: Fill = mask_token,
) -> Recipe:
    """The whole student counts `intact`, a part of it the rest, and what the whole says of it `led` times that; `codes`
    prototypes, and sets of a half, a quarter, an eighth."""
    data = data.with_views(multicrop(big=2, small=local, big_scale=(0.32, 1.0), small_scale=(0.05, 0.32)))
    enc = encoder(data.tokenizers, size, specials=1)
    hide, head = corrupt(groups, sometimes(0.5, 0.1, 0.5), fill=fill), several(enc.width, codes, hidden or None)
    views: dict[str, tuple[str, Make]] = {"big": ("big", hide), "small": ("small", clean)}
    views = views if local else {"big": views["big"]}
    again = {f"{name}_part": make for name, make in views.items()}
    nets, whole, part = dict.fromkeys(views, enc) | dict.fromkeys(again, elastic(enc)), (*views,), (*again,)
    lead = {"whole": follow(whole, head), "part": follow(part, head), "same": alike(part, whole, head)}
    apart = {"spread": spread("big"), "spread_part": spread("big_part")}
    weights = {"whole": intact, "part": 1 - intact, "same": led * (1 - intact)} | dict.fromkeys(apart, 0.05)
    task = Objective(nets, views | again, lead | apart, weights=weights, teacher=Ema(momentum))
    optim = AdamW(lr=warmup_cosine(2e-3), weight_decay=cosine(0.04, 0.4), betas=(0.9, 0.999), clip=1.5)
    return Recipe(task, data, optim, steps=data.epochs(346))


class several(nn.ModuleList):
    """Four heads of `codes`, a half, a quarter and an eighth as many prototypes, which also take the rows of parts."""

    def __init__(self, width: int, codes: int, hidden: int | None = None) -> None:
        super().__init__(narrow(prototypes(width, max(2, codes >> halved), hidden), width) for halved in range(4))

    def forward(self, x: Float[Tensor, "N d"]) -> list[Tensor]:
        return [head(x) for head in self]


class follow(Term):
    """One net led by the teacher, which reads "big": its crops by the sample's other big ones (DINO), the hidden rows of its big
    crops by the same rows (iBOT). Targets are Sinkhorn's shares over the batch; the mean over heads.

    views: the net's, big crops first.
    """

    def __init__(self, views: tuple[str, ...], head: several) -> None:
        super().__init__()
        self.head, self.reads, self.reads_teacher, self.hides = head, views, ("big",), views[0]
        self.temperature = ramp(0.04, 0.07, over=0.09)  # 30 of 346 epochs

    def forward(self, scene: Scene) -> Tensor:
        z, target, lead = scene.student.z, scene.taught.z["big"], scene.taught.heads[self.name]
        hidden, size = scene.views[self.reads[0]].hidden.index, scene.batch.size
        temperature = at(self.temperature, scene.step)
        crops, led = self.head(torch.cat([first(z[name]) for name in self.reads])), lead(first(target))
        rows, told = self.head(z[self.reads[0]].values[hidden]), lead(target.values[hidden])
        losses = [_across(x, _shares(y, temperature), size) for x, y in zip(crops, led, strict=True)]
        losses += [_average(x, _shares(y, temperature)) for x, y in zip(rows, told, strict=True)]
        return torch.stack(losses).sum() / len(crops)

    def predicted(self, scene: Scene) -> Float[Tensor, "K codes"]:
        """What all heads say of the hidden rows."""
        rows = scene.student.z[self.reads[0]].values[scene.views[self.reads[0]].hidden.index]
        return torch.cat(self.head(rows), 1)


class alike(Term):
    """A part led by the whole student, without gradient to it: crop by crop, by what it says of the same crop; summed over views,
    the mean over heads. Neither centred nor sharpened more than the student itself."""

    def __init__(self, part: tuple[str, ...], whole: tuple[str, ...], head: several) -> None:
        super().__init__()
        self.head, self.pairs, self.reads = head, tuple(zip(part, whole, strict=True)), (*part, *whole)

    def forward(self, scene: Scene) -> Tensor:
        losses = []
        for part, whole in self.pairs:
            logits = self.head(first(scene.student.z[part]))
            with torch.no_grad():
                target = self.head(first(scene.student.z[whole]))
            losses += [_average(x, (y / 0.1).softmax(-1)) for x, y in zip(logits, target, strict=True)]
        return torch.stack(losses).sum() / len(logits)


class spread(Term):
    """KoLeo, summed over the crops of a view: the log distance of each class token from its nearest among those of other samples
    (Sablayrolles et al. 2019). Samples that are as good as equal are left alone: their gradient would drown all others."""

    def __init__(self, view: str) -> None:
        super().__init__()
        self.reads = (view,)

    def forward(self, scene: Scene) -> Tensor:
        crops = F.normalize(first(scene.student.z[self.reads[0]]).float(), dim=-1).unflatten(0, (-1, scene.batch.size))
        near = (
            (crops @ crops.mT).detach().diagonal_scatter(crops.new_full(crops.shape[:2], -1), dim1=1, dim2=2).argmax(2)
        )
        other = crops.gather(1, near[..., None].expand_as(crops))
        return -(crops - other).norm(dim=2).clamp(min=1e-4).log().mean(1).sum()


def _shares(logits: Float[Tensor, "N K"], temperature: float) -> Float[Tensor, "N K"]:
    """SwAV's balanced assignment, of this step alone."""
    return balanced(logits, logits[:0], logits.new_zeros(0, dtype=torch.bool), temperature)


def _average(logits: Float[Tensor, "N K"], target: Float[Tensor, "N K"]) -> Float[Tensor, ""]:
    return average(soft_cross_entropy(logits, target, temperature=0.1), None)


def _across(logits: Float[Tensor, "nB K"], target: Float[Tensor, "mB K"], size: int) -> Float[Tensor, ""]:
    """The mean over pairs of different crops of a sample; the first m of the student's n crops are the teacher's."""
    crops, led = (logits / 0.1).log_softmax(-1).unflatten(0, (-1, size)), target.unflatten(0, (-1, size))
    pairs = -torch.einsum("mbk,nbk->mn", led, crops) / size
    return pairs[~torch.eye(*pairs.shape, dtype=torch.bool, device=pairs.device)].mean()
