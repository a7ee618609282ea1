"""Parts judged by each other: what probes of pairs say of the samples that were kept out of training."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import cast

import numpy as np
import torch

from ..data.feeding.loader import collate
from ..nn.encoder import Encoder
from ..objective import Objective
from ..probes import Figure, Marks, Sides, every, figure, judge
from ..recipe import Data
from ..step import Step
from ..terms import Meeting, Term


@dataclass(frozen=True)
class Pair:
    """Two parts that a term brings together."""

    term: Term
    meeting: Meeting
    parts: tuple[str, str]


def meetings(objective: Objective) -> list[Pair]:
    """Every two parts that meet in a term."""
    every_term = cast(Iterable[Term], objective.terms.values())
    met = [(term, meeting) for term in every_term if (meeting := term.meets()) is not None]
    return [Pair(term, meeting, parts) for term, meeting in met for parts in combinations(meeting.heads, 2)]


@torch.no_grad()
def meet(
    objective: Objective, data: Data, indices: np.ndarray, pair: Pair | None = None, batch: int = 128
) -> tuple[np.ndarray, np.ndarray]:
    """([n, D], [n, D]) projected vectors of two parts that meet (the first two, unless named), at unit length, of those of the
    samples that have both."""
    pair = pair or meetings(objective)[0]
    device, was = next(objective.parameters()).device, objective.training
    objective.eval()
    sides: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for start in range(0, len(indices), batch):
        got = collate(data, indices[start : start + batch], Step(0, 1), objective.slots, device).tokens
        both = np.array([all(n) for n in zip(*(got[name].content for name in pair.parts), strict=True)])
        for side, name in zip(sides, pair.parts, strict=True):
            z = pair.meeting.project(name, cast(Encoder, objective.encoders[name])(got[name]))
            side.append(torch.nn.functional.normalize(z.float(), dim=1).cpu().numpy()[both])
    objective.train(was)
    return np.concatenate(sides[0]), np.concatenate(sides[1])


def found(objective: Objective, data: Data, indices: np.ndarray, quick: bool = False) -> Marks:
    """What the probes of pairs say among these samples, the mean over all pairs of parts that meet."""
    each = []
    for pair in meetings(objective):
        a, b = meet(objective, data, indices, pair)
        each.append(judge(every("pairs", quick=quick), Sides(a, b)))
    return {name: _mean([marks[name] for marks in each]) for name in each[0]}


def _mean(figures: list[Figure]) -> Figure:
    """Of the same samples, so that no error is gained by taking several."""
    first, value = figures[0], float(np.mean([f.value for f in figures]))
    moves = [f.moves for f in figures]
    if any(each is None or len(each) != first.units for each in moves):  # pairs of parts that other samples have
        error = float(np.mean([f.error for f in figures]))
        return Figure(value, error, min(f.n for f in figures), first.chance, first.higher)
    return figure(value, np.mean(np.stack(cast(list[np.ndarray], moves)), 0), chance=first.chance)
