"""Questions put to a method's own objective: something is changed on purpose, and what moves says what hangs on what.

All of it takes milliseconds on one batch and trains nothing. Chance hangs on the numbers of samples and not on their content, so
two scenes of one step have the same masks.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool
from torch import Tensor

from .objective import Objective
from .scene import Scene
from .step import Step
from .teacher import Ema
from .terms import Term
from .tokens import Batch, Layout, Tokens, View
from .tree import replace

FEW = 3  # rows of which three quarters may be all


def exchanged(tokens: Tokens, mask: Bool[Tensor, "T"], by: int = 1) -> Tokens:
    """The same rows where those of the mask say what the row at their place says in the `by`-th sample after theirs: other
    content, and of a kind that there is."""
    spans = tokens.layout
    content = spans.cu.diff() - spans.slots
    other = (spans.seg + by) % spans.segments
    place = (spans.place - spans.slots).clamp(min=0) % content[other].clamp(min=1)
    source = (spans.cu[:-1][other] + spans.slots + place).long()
    chosen = mask & ~tokens.slot & (content[other] > 0)
    values = tokens.values[torch.where(chosen, source, torch.arange(len(tokens), device=tokens.device))]
    return tokens.with_values(values)


def altered(batch: Batch, name: str, mask: Bool[Tensor, "T"], by: int = 1) -> Batch:
    """The batch with other content in these rows of the tokens called `name`."""
    return replace(batch, tokens=batch.tokens | {name: exchanged(batch.tokens[name], mask, by)})


def in_sample(spans: Layout, sample: int, size: int) -> Bool[Tensor, "T"]:
    """Rows of this sample, in all of its crops."""
    return spans.seg % size == sample


@contextmanager
def at_rest(objective: Objective) -> Iterator[None]:
    """The objective as it is used, not trained: nothing is drawn from the batch, nothing is remembered."""
    was = objective.training
    objective.eval()
    try:
        yield
    finally:
        objective.train(was)


def read(objective: Objective, batch: Batch, step: Step, what: Callable[[Scene], Tensor], term: str = "") -> Tensor:
    """What is read off the scene of this batch, without gradient. term: the only term that is shown it, if one is named."""
    terms = {term: _term(objective, term)} if term else None
    with torch.no_grad(), at_rest(objective):
        scene = objective.scene(batch, step, terms)
        return what(shown_to(scene, term)).float()


def shown_to(scene: Scene, term: str) -> Scene:
    """The scene as this term is shown it."""
    return Scene(scene.views, scene.student, scene.teacher, scene.batch, scene.step, term)


def moved(before: Tensor, after: Tensor) -> float:
    """The largest difference; infinite where the two are not even of one shape."""
    if before.shape != after.shape:
        return float("inf")
    return float((before - after).abs().max()) if before.numel() else 0.0


def loss_of(objective: Objective, batch: Batch, step: Step, term: str) -> float:
    """The loss of one term."""
    return float(read(objective, batch, step, _term(objective, term), term))


def view_of(objective: Objective, batch: Batch, step: Step, name: str = "x") -> View:
    """The view of this name as the objective itself makes it."""
    with torch.no_grad():
        return objective.view(name, batch, step)


def leak(objective: Objective, batch: Batch, step: Step, term: str, samples: int = 3) -> tuple[float, float]:
    """(how far the prediction for a sample's hidden rows moves when these rows say something else, and when the rows that are
    shown do): the first is 0 where nothing of what is hidden gets through, the second is not where the rest is used.

    NaN where this cannot be asked: the view is no choice among the rows of the batch (mixtures, pictures of another scale), or
    what is hidden hangs on what rows say; the second alone where samples have so few rows that a share of them is all.
    """
    asked = _term(objective, term)
    assert asked.hides is not None, f"term {term!r} says of no view that it predicts its hidden rows"
    source, view = objective.views[asked.hides][0], view_of(objective, batch, step, asked.hides)
    rows = batch.tokens[source]
    if len(view.clean) != len(rows) or not torch.equal(view.clean.values, rows.values):
        return float("nan"), float("nan")
    before = read(objective, batch, step, asked.predicted, term)
    through, used = 0.0, 0.0
    there = [i for i in range(batch.size) if rows.content[i]]  # of several kinds of data a sample may have another
    for sample in there[:samples]:
        mine = in_sample(view.clean.layout, sample, batch.size)
        own = mine[view.hidden.index]
        for which in (view.hidden.mask, ~view.hidden.mask):
            again = view_of(objective, altered(batch, source, mine & which), step, asked.hides)
            if again.hidden.mask.shape != view.hidden.mask.shape or not torch.equal(
                again.hidden.mask, view.hidden.mask
            ):
                return float("nan"), float("nan")
        hidden, shown = (
            read(objective, altered(batch, source, mine & which), step, asked.predicted, term)
            for which in (view.hidden.mask, ~view.hidden.mask)
        )
        same = hidden.shape == before.shape and len(own) == len(before)
        through = max(through, moved(before[own], hidden[own]) if same else float("inf"))
        used = max(used, moved(before[own], shown[own]) if same else float("inf"))
    return through, used if max(view.clean.content) > FEW else float("nan")


def pull(objective: Objective, batch: Batch, step: Step, term: str) -> float:
    """How far the loss of a term moves when what is hidden from it says something else: not at all where its target does not
    hang on that."""
    asked = _term(objective, term)
    assert asked.hides is not None, f"term {term!r} says of no view that it predicts its hidden rows"
    source, view = objective.views[asked.hides][0], view_of(objective, batch, step, asked.hides)
    if len(view.clean) != len(batch.tokens[source]):
        return float("nan")
    other = altered(batch, source, view.hidden.mask)
    return abs(loss_of(objective, other, step, term) - loss_of(objective, batch, step, term))


def looks_ahead(objective: Objective, batch: Batch, step: Step, view: str = "x") -> tuple[float, float]:
    """(how far the encoded first half of every sample moves when the second half says something else, how far the second half
    does): the first is 0 where no row sees those after it."""
    source, made = objective.views[view][0], view_of(objective, batch, step, view)
    spans = made.clean.layout
    late = spans.place >= (spans.slots + (spans.cu.diff() - spans.slots) / 2)[spans.seg]
    before, after = (
        read(objective, each, step, lambda scene: scene.student.z[view].values)
        for each in (batch, altered(batch, source, late))
    )
    if before.shape != after.shape or len(before) != len(late):
        return float("nan"), float("nan")
    return moved(before[~late], after[~late]), moved(before[late], after[late])


def others_matter(objective: Objective, batch: Batch, step: Step, term: str) -> float:
    """How far what a term asks of one sample's vectors (the gradient, over its own size) moves when the other samples say
    something else: 0 where samples do not know of each other, as without negatives. The sample is the first with all parts."""
    asked = _term(objective, term)
    sources = {objective.views[name][0] for name in asked.reads}
    content = [batch.tokens[source].content for source in sources]
    one = next((i for i in range(batch.size) if all(rows[i] for rows in content)), 0)

    def asks(given: Batch) -> Tensor:
        with at_rest(objective):
            scene = shown_to(objective.scene(given, step, {term: asked}), term)
            z = [scene.student.z[name] for name in asked.reads]
            grads = torch.autograd.grad(asked(scene), [rows.values for rows in z], allow_unused=True)
        own = [
            grad[in_sample(rows.layout, one, given.size)]
            for rows, grad in zip(z, grads, strict=True)
            if grad is not None
        ]
        return torch.cat([grad.flatten() for grad in own])

    others = batch
    for source in sources:
        spans = batch.tokens[source].layout
        others = altered(others, source, ~in_sample(spans, one, batch.size), by=2)
    before, after = asks(batch), asks(others)
    return moved(before, after) / max(1e-12, float(before.abs().max()))


def taught(objective: Objective, step: Step) -> float:
    """How far the teacher, after it moved, is from momentum * itself + (1 - momentum) * student, at most; the student is put off
    its place first, so that there is something to move to. NaN where there is no moving average."""
    teacher = objective.teacher
    if not isinstance(teacher, Ema):
        return float("nan")
    student = objective._led()
    learnt = [p for n, p in student.named_parameters()]
    with torch.no_grad():
        for p in learnt:
            p.add_(0.1 * torch.ones_like(p))
        mine = [p.clone() for p in teacher.network.parameters()]
        m = teacher.share(step)
        teacher.after_step(student, step)
        wanted = [m * a + (1 - m) * b for a, b in zip(mine, learnt, strict=True)]
        off = max(moved(a, b) for a, b in zip(teacher.network.parameters(), wanted, strict=True))
        for p in learnt:
            p.sub_(0.1 * torch.ones_like(p))
    return off


def _term(objective: Objective, name: str) -> Term:
    return dict(objective._terms())[name]
