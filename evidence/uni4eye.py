"""Uni4Eye: one encoder restores pictures and scans that were never recorded together, and says where their edges are."""

from collections.abc import Iterator

import numpy as np
import torch

from headstart.data.feeding.loader import collate
from headstart.data.sources.either import Either
from headstart.data.sources.listed import ListSource
from headstart.interventions import leak
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.tokenizers import named
from headstart.tokenizers.grid import alike, cut, grids, uncut
from headstart.tokenizers.want import Want
from headstart.tokens import View

from . import led
from .claim import Figure
from .lab import Trial

FORMS = {"image": (16, 16), "volume": (8, 16, 16)}
STEPS, BANK, HELD = 320, 600, 120  # of each kind
TRAINED = ("edges are restored, too",)
NOT_SHOWN = {
    "sharper edges in what is restored": "with and without the edges' own branch they agree alike with the true ones",
    "features of eyes": "there are no scans with labels at hand; these discs and balls were made for it",
}


def check(trial: Trial) -> Iterator[Figure]:
    made = trial.recipe(both(trial))
    objective, (batch, step) = made.objective, trial.batch(made)
    net = objective.encoders[next(iter(objective.encoders))]
    first = next(name for name, part in objective.named_modules() if part is net)
    scans = led.hangs_on(objective, batch, step, "pixels_volume", f"{first}.trunk")
    drawn = led.hangs_on(objective, batch, step, "pixels_volume", "terms.pixels_image.head.blocks")
    asks = [led.asks_of(objective, batch, step, objective.terms.get_submodule(f"edges_{kind}.head")) for kind in FORMS]
    yield Figure("how far the loss of scans hangs on the blocks that read pictures", scans, above=1e-4)
    yield Figure("how far it hangs on the blocks that draw pictures", drawn, above=1e-4)
    leaks = [leak(objective, batch, step, f"{what}_{kind}") for kind in FORMS for what in ("pixels", "edges")]
    yield Figure(
        "what gets through of what is hidden, over what the rest moves",
        sum(a for a, _ in leaks) / sum(b for _, b in leaks),
        below=1e-6,
    )
    yield Figure("what is asked of the heads of edges, the least of two kinds", min(asks), above=1e-3)

    objective = trial.fit(made, STEPS, among=np.concatenate([which(kind, range(BANK)) for kind in FORMS]))
    found = {kind: judged(objective, trial, made.data, kind) for kind in FORMS}
    wrong, edges = (fold(each) for fold, each in zip((max, min), zip(*found.values(), strict=True), strict=True))
    yield Figure(
        "squared error of held-out hidden rows over the mean sample's, the worse of two kinds", wrong, below=0.9
    )
    yield Figure("correlation of their edges with what is said of them, the less of two kinds", edges, above=0.5)


def both(trial: Trial) -> Data:
    """Discs, then balls; of each the held ones last."""
    r, tokenizers, parts = trial.rng, {}, {}
    for kind, form in FORMS.items():
        samples = balls(r, BANK + HELD, form)
        tokenizers[kind] = named(kind).fit(samples[:100], Want(patch=4))
        parts[kind] = ListSource([tokenizers[kind].fitted(x) for x in samples], kind)
    return Data(Either(parts), tokenizers, trial.batch_size)


def which(kind: str, numbers: range) -> np.ndarray:
    """The samples of a kind, by their numbers in the whole source."""
    return np.array(numbers) + list(FORMS).index(kind) * (BANK + HELD)


def balls(r: np.random.Generator, count: int, form: tuple[int, ...]) -> list[np.ndarray]:
    """A bright disc or ball in the dark, with soft borders: [1, ...], pictures in 8 bits."""
    place = np.stack(np.meshgrid(*(np.arange(n) / n for n in form), indexing="ij"))
    out = []
    for _ in range(count):
        centre, radius = r.uniform(0.2, 0.8, len(form)).reshape(-1, *[1] * len(form)), r.uniform(0.25, 0.4)
        light = 1 / (1 + np.exp(16 * (np.sqrt(((place - centre) ** 2).sum(0)) - radius)))
        out.append(light[None].astype(np.float32) if len(form) > 2 else np.rint(255 * light[None]).astype(np.uint8))
    return out


@torch.no_grad()
def judged(objective: Objective, trial: Trial, data: Data, kind: str) -> tuple[float, float]:
    """(squared error of held-out hidden rows over that of the mean sample, correlation of their true gradient map with what the
    second branch says of it)."""
    step = trial.step()
    seen = collate(data, which(kind, range(BANK)), step, 0).tokens[kind].values
    mean = seen.unflatten(0, (BANK, -1)).mean(0)
    batch = collate(data, which(kind, range(BANK, BANK + HELD)), step, objective.slots)
    scene = objective.scene(batch, step, {name: objective.terms[name] for name in (f"pixels_{kind}", f"edges_{kind}")})
    view, rows = scene.views[kind], scene.views[kind].hidden.index
    true, guess = view.clean.values[rows], mean[view.clean.layout.place[rows] - objective.slots]
    said, branch = objective.terms[f"pixels_{kind}"].predicted(scene), objective.terms[f"edges_{kind}"]
    edges = np.corrcoef(branch.predicted(scene).flatten(), steep(view, (4,) * len(FORMS[kind]))[rows].flatten())[0, 1]
    return float((said - true).square().mean() / (guess - true).square().mean()), float(edges)


def steep(view: View, patch: tuple[int, ...]) -> torch.Tensor:
    """[rows, P] how much the whole samples change at every pixel, by central differences."""
    values, found = view.clean.values, grids(view.clean, len(patch))
    out = torch.zeros_like(values)
    for members in alike(found.counts):
        index = found.of(members).flatten()
        whole = uncut(values[index], found.counts[members[0]], patch).double()
        slopes = torch.gradient(whole, dim=tuple(range(2, whole.ndim)))
        out[index] = cut(torch.stack(slopes).square().sum(0).sqrt().to(values.dtype), patch)
    return out
