"""EEGDM: samples under noise of every level, told from it by an encoder that knows the level, and so knows rhythms."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from headstart.data.feeding.loader import collate
from headstart.data.sources.array import ArraySource
from headstart.interventions import altered, at_rest, moved
from headstart.nn.encoder import Encoder
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.step import Step
from headstart.tokens import Batch, View, every
from headstart.tree import replace

from . import looks
from .claim import Figure
from .lab import Trial, encode, linear, photographs

STEPS = 300
LENGTH, SEEN, HELD = 256, 2000, 1400  # of rhythms: points of each, how many are trained on, how many are asked
LABELS = 20  # with all labels the untrained encoder names bands as well: waves of a steady band are that easy
NOT_SHOWN = {"better neighbours of pictures": "the gain over the untrained encoder is no larger than its spread"}


def check(trial: Trial) -> Iterator[Figure]:
    real = photographs(trial, 8, most=2500)
    data = trial.data(ArraySource(real.samples, "image"), patch=2)
    made = trial.recipe(data)
    angles = np.concatenate([angle(view).numpy() for view in looks.views(trial, made)]) / (np.pi / 2)
    yield Figure("angles from sample to noise, furthest from evenly spread", uneven(angles), below=0.2)
    batch, step = trial.batch(made)
    hears, sees = hearing(made.objective, batch, step)
    yield Figure("what another level told moves, over what another sample moves", hears / sees, above=0.01)
    yield Figure("what is asked, less the velocity, over its size", strange(made.objective, batch, step), below=1e-3)

    objective = trial.fit(made, STEPS, among=real.bank)
    batch, step = collate(data, real.query, Step(0, 1), objective.slots), Step(0, 1)
    right, wrong = (unknown(objective, batch, step, told) for told in (0, 1))
    yield Figure("share of the velocity unknown, of held-out photographs", right, below=0.5)
    yield Figure("the same where samples are told each other's levels, over it", wrong / right, above=1.3)

    waves, bands = rhythms(trial.rng, SEEN + HELD)
    data = trial.data(ArraySource(waves, "series"), patch=16)
    made = trial.recipe(data)
    before = missed(made.objective.encoder, data, bands)
    after = missed(trial.fit(made, STEPS, among=np.arange(SEEN)).encoder, data, bands)
    yield Figure(
        f"bands of rhythms that a probe of {LABELS} labels gets wrong, over untrained", after / before, below=0.75
    )


def angle(view: View) -> Tensor:
    """[samples] from 0, all sample, to a quarter of a turn, all noise: by least squares of what is seen."""
    found = []
    assert view.label is not None
    for sample in range(view.seen.layout.segments):
        seen, clean, noise = (
            looks.rows_of_sample(rows, sample).flatten().double()
            for rows in (view.seen, view.clean, view.clean.with_values(view.label))
        )
        keep, add = torch.linalg.lstsq(torch.stack([clean, noise], 1), seen[:, None]).solution[:, 0]
        found.append(torch.atan2(add, keep))
    return torch.stack(found)


def uneven(shares: np.ndarray) -> float:
    """The largest distance between how many lie below a share and that share: of the squared cosine 0, but for chance."""
    return float(np.abs(np.sort(shares) - (np.arange(len(shares)) + 0.5) / len(shares)).max())


def said(objective: Objective, batch: Batch, step: Step, told: int = 0) -> Tensor:
    """What the head says at every row, where each sample is told the level of the one so many places before it."""
    source, make = objective.views["x"]

    def otherwise(*given: object) -> View:
        view = make(*given)  # type: ignore[arg-type]
        assert view.level is not None
        return replace(view, level=view.level.roll(told))

    objective.views["x"] = source, otherwise
    try:
        with torch.no_grad(), at_rest(objective):
            z = objective.scene(batch, step).student.z["x"]
    finally:
        objective.views["x"] = source, make
    with torch.no_grad():
        return objective.terms["velocity"].head(z.values[every(z).index])


def asked(objective: Objective, batch: Batch, step: Step) -> Tensor:
    """What the head should say at every row, found from the gradient of a mean squared error."""
    found: list[Tensor] = []
    term = objective.terms["velocity"]
    hook = term.head.register_forward_hook(lambda *given: found.append(given[2]))
    with at_rest(objective):
        loss = term(objective.scene(batch, step))
    hook.remove()
    (grad,) = torch.autograd.grad(loss, found)
    return (found[0] - grad * grad.numel() / 2).detach()


def hearing(objective: Objective, batch: Batch, step: Step) -> tuple[float, float]:
    """(how far what is said moves when samples are told each other's levels, when they are each other)."""
    before, rows = said(objective, batch, step), batch.tokens["x"]
    other = altered(batch, "x", ~rows.slot)
    return moved(before, said(objective, batch, step, told=1)), moved(before, said(objective, other, step))


def strange(objective: Objective, batch: Batch, step: Step) -> float:
    """How far what is asked is from as much noise as there is of the sample, less as much of the sample as of noise."""
    view = looks.view_of(objective, batch, step)
    rows = every(view.clean).index
    assert view.label is not None
    turn = angle(view)[view.clean.layout.seg[rows], None]
    wanted = turn.cos() * view.label[rows] - turn.sin() * view.clean.values[rows]
    return float((asked(objective, batch, step) - wanted).norm() / wanted.norm())


def unknown(objective: Objective, batch: Batch, step: Step, told: int) -> float:
    """The squared error of what is said, over that of saying nothing."""
    wanted = asked(objective, batch, step)
    return float((said(objective, batch, step, told) - wanted).square().mean() / wanted.square().mean())


def missed(encoder: Encoder, data: Data, bands: np.ndarray) -> float:
    """The error on rhythms that were not trained on, of the class token, after a few labels of others; the mean of three sets."""
    z, held = encode(encoder, data, np.arange(SEEN, SEEN + HELD), "first"), bands[SEEN:]
    right = [linear(z[i : i + 200], held[i : i + 200], z[600:], held[600:], LABELS) for i in (0, 200, 400)]
    return 1 - float(np.mean(right))


def rhythms(r: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """([n, 1, 256], band of each): a wave of 2 to 26 periods in one of four bands, at any phase, under half as strong noise."""
    band = r.integers(4, size=count)
    low, high = np.array([2, 5, 10, 18])[band], np.array([4, 8, 15, 26])[band]
    turns = r.uniform(low, high)[:, None] * np.arange(LENGTH) / LENGTH + r.uniform(0, 1, (count, 1))
    wave = np.sqrt(2) * np.sin(2 * np.pi * turns) + 0.7 * r.standard_normal((count, LENGTH))
    return wave.astype(np.float32)[:, None], band
