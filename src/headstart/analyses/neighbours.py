"""The nearest of many vectors, exactly: blocks of cosine similarities, of which only the best are kept.

Vectors are standardised (mean 0, variance 1 in each direction) before they are brought to length 1, as the kNN probe does. What
all vectors share says nothing about any of them, and a few directions of large spread would decide alone (docs/log.md).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from threadpoolctl import threadpool_limits

from ..probes import standardise

QUERIES, BANK = 1024, 2048  # of a block: 8 MiB
GROUP = 32  # similarities whose largest stands for all of them, until it is known which groups matter
SAME = 0.999  # cosine similarity from which on two samples are nearly the same to an encoder
Vectors = Float[np.ndarray, "n D"]
Queries = Float[np.ndarray, "m D"]


@dataclass(frozen=True)
class Near:
    """The nearest of a bank to each of m queries, nearest first. index: where in the bank. similarity: cosines, -1 to 1."""

    index: Int[np.ndarray, "m k"]
    similarity: Float[np.ndarray, "m k"]

    def same(self) -> Int[np.ndarray, "s"]:
        """The queries that have a near-duplicate."""
        return np.flatnonzero(self.similarity[:, 0] >= SAME)


def directions(bank: Vectors, query: Queries) -> tuple[Vectors, Queries]:
    """Both standardised by the bank, at length 1: their inner products are cosine similarities. What is as the mean is 0."""
    a, b = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in standardise(bank, query))
    return a, b


def nearest(
    bank: Vectors,
    query: Queries,
    k: int,
    own: Sequence[int] | np.ndarray | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Near:
    """The k rows of the bank with the largest inner products with each query, exactly, nearest first.

    own: [m], where each query itself stands in the bank; it is never its own neighbour. Where the bank has fewer rows, all of
    them. Room: a block for each thread, whatever the number of rows.
    """
    b, q = (torch.from_numpy(np.ascontiguousarray(x, np.float32)).to(device) for x in (bank, query))
    itself = None if own is None else torch.as_tensor(np.asarray(own), dtype=torch.long, device=device)
    k = min(k, len(b) - (itself is not None))
    index, similarity = np.zeros((len(q), k), np.int64), np.zeros((len(q), k), np.float32)
    starts = range(0, len(q) if k else 0, QUERIES)

    def task(start: int) -> None:
        rows = slice(start, start + QUERIES)
        with threadpool_limits(1, user_api="openmp"):  # blocks side by side: threads within one wait for each other
            best, at = _best(b, q[rows], k, None if itself is None else itself[rows])
        order = np.lexsort((at, -best))  # equal ones in the order of the bank
        index[rows], similarity[rows] = np.take_along_axis(at, order, 1), np.take_along_axis(best, order, 1)

    with ThreadPoolExecutor(torch.get_num_threads() if q.device.type == "cpu" else 1) as pool:
        for done, _ in enumerate(pool.map(task, starts)):
            if progress is not None:
                progress(min(len(q), (done + 1) * QUERIES), len(q))
    return Near(index, similarity)


@torch.no_grad()
def _best(
    bank: torch.Tensor, query: torch.Tensor, k: int, own: torch.Tensor | None
) -> tuple[Float[np.ndarray, "m k"], Int[np.ndarray, "m k"]]:
    """(inner products, places) of the k best of the bank for some queries."""
    m = len(query)
    width = -(-min(BANK, len(bank)) // GROUP) * GROUP
    best, at = query.new_full((m, k), -torch.inf), torch.zeros((m, k), dtype=torch.long, device=query.device)
    block, within = query.new_empty((m, width)), torch.arange(GROUP, device=query.device)
    for start in range(0, len(bank), width):
        some = bank[start : start + width]
        block[:, len(some) :] = -torch.inf
        torch.mm(query, some.T, out=block[:, : len(some)])
        if own is not None:
            here = ((own >= start) & (own < start + width)).nonzero()[:, 0]
            block[here, own[here] - start] = -torch.inf
        # the k best stand in the k groups of the largest maxima
        groups = block.view(m, -1, GROUP).amax(-1).topk(min(k, width // GROUP), 1).indices
        place = (groups[..., None] * GROUP + within).flatten(1)
        values, places = torch.cat([best, block.gather(1, place)], 1), torch.cat([at, place + start], 1)
        best, order = values.topk(k, 1)
        at = places.gather(1, order)
    return best.cpu().numpy(), at.cpu().numpy()
