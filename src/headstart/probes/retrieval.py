"""Parts judged by each other: how often another part of a sample is found among all that were kept out of training."""

from typing import Any

import numpy as np
import torch

from ..data.feeding.loader import collate
from ..objective import Objective
from ..recipe import Data
from ..step import Step
from ..terms import contrast

AT = (1, 5)


def meetings(objective: Objective) -> list[contrast]:
    """The terms in which two parts meet: one where there are two parts, one for every pair where there are more."""
    return [t for t in objective.terms.values() if isinstance(t, contrast) and len(t.reads) == 2]


@torch.no_grad()
def meet(
    objective: Objective, data: Data, indices: np.ndarray, term: contrast | None = None, batch: int = 128
) -> tuple[np.ndarray, np.ndarray]:
    """([n, D], [n, D]) projected vectors of the two parts that meet in a term (the first, unless named), at unit length, of those
    of the samples that have both."""
    term = term or meetings(objective)[0]
    device, was = next(objective.parameters()).device, objective.training
    objective.eval()
    sides: tuple[list[Any], list[Any]] = ([], [])
    for start in range(0, len(indices), batch):
        got = collate(data, indices[start : start + batch], Step(0, 1), objective.slots, device).tokens
        both = np.array([all(n) for n in zip(*(got[name].content for name in term.reads), strict=True)])
        for side, name in zip(sides, term.reads, strict=True):
            z = term.head[name](term.read(objective.encoders[name](got[name])))  # type: ignore[index]
            side.append(torch.nn.functional.normalize(z.float(), dim=1).cpu().numpy()[both])
    objective.train(was)
    return np.concatenate(sides[0]), np.concatenate(sides[1])


def found(objective: Objective, data: Data, indices: np.ndarray) -> dict[str, float]:
    """Recall among these samples, the mean over all pairs of parts that meet."""
    each = [recall(*meet(objective, data, indices, term)) for term in meetings(objective)]
    return {name: float(np.mean([marks[name] for marks in each])) for name in each[0]}


def recall(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Recall at 1 and 5, the mean of both directions: a finds its b among all, b its a."""
    similarity = a @ b.T
    right = np.diagonal(similarity)
    ranks = [(similarity > right[:, None]).sum(1), (similarity > right[None]).sum(0)]
    return {f"recall-{k}": float(np.mean([(rank < k).mean() for rank in ranks])) for k in AT}
