"""EEGDM: an encoder that tells rhythms from noise at every level of it knows which rhythm it is.

Ablation: the same training with every sample under the highest level, where nothing of it is left to be told from noise.
"""

import numpy as np
import torch

from headstart.corrupt import Make
from headstart.data.feeding.loader import collate
from headstart.data.sources.array import ArraySource
from headstart.nn.encoder import Model
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.step import Rng, Step
from headstart.terms.diffuse import noised, squared_cosine, velocity
from headstart.tokens import Tokens, View, every
from headstart.tree import replace

from .claim import Claim, Figure
from .lab import data_of, encode, fit, linear, recipe

SEEN, HELD, STEPS, LR, LENGTH = 2000, 1200, 500, 3e-3, 256
LABELS = 20  # with all 400 of them the untrained encoder is at 0.9 as well: waves of a steady band are that easy
SIZE = Model(width=48, depth=3, heads=3)


def check() -> Claim:
    return Claim((*learning(), *formula()))


def learning() -> tuple[Figure, ...]:
    """Held-out figures after 500 steps, as the record asks."""
    data = data_of(ArraySource(rhythms(SEEN)[0], "series"), batch=32, patch=16)
    untrained, _ = judged(recipe("eegdm", data, SIZE).objective.eval())
    probed, unknown = judged(fit(recipe("eegdm", data, SIZE), STEPS, lr=LR))
    drowned, untold = judged(fit(recipe("eegdm", data, SIZE, parts={"noised": drowning}), STEPS, lr=LR))
    without = "nothing but noise"
    return (
        Figure("share of the velocity unknown, at the middle level", unknown, below=0.7, baseline=untold, said=without),
        Figure(
            f"probe of the band from {LABELS} labels, over the untrained encoder's",
            probed - untrained,
            above=0.1,
            baseline=drowned - untrained,
            said=without,
        ),
    )


@torch.no_grad()
def judged(objective: Objective) -> tuple[float, float]:
    """(accuracy of the linear probe, squared error of the velocity over that of saying zero) on held-out waves."""
    waves, bands = rhythms(HELD, seed=1)
    held = Data(ArraySource(waves, "series"), objective.encoder.tokenizers)
    z, half = encode(objective.encoder, held, range(HELD), "first"), HELD // 3
    probed = linear(z[:half], bands[:half], z[half:], bands[half:], LABELS)

    told = objective.terms["velocity"]
    batch = collate(held, np.arange(HELD), Step(0, 1), objective.slots)
    view = at_level(told.left, told.left.levels / 2)(batch.tokens["x"], Step(0, 1).rng("x", batch.segment_index("x")))
    rows, encoder = every(view.seen).index, objective.encoder
    said = told.head(encoder.through(encoder.embed(view.seen, None, view.level))[-1].values[rows])
    share = told.left(view.level)[view.seen.layout.seg[rows], None]
    goal = velocity(view.clean.values[rows], view.label[rows], share)
    return probed, float((said - goal).square().mean() / goal.square().mean())


def at_level(left: squared_cosine, number: float) -> Make:
    """`noised`, with all samples at one level."""

    def make(tokens: Tokens, rng: Rng) -> View:
        view = noised(left)(tokens, rng)
        level = torch.full_like(view.level, number)
        share = left(level)[tokens.layout.seg, None].float()
        seen = tokens.with_values(share.sqrt() * tokens.values + (1 - share).sqrt() * view.label)
        return replace(view, seen=seen, level=level)

    return make


def drowning(left: squared_cosine) -> Make:
    """In the place of `noised`: the highest level alone."""
    return at_level(left, left.levels)


def rhythms(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """([n, 1, 256], band of each): a wave of 2 to 26 periods in one of four bands, at any phase, under half as strong noise."""
    r = np.random.default_rng(seed)
    band = r.integers(4, size=count)
    low, high = np.array([2, 5, 10, 18])[band], np.array([4, 8, 15, 26])[band]
    turns = r.uniform(low, high)[:, None] * np.arange(LENGTH) / LENGTH + r.uniform(0, 1, (count, 1))
    wave = np.sqrt(2) * np.sin(2 * np.pi * turns) + 0.7 * r.standard_normal((count, LENGTH))
    return wave.astype(np.float32)[:, None], band


def formula() -> tuple[Figure, ...]:
    """The velocity as diffusers has it, from betas and their running product, the noise found again from what is seen."""
    left, levels = squared_cosine(50), torch.arange(1.0, 51)
    curve = ((torch.arange(51, dtype=torch.float64) / 50 + 0.008) / 1.008 * torch.pi / 2).cos() ** 2
    share = (1 - (1 - curve[1:] / curve[:-1]).clamp(max=0.999)).cumprod(0)[:, None]
    x, noise = torch.randn(2, 50, 64, generator=torch.Generator().manual_seed(0)).double()
    seen = share.sqrt() * x + (1 - share).sqrt() * noise
    expected = (share.sqrt() * seen - x) / (1 - share).sqrt()
    found = velocity(x.float(), noise.float(), left(levels)[:, None])
    return (
        Figure(
            "largest error of the velocity",
            float((found - expected).abs().max()),
            below=1e-6,
            baseline=float((noise - expected).abs().max()),
            said="the noise itself",
        ),
    )
