"""AstroM3: the mean, the error and the worst of what was measured of a tumour's cells are three parts of one sample, and find
each other pair by pair, though a tenth of the samples lacks each."""

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

import numpy as np
import torch
from torch.nn import functional as F

from headstart.data.sources.listed import ListSource
from headstart.interventions import at_rest, others_matter, shown_to
from headstart.objective import Objective
from headstart.recipe import Data
from headstart.scoring.pairs import meet, meetings
from headstart.step import Step
from headstart.tokenizers import named
from headstart.tokens import Batch

from .claim import Figure
from .lab import Trial, each_batch, measured
from .looks import partner_matters

PARTS, COLUMNS = ("mean", "error", "worst"), 10  # of the thirty columns ten each, in this order
STEPS = 200
NOT_SHOWN = {
    "the mean of all parts is a better sample": "the class of a tumour is told as well by the measurements themselves"
}


def check(trial: Trial) -> Iterator[Figure]:
    real = measured(trial, "breast_cancer")
    whole = [in_parts(row) for row in real.samples]
    tokenizers = {part: named("table").fit([sample[part] for sample in whole]) for part in PARTS}
    made = trial.recipe(Data(ListSource(lacking(whole, trial), "pair"), tokenizers, trial.batch_size))
    objective, batches = made.objective, each_batch(trial, made, 8, size=64)
    batch, step = next(each for each in batches if all(rows.content[0] for rows in each[0].tokens.values()))
    partner = partner_matters(objective, batch, step)
    yield Figure(
        "what another part changes in what is asked of a part, over what a stranger's does", partner, above=2.5
    )
    others = min(others_matter(objective, batch, step, term) for term in objective.terms)
    yield Figure("what the other samples change in what is asked of one", others, above=1e-4)
    alike = meddling(objective, batch, step)
    yield Figure("what a temperature does to the losses of other pairs, over its own", alike, below=1e-6)
    yield Figure("asked of the batch that lack a part", short(objective, batch, step), above=0.12)
    off = float(objective(batch, step).total.detach()) - summed(objective, batch, step)
    yield Figure("loss less the sum of both cross-entropies of all pairs", abs(off), below=1e-3)

    objective = trial.fit(made, STEPS, among=real.bank)
    data = Data(ListSource(whole, "pair"), tokenizers)
    found = min(recalled(objective, data, real.query))
    yield Figure("held-out parts found by another part, worst of six ways, over chance", found, above=10.0)


def in_parts(row: np.ndarray) -> dict[str, dict[str, float] | None]:
    return {
        part: {f"{part} {j}": float(x) for j, x in enumerate(row[COLUMNS * i : COLUMNS * (i + 1)])}
        for i, part in enumerate(PARTS)
    }


def lacking(
    whole: Sequence[dict[str, dict[str, float] | None]], trial: Trial
) -> list[dict[str, dict[str, float] | None]]:
    """The samples, a tenth of them without the first part, another tenth without the second, and a tenth without the third."""
    order, tenth = trial.rng.permutation(len(whole)), len(whole) // 10
    out = [dict(sample) for sample in whole]
    for i, part in enumerate(PARTS):
        for j in order[i * tenth : (i + 1) * tenth]:
            out[j][part] = None
    return out


def meddling(objective: Objective, batch: Batch, step: Step) -> float:
    """How steeply the losses of pairs hang on what the loss of another pair learns, over how steeply that pair's does."""
    terms = dict(objective._terms())
    with at_rest(objective):
        scene = objective.scene(batch, step)
        losses = {name: term(shown_to(scene, name)) for name, term in terms.items()}
    own, other = [0.0], [0.0]
    for name, term in terms.items():
        learnt = [p for p in term.loss.parameters() if p.requires_grad]
        for asked, loss in losses.items() if learnt else ():
            grads = torch.autograd.grad(loss, learnt, retain_graph=True, allow_unused=True)
            (own if asked == name else other).extend(float(g.abs().max()) for g in grads if g is not None)
    return max(other) / max(own) if max(own) else float("nan")


def short(objective: Objective, batch: Batch, step: Step) -> float:
    """The share of the samples of which something is asked though a part is missing."""
    with at_rest(objective):
        scene = objective.scene(batch, step)
        total = torch.stack([term(shown_to(scene, name)) for name, term in objective._terms()]).sum()
    z = scene.student.z
    grads = torch.autograd.grad(total, [rows.values for rows in z.values()])
    asked, lacks = np.zeros(batch.size, bool), np.zeros(batch.size, bool)
    for rows, grad in zip(z.values(), grads, strict=True):
        lacks |= np.array(rows.content) == 0
        asked[rows.layout.seg[grad.abs().amax(1) > 0].unique().numpy()] = True
    return float((asked & lacks).mean())


@torch.no_grad()
def summed(objective: Objective, batch: Batch, step: Step) -> float:
    """The paper's loss on the vectors that meet, in double precision: both ways of every two parts, without a half."""
    with at_rest(objective):
        scene = objective.scene(batch, step)
    head = {name: pair.meeting for pair in meetings(objective) for name in pair.parts}
    total = 0.0
    for a, b in combinations(PARTS, 2):
        here, there = scene.student.z[a], scene.student.z[b]
        both = torch.tensor([n > 0 and m > 0 for n, m in zip(here.content, there.content, strict=True)])
        x, y = (F.normalize(head[p].project(p, z).double()[both], dim=1) for p, z in ((a, here), (b, there)))
        logits, mine = 100 * x @ y.T, torch.arange(len(x))
        total += float(F.cross_entropy(logits, mine) + F.cross_entropy(logits.T, mine))
    return total


def recalled(objective: Objective, data: Data, query: np.ndarray) -> Iterator[float]:
    """How often a part's nearest is its own other part, over chance, one way after another."""
    head = {name: pair for pair in meetings(objective) for name in pair.parts}
    vectors = {}
    for part in PARTS:
        sides = meet(objective, data, query, head[part])
        vectors[part] = sides[head[part].parts.index(part)]
    for a, b in permutations(PARTS, 2):
        right = (vectors[a] @ vectors[b].T).argmax(1) == np.arange(len(query))
        yield float(right.mean() * len(query))
