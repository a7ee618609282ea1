"""What masks look like: figures of the views that an objective itself makes, in milliseconds.

Neighbours are rows whose coordinates differ by one step of the grid in one axis; a step is the smallest distance there is.
"""

from collections.abc import Iterable
from itertools import permutations

import numpy as np
import torch
from torch import Tensor

from headstart.interventions import altered, at_rest, in_sample, moved, read, shown_to, view_of
from headstart.objective import Objective
from headstart.recipe import Recipe
from headstart.step import Step
from headstart.tokens import Batch, Tokenizer, Tokens, View, split

from .lab import Trial


def views(trial: Trial, recipe: Recipe, name: str = "x", count: int = 8, size: int | None = None) -> list[View]:
    """The view of this name at `count` steps spread over training."""
    return [
        view_of(recipe.objective, *trial.batch(recipe, index, count, size), name)  # type: ignore[misc]
        for index in range(count)
    ]


def shares(made: Iterable[View]) -> np.ndarray:
    """[n] the share of its rows that is hidden, for every sample of every view."""
    return np.array(
        [k / max(1, n) for view in made for k, n in zip(view.hidden.counts, view.clean.content, strict=True)]
    )


def _segments(view: View) -> Iterable[tuple[Tensor, Tensor]]:
    """(coordinates [n, C], hidden [n]) of the content rows of every segment."""
    spans = view.clean.layout
    for begin, end in zip(spans.cu[:-1].tolist(), spans.cu[1:].tolist(), strict=True):
        at = slice(begin + spans.slots, end)
        yield view.clean.coords[at].double(), view.hidden.mask[at]


def beside_hidden(made: Iterable[View], axis: int | None = None) -> float:
    """Of the neighbours of hidden rows the share that is hidden, too: near the share hidden where rows are hidden one by one,
    near 1 where large parts are. axis: neighbours along this axis alone."""
    found: list[float] = []
    for view in made:
        for coords, hidden in _segments(view):
            if not hidden.any() or coords.shape[1] == 0:
                continue
            away = (coords[:, None] - coords[None]).abs()
            pitch = torch.where(away > 0, away, torch.inf).amin((0, 1))
            near = ((away - pitch).abs() < 1e-6) & torch.isfinite(pitch)
            still = away < 1e-9
            beside = torch.zeros(len(coords), len(coords), dtype=torch.bool)
            for a in range(coords.shape[1]) if axis is None else (axis,):
                others = [still[..., b] for b in range(coords.shape[1]) if b != a]
                beside |= near[..., a] & (torch.stack(others).all(0) if others else True)
            pairs = beside & hidden[:, None]
            if pairs.any():
                found.append(float((pairs & hidden[None]).sum() / pairs.sum()))
    return float(np.mean(found)) if found else float("nan")


def runs(made: Iterable[View]) -> np.ndarray:
    """[n] lengths of the runs of hidden rows, in the order of rows, of all samples."""
    lengths: list[int] = []
    for view in made:
        for _, hidden in _segments(view):
            edges = np.diff(np.pad(hidden.numpy().astype(int), 1))
            lengths += (np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)).tolist()
    return np.array(lengths)


def shown_elsewhere(made: Iterable[View], axis: int = 0) -> float:
    """Of hidden rows the share whose place is shown elsewhere along an axis: at another time of a clip."""
    found: list[float] = []
    for view in made:
        for coords, hidden in _segments(view):
            other = torch.cat([coords[:, :axis], coords[:, axis + 1 :]], 1)
            same = (other[:, None] - other[None]).abs().amax(2) < 1e-6
            found += (same & ~hidden[None]).any(1)[hidden].double().tolist()
    return float(np.mean(found)) if found else float("nan")


def marked(view: View) -> float:
    """Of the hidden rows of a view whose rows are all there, the share that the network's own vectors stand for."""
    special = view.seen.special
    return 0.0 if special is None else float((special[view.hidden.index] >= 0).double().mean())


