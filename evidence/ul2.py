"""UL2: the denoisers that are drawn hide what the paper's table says, nothing but a mode row and the numbers of spans tells of
them, and one decoder writes English in all three modes.

The text is what scikit-learn says of its data sets.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.data.sources.listed import ListSource
from headstart.interventions import altered, at_rest, moved
from headstart.objective import Objective
from headstart.recipe import Recipe
from headstart.step import Step, at
from headstart.tokens import Batch, Tokens, View
from headstart.tree import replace as changed

from .claim import Figure
from .lab import Trial, batch_of, each_batch, prose

# table 1 of the paper: mean length of a span, share that is hidden
TABLE = {"r": ((3, 0.15), (8, 0.15)), "s": ((math.inf, 0.25),), "x": ((3, 0.5), (8, 0.5), (64, 0.15), (64, 0.5))}
SHARES = {"r": 0.33, "s": 0.34, "x": 0.33}
LONG, SHORT, STEPS, DRAWS = 512, (20, 40), 400, 160
NOT_SHOWN = {
    "a mixture serves all uses better than one denoiser": "what is drawn is asked, and not how it serves",
}


def check(trial: Trial) -> Iterator[Figure]:
    whole = trial.recipe(trial.data(ListSource(prose(trial, 64, LONG), "text"), longest=LONG))
    rare, wrong = drawn(trial, whole)
    yield Figure("least often drawn of the seven denoisers, over its share", rare, above=0.25)
    yield Figure("largest error of the mean length of their spans", wrong, below=0.25)
    objective = whole.objective
    batch, step = max(each_batch(trial, whole, 8, 4), key=lambda each: spans_in(objective.view("x", *each)))
    views = {name: objective.view(name, batch, step) for name in TABLE}
    yield Figure(
        "longest step from a row that is seen to the next one", max(map(longest_step, views.values())), below=1.01
    )
    yield Figure("what another mode's row changes in what is said", otherwise(objective, views), above=1e-5)
    yield Figure("what other numbers of spans change in what is said", miscounted(objective, views["x"]), above=1e-5)
    told = numbers_told(objective, batch, step, views["x"])
    yield Figure("spans that the decoder knows by a number of their own", told, above=0.9)
    yield Figure("what rows change in what was said before them", foreseen(objective, batch, step), below=1e-5)

    made = trial.recipe(trial.data(ListSource(texts(trial, 8000), "text"), longest=max(SHORT)))
    trained = trial.fit(made, STEPS)
    held = ListSource(texts(trial, 128, held=True), "text")
    batch = batch_of(replace(made.data, source=held, batch=128), trained, trial.step())
    each = {n: sum(nats(trained, batch, Step(i, 8, trial.seed), n) for i in range(8)) for n in TABLE}
    words, ends = np.max([told / guessed for told, guessed in each.values()], 0)
    yield Figure("held-out nats of letters over those of frequencies, worst of three modes", words, below=1.0)
    yield Figure("held-out nats of where spans end over those of how often, worst of three modes", ends, below=1.0)
    costs = [cost(trained, batch, [Step(i, 8, trial.seed) for i in range(4)], name) for name in TABLE]
    yield Figure("what a wrong mode row costs [nats], middle of three modes", np.median(costs), above=0.05)


def texts(trial: Trial, count: int, held: bool = False) -> list[str]:
    """Half of them short: how much is missing cannot be counted."""
    return [text[: SHORT[i % 2]] for i, text in enumerate(prose(trial, count, max(SHORT), held))]


def firsts(view: View) -> Tensor:
    """The rows that say the mode."""
    return view.seen.layout.place == view.seen.layout.slots


def spans_in(view: View) -> int:
    hidden = view.hidden.mask
    return int((hidden & ~hidden.roll(1)).sum())


def drawn(trial: Trial, recipe: Recipe) -> tuple[float, float]:
    """(how often the rarest denoiser of the table is drawn, over its share of the steps; the largest error of a mean length of
    spans, over that length), as terms count and views are made over training."""
    objective, steps = recipe.objective, {(n, d): np.zeros(3) for n, ds in TABLE.items() for d in ds}
    for index in range(DRAWS):
        batch, step = trial.batch(recipe, index, DRAWS, size=4)
        for name in (n for n in objective.terms if at(objective.weights.get(n, 1.0), step)):
            view = objective.view(name, batch, step)
            rows, spans = len(view.hidden), spans_in(view)
            share = rows / sum(view.clean.content)
            near = min(TABLE[name], key=lambda d: far(d, rows / spans, share))
            steps[name, near] += (1, rows, spans)
    often = [n / (DRAWS * SHARES[name] / len(TABLE[name])) for (name, _), (n, _, _) in steps.items()]
    lengths = {d: (share * LONG if math.isinf(d) else d) for ds in TABLE.values() for d, share in ds}
    off = [abs(rows / max(1.0, spans) / lengths[length] - 1) for (_, (length, _)), (_, rows, spans) in steps.items()]
    return min(often), max(off)


def far(denoiser: tuple[float, float], length: float, share: float) -> float:
    """How far what was seen of a step is from a denoiser."""
    mean = denoiser[1] * LONG if math.isinf(denoiser[0]) else denoiser[0]
    return abs(math.log(length / mean)) + 10 * abs(share - denoiser[1])


def longest_step(view: View) -> float:
    """Between the places of content rows one after another."""
    seen = view.seen
    inside = ~seen.slot[1:] & ~seen.slot[:-1]
    return float(seen.coords.diff(dim=0)[inside].abs().max())


@torch.no_grad()
def said(objective: Objective, view: View, seen: Tokens | None = None) -> Tensor:
    """[K, ids + 1] what the decoder says at hidden rows, perhaps of an input that was changed."""
    with at_rest(objective):
        head = dict(objective._terms())[view.name].head
        return head(objective.encoder(view.seen if seen is None else seen), view).float()


def wrongly(views: dict[str, View], name: str) -> Iterator[Tokens]:
    """The input of a mode with the mode rows of the others."""
    view = views[name]
    for other in views.keys() - {name}:
        own, special = view.seen.special, views[other].seen.special
        assert special is not None and own is not None
        row = special[firsts(views[other])][0]
        yield changed(view.seen, special=torch.where(firsts(view), row, own))


def otherwise(objective: Objective, views: dict[str, View]) -> float:
    """The least that the mode row of another mode moves."""
    each = [(view, wrong) for name, view in views.items() for wrong in wrongly(views, name)]
    return min(moved(said(objective, view), said(objective, view, wrong)) for view, wrong in each)


def cost(objective: Objective, batch: Batch, steps: list[Step], name: str) -> float:
    """How many nats the mode rows of other modes cost in this one, the mean."""
    found = []
    for step in steps:
        views = {n: objective.view(n, batch, step) for n in TABLE}
        own = nats(objective, batch, step, name)[0].sum()
        found += [nats(objective, batch, step, name, wrong)[0].sum() - own for wrong in wrongly(views, name)]
    return float(np.mean(found))


def miscounted(objective: Objective, view: View) -> float:
    """How far what is said moves when the numbers of spans are turned round in the input: first as last."""
    special, spans = view.seen.special, view.seen.layout
    assert special is not None
    turned = special.clone()
    for segment in range(spans.segments):
        rows = torch.nonzero((spans.seg == segment) & (special >= 0) & ~firsts(view))[:, 0]
        turned[rows] = special[rows.flip(0)]
    return moved(said(objective, view), said(objective, view, changed(view.seen, special=turned)))


def numbers_told(objective: Objective, batch: Batch, step: Step, view: View) -> float:
    """Of the largest count of spans in a sample the share for which the decoder has a vector that the loss hangs on."""
    term = dict(objective._terms())[view.name]
    with at_rest(objective):
        loss = term(objective.scene(batch, step, {view.name: term}))
    (grad,) = torch.autograd.grad(loss, [term.head.starts])
    hidden = view.hidden.mask
    begins = (hidden & ~hidden.roll(1)).long()
    spans = torch.zeros(batch.size, dtype=torch.long).index_add(0, view.clean.layout.seg, begins)
    return float((grad.abs().amax(1) > 0).sum() / spans.max())


def foreseen(objective: Objective, batch: Batch, step: Step) -> float:
    """How far what is said of the first half of the hidden rows of every sample moves when the second half says something else,
    over how far what is said of the second half does."""
    view = objective.view("x", batch, step)
    at_hidden, spans = view.hidden.index, view.clean.layout
    seg = spans.seg[at_hidden]
    count = torch.tensor(view.hidden.counts)
    begin = count.cumsum(0) - count
    late = torch.arange(len(at_hidden)) - begin[seg] >= count[seg] // 2
    mask = torch.zeros(len(view.clean), dtype=torch.bool).index_fill(0, at_hidden[late], True)
    before, after = (said(objective, objective.view("x", b, step)) for b in (batch, altered(batch, "x", mask)))
    return moved(before[~late], after[~late]) / max(1e-12, moved(before[late], after[late]))


@torch.no_grad()
def nats(objective: Objective, batch: Batch, step: Step, name: str, seen: Tokens | None = None) -> np.ndarray:
    """[2, 2] nats of hidden letters and of where spans end, as they are said, and as their frequencies among themselves would."""
    view = objective.view(name, batch, step)
    told, rows = said(objective, view, seen), view.hidden.index
    truth, last = view.clean.values[rows], ~view.hidden.mask.roll(-1)[rows]
    ends = F.binary_cross_entropy_with_logits(told[:, -1], last.float())
    return np.array([[F.cross_entropy(told[:, :-1], truth), ends], [entropy(truth), entropy(last.long())]], np.float64)


def entropy(ids: Tensor) -> float:
    share = ids.bincount().double() / len(ids)
    return -float((share[share > 0] * share[share > 0].log()).sum())
