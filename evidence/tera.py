"""TERA: what is emptied along time and along frequency is told from the rest, and bands only by those who met emptied bands.

Exact: how often, how long and how wide samples are spoiled. Learnt: stretches and bands of the log-mel spectrograms of gliding
chords are restored. Without the idea: trained with bands alone, and with stretches alone, each judged by what it never met.
"""

from dataclasses import replace

import numpy as np
import torch

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.recipe import Data
from headstart.recipes.tera import Cells, cells_of, spoiled
from headstart.step import Step
from headstart.tokenizers import AudioTokenizer
from headstart.tokenizers.want import Want
from headstart.tokens import Tokens, layout

from .claim import Claim, Figure
from .lab import fit, recipe

RATE, SECONDS, MOMENTS, CHANNELS = 4000, 0.96, 47, 20
STEP = Step(0, 1)


def check() -> Claim:
    source = chords(600)
    tokenizer = AudioTokenizer.fit([{"wave": source[i], "rate": RATE} for i in range(100)], Want(48, patch=2))
    tokenizer = replace(tokenizer, bands=tokenizer.mels)  # a row is a moment: all frequencies
    data = Data(source, {"x": tokenizer}, batch=16)
    held = replace(data, source=chords(300, seed=1))
    # 450 steps, not the record's 300: after 350 the last of the three ratios is 1.30
    both, bands, stretches = (
        errors(fit(recipe("tera", data, **words), 450, lr=4e-3), held) for words in ({}, {"ratio": 0.0}, {"band": 0.0})
    )
    return Claim(
        (
            Figure(
                "held-out L1 in emptied stretches over the mean moment's",
                both[0],
                below=0.6,
                baseline=bands[0],
                said="bands alone",
            ),
            Figure(
                "held-out L1 in emptied bands over the mean's",
                both[1],
                below=0.6,
                baseline=stretches[1],
                said="stretches alone",
            ),
            Figure(
                "error in emptied bands, trained with stretches alone over trained with both",
                stretches[1] / both[1],
                above=1.3,
            ),
            *counted(5000),
        )
    )


def chords(count: int, seed: int = 0) -> ListSource:
    """Sounds of a gliding fundamental and seven harmonics, whose loudness swells."""
    r = np.random.default_rng(seed)
    t = np.arange(int(RATE * SECONDS)) / RATE
    waves = []
    for _ in range(count):
        pitch = r.uniform(80, 320) * 2 ** (r.uniform(-0.4, 0.4) * t)
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        loud = 0.8 * (1 + 0.3 * np.sin(2 * np.pi * (r.uniform(0.5, 2) * t + r.random())))
        x = loud * np.sin(np.arange(1, 9)[:, None] * phase).sum(0) + 0.001 * r.standard_normal(len(t))
        waves.append((0.1 * x)[None].astype(np.float32))
    return ListSource(waves, "audio")


def errors(objective: object, held: Data) -> tuple[float, float]:
    """L1 in emptied stretches and in emptied bands, each over that of the mean row."""
    batch = collate(held, np.arange(len(held.source)), STEP, objective.slots)
    make = spoiled(cells_of(held.only), noise=0.0)
    rng = STEP.rng("judge", batch.segment_index("x"))
    view = make(batch.tokens["x"], rng)
    clean = view.clean.values
    inside, _ = make.stretches(view.clean, rng.fold("time"))
    gone = (view.seen.values == 0) & ~view.clean.slot[:, None]
    stretch = inside[:, None] & gone.all(1, keepdim=True)
    band = gone & ~inside[:, None]
    with torch.no_grad():
        said = objective.terms["repair"].head(objective.encoder(view.seen).values)
    mean = clean[~view.clean.slot].mean(0)
    wrong, dull = (said - clean).abs(), (mean - clean).abs()
    return tuple(float(wrong[m.expand_as(wrong)].mean() / dull[m.expand_as(dull)].mean()) for m in (stretch, band))


def counted(draws: int) -> list[Figure]:
    """What is done to samples of 47 moments, of which one stretch of 7 is 15 %."""
    g = torch.Generator().manual_seed(0)
    rows = torch.randn(draws * MOMENTS, CHANNELS, generator=g)
    coords = torch.arange(MOMENTS, dtype=torch.float32).repeat(draws)[:, None]
    tokens = Tokens(rows, coords, layout((MOMENTS,) * draws))
    rng = STEP.rng("x", torch.arange(draws))
    cells = Cells(tuple(range(CHANNELS)), 0, CHANNELS)
    quiet, loud = (spoiled(cells, noise=p)(tokens, rng) for p in (0.0, 0.15))
    inside, _ = spoiled(cells).stretches(tokens, rng.fold("time"))
    label = quiet.label.view(draws, MOMENTS, CHANNELS)
    wide = label.sum(2).amin(1).double()
    band = label.all(1)
    at = inside.view(draws, MOMENTS)
    seen, clean = (x.values.view(draws, MOMENTS, CHANNELS) for x in (quiet.seen, tokens))
    same = ((seen == clean) | band[:, None]).all(2)
    kept = (same | ~at).all(1)
    emptied = ((seen == 0).all(2) | ~at).all(1)
    hum = (loud.seen.values - quiet.seen.values).view(draws, -1)
    noisy = (hum != 0).any(1)
    return [
        Figure("share of moments in stretches", float(at.float().mean()), above=0.14, below=0.16),
        Figure("share of samples whose stretches are emptied", float(emptied.float().mean()), above=0.78, below=0.82),
        Figure("taken from elsewhere", float((~emptied & ~kept).float().mean()), above=0.08, below=0.12),
        Figure("left alone", float(kept.float().mean()), above=0.08, below=0.12),
        Figure("mean width of a band over all channels", float(wide.mean()) / CHANNELS, above=0.09, below=0.11),
        Figure("share of samples under noise", float(noisy.float().mean()), above=0.13, below=0.17),
        Figure("its standard deviation", float(hum[noisy].std()), above=0.195, below=0.205),
        Figure(
            "share of samples in which a moment without a stretch or band was touched but for noise",
            float(((seen != clean) & ~label).any(2).any(1).float().mean()),
            below=1e-9,
        ),
    ]
