"""RotNet: every digit stands in a batch in all four turns, is asked for the one that it is in, and held-out turns are named."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from headstart.data.feeding.loader import collate
from headstart.interventions import at_rest, shown_to
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.step import Step
from headstart.tokens import Batch

from .claim import Figure
from .lab import Trial, digits, pictures
from .looks import decoded

STEPS = 200
NOT_SHOWN = {"better neighbours than before training": "not with every seed on digits: the last block knows turns"}


def check(trial: Trial) -> Iterator[Figure]:
    real = digits(trial)
    made = trial.recipe(trial.data(pictures(real.samples), patch=2))
    batch, step = trial.batch(made)
    shown, (_, asked) = turns_shown(batch, made.data, step), answers(made.objective, batch, step)
    right = shown.gather(1, asked[:, None])[:, 0]
    several = shown.view(-1, batch.size, 4).any(0).sum(1)
    yield Figure("exact turns in which each digit stands in a batch", float(several.min()), above=3.5)
    yield Figure("looks that are asked for the turn they are in", float(right.double().mean()), above=0.99)

    objective = trial.fit(made, STEPS, among=real.bank)
    held = collate(made.data, real.query, step, objective.slots)
    said, _ = answers(objective, held, step)
    named = turns_shown(held, made.data, step).gather(1, said[:, None])
    yield Figure("held-out turns named, of 4", float(named.double().mean()), above=0.7)


def turns_shown(batch: Batch, data: Data, step: Step) -> Tensor:
    """[looks, 4] whether a look is its own sample turned by so many quarters, to the last bit."""
    plain = collate(replace(data, views=None), batch.index.numpy(), step, 0).tokens["x"]
    whole, looks = decoded(plain, data.only), decoded(batch.tokens["x"], data.only)
    own = whole.repeat(len(looks) // len(whole), 1, 1, 1)
    return torch.stack([(own.rot90(k, (-2, -1)) == looks).all(1).all(1).all(1) for k in range(4)], 1)


def answers(objective: Objective, batch: Batch, step: Step) -> tuple[Tensor, Tensor]:
    """[looks] which turn the head names of each, and which one the loss would have it name."""
    term, heard = objective.terms["which"], []
    hook = term.head.register_forward_hook(lambda part, given, out: heard.append(out))
    with at_rest(objective):
        loss = term(shown_to(objective.scene(batch, step), "which"))
    hook.remove()
    (said,) = heard
    (pull,) = torch.autograd.grad(loss, said)
    return said.argmax(1), pull.argmin(1)
