"""ECG-JEPA: a few stretches of a recording tell the teacher's view of the rest, and heart rate can be read from the features.

Exact: 4,000 masks of 200 rows (the paper's number): kept are ceil(share * 200), and no hidden run is shorter than ten; the
ablation hides as many rows at random. Learning, on heart beats of varying rate and height with noise, after 400 steps: the error
at hidden rows of unseen recordings over that of saying the mean of the features (ablation: from another recording's context);
features vary (no collapse); and heart rate is nearer to that of neighbours than before training.

The record asks for a linear probe of heart rate 0.2 of R2 above the untrained encoder. That cannot be here: means over the rows
of a random encoder already give 0.81, and after 400 steps it is 0.86. Neighbours, which see only what the features mostly vary
by, tell more: 0.71 and 0.81. Where nothing but the phase of the beat is shared (each recording scaled to one height), so small a
predictor learns nothing from the context: 0.84 of the mean's error, and the same from another recording's.
"""

import math

import numpy as np
import torch

from headstart.corrupt import corrupt, drop, random
from headstart.data.feeding.loader import collate
from headstart.data.sources.array import ArraySource
from headstart.nn.encoder import Model
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.recipes.ecg_jepa import runs
from headstart.step import Step
from headstart.tokens import Tokens, View, layout, reserve
from headstart.tree import replace

from . import lab
from .claim import Claim, Figure

WAVES = (
    (-0.2, 0.15, 0.05),
    (-0.06, -0.15, 0.025),
    (0.0, 1.0, 0.028),
    (0.06, -0.25, 0.028),
    (0.28, 0.35, 0.07),
)  # P Q R S T
RATE, SECONDS, NOISE = 50, 8, 0.15
TRAIN, TEST = range(1200), range(1200, 1600)


def beats(count: int) -> tuple[np.ndarray, np.ndarray]:
    """[count, 1, points] heart beats, and their rate per second: bumps for P, Q, R, S and T about every beat, and noise."""
    r = np.random.default_rng(0)
    t = np.arange(RATE * SECONDS) / RATE
    rate = r.uniform(0.8, 2.0, count)
    number = np.arange(-1, 2 * SECONDS + 2)
    at = (number + r.random((count, 1)) + 0.02 * r.standard_normal((count, len(number)))) / rate[:, None]
    gain = r.uniform(0.5, 1.5, (count, 1, 1))
    x = NOISE * r.standard_normal((count, 1, len(t)))
    for shift, high, wide in WAVES:
        away = (t - (at + shift)[..., None]) / wide  # [count, beats, points]
        x += gain * high * np.exp(-0.5 * away**2).sum(1, keepdims=True)
    return x.astype(np.float32), rate


def mask_figures() -> tuple[Figure, ...]:
    """Shortest hidden run, and how far the number kept is off, over 20 steps of 200 samples."""
    tokens = reserve(Tokens(torch.zeros(40_000, 1), torch.zeros(40_000, 1), layout((200,) * 200)), 1)
    shortest, at_random, off = [], [], []
    for index in range(20):
        rng = Step(index, 20).rng("x", torch.arange(200))
        view = runs(0.15, 0.25, 10)(tokens, rng)
        share = 0.15 + 0.1 * rng.fold("share").number()
        off += [abs(200 - n - math.ceil(share * 200)) for n in view.hidden.counts]
        shortest.append(shortest_run(view))
        at_random.append(shortest_run(corrupt(random, 1 - share, drop)(tokens, rng)))
    return (
        Figure("shortest hidden run", min(shortest), above=9.5, baseline=min(at_random), said="random masks"),
        Figure("rows kept beside ceil(share * n)", max(off), below=0.5),
    )


def shortest_run(view: View) -> int:
    hidden = view.hidden.mask.view(200, -1).numpy().astype(int)  # a slot between samples ends every run
    edges = np.diff(np.pad(hidden.ravel(), 1))
    return int((np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)).min())


def latent(objective: Objective, given: Data) -> tuple[float, float, float]:
    """At hidden rows of unseen recordings: error over that of saying the mean, the same from another's context; spread.

    Over eight masks, each of them for all recordings alike, so that a context that is exchanged keeps its places.
    """
    found = []
    for seed in range(8):
        step = Step(0, 1, seed)
        batch = collate(given, np.array(TEST), step, objective.slots)
        batch = replace(batch, index=torch.zeros_like(batch.index))
        with torch.no_grad():
            scene = objective.scene(batch, step)
            view, z = scene.views["x"], scene.student.z["x"]
            other = z.with_values(z.values.view(len(TEST), -1, z.values.shape[1]).roll(1, 0).flatten(0, 1))
            said = [objective.terms["latent"].head(each, view) for each in (z, other)]
        assert scene.teacher is not None
        goal = scene.teacher.z["x"].values[view.hidden.index].float()
        away = (goal - goal.mean(0)).abs().mean()
        found.append([*(float((each - goal).abs().mean() / away) for each in said), float(goal.std(0).mean())])
    mine, others, spread = np.mean(found, 0)
    return float(mine), float(others), float(spread)


def check() -> Claim:
    x, rate = beats(1600)
    given = lab.data_of(ArraySource(x, "series"), batch=64, patch=8)

    def r2(objective: Objective) -> float:
        bank, query = (lab.encode(objective.encoder, given, each, "mean") for each in (TRAIN, TEST))
        return lab.knn(bank, rate[TRAIN.start : TRAIN.stop], query, rate[TEST.start : TEST.stop])

    made = lab.recipe("ecg_jepa", given, size=Model(48, 2, 4), depth=2)
    before = r2(made.objective.eval())
    objective = lab.fit(made, 400, lr=4e-3)
    error, other, spread = latent(objective, given)
    return Claim((
        Figure("error of features over that of their mean", error, below=0.7, baseline=other, said="from another's context"),
        Figure("spread of features", spread, above=0.1),
        Figure("R2 of heart rate by neighbours", r2(objective), above=before + 0.05, baseline=before, said="untrained"),
        *mask_figures(),
    ))  # fmt: skip
