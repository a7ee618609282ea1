"""Weisfeiler-Lehman subtrees (Shervashidze et al. 2011): how often a node has these neighbours, who have those, who have those.

A node's first colour is its features, told apart to quarters of what is usual; in each of three rounds it becomes its own
with those around it. Counted are the colours that were seen, the commonest 4,000, exactly and without a hash; how many
nodes have how many edges; and means and spreads of features and weights.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from ..forms import Sample
from ..tokens import Tokenizer
from . import Matrix, Vectors, beside, dense, factor, rival, spread

ROUNDS, COLOURS, DEGREES = 3, 4_000, 16
LEARN, NODES = 20_000, 300_000  # graphs, and nodes, whose colours are known
FEATURES = 64  # that are looked at

Graph = dict[str, np.ndarray]
Colour = tuple[int, ...]


@rival("Weisfeiler-Lehman subtrees + linear", kinds=("graph",))
def weisfeiler(samples: Sequence[Sample], tokenizer: Tokenizer) -> Vectors:
    """[n, F] of counts, as log(1 + count), beside histograms of degrees and statistics of features."""
    some = [graph["nodes"][:, :FEATURES] for graph in spread(samples, 1000)]
    edges = np.quantile(np.concatenate(some).astype(np.float64), (0.25, 0.5, 0.75), 0)  # [3, F]
    numbers: dict[Colour, int] = {}  # of every colour that was met
    counts: Counter[int] = Counter()
    known = spread(samples, LEARN, lambda graph: len(graph["nodes"]), NODES)
    for graph in known:
        counts.update(_colours(graph, edges, numbers, learn=True))
    column = {number: i for i, (number, _) in enumerate(counts.most_common(COLOURS))}

    def counted(asked: Sequence[Graph]) -> Matrix:
        rows, at, values = [], [], []
        for row, graph in enumerate(asked):
            found = Counter(_colours(graph, edges, numbers, learn=False))
            known = [(column[number], count) for number, count in found.items() if number in column]
            rows += [row] * len(known)
            at += [i for i, _ in known]
            values += [np.log1p(count) for _, count in known]
        return sparse.csr_matrix((np.array(values, np.float32), (rows, at)), (len(asked), len(column)))

    scale = factor(counted(known[:1000]))
    plain = beside(dense(map(_statistics, known[:1000])))

    def vectors(asked: Sequence[Sample]) -> Matrix:
        both = sparse.hstack([counted(asked) * np.float32(scale), plain(dense(map(_statistics, asked)))])
        return sparse.csr_matrix(both, dtype=np.float32)

    return vectors


def _colours(graph: Graph, edges: np.ndarray, numbers: dict[Colour, int], learn: bool) -> list[int]:
    """The colour of every node after every round; -1: not known, and so are all that see it."""

    def number(colour: Colour) -> int:
        if learn:
            return numbers.setdefault(colour, len(numbers))
        return -1 if -1 in colour[1:] else numbers.get(colour, -1)

    levels = (graph["nodes"][:, None, :FEATURES] > edges[None]).sum(1)
    colour = [number((0, *row)) for row in levels.tolist()]
    near: list[list[int]] = [[] for _ in colour]
    for a, b in graph["edges"].tolist():
        near[a].append(b)
        near[b].append(a)
    out = list(colour)
    for turn in range(1, ROUNDS + 1):
        colour = [number((turn, own, *sorted(colour[i] for i in near[k]))) for k, own in enumerate(colour)]
        out += colour
    return [number for number in out if number >= 0]


def _statistics(graph: Graph) -> np.ndarray:
    nodes, edges = graph["nodes"][:, :FEATURES].astype(np.float64), graph["edges"]
    degree = np.bincount(edges.ravel(), minlength=len(nodes))
    sizes = np.bincount(np.minimum(degree, DEGREES - 1), minlength=DEGREES)
    parts = [np.log1p(sizes), sizes / len(nodes), np.log1p([len(nodes), len(edges)]), nodes.mean(0), nodes.std(0)]
    if "weights" in graph:
        weights = graph["weights"].astype(np.float64)
        weights = weights if len(weights) else np.zeros((1, weights.shape[1]))
        parts += [weights.mean(0), weights.std(0)]
    return np.concatenate(parts)
