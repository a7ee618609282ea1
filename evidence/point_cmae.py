"""Point-CMAE: each view hides its own rows and restores them, and what both hide is led to its own row in the other view."""

from collections.abc import Iterator
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.interventions import altered, at_rest, leak, moved, shown_to
from headstart.nn.heads import decoder
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.recipes.point_cmae import agreement
from headstart.step import Step
from headstart.tokens import Batch

from . import looks
from .claim import Figure
from .lab import Real, Trial, digits, encode, linear

STEPS = 300


def check(trial: Trial) -> Iterator[Figure]:
    real = digits(trial)
    made = trial.recipe(trial.data(ListSource(heights(real.samples), "points"), rows=16, patch=16))
    objective, (batch, step) = made.objective, trial.batch(made)
    gone = [leak(objective, batch, step, name) for name in ("a", "b")]
    through = max(hidden / max(shown, 1e-9) for hidden, shown in gone)
    yield Figure("what gets through of what is hidden, over what the rest moves", through, below=1e-6)
    a, b = (looks.views(trial, made, name) for name in ("a", "b"))
    shared = np.mean([float(two.hidden.mask[one.hidden.index].double().mean()) for one, two in zip(a, b, strict=True)])
    yield Figure("of the rows that one view hides the share that the other hides, too", float(shared), below=0.8)
    yield Figure(
        "how what is asked of each last map hangs on what both views hide",
        restoring(objective, batch, step),
        above=0.04,
    )
    yield Figure("how what is asked of a decoder hangs on the other one", agreeing(objective, batch, step), above=5e-3)
    yield Figure(
        "rows hidden in both that are led to themselves, and no others", own(objective, batch, step), above=0.9
    )

    before = linear_of(real, objective, made.data)
    objective = trial.fit(made, STEPS, among=real.bank)
    held = collate(made.data, real.query, step, objective.slots)
    yield Figure(
        "cosine of a row's two descriptions, less that of two rows', in held-out digits",
        apart(objective, held, step),
        above=0.3,
    )
    gain = linear_of(real, objective, made.data) - before
    yield Figure("accuracy of a linear probe beyond that before training", gain, above=0.02)


def linear_of(real: Real, objective: Objective, data: Data) -> float:
    """Accuracy of a linear probe on held-out digits."""
    z = encode(objective.encoder, data, np.arange(len(real.samples)))
    return linear(z[real.bank], real.truth[real.bank], z[real.query], real.truth[real.query])


def apart(objective: Objective, batch: Batch, step: Step) -> float:
    """The mean cosine of what two decoders say of one row, less that of what they say of two rows of a sample."""
    _, (one, two), pairs = described(objective, batch, step)
    same, other = [], []
    for mine in pairs:
        near = F.normalize(one[mine[:, 0]].detach(), dim=-1) @ F.normalize(two[mine[:, 1]].detach(), dim=-1).T
        itself = torch.eye(len(mine), dtype=torch.bool)
        same.append(near[itself])
        other.append(near[~itself])
    return float(torch.cat(same).mean() - torch.cat(other).mean())


def heights(pictures: np.ndarray) -> list[np.ndarray]:
    """Pictures as clouds: a point for every pixel, as high as it is dark."""
    down, right = np.indices(pictures.shape[1:]).reshape(2, -1)
    return [np.c_[right, down, picture.ravel() / 60].astype(np.float32) for picture in pictures]


def restoring(objective: Objective, batch: Batch, step: Step) -> float:
    """How far what the whole loss asks of a decoder's last map (the gradient) moves, over itself, when what both views hide says
    something else; the lesser of the two decoders."""
    a, b = (objective.view(name, batch, step).hidden.mask for name in ("a", "b"))
    moves = []
    for name in ("a", "b"):
        last = [cast(decoder, objective.terms[name].head).out.weight]
        before, after = (asked(objective, each, step, last) for each in (batch, altered(batch, "x", a & b)))
        moves.append(moved(before, after) / max(1e-9, float(before.abs().max())))
    return min(moves)


def agreeing(objective: Objective, batch: Batch, step: Step) -> float:
    """How far what the whole loss asks of one decoder's blocks moves when the other decoder is another, over itself."""
    first, second = (cast(decoder, objective.terms[name].head) for name in ("a", "b"))
    blocks, kept = [*first.blocks.parameters()], [p.clone() for p in second.parameters()]
    before = asked(objective, batch, step, blocks)
    with torch.no_grad():
        for p in second.parameters():
            p.mul_(1.5)
    after = asked(objective, batch, step, blocks)
    with torch.no_grad():
        for p, was in zip(second.parameters(), kept, strict=True):
            p.copy_(was)
    return moved(before, after) / float(before.abs().max())


def asked(objective: Objective, batch: Batch, step: Step, of: list[Tensor]) -> Tensor:
    """The gradient of the whole loss for these; zeros where it asks nothing."""
    with at_rest(objective):
        grads = torch.autograd.grad(objective(batch, step).total, of, allow_unused=True)
    return torch.cat([torch.zeros(p.numel()) if g is None else g.flatten() for p, g in zip(of, grads, strict=True)])


def described(objective: Objective, batch: Batch, step: Step) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """(the loss of agreement, what the two decoders make of the rows that their views hide, and for every sample [n, 2] which of
    these is the same row in both)."""
    term, made = cast(agreement, objective.terms["agree"]), []
    hooks = [
        cast(decoder, term.decoders[name]).norm.register_forward_hook(lambda part, given, out: made.append(out))
        for name in term.reads
    ]
    with at_rest(objective):
        scene = shown_to(objective.scene(batch, step, {"agree": term}), "agree")
        loss = term(scene)
    for hook in hooks:
        hook.remove()
    a, b = (scene.views[name] for name in term.reads)
    at = torch.full((len(b.clean),), -1).index_copy(0, b.hidden.index, torch.arange(len(b.hidden)))
    there, seg = at[a.hidden.index], a.clean.layout.seg[a.hidden.index]
    pairs = torch.stack([torch.arange(len(there)), there], 1)[there >= 0]
    return loss, made, list(pairs.split(torch.bincount(seg[there >= 0], minlength=batch.size).tolist()))


def own(objective: Objective, batch: Batch, step: Step) -> float:
    """Of the rows that both views hide the share whose description is led to that of the same row in the other view, more than to
    any other row of the sample; 0 if a row is led that only one view hides."""
    loss, (one, two), pairs = described(objective, batch, step)
    grad = -torch.autograd.grad(loss, one, retain_graph=True)[0]
    every = torch.cat(pairs)
    alone = torch.ones(len(one), dtype=torch.bool).index_fill(0, every[:, 0], False)
    if bool(grad[alone].any()):
        return 0.0
    right = []
    for mine in pairs:
        away, there = F.normalize(one[mine[:, 0]], dim=-1)[:, None], two[mine[:, 1]][None]
        across = F.normalize(there - (there * away).sum(-1, keepdim=True) * away, dim=-1)  # which way leads to each row
        led = (grad[mine[:, 0]][:, None] * across).sum(-1).argmax(1)
        right.append(led == torch.arange(len(mine)))
    return float(torch.cat(right).double().mean())
