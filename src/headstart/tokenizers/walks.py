"""Where a node sits in its graph, told by random walks: how often a walker that starts there is back after so many steps.

Random-walk encodings (Dwivedi et al. 2022, "Graph Neural Networks with Learnable Structural and Positional
Representations", section 3.2). Unlike eigenvectors of the Laplacian they have no free signs and do not depend on the
order in which nodes are listed.
"""

import numpy as np
import torch
from jaxtyping import Float, Int

from ..tokens import Pairs, Tokens

NODES = 512  # a graph with more is cut into neighbourhoods first
EDGES = 4096
STEPS = (2, 3, 4, 5, 6, 8)  # odd steps see odd rings; 6 and 8 see how open the surroundings are
SCALE = 10.0  # chances of 0..1 are spread over 0..10, so that positions tell them apart
AXES = tuple(f"return after {n} steps [{1 / SCALE:g}]" for n in STEPS)


def returns(nodes: int, edges: Int[np.ndarray, "m 2"]) -> Float[np.ndarray, "n 6"]:
    """SCALE times the chance of being back after STEPS steps along these edges, either way. Without edges one stays: chance 1.

    The chances are rounded to 1e-5, so that the order of a sum does not show.
    """
    adjacent = np.zeros((nodes, nodes))
    adjacent[edges[:, 0], edges[:, 1]] = 1.0
    adjacent[edges[:, 1], edges[:, 0]] = 1.0
    degree = adjacent.sum(1)
    adjacent[degree == 0, degree == 0] = 1.0
    weight = 1 / np.sqrt(np.maximum(degree, 1))
    one = adjacent * weight * weight[:, None]  # symmetric, with the diagonals of the walk's own powers
    two = one @ one
    three = two @ one
    four = two @ two
    halves = ((one, one), (two, one), (two, two), (three, two), (three, three), (four, four))
    chance = np.stack([np.einsum("ij,ij->i", a, b) for a, b in halves], 1)
    return (SCALE * chance.round(5)).astype(np.float32)


def places(nodes: int, edges: Int[np.ndarray, "m 2"]) -> Float[np.ndarray, "rows 8"]:
    """Coordinates of the rows of a graph, nodes first (TokenGT, Kim et al. 2022): both ends, then how walks return there.

    A node has itself at both ends. An edge has the mean of its ends' returns.
    """
    back = returns(nodes, edges)
    own = np.repeat(np.arange(nodes, dtype=np.float32)[:, None], 2, 1)
    between = (back[edges[:, 0]] + back[edges[:, 1]]) / 2
    return np.concatenate([np.hstack([own, back]), np.hstack([edges.astype(np.float32), between])])


def pairs(tokens: Tokens, directed: bool = False) -> Pairs:
    """What hangs together in packed rows with both ends as their first coordinates: an edge and its ends (sort 0), nodes with an
    edge between them (sort 1; against its direction sort 2, if edges have one). Rows that are missing are in no pair."""
    seg, ends = tokens.layout.seg, tokens.coords[:, :2].round().long()
    rows = torch.arange(len(tokens), device=tokens.device)
    content = ~tokens.slot
    node = content & (ends[:, 0] == ends[:, 1])
    at = torch.full((tokens.layout.segments, NODES), -1, device=tokens.device)
    at[seg[node], ends[node, 0]] = rows[node]
    edge = rows[content & ~node]
    a, b = (at[seg[edge], ends[edge, end]] for end in (0, 1))
    first, second = torch.cat([a, edge, b, edge, a, b]), torch.cat([edge, a, edge, b, b, a])
    sort = torch.tensor([0, 0, 0, 0, 1, 2 if directed else 1], device=edge.device).repeat_interleave(len(edge))
    there = (first >= 0) & (second >= 0)
    return Pairs(first[there], second[there], sort[there], 3)
