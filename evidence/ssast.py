"""SSAST: the true row is picked out of those hidden in the same sound, and drawn; other samples do not matter to the picking.

Exact: the cross-entropy of one sample among others. Learnt: patches of the log-mel spectrograms of tones and chirps. Without the
idea: trained with one of the two terms alone, each judged by the other; and rows hidden singly instead of in squares, which the
nearest visible row gives away.
"""

from dataclasses import replace

import numpy as np
import torch

from headstart.corrupt import random
from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.recipes.ssast import among, squares
from headstart.step import Step
from headstart.tokenizers import AudioTokenizer
from headstart.tokenizers.want import Want
from headstart.tokens import Tokens, layout

from .claim import Claim, Figure
from .lab import fit, recipe

RATE, SECONDS = 4000, 1.28
STEP = Step(0, 1)


def check() -> Claim:
    source = sounds(600)
    some = [{"wave": source[i], "rate": RATE} for i in range(100)]
    tokenizer = replace(AudioTokenizer.fit(some, Want(64, patch=8)), bands=8)  # 4 x 16 rows of 8 x 8
    data = Data(source, {"x": tokenizer}, batch=16)
    held = Data(sounds(100, seed=1), {"x": tokenizer})
    # 0.6 hidden, not the paper's 0.78: with so few visible rows 300 steps on one core do not get there (picked 4.3 times as often
    # as by chance after 400); 300 steps, not the record's 500, for the same reason of time.
    words = {"steps": 300, "lr": 4e-3}
    both = judged(fit(recipe("ssast", data, ratio=0.6), **words), held)
    drawn = recipe("ssast", data, ratio=0.6)
    drawn.objective.weights["pick"] = 0.0
    picked = recipe("ssast", data, ratio=0.6, draw=0.0)
    alone, without = judged(fit(drawn, **words), held), judged(fit(picked, **words), held)
    return Claim(
        (
            Figure(
                "held-out rows picked, over chance",
                both[0],
                above=5.0,
                baseline=alone[0],
                said="drawn only, by its head for picking",
            ),
            Figure(
                "held-out squared error over the mean row's",
                both[1],
                below=0.6,
                baseline=without[1],
                said="picked only",
            ),
            Figure("greatest change of a sample's cross-entropy when the others change", others_change(), below=1e-6),
            Figure(
                "hidden rows of an 8 x 64 grid with all four neighbours hidden",
                surrounded(squares),
                above=surrounded(random) * 1.3,
                baseline=surrounded(random),
                said="single rows",
            ),
        )
    )


def sounds(count: int, seed: int = 0) -> ListSource:
    """A tone with its overtones that glides up or down from end to end, so that patches of one sound are unlike."""
    r = np.random.default_rng(seed)
    t = np.arange(round(RATE * SECONDS)) / RATE
    waves = []
    for _ in range(count):
        pitch = r.uniform(150, 300) * 2.0 ** (r.choice([-1, 1]) * t / SECONDS)
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        x = 0.05 * np.sin(np.arange(1, 7)[:, None] * phase).sum(0) + 0.001 * r.standard_normal(len(t))
        waves.append(x[None].astype(np.float32))
    return ListSource(waves, "audio")


def judged(objective: Objective, held: Data) -> tuple[float, float]:
    """How often the true row is picked, over chance, and the squared error of what is drawn over that of the mean row."""
    batch = collate(held, np.arange(len(held.source)), STEP, objective.slots)
    with torch.no_grad():
        scene = objective.scene(batch, STEP)
        z, view = scene.student.z["x"], scene.views["x"]
        picked, drawn = (objective.terms[name].head(z, view) for name in ("pick", "draw"))
    truth, n = view.clean.values[view.hidden.index], view.hidden.counts[0]
    found = (picked.view(-1, n, truth.shape[1]) @ truth.view(-1, n, truth.shape[1]).transpose(1, 2)).argmax(2)
    mean = view.clean.values[~view.clean.slot].mean(0)
    share = float((found == torch.arange(n)).float().mean())
    return share * n, float((drawn - truth).square().mean() / (mean - truth).square().mean())


def others_change() -> float:
    """Samples of 5, 3 and 5 hidden rows; all but one of them changed, for each."""
    g = torch.Generator().manual_seed(0)
    said, truth, new = (torch.randn(13, 8, generator=g) for _ in range(3))
    spans, worst = ((0, 5), (5, 8), (8, 13)), 0.0
    for a, b in spans:
        keep = torch.zeros(13, 1, dtype=torch.bool)
        keep[a:b] = True
        was, now = (among(torch.where(keep, x, y), torch.where(keep, t, y), (5, 3, 5)) for x, t, y in
                    ((said, truth, said), (said, truth, new)))  # fmt: skip
        worst = max(worst, float((was - now)[a:b].abs().max()))
    return worst


def surrounded(score: object) -> float:
    """The share of hidden rows with all four neighbours hidden, 400 of 512 hidden."""
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(64.0), indexing="ij")
    coords = torch.stack([x, y], -1).view(-1, 2).repeat(50, 1)
    tokens = Tokens(torch.zeros(len(coords), 1), coords, layout((512,) * 50))
    drawn = score(tokens, STEP.rng("x", torch.arange(50))).view(50, 512)
    mask = torch.zeros(50, 512).scatter_(1, drawn.argsort(dim=1, stable=True)[:, :400], 1.0).view(50, 1, 8, 64)
    cross = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])[None, None]
    inner = torch.nn.functional.conv2d(mask, cross, padding=1) == 4
    return float((inner & (mask > 0)).sum() / mask.sum())
