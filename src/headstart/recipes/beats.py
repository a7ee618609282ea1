"""BEATs: hidden rows are named, not drawn: their codes are random at first, later those of a labeller which learnt what the model
itself had understood the round before (Chen et al., "BEATs: Audio Pre-Training with Acoustic Tokenizers", 2023).

Hides: three quarters of the rows, at random; the encoder reads the rest.
Predicts: the code of each hidden row, one of a thousand. In the first round that of a frozen random projection; in every later
round first a labeller is trained whose codes must let a small network rebuild the rows of the model so far, then the model says
its codes.
Use when: rows are noisy or fine in a way that does not matter, so that restoring every number of them wastes the model on it, and
there is time for some rounds. Not when a run is short: each round needs its own labeller.
Mechanism: a code keeps what the model found worth telling apart, and the model that predicts it goes beyond that.
Differs from the paper in: the model goes on from round to round, with a new predictor after the first (paper: each round trains
a model of its own for 400,000 steps); one run of equal rounds, of which the labeller has the first `share`, at the model's
learning rate; the labeller is as deep as the model, and is begun by k-means anew in each round but otherwise goes on; what it
rebuilds is the model's rows less their mean (paper: the rows; those of a model of few steps are all alike, and one code does);
hidden places hold a learnt vector (paper: zeros), the predictor has two blocks; the teacher is never a fine-tuned model; a plain
transformer (paper: convolutional and relative positions, DeepNorm). The paper's two projections of the first round are one here:
cosine does not see the layer norm between them.
Command: headstart pretrain recordings/ recipe=beats
Expected: codes of the second round say more of the class of a sound than those of the first, unless the labeller was taught by a
model that learnt nothing, and those of hidden rows are told more than twice as often as by the commonest:
`python -m evidence run beats`.
"""

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from .. import dist
from ..corrupt import Fill, corrupt, drop, keep, random
from ..errors import Mistake
from ..losses import cosine_error, mse
from ..nn.encoder import Model, encoder, model
from ..nn.heads import decoder
from ..nn.linear import Linear
from ..nn.position import sincos
from ..nn.quantise import Codebook, RandomCodes
from ..nn.transformer import Transformer, initialise
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Schedule, during, in_rounds, round_of, warmup_cosine
from ..targets import Target
from ..teacher import Previous, Teacher
from ..terms import Term, masked
from ..tokens import Tokens, View, content, every


def phases(rounds: int, share: float) -> dict[str, Schedule]:
    """When which term counts: random codes in the first round; in every later one the labeller, then the model on its codes."""
    if rounds < 2:
        raise Mistake(
            f"rounds={rounds}: random codes are the first round and learnt ones the rest, so there are at least 2"
        )
    if not 0 < share < 1:
        raise Mistake(f"share={share}: the labeller has a share of each round, above 0 and below 1")
    learn = in_rounds(rounds, 0.0, share, skip=1)
    return {"random": during(0.0, 1 / rounds), "labeller": learn, "codes": in_rounds(rounds, share, 1.0, skip=1)}


class Labeller(nn.Module):
    """Rows to codes: an encoder, a map to unit vectors and a codebook; and an estimator that says from codes what another model
    makes of the rows."""

    def __init__(self, data: Data, size: str | Model, codes: int, width: int = 256) -> None:
        super().__init__()
        self.encoder, shape = encoder(data.tokenizers, size), model(size)
        self.project = nn.Sequential(Linear(shape.width, shape.width), nn.Tanh(), Linear(shape.width, width))
        self.codes = Codebook(codes, width)
        self.enter, self.out = Linear(width, shape.width), Linear(shape.width, shape.width)
        self.estimator = Transformer(shape.width, 3, shape.heads)
        for part in (self.project, self.enter, self.out):
            initialise(part)

    def forward(self, tokens: Tokens) -> Float[Tensor, "K W"]:
        """A unit vector for every row of data."""
        rows = self.encoder(tokens).values[every(tokens).index]
        return F.normalize(self.project(rows).float(), dim=-1, eps=1e-6)

    def estimate(self, code: Float[Tensor, "K W"], tokens: Tokens) -> Float[Tensor, "K D"]:
        """What the other model makes of every row, from the codes of all."""
        x, rows = self.enter(code.to(self.encoder.dtype)), content(tokens)
        x = x + sincos(rows.coords, x.shape[1]).to(x.dtype)
        return self.out(self.estimator(rows.with_values(x))[-1].values)


