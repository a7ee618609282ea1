"""GMML: connected parts of pictures are spoiled, nothing of them gets through, and they are restored from the rest."""

from collections.abc import Iterator

import numpy as np
import torch

from headstart.interventions import leak
from headstart.tokens import View

from . import looks
from .claim import Figure
from .lab import Trial, digits, losses, pictures

STEPS = 300
NOT_SHOWN = {
    "better neighbours than before training": "not on digits of 16 rows, where untrained encoders are good at it"
}


def check(trial: Trial) -> Iterator[Figure]:
    real = digits(trial)
    data = trial.data(pictures(real.samples), patch=2)
    made = trial.recipe(data)
    views = looks.views(trial, made)
    through, used = leak(made.objective, *trial.batch(made), "restore")
    yield Figure("share of the neighbours of hidden rows that is hidden", looks.beside_hidden(views), above=0.57)
    yield Figure("hidden rows that say something else", np.mean([looks.altered_share(v) for v in views]), above=0.8)
    yield Figure("samples filled from another", np.mean([filled(v) for v in views]), above=0.2, below=0.5)
    yield Figure("what gets through of what is hidden, over what the rest moves", through / used, below=1e-6)

    objective = trial.fit(made, STEPS, among=real.bank)
    view = looks.view_of(objective, *trial.batch(made))
    copied = float((looks.nearest_shown(view) - view.clean.values[view.hidden.index]).abs().mean())
    restored = losses(objective, data, real.query)["total"]
    yield Figure("L1 of held-out digits over that of the nearest row", restored / copied, below=0.8)


def filled(view: View) -> float:
    """The share of samples of which a hidden row is one of another sample of the batch, and of no own."""
    clean, seg, at = view.clean.values, view.clean.layout.seg, view.hidden.index
    found = torch.zeros(view.clean.layout.segments)
    rows: dict[tuple[float, ...], set[int]] = {}
    for row, s in zip(clean.tolist(), seg.tolist(), strict=True):
        rows.setdefault(tuple(row), set()).add(s)
    for row, s in zip(view.seen.values[at].tolist(), seg[at].tolist(), strict=True):
        own = rows.get(tuple(row), {s})
        if s not in own:
            found[s] = 1
    return float(found.mean())
