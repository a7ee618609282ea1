"""SSAST: squares of rows are hidden; the true row is picked out of those hidden in its own sample, and drawn."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional as F

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.interventions import leak, others_matter, read, view_of
from headstart.recipe import Data
from headstart.tokenizers import AudioTokenizer
from headstart.tokenizers.want import Want

from . import led, looks
from .claim import Figure
from .lab import Trial

STEPS, BANK, HELD = 250, 600, 100
RATE, SECONDS = 4000, 1.28
TRAINED = ("rows are picked", "rows are drawn")
NOT_SHOWN = {"features of sounds": "there are no recordings with labels at hand; these glides were made for it"}


def check(trial: Trial) -> Iterator[Figure]:
    waves = sounds(trial, BANK + HELD)
    some = [{"wave": waves[i], "rate": RATE} for i in range(100)]
    tokenizer = replace(AudioTokenizer.fit(some, Want(64, patch=8)), bands=8)  # 4 x 16 rows of 8 x 8
    made = trial.recipe(Data(waves, {"x": tokenizer}, trial.batch_size))
    objective, (batch, step) = made.objective, trial.batch(made)
    asks = [
        led.asks_of(objective, batch, step, objective.terms.get_submodule(f"{term}.head")) for term in ("pick", "draw")
    ]
    near = looks.beside_hidden(looks.views(trial, made))
    leaks = [through / used for through, used in (leak(objective, batch, step, term) for term in ("pick", "draw"))]
    strangers = others_matter(objective, batch, step, "pick")
    yield Figure("share of the neighbours of hidden rows that is hidden", near, above=0.67)
    yield Figure("what gets through of what is hidden, over what the rest moves", max(leaks), below=1e-6)
    yield Figure("how far what picking asks of a sample moves when others say something else", strangers, below=1e-4)
    yield Figure("share of what is asked that is asked for picking", asks[0] / sum(asks), above=0.02, below=0.98)

    objective = trial.fit(made, STEPS, among=range(BANK))
    batch = collate(made.data, np.arange(BANK, BANK + HELD), step, objective.slots)
    view = view_of(objective, batch, step)
    mean, count = view.clean.values[~view.clean.slot].mean(0), view.hidden.counts[0]
    true = view.clean.values[view.hidden.index]
    dull = float((true - mean).square().mean())
    said, made_up = (read(objective, batch, step, objective.terms[term].predicted, term) for term in ("pick", "draw"))
    scores = torch.einsum("sid,sjd->sij", said.unflatten(0, (-1, count)), true.unflatten(0, (-1, count)))
    picked = float(F.cross_entropy(scores.flatten(0, 1), torch.arange(count).repeat(len(scores))))
    drawn = float((made_up - true).square().mean())
    yield Figure("loss of held-out picking, over that of saying nothing", picked / np.log(count), below=0.9)
    yield Figure("squared error of held-out hidden rows over that of the mean row", drawn / dull, below=0.6)


def sounds(trial: Trial, count: int) -> ListSource:
    """A tone with its overtones that glides up or down from end to end, so that rows of one sound are unlike."""
    r, t = trial.rng, np.arange(round(RATE * SECONDS)) / RATE
    waves = []
    for _ in range(count):
        pitch = r.uniform(150, 300) * 2.0 ** (r.choice([-1, 1]) * t / SECONDS)
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        x = 0.05 * np.sin(np.arange(1, 7)[:, None] * phase).sum(0) + 0.001 * r.standard_normal(len(t))
        waves.append(x[None].astype(np.float32))
    return ListSource(waves, "audio")