class agreed(Term):
    """The labeller's codes must let its estimator rebuild the rows of the model as it was when the round began.

    Less what all rows have in common: of a model of few steps that is nearly everything, and then one code says it all.
    """

    def __init__(self, labeller: Labeller, rounds: int) -> None:
        super().__init__()
        self.head, self.rounds, self.reads_teacher = labeller, rounds, ("x",)

    def led(self) -> None:
        """The teacher has no labeller."""

    def forward(self, scene: Scene) -> Tensor:
        labeller, tokens = cast(Labeller, self.head), scene.views["x"].clean
        rows = every(tokens).index
        z = labeller(tokens)
        if self.training and round_of(scene.step, self.rounds)[1].index == 0:
            draw = scene.step.rng("begin", scene.batch.segment_index("x")).rows(
                tokens.layout.seg[rows], tokens.layout.place[rows]
            )
            labeller.codes.begin(z.detach(), draw[:, 0])
        code = labeller.codes(z)
        taught = cast(Tensor, scene.teacher and scene.teacher.z["x"].values[rows]).float()
        target = taught - dist.mean(taught.mean(0))
        return (cosine_error(labeller.estimate(code, tokens), target) + mse(z, code.detach())).mean()


class by_chance(nn.Module):
    """The target of the first round: the code of a hidden row by a frozen random projection."""

    def __init__(self, dim: int, codes: int) -> None:
        super().__init__()
        self.codes = RandomCodes(dim, codes)

    def forward(self, view: View, rows: Int[Tensor, "K"], scene: Scene) -> Int[Tensor, "K"]:
        return self.codes(view.clean.values[rows])


class learnt(nn.Module):
    """The target of later rounds: the code that the labeller, which saw all rows, gives a hidden one."""

    def __init__(self, labeller: Labeller) -> None:
        super().__init__()
        self.labeller = labeller

    @torch.no_grad()
    def forward(self, view: View, rows: Int[Tensor, "K"], scene: Scene) -> Int[Tensor, "K"]:
        named = torch.zeros_like(view.clean.layout.seg)
        return named.index_copy(0, every(view.clean).index, self.labeller.codes.ids(self.labeller(view.clean)))[rows]


def learnt_codes(labeller: Labeller, chance: by_chance) -> Target:
    """The labeller's."""
    return learnt(labeller)


def random_again(labeller: Labeller, chance: by_chance) -> Target:
    """Those of the first round."""
    return chance


def untaught(rounds: int) -> Teacher:
    """A teacher that stays as it began: a model that learnt nothing."""
    return Teacher()


# of its check on made-up data: docs/log.md, 2026-11-26
SMALL = {"codes": 256, "rounds": 2, "share": 0.4, "optim.lr": 2e-3, "data.batch": 64}
IDEAS = {
    "codes are learnt after the first round": {"later": random_again},
    "the model so far teaches the labeller": {"lead": untaught},
    "hidden rows are not seen": {"fill": keep},
}


def beats(
    data: Data,
    size: str | Model = "B",
    codes: int = 1024,
    rounds: int = 3,
    ratio: float = 0.75,
    share: float = 0.25,
    later: Callable[[Labeller, by_chance], Target] = learnt_codes,
    lead: Callable[[int], Teacher] = Previous,
    fill: Fill = drop,
) -> Recipe:
    """Name `ratio` of the rows by `codes` codes, in `rounds` rounds, of which the labeller has the first `share`."""
    enc, labeller, chance = encoder(data.tokenizers, size), Labeller(data, size, codes), by_chance(data.dim, codes)
    first, second = (decoder(enc.width, codes, depth=2) for _ in range(2))
    named = {"random": masked(first, chance), "codes": masked(second, later(labeller, chance))}
    terms = named | {"labeller": agreed(labeller, rounds)}
    views, weights = {"x": corrupt(random, ratio, fill)}, phases(rounds, share)
    task = Objective(enc, views, terms, weights=weights, teacher=lead(rounds))
    optim = AdamW(lr=warmup_cosine(5e-4, rounds=rounds), weight_decay=0.01, betas=(0.9, 0.98))
    return Recipe(task, data, optim, steps=data.epochs(100 * rounds))
