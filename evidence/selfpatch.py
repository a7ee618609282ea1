"""SelfPatch: rows are led by the most similar of the rows around them, as a slow teacher sees these together."""

from collections.abc import Iterator
from dataclasses import replace
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.interventions import at_rest, shown_to
from headstart.objective import Objective
from headstart.step import Step
from headstart.tokens import Batch, Tokens, every

from . import led
from .claim import Figure
from .lab import Trial, losses, photographs, pictures

STEPS = 25
NOT_SHOWN = {
    "better neighbours than before training": "the sign of the gain hangs on the seed, on small squares of two photographs"
}


def check(trial: Trial) -> Iterator[Figure]:
    real = photographs(trial, side=32)
    made = trial.recipe(trial.data(pictures(real.samples), patch=4))
    objective, (batch, step) = made.objective, trial.batch(made, size=16)
    away, like = np.mean([chosen(objective, *trial.batch(made, i, 4, size=16)) for i in range(4)], 0).tolist()
    asks = led.asks_of(objective, batch, step, objective.terms.get_submodule("beside.head.head"))
    yield Figure("rows between a row and those that lead it", away, below=1.11)
    yield Figure("likeness of those that lead a row, less that of all around it", like, above=0.009)
    yield Figure(
        "part of what moves what is asked of a row that is those chosen for it",
        led_by_chosen(objective, batch, step),
        above=0.9,
    )
    yield Figure("what is asked of the rows' prototypes", asks, above=1e-4)
    yield Figure(
        "share of the student's way that the teacher goes", led.followed(objective, step), above=1e-4, below=0.1
    )

    before = losses(objective, made.data, real.query[:60]).get("beside", 1.0)
    objective = trial.fit(made, STEPS, among=real.bank)
    after = losses(objective, made.data, real.query[:60])["beside"]
    yield Figure("loss of the rows of held-out squares, over that before training", after / before, below=0.95)


def met(objective: Objective, batch: Batch, step: Step) -> list[tuple[Tokens, Tensor, tuple[int, ...]]]:
    """The teacher's rows of every view, and those that lead each of them, as the objective chooses them."""
    term, found = objective.terms["beside"], list[tuple[Tokens, Tensor, tuple[int, ...]]]()
    choose = term.choose

    def kept(z: Tokens, k: int) -> tuple[Tensor, tuple[int, ...]]:
        rows, counts = choose(z, k)
        found.append((z, rows, counts))
        return rows, counts

    with mock.patch.object(term, "choose", kept), torch.no_grad(), at_rest(objective):
        term(objective.scene(batch, step, {"beside": term}))
    return found


def chosen(objective: Objective, batch: Batch, step: Step) -> tuple[float, float]:
    """(how far, in rows of the grid along either axis, the rows that lead a row lie from it, at the mean; their cosine with it,
    less that of all rows beside it), in big crops."""
    z, rows, counts = met(objective, batch, step)[0]
    of = torch.repeat_interleave(every(z).index, torch.tensor(counts))
    pitch = (z.coords[1:] - z.coords[:-1]).abs().amax(1)
    pitch = pitch[pitch > 0].min()
    away = (z.coords[rows] - z.coords[of]).abs().amax(1) / pitch
    x, spans = F.normalize(z.values.float(), dim=-1), z.layout
    around = ((z.coords[:, None] - z.coords).abs().amax(2) < 1.5 * pitch) & (spans.seg[:, None] == spans.seg)
    around &= ~z.slot[:, None] & ~z.slot & ~torch.eye(len(z), dtype=torch.bool)
    beside = (x @ x.T * around).sum(1) / around.sum(1).clamp(min=1)
    return float(away.mean()), float(((x[rows] * x[of]).sum(1) - beside[of]).mean())


def led_by_chosen(objective: Objective, batch: Batch, step: Step, rows: int = 4) -> float:
    """How far what is asked of a row of a big crop moves when the teacher says the opposite of the rows chosen for it, over that
    and how far it does when it says so of all others; 0 where rows are asked nothing. The mean over a few rows."""
    term, weight = objective.terms["beside"], objective.weights["beside"]
    choices, shares = met(objective, batch, step), []
    with at_rest(objective), torch.enable_grad():
        scene = shown_to(objective.scene(batch, step, {"beside": term}), "beside")
        z, taught = scene.student.z["big"], scene.taught.z["big"]

        def asks(values: Tensor) -> Tensor:
            kept = iter(choices)
            other = replace(
                scene, teacher=replace(scene.taught, z=scene.taught.z | {"big": taught.with_values(values)})
            )
            with mock.patch.object(term, "choose", lambda *_: next(kept)[1:]):
                (grad,) = torch.autograd.grad(weight * term(other), z.values, retain_graph=True)
            return grad

        before = asks(taught.values)
        _, found, counts = choices[0]
        every_row = every(z).index.tolist()
        for number in range(5, len(every_row), len(every_row) // rows):
            mine = torch.zeros(len(taught), dtype=torch.bool)
            mine[found.split(counts)[number]] = True
            moves = [
                float(
                    (asks(torch.where(which[:, None], -taught.values, taught.values)) - before)[
                        every_row[number]
                    ].norm()
                )
                for which in (mine, ~mine)
            ]
            shares.append(moves[0] / max(1e-12, sum(moves)))
    return float(np.mean(shares))
