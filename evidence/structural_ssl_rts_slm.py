"""Structural objectives: swapped letters of a Markov text are found; c-rts swaps what is hard to tell apart; slm restores.

Text: letters in classes, classes in pairs; a text is of one pair, whose classes mostly take turns, and a letter of a class is as
likely as another. The ablations: letters judged by how rare they are, without context; c-rts before it has
learnt what is hard; rts's swaps beside c-rts's on one model; the most frequent letter for slm.
"""

import numpy as np
import torch

from headstart.data.feeding.loader import collate
from headstart.data.sources.listed import ListSource
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.recipes.structural_ssl_rts_slm import Swap
from headstart.step import Step
from headstart.tokens import every

from .claim import Claim, Figure
from .lab import data_of, fit, recipe

NAME, STEP = "structural_ssl_rts_slm", Step(0, 1, seed=3)
LETTERS, FIRST, HELD = 32, ord("A"), 256
OFTEN = (0.45, 0.3, 0.15, 0.1)  # how many texts are of each pair of classes


def check() -> Claim:
    data, held = (words(n, seed, 8, OFTEN) for n, seed in ((4000, 0), (HELD, 1)))
    rts = fit(recipe(NAME, data), 300, lr=4e-3)
    crts = fit(recipe(NAME, data, task="c-rts", clusters=8), 400, lr=4e-3)
    swap = crts.makes["x"]
    assert isinstance(swap, Swap)
    untaught = Swap(data, 8, swap.ratio, swap.beta)
    easy, hard = accuracy(crts, held, rts), accuracy(crts, held, crts)
    even, other = (words(n, seed, 16, (0.125,) * 8) for n, seed in ((4000, 0), (HELD, 1)))
    slm = fit(recipe(NAME, even, task="slm"), 300, lr=4e-3)
    right, frequent, marked = restored(slm, other)
    return Claim(
        (
            Figure(
                "rts: balanced accuracy",
                accuracy(rts, held, rts),
                above=0.75,
                baseline=by_rarity(rts, held),
                said="letters judged without context",
            ),
            Figure(
                "c-rts: how much more often than by chance a letter of the same pair is drawn",
                likeness(swap),
                above=1.5,
                baseline=likeness(untaught),
                said="counts as they begin",
            ),
            Figure(
                "c-rts: balanced accuracy on its own swaps less that on rts's",
                hard - easy,
                below=-0.03,
                baseline=0.0,
                said="on rts's",
            ),
            Figure(
                "slm: accuracy at swapped letters over the most frequent letter's",
                right / frequent,
                above=3.0,
                baseline=1.0,
                said="the most frequent letter",
            ),
            Figure("slm: rows that are marked", marked, below=1e-9),
        )
    )


def words(count: int, seed: int, classes: int, often: tuple[float, ...]) -> Data:
    """Texts of 16 letters of 32; `often`: how many are of each pair of classes."""
    r = np.random.default_rng(seed)
    at, out = 2 * r.choice(len(often), count, p=often) + r.integers(0, 2, count), []
    for _ in range(16):
        out.append(at + classes * r.integers(0, LETTERS // classes, count))
        at = np.where(r.random(count) < 0.8, at ^ 1, at)
    texts = ["".join(chr(FIRST + i) for i in row) for row in np.stack(out, 1)]
    return data_of(ListSource(texts, "text"), batch=48)


@torch.no_grad()
def accuracy(objective: Objective, data: Data, swaps: Objective) -> float:
    """The mean of the shares of swapped and of other letters that the first objective names rightly, under the other's swaps."""
    batch = collate(data, np.arange(HELD), STEP, objective.slots)
    view = swaps.view("x", batch, STEP)
    (term,) = objective.terms.values()
    rows = every(view.clean).index
    said = term.head(objective.encoder(view.seen).values)[rows, 0] > 0
    truth = view.hidden.mask[rows]
    return float((said[truth].float().mean() + (~said[~truth]).float().mean()) / 2)


def by_rarity(objective: Objective, data: Data) -> float:
    """The best balanced accuracy of naming every letter swapped that is rarer than some rate."""
    view = objective.view("x", collate(data, np.arange(HELD), STEP, objective.slots), STEP)
    rows = every(view.clean).index
    truth, rate = view.hidden.mask[rows], view.seen.values[rows].bincount(minlength=256)[view.seen.values[rows]]
    shares = [((rate <= r)[truth].float().mean() + (rate > r)[~truth].float().mean()) / 2 for r in rate.unique()]
    return float(max(shares))


def likeness(swap: Swap) -> float:
    """How often a letter's place is taken by one of its pair of classes, over what chance would do."""
    pair = torch.empty(8, dtype=torch.int64).index_copy(
        0, swap.cluster(torch.arange(FIRST, FIRST + 8)), torch.arange(8) // 2
    )
    return float(swap.confused()[pair[:, None] == pair].sum() / 8 / (2 / 8))


@torch.no_grad()
def restored(objective: Objective, data: Data) -> tuple[float, float, float]:
    """(accuracy at swapped letters, that of the most frequent letter, share of rows that anything marks)."""
    scene = objective.scene(collate(data, np.arange(HELD), STEP, objective.slots), STEP)
    view = scene.views["x"]
    truth = view.clean.values[view.hidden.index]
    said = scene.student.heads["slm"](scene.student.z["x"], view).argmax(1)
    marked = 0.0 if view.seen.special is None else float((view.seen.special >= 0).float().mean())
    return float((said == truth).float().mean()), float(truth.bincount().max() / len(truth)), marked
