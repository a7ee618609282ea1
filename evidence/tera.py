"""TERA: time, channels and loudness are altered as it says, and who met it repairs it; on photographs read as recordings."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from headstart.data.feeding.loader import collate
from headstart.data.sources.array import ArraySource
from headstart.interventions import at_rest
from headstart.objective import Objective
from headstart.recipe import Recipe
from headstart.tokens import Tokens, View

from . import looks
from .claim import Figure
from .lab import Trial, windows

STEPS, CHANNELS, MOMENTS, BANK, HELD = 250, 16, 48, 600, 150
TRAINED = ("time: stretches are altered", "channels: a band is emptied")
NOT_SHOWN = {
    "features that say more than before training": "photographs are no sounds: nothing of a strip is known to tell"
}


def check(trial: Trial) -> Iterator[Figure]:
    strips = np.concatenate([windows(trial, n, MOMENTS, held) for n, held in ((BANK, False), (HELD, True))])
    data = trial.data(ArraySource(strips[:, :, :CHANNELS].mean(1), "series"), patch=1)
    made = trial.recipe(data)
    views = looks.views(trial, made, count=80)
    times, bands = zip(*map(marked, views), strict=True)
    time, band = torch.cat(times), torch.cat(bands)
    yield Figure("share of the moments in stretches", float(time.double().mean()), above=0.1, below=0.2)
    yield Figure("moments of a stretch", length(time), above=4.0)
    seen, clean = (
        torch.cat([grid(each) for each in tokens]) for tokens in zip(*((v.seen, v.clean) for v in views), strict=True)
    )
    outside = ~time[:, :, None] & ~band[:, None]
    noisy = ((seen != clean) & outside).flatten(1).any(1)
    there = time.any(1) & ~noisy
    emptied, left = (
        ((seen == x) | ~time[:, :, None] | band[:, None]).flatten(1).all(1) for x in (torch.zeros(()), clean)
    )
    yield Figure("share of the samples whose stretches are emptied", share(emptied, there), above=0.7, below=0.9)
    yield Figure(
        "share of those whose stretches are from elsewhere", share(~emptied & ~left, there), above=0.05, below=0.18
    )
    yield Figure("share of those whose stretches are left alone", share(left, there), above=0.05, below=0.18)
    yield Figure("share of the channels in a band", float(band.double().mean()), above=0.05, below=0.14)
    yield Figure("share of the samples under noise", float(noisy.double().mean()), above=0.1, below=0.2)
    hum = (seen - clean)[noisy[:, None, None] & outside]
    yield Figure("standard deviation of that noise", float(hum.std()) if len(hum) else 0.0, above=0.15, below=0.25)
    yield Figure("of what the loss asks, the share that is of numbers left alone", idle(trial, made), below=0.01)

    judge = replace(trial, without={}).recipe(data).objective
    objective = trial.fit(made, STEPS, among=range(BANK))
    stretch, inside = repaired(trial, objective, judge, made)
    yield Figure("L1 of held-out stretches over that of the mean moment", stretch, below=0.6)
    yield Figure("L1 of held-out bands over that of the mean moment", inside, below=0.35)


def grid(tokens: Tokens) -> Tensor:
    """[samples, moments, channels] the numbers of rows that are moments."""
    return tokens.values[~tokens.slot].unflatten(0, (tokens.layout.segments, -1))


def marked(view: View) -> tuple[Tensor, Tensor]:
    """(which moments are in a stretch, [samples, moments]; which channels in a band, [samples, channels])."""
    assert view.label is not None
    label = grid(view.clean.with_values(view.label))
    return label.all(2), label.all(1)


def length(time: Tensor) -> float:
    """The mean length of a run of moments in stretches."""
    edges = np.diff(np.pad(time.numpy().astype(int), ((0, 0), (1, 1))))
    return float(time.sum()) / max(1, int((edges == 1).sum()))


def share(which: Tensor, among: Tensor) -> float:
    return float((which & among).sum() / among.sum().clamp(min=1))


def idle(trial: Trial, made: Recipe) -> float:
    """The share of the loss's gradient, by what the head says, that lies on numbers of neither a stretch nor a band."""
    batch, step = trial.batch(made)
    term, said = made.objective.terms["repair"], list[Tensor]()
    hook = term.head.register_forward_hook(lambda _, given, out: said.append(out))
    try:
        with at_rest(made.objective):
            loss = made.objective(batch, step).total
    finally:
        hook.remove()
    (grad,) = torch.autograd.grad(loss, said[0])
    label = made.objective.view("x", batch, step).label
    assert label is not None
    return float(grad.abs()[~label].sum() / grad.abs().sum().clamp(min=1e-12))


def repaired(trial: Trial, objective: Objective, judge: Objective, made: Recipe) -> tuple[float, float]:
    """L1 at numbers of emptied stretches and of bands as the whole method makes them, over that of saying the mean moment."""
    batch = collate(made.data, np.arange(BANK, BANK + HELD), trial.step(), objective.slots)
    wrong, dull = np.zeros(2), np.zeros(2)
    for index in range(4):
        view = judge.view("x", batch, trial.step(index, 4))
        with torch.no_grad():
            said = grid(view.clean.with_values(objective.terms["repair"].head(objective.encoder(view.seen).values)))
        time, band = marked(view)
        seen, clean = grid(view.seen), grid(view.clean)
        stretch = (time & (seen == 0).all(2))[:, :, None].expand_as(clean)
        inside = band[:, None] & ~time[:, :, None]
        for number, where in enumerate((stretch, inside)):
            wrong[number] += float((said - clean).abs()[where].sum())
            dull[number] += float((clean.mean((0, 1)) - clean).abs()[where].sum())
    return float(wrong[0] / dull[0]), float(wrong[1] / dull[1])
