"""BEATs: codes of hidden rows are told from the rest, and codes learnt from the model of the round before say more of sounds
than random ones, unless that model learnt nothing."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.interventions import leak
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.tokens import Tokens, every

from . import led
from .claim import Figure
from .lab import Trial

STEPS, BANK, HELD, CLASSES = 400, 1000, 400, 16
TRAINED = ("codes are learnt after the first round", "the model so far teaches the labeller")
NOT_SHOWN = {
    "learnt codes that say more of the class of digits": "they say less than random ones, of rows of 2 x 2 pixels"
}


def check(trial: Trial) -> Iterator[Figure]:
    source = sounds(trial, BANK + HELD)
    made = trial.recipe(trial.data(source, patch=8))
    objective, (batch, step) = made.objective, trial.batch(made, 99, 100)
    through, used = leak(objective, batch, step, "codes")
    last, within = (led.followed(objective, trial.step(index, 100)) for index in (49, 48))
    hangs = named_by(objective, trial, made.data)
    yield Figure("what gets through of what is hidden, over what the rest moves", through / used, below=1e-6)
    yield Figure(
        "share of the student's way that the teacher goes as a round ends, less within it", last - within, above=0.99
    )
    yield Figure("share of the codes of the second round that hang on the labeller", hangs, above=0.2)

    objective = trial.fit(made, STEPS, among=range(BANK))
    held = np.arange(BANK, BANK + HELD)
    tokens, labels = collate(made.data, held, trial.step(), objective.slots).tokens["x"], source.labels[held]
    first, second = (information(ids, tokens, labels) for ids in both(objective, trial, made.data, held))
    yield Figure("bits of class in a code of the second round, over one of the first", second / first, above=1.2)
    right, common = told(objective, trial, made.data, held)
    yield Figure("codes of held-out hidden rows told, over the share of the commonest", right / common, above=2)


def named_by(objective: Objective, trial: Trial, data: Data) -> float:
    """The share of rows whose code of the second round is another once the labeller's codes are in another order."""
    held, labeller = np.arange(BANK, BANK + 100), objective.terms["labeller"].head
    before = both(objective, trial, data, held)[1]
    book = labeller.codes.book.clone()
    labeller.codes.book.copy_(book.roll(1, 0))
    after = both(objective, trial, data, held)[1]
    labeller.codes.book.copy_(book)
    return float((before != after).double().mean())


@torch.no_grad()
def both(objective: Objective, trial: Trial, data: Data, which: np.ndarray) -> tuple[Tensor, Tensor]:
    """The code of every row by what is asked in the first round, and by what is asked in the second."""
    step = trial.step(99, 100)
    scene = objective.eval().scene(collate(data, which, step, objective.slots), step)
    view = scene.views["x"]
    first, second = (objective.terms[name].target(view, every(view.clean).index, scene) for name in ("random", "codes"))
    return first, second


def information(ids: Tensor, tokens: Tokens, labels: np.ndarray) -> float:
    """What the code of a row says of the class, in bits, less what it seems to say of shuffled classes."""
    seg = tokens.layout.seg[every(tokens).index]
    mixed = np.random.default_rng(0).permutation(labels)
    return shared(ids, torch.as_tensor(labels)[seg]) - shared(ids, torch.as_tensor(mixed)[seg])


def shared(a: Tensor, b: Tensor) -> float:
    """Mutual information in bits."""
    from sklearn.metrics import mutual_info_score

    return float(mutual_info_score(a.numpy(), b.numpy()) / np.log(2))


@torch.no_grad()
def told(objective: Objective, trial: Trial, data: Data, held: np.ndarray) -> tuple[float, float]:
    """How often the code of a hidden row is told in the second round, and the share of the commonest code."""
    step, term = trial.step(99, 100), objective.terms["codes"]
    scene = objective.scene(collate(data, held, step, objective.slots), step)
    view = scene.views["x"]
    code = term.target(view, view.hidden.index, scene)
    said = term.head(scene.student.z["x"], view).argmax(1)
    return float((said == code).double().mean()), float(torch.bincount(code).max() / len(code))


def sounds(trial: Trial, count: int) -> ListSource:
    """Waves of sixteen pitches in 16 rows of 8 points, at any phase and loudness, under noise."""
    r, t = trial.rng, np.arange(128)
    labels = r.permutation(np.arange(count) % CLASSES)
    wave = np.sin(2 * np.pi * ((0.03 + 0.025 * labels[:, None]) * t + r.random((count, 1))))
    noisy = wave * r.uniform(0.5, 1.5, (count, 1)) + 0.2 * r.standard_normal(wave.shape)
    return ListSource(list(noisy[:, None].astype(np.float32)), "series", labels)