def nearest_shown(view: View) -> Tensor:
    """[K, ...] every hidden row as the nearest shown row of its sample has it: what copying says."""
    clean, found = view.clean, []
    spans = clean.layout
    for begin, end in zip(spans.cu[:-1].tolist(), spans.cu[1:].tolist(), strict=True):
        at = torch.arange(begin + spans.slots, end)
        hidden = view.hidden.mask[at]
        gone, there = at[hidden], at[~hidden]
        if len(gone):
            found.append(clean.values[there[torch.cdist(clean.coords[gone], clean.coords[there]).argmin(1)]])
    return torch.cat(found)


def altered_share(view: View) -> float:
    """Of the hidden rows of a view whose rows are all there, the share that says something else than the sample does."""
    at = view.hidden.index
    other = (view.seen.values[at] != view.clean.values[at]).reshape(len(at), -1).any(1)
    replaced = torch.zeros_like(other) if view.seen.special is None else view.seen.special[at] >= 0
    return float((other | replaced).double().mean())


def rows_of_sample(tokens: Tokens, sample: int) -> Tensor:
    """The content rows of one segment, [n, ...]."""
    spans = tokens.layout
    return tokens.values[int(spans.cu[sample]) + spans.slots : int(spans.cu[sample + 1])]


def decoded(tokens: Tokens, tokenizer: Tokenizer) -> Tensor:
    """[S, ...] the samples of equally many rows that these segments are, as their tokenizer gives them back."""
    return torch.stack([tokenizer.decode(one) for one in split(tokens, [1] * tokens.layout.segments)])


def partner_matters(objective: Objective, batch: Batch, step: Step, samples: int = 6) -> float:
    """How far what is asked of a view of a sample (the gradient) moves when the sample's other view says something else, over how
    far it does when that view of a stranger does; the least of the ways between all views."""
    terms = dict(objective._terms())

    def asks(given: Batch, name: str) -> Tensor:
        with at_rest(objective):
            scene = objective.scene(given, step)
            total = torch.stack([term(shown_to(scene, n)) for n, term in terms.items()]).sum()
        (grad,) = torch.autograd.grad(total, [scene.student.z[name].values])
        return grad

    made = {name: objective.view(name, batch, step) for name in objective.views}
    rows = zip(*(view.seen.content for view in made.values()), strict=True)
    whole = [i for i, n in enumerate(rows) if min(n) > 0]
    ratios = []
    for a, b in permutations(made, 2):
        before, moves, clean = asks(batch, a), np.zeros(2), made[b].clean.layout
        for mine, other in zip(whole[:samples], [*whole[1 : samples + 1], *whole[:1]], strict=False):
            for k, sample in enumerate((mine, other)):
                changed = altered(batch, objective.views[b][0], (clean.seg == sample) & ~made[b].hidden.mask)
                moves[k] += float((asks(changed, a) - before)[made[a].seen.layout.seg == mine].norm())
        ratios.append(moves[0] / max(1e-12, moves[1]))
    return float(min(ratios))


def own_context(objective: Objective, batch: Batch, step: Step, term: str, context: str, samples: int = 6) -> float:
    """When the context of one sample says something else: how far what is predicted of its hidden rows moves, over that and how
    far it does of all other samples: 1 where each looks at its own context, 0 where at none or at another's."""
    asked = dict(objective._terms())[term]
    assert asked.hides is not None, f"term {term!r} says of no view that it predicts its hidden rows"
    view, source = view_of(objective, batch, step, asked.hides), objective.views[context][0]
    before, moves = read(objective, batch, step, asked.predicted, term), np.zeros(2)
    for sample in range(samples):
        other = altered(batch, source, in_sample(batch.tokens[source].layout, sample, batch.size))
        after = read(objective, other, step, asked.predicted, term)
        mine = in_sample(view.clean.layout, sample, batch.size)[view.hidden.index]
        moves += moved(before[mine], after[mine]), moved(before[~mine], after[~mine])
    return float(moves[0] / max(1e-12, moves.sum()))
