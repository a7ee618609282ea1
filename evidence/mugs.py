"""Mugs: signals of four coarse classes with four fine ones each; the three losses together keep both as the best one alone does,
the group loss alone loses fine ones, and the memory gives neighbours of the same coarse class.

Ablations: each loss alone, the group loss with as many prototypes as there are coarse classes; and neighbours drawn by chance.
"""

import numpy as np
import torch

from headstart.data.sources.array import ArraySource
from headstart.nn.encoder import Model
from headstart.objective import Objective
from headstart.recipe import Data

from .claim import Claim, Figure
from .lab import data_of, encode, fit, knn, recipe

SIZE = Model(width=32, depth=1, heads=2)
SEEN, HELD, QUEUE, COARSE, FINE = 1500, 1000, 512, 4, 16
ALONE = ("instance", "local", "group")


def check() -> Claim:
    waves, fine = family(SEEN + HELD)
    data = data_of(ArraySource(waves, "series"), patch=8)
    whole = trained(data, ALONE)
    together = judged(whole, data, fine)
    each = [judged(trained(data, (name,)), data, fine) for name in ALONE]
    best, group = np.max(each, 0), each[2]
    near, drawn = neighbours(whole, data, fine // (FINE // COARSE))
    return Claim(
        (
            Figure("fine classes by neighbours", together[0], above=best[0] - 0.02, baseline=group[0], said="group alone"),
            Figure("fine classes, group loss alone", group[0], below=best[0] - 0.05, baseline=best[0], said="best alone"),
            Figure("coarse classes by neighbours", together[1], above=best[1] - 0.02, baseline=1 / COARSE, said="chance"),
            Figure("neighbours of the same coarse class", near, above=0.7, baseline=drawn, said="drawn by chance"),
        )
    )  # fmt: skip


def family(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Very noisy signals about levels of four channels: a coarse centre, a fine one near it, and the sample's own."""
    r = np.random.default_rng(0)
    fine = r.integers(FINE, size=count)
    coarse, near = 2 * r.standard_normal((COARSE, 4)), 0.4 * r.standard_normal((FINE, 4))
    level = coarse[fine // (FINE // COARSE)] + near[fine] + 0.05 * r.standard_normal((count, 4))
    return (level[:, :, None] + 1.6 * r.standard_normal((count, 4, 48))).astype(np.float32), fine


def trained(data: Data, terms: tuple[str, ...]) -> Objective:
    """After 350 steps by these terms. The record has 600, for four trainings twice the time a check has."""
    seen = Data(ArraySource(data.source.values[:SEEN], "series"), data.tokenizers, 64)
    made = recipe("mugs", seen, SIZE, codes=COARSE, local=1, queue=QUEUE)
    made.objective.weights = {name: float(name in terms) / len(terms) for name in ALONE}
    return fit(made, 350, lr=2e-3)


def judged(objective: Objective, data: Data, fine: np.ndarray) -> tuple[float, float]:
    """(fine, coarse) accuracy on held-out samples."""
    z = encode(objective.encoder, data, range(SEEN + HELD), "first")
    both = fine, fine // (FINE // COARSE)
    return knn(z[:SEEN], both[0][:SEEN], z[SEEN:], both[0][SEEN:]), knn(
        z[:SEEN], both[1][:SEEN], z[SEEN:], both[1][SEEN:]
    )


def neighbours(objective: Objective, data: Data, coarse: np.ndarray) -> tuple[float, float]:
    """The share of held-out samples' neighbours, in a memory of others, that are of their coarse class; and of any others."""
    z, head = torch.from_numpy(encode(objective.encoder, data, range(SEEN + HELD))), objective.terms["local"].head
    kept, held = z[:QUEUE], z[SEEN:]
    head.memory.rows.copy_(kept)
    at = torch.cdist(head.neighbours(held).flatten(0, 1), kept).argmin(1).view(HELD, -1)
    mine = coarse[SEEN:, None]
    return float((coarse[at] == mine).mean()), float((coarse[:QUEUE] == mine).mean())
