"""UL2: the seven denoisers hide what the paper's table says, and a model of the mixture does all of them.

Exact: rates and span lengths over 2,000 sequences of 512 rows, one suffix in S, and nothing lost between input and target.
Learnt, on text of words that follow one another by chance: the loss in every mode beside that of a model that was trained as long
on S alone, which is the ablation of the mixture.
"""

import math

import numpy as np
import torch

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.recipes.ul2 import R, S, X, denoise
from headstart.step import Step
from headstart.tokens import Tokens, View, layout, reserve

from .claim import Claim, Figure
from .lab import data_of, fit, recipe

TABLE = ((3, 0.15), (8, 0.15), (math.inf, 0.25), (3, 0.5), (8, 0.5), (64, 0.15), (64, 0.5))
MODES = {"r": (R, TABLE[:2]), "s": (S, TABLE[2:3]), "x": (X, TABLE[3:])}
LENGTH, STEPS = 512, 330


def check() -> Claim:
    off, longer, whole, suffix, rounded = masks()
    data, held = (
        data_of(ListSource(texts(n, seed), "text"), batch=32, longest=64) for n, seed in ((2000, 0), (128, 1))
    )
    mixed = fit(recipe("ul2", data, depth=1), STEPS, lr=3e-3)
    plain = recipe("ul2", data, depth=1)
    plain.objective.weights = {"r": 0.0, "s": 1.0, "x": 0.0}
    only = fit(plain, STEPS, lr=3e-3)
    # The record asks that a wrong mode row cost 0.05 nats. Measured: below 0.001 in every mode. A row is told its place here, so
    # the gaps between places show the spans, and with them the mode; T5's sentinels show no lengths. What the mixture is for,
    # that one model does what each mode asks, is asked instead.
    alone = "trained as long on S alone"
    figures = [
        Figure(
            f"held-out loss in {mode.upper()} [nats]",
            loss(mixed, held, mode),
            below=bound,
            baseline=loss(only, held, mode),
            said=alone,
        )
        for mode, bound in (("x", 1.05), ("r", 1.2), ("s", 0.7))
    ]
    exact = "spans rounded to the nearest number, as T5 does"
    return Claim(
        (
            *figures,
            Figure("largest error of the seven rates [points]", 100 * off, below=1.5),
            Figure("largest error of the six mean lengths of a span", longer, below=0.1, baseline=rounded, said=exact),
            Figure("sequences that input and target give back", whole, above=1 - 1e-9),
            Figure("sequences in S with one span, at the end", suffix, above=1 - 1e-9),
        )
    )


def texts(count: int, seed: int) -> list[str]:
    """64 bytes of words; each is followed by one of two, more often by the first."""
    fixed, r = np.random.default_rng(99), np.random.default_rng(seed)
    words = ["".join(fixed.choice(list("abcdefghijklmnop"), fixed.integers(3, 7))) for _ in range(16)]
    after = fixed.integers(0, len(words), (len(words), 2))
    out = []
    for _ in range(count):
        at, text = r.integers(len(words)), ""
        while len(text) < 72:
            text += words[at] + " "
            at = after[at, int(r.random() < 0.3)]
        start = r.integers(8)
        out.append(text[start : start + 64])
    return out


@torch.no_grad()
def loss(objective: Objective, data: Data, mode: str) -> float:
    """The loss of one mode's denoisers, each alike."""
    kept, total = objective.views[mode], []
    number, denoisers = MODES[mode]
    for index, denoiser in enumerate(denoisers):
        objective.views[mode] = ("x", denoise(number, (denoiser,)))
        step = Step(index, len(denoisers), seed=7)
        scene = objective.scene(
            collate(data, np.arange(128), step, objective.slots), step, {mode: objective.terms[mode]}
        )
        total.append(float(objective.terms[mode](scene)))
    objective.views[mode] = kept
    return float(np.mean(total))


def masks() -> tuple[float, float, float, float, float]:
    """(largest error of a rate, largest error of a mean span, share of sequences that are whole, share of S with one span at the
    end, largest error of a mean span if the number of spans were rounded to the nearest)."""
    n = 20
    places = torch.arange(LENGTH).repeat(n)
    rows = reserve(Tokens(places, places[:, None].float(), layout((LENGTH,) * n)), 1)
    off, longer, rounded, whole, suffix = [], [], [], [], []
    for length, share in TABLE:
        make = denoise(R, ((length, share),))
        views = [make(rows, Step(step, 100).rng("x", torch.arange(n))) for step in range(100)]
        hidden = torch.stack([v.hidden.mask.view(n, -1) for v in views]).flatten(0, 1)  # [2000, 513]
        begins = hidden & ~hidden.roll(1, 1)
        off.append(abs(float(hidden.sum()) / (2000 * LENGTH) - share))
        whole += [restored(v) for v in views]
        if math.isinf(length):
            suffix = ((begins.sum(1) == 1) & hidden[:, -1]).tolist()
        else:
            longer.append(abs(float(hidden.sum() / begins.sum()) / length - 1))
            count = round(share * LENGTH)
            rounded.append(abs(count / max(1, round(count / length)) / length - 1))
    return max(off), max(longer), float(np.mean(whole)), float(np.mean(suffix)), max(rounded)


def restored(view: View) -> bool:
    """What is seen is the mode row, the rows that are not hidden, and for every span a special row at its first place; with the
    hidden rows in their order, which are the target, that is the whole sample."""
    seen, clean, hidden = view.seen, view.clean, view.hidden.mask
    content, special = ~seen.slot, seen.special
    assert special is not None
    gaps = clean.coords[hidden & ~hidden.roll(1)]
    own = torch.equal(seen.values[content & (special < 0)], clean.values[~hidden & ~clean.slot])
    order = seen.coords[content & (special <= 0), 0].view(clean.layout.segments, -1)
    modes = int((content & (special == R)).sum()) == clean.layout.segments
    return (
        own
        and modes
        and torch.equal(seen.coords[content & (special == 0)], gaps)
        and bool((order.diff(dim=1) > 0).all())
    )
