"""Pairs judged by each other: how often the other part of a sample is found among all that were kept out of training."""

from typing import Any

import numpy as np
import torch

from ..data.loader import collate, whole
from ..objective import Objective
from ..recipe import Data
from ..step import Step
from ..terms import contrast

AT = (1, 5)


def meeting(objective: Objective) -> contrast | None:
    """The term in which the two parts meet, if the method has one."""
    return next((t for t in objective.terms.values() if isinstance(t, contrast)), None)


@torch.no_grad()
def meet(objective: Objective, data: Data, indices: np.ndarray, batch: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """([n, D], [n, D]) projected vectors of both parts of the samples that have both, at unit length."""
    term = meeting(objective)
    assert term is not None
    device, was = next(objective.parameters()).device, objective.training
    objective.eval()
    indices = indices[np.isin(indices, whole(data.source))]
    sides: tuple[list[Any], list[Any]] = ([], [])
    for start in range(0, len(indices), batch):
        got = collate(data, indices[start : start + batch], Step(0, 1), objective.slots, device).tokens
        for side, name in zip(sides, term.reads, strict=True):
            z = term.head[name](term.read(objective.encoders[name](got[name])))  # type: ignore[index]
            side.append(torch.nn.functional.normalize(z.float(), dim=1).cpu().numpy())
    objective.train(was)
    return np.concatenate(sides[0]), np.concatenate(sides[1])


def recall(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Recall at 1 and 5, the mean of both directions: a finds its b among all, b its a."""
    similarity = a @ b.T
    right = np.diagonal(similarity)
    ranks = [(similarity > right[:, None]).sum(1), (similarity > right[None]).sum(0)]
    return {f"recall-{k}": float(np.mean([(rank < k).mean() for rank in ranks])) for k in AT}
