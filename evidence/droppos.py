"""DropPos: rows that are told what they are but not where find their place among few others, by those that were told."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.data.feeding.loader import collate
from headstart.interventions import at_rest, exchanged, read, shown_to, view_of
from headstart.losses import soft_cross_entropy
from headstart.objective import Objective
from headstart.recipe import Data, Recipe
from headstart.scene import Scene
from headstart.step import Step
from headstart.terms.locate import locate
from headstart.tokens import Batch, Tokens, every
from headstart.tree import replace

from .claim import Figure
from .lab import Trial, digits, pictures

STEPS, SIDE = 300, 4  # SIDE: rows along an edge
NOT_SHOWN = {
    "better neighbours than before training": "on digits of 16 rows some seeds are better for it and some worse",
    "places are found by the anchors": "digits stand in the middle, so most of what is found is found without anchors, too",
}


def check(trial: Trial) -> Iterator[Figure]:
    real = digits(trial)
    data = trial.data(pictures(real.samples), patch=2)
    made = trial.recipe(data)
    batch, step = trial.batch(made, size=16)
    seen = sum(view_of(made.objective, batch, step).seen.content)
    moving, total = moves(made.objective, batch, step, content), batch.size * SIDE**2
    yield Figure("of all rows the share whose content moves what is said", moving / total, above=0.1, below=0.4)
    moving = moves(made.objective, batch, step, place)
    yield Figure("of the rows that are seen the share whose place does", moving / seen, above=0.1, below=0.5)
    milder = mildness(trial, made, 0) / mildness(trial, made, 999)
    yield Figure("what a near miss costs, over a far one, at first over at last", milder, below=0.95)
    yield Figure(
        "correlation of how much a row counts and its likeness to the class token", weighed(trial, made), above=0.9
    )

    objective = trial.fit(made, STEPS, among=real.bank)
    found = placed(objective, data, real.query) * SIDE**2
    yield Figure("held-out rows that find their place, over chance", found, above=2.2)


def content(tokens: Tokens, chosen: Tensor) -> Tokens:
    """These rows say what those of the next sample say."""
    return exchanged(tokens, chosen)


def place(tokens: Tokens, chosen: Tensor) -> Tokens:
    """These rows are said to lie elsewhere."""
    return replace(tokens, coords=tokens.coords + chosen[:, None])


def moves(objective: Objective, batch: Batch, step: Step, change: Callable[[Tokens, Tensor], Tokens]) -> int:
    """How many rows there are in all samples that, changed alone, move what the decoder makes of their sample."""
    tokens, head, found = batch.tokens["x"], _where(objective).head, 0

    def said(rows: Tokens) -> Tensor:
        made = read(
            objective, replace(batch, tokens={"x": rows}), step, lambda scene: head(scene.student.z["x"]).values
        )
        return made.unflatten(0, (batch.size, -1))

    before = said(tokens)
    for number in range(SIDE**2):
        after = said(change(tokens, tokens.layout.place == tokens.layout.slots + number))
        found += int(((after - before).abs() > 1e-5).flatten(1).any(1).sum())
    return found


def mildness(trial: Trial, made: Recipe, index: int) -> float:
    """What a sure answer one place off costs over one as far off as can be, at this of 1000 steps."""
    batch, step = trial.batch(made, index, 1000, size=16)
    with torch.no_grad(), at_rest(made.objective):
        scene = made.objective.scene(batch, step)
        ((rows, _, wanted),) = _where(made.objective).answers(scene)
    view = scene.views["x"]
    places = view.clean.coords[every(view.clean).index][: SIDE**2]
    away = torch.cdist(view.seen.coords[rows], places)
    sure = 10 * torch.eye(SIDE**2)
    cost = torch.stack([soft_cross_entropy(answer.expand_as(wanted), wanted) for answer in sure], 1)
    near, far = (away - 1).abs() < 1e-6, away == away.amax(1, keepdim=True)
    return float(cost[near].mean() / cost[far].mean())


def weighed(trial: Trial, made: Recipe) -> float:
    """Within samples: the logarithm of how much each placeless row counts in the loss, by its gradient over that of its own
    error, and the cosine of row and class token as the encoder has them in the whole sample."""
    batch, step = trial.batch(made)
    objective, term = made.objective, _where(made.objective)

    def by_row(loss: Callable[[Scene], Tensor]) -> Tensor:
        said: list[Tensor] = []
        hook = term.head.register_forward_hook(lambda *given: said.append(given[2].values))
        with at_rest(objective):
            value = loss(shown_to(objective.scene(batch, step), "where"))
        hook.remove()
        return torch.autograd.grad(value, said[0])[0].norm(dim=1)

    counts = by_row(term) / by_row(lambda scene: sum(soft_cross_entropy(a, b).sum() for _, a, b in term.answers(scene)))
    view = view_of(objective, batch, step)
    assert view.placeless is not None
    asked = view.placeless[every(view.seen).index].view(batch.size, -1)
    if not asked.any():
        return float("nan")
    with torch.no_grad(), at_rest(objective):
        whole = objective.encoder(view.clean)
    alike = F.cosine_similarity(whole.values, whole.values[whole.layout.cu[:-1].long()][whole.layout.seg], dim=1)
    rows = every(view.seen).index
    alike, counts = (x[rows].view(batch.size, -1) for x in (alike[view.kept.index], counts))
    a, b = (_centred(x, asked) for x in (alike, counts.clamp(min=1e-12).log()))
    return float((a * b).sum() / (a.norm() * b.norm()).clamp(min=1e-9)) if b.abs().max() > 1e-3 else 0.0


def _centred(x: Tensor, chosen: Tensor) -> Tensor:
    """Less the mean of the chosen of every sample, and 0 elsewhere."""
    mean = (x * chosen).sum(1, keepdim=True) / chosen.sum(1, keepdim=True).clamp(min=1)
    return (x - mean) * chosen


@torch.no_grad()
def placed(objective: Objective, data: Data, indices: np.ndarray) -> float:
    """The share of rows without a place that name it first, near the end, when only the right place counts."""
    step = Step(999, 1000)
    scene = objective.scene(collate(data, indices, step, objective.slots), step)
    asked = scene.views["x"].placeless
    assert asked is not None
    hits = [(said.argmax(1) == goal.argmax(1))[asked[rows]] for rows, said, goal in _where(objective).answers(scene)]
    return float(torch.cat(hits).float().mean())


def _where(objective: Objective) -> locate:
    term = objective.terms["where"]
    assert isinstance(term, locate)
    return term
