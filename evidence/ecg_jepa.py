"""ECG-JEPA: long stretches are hidden, a slow teacher that read all says what is wanted there, and the context tells it."""

from collections.abc import Iterator

import numpy as np
import torch

from headstart.data.feeding.loader import collate
from headstart.data.sources.array import ArraySource
from headstart.interventions import leak, shown_to
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.step import Step
from headstart.tree import replace

from . import looks
from .claim import Figure
from .lab import Trial
from .latent import latent, mixed, strange, wanted
from .led import followed

STEPS, POINTS, BANK, HELD = 200, 200, 600, 200
TRAINED = ("a slow teacher",)
NOT_SHOWN = {
    "features that say more than before training": "neither the rate of made-up recordings nor the class of digits is nearer to "
    "that of neighbours: untrained encoders of this size are good at both"
}


def check(trial: Trial) -> Iterator[Figure]:
    data = trial.data(ArraySource(waves(trial.rng, BANK + HELD), "series"), patch=8)
    made = trial.recipe(data)
    batch, step = trial.batch(made)
    views = looks.views(trial, made)
    through, used = leak(made.objective, batch, step, "latent")
    shown = [n / m for view in views for n, m in zip(view.seen.content, view.clean.content, strict=True)]
    yield Figure("rows of the shortest hidden stretch", float(looks.runs(views).min()), above=9.5)
    yield Figure("share of the rows that is read", float(np.mean(shown)), above=0.1, below=0.35)
    yield Figure("what gets through of what is hidden, over what the rest moves", through / used, below=1e-6)
    yield Figure(
        "how far what is wanted of hidden rows moves with another hidden row, over how far with their own",
        mixed(made.objective, batch, step),
        above=0.01,
    )
    yield Figure(
        "share of the student's way that the teacher goes at once",
        followed(made.objective, step),
        above=1e-4,
        below=0.1,
    )

    objective = trial.fit(made, STEPS, among=range(BANK))
    error, other = told(objective, data)
    yield Figure("L1 of held-out features over that of the mean at their place", error, below=0.85)
    yield Figure("the same from a stranger's context, over it", other / error, above=1.4)


def waves(r: np.random.Generator, count: int) -> np.ndarray:
    """[count, 1, POINTS] recordings that rise and fall about once, at any phase and height, under noise."""
    cycles, phase, high = (r.uniform(low, up, (count, 1, 1)) for low, up in ((0.5, 1.0), (0.0, 1.0), (0.5, 1.5)))
    x = high * np.sin(2 * np.pi * (cycles * np.arange(POINTS) / POINTS + phase))
    return (x + 0.1 * r.standard_normal(x.shape)).astype(np.float32)


def told(objective: Objective, data: Data, draws: int = 4) -> tuple[float, float]:
    """L1 at hidden rows of held-out recordings, and the same from the context of another recording; both over that of saying the
    mean of all at their place. All recordings of a draw have one mask, so that contexts can be exchanged."""
    found = np.zeros(2)
    for seed in range(draws):
        step = Step(0, 1, seed)
        batch = collate(data, np.arange(BANK, BANK + HELD), step, objective.slots)
        batch = replace(batch, index=torch.zeros_like(batch.index))
        with torch.no_grad():
            scene = shown_to(objective.scene(batch, step), "latent")
            goal = wanted(objective, scene)
            errors = [(latent(objective).predicted(each) - goal).abs().mean() for each in (scene, strange(scene))]
        places = goal.unflatten(0, (HELD, -1))
        found += torch.stack(errors).numpy() / float((places - places.mean(0)).abs().mean()) / draws
    return float(found[0]), float(found[1])
