"""Graphs as rows of nodes and edges (TokenGT, Kim et al. 2022): features may be hidden, what hangs together may not."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn

from ..errors import Mistake, Unreadable
from ..forms import Json, Sample
from ..tokens import Pairs, Tokenizer, Tokens, layout
from . import walks
from .payload import Numbers
from .walks import EDGES, NODES
from .want import Want

NUMBERS = 4_000_000  # in the rows of one graph: 16 MB
RARE = 0.05  # a yes-or-no feature is stretched at most 20-fold, however rarely it is set
LARGEST = 1e30  # of a feature, and of its distance from the mean in standard deviations: float32 ends soon after
SHOWN = 512  # features that `raw` looks at
PAIRED = 32  # features whose products `raw` takes
BINS = 256  # Weisfeiler-Lehman colours are counted in so many bins, per round
ROUNDS = 3


@dataclass(frozen=True)
class GraphTokenizer(Tokenizer):
    """{"nodes": [n, F], "edges": [m, 2], "weights": [m, E] or absent} as one row per node and one per edge, nodes first.

    A row holds 1 (node) or -1 (edge), the node's features, the edge's weights; what is of the other sort of row is 0. Each has
    mean 0 and std 1 over the rows it is about. Coordinates are the two ends (a node is both of its own) and the return chances
    of random walks (`walks`), which do not depend on the order of the nodes.

    Edges go both ways, unless the graphs it was fitted to say "directed": True: then an edge goes from its first end to its
    second. Up to 512 nodes and 4,096 edges: a larger graph is cut first (`data.readers.graphs.neighbourhoods`).
    """

    features: int
    weights: int = 0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    directed: bool = False

    kind = "graph"
    axes = ("node", "node", *walks.AXES)
    signal = False

    @classmethod
    def fit(cls, samples: Sequence[Sample], want: Want = Want()) -> "GraphTokenizer":
        """The features and weights that most graphs have, and mean and spread of each. `want` asks for nothing here."""
        shapes: dict[tuple[int, int], list[Sample]] = {}
        for sample in samples:
            try:
                graph = plain(sample, _directed(sample))
            except Unreadable:
                continue
            shapes.setdefault((graph["nodes"].shape[1], graph["weights"].shape[1]), []).append(sample)
        if not shapes:
            raise Mistake(
                'no sample is a graph {"nodes": [n, F], "edges": [m, 2]} of '
                f"at most {NODES} nodes and {EDGES:,} edges: cut a larger one into neighbourhoods"
            )
        features, weights = max(shapes, key=lambda shape: len(shapes[shape]))
        if not weights and (features, 1) in shapes:  # graphs without edges have none to show
            weights = 1
        usable = [graph for (f, e), graphs in shapes.items() if f == features and e in (0, weights) for graph in graphs]
        directed = any(_directed(graph) for graph in usable)
        graphs = [plain(graph, directed) for graph in usable]
        mean, std = [], []
        for values in (
            np.concatenate([g["nodes"] for g in graphs]).astype(np.float64),
            np.concatenate([g["weights"] for g in graphs if g["weights"].shape[1] == weights]).astype(np.float64)
            if weights
            else np.zeros((1, 0)),
        ):
            middle, spread = values.mean(0), values.std(0)
            constant = spread <= 1e-6 * np.abs(middle)
            choice = ((values == 0) | (values == 1)).all(0)
            mean += np.where(constant, 0, middle).tolist()
            std += np.where(constant, 1, np.where(choice, np.maximum(spread, RARE), spread)).tolist()
        return cls(features, weights, tuple(mean), tuple(std), directed)

    @property
    def dim(self) -> int:
        return 1 + self.features + self.weights

    def fitted(self, sample: Sample) -> dict[str, np.ndarray]:
        """The same graph in float32 and int64: each pair of nodes at most once (its first mention counts), no edge to itself.

        Unless edges have a direction, the smaller number comes first.
        """
        graph = plain(sample, self.directed)
        n, m = len(graph["nodes"]), len(graph["edges"])
        if graph["nodes"].shape[1] != self.features:
            raise Unreadable("", f"a node has {graph['nodes'].shape[1]} features, but {self.features} elsewhere")
        if m and graph["weights"].shape[1] != self.weights:
            raise Unreadable("", f"an edge has {graph['weights'].shape[1]} weights, but {self.weights} elsewhere")
        if (n + m) * self.dim > NUMBERS:
            raise Unreadable("", f"{n + m} rows of {self.dim} numbers are more than {NUMBERS:,}: leave features out")
        mean, std = self._standard
        far = np.abs((graph["nodes"] - mean[: self.features]) / std[: self.features]).max()
        if m and self.weights:
            far = max(far, np.abs((graph["weights"] - mean[self.features :]) / std[self.features :]).max())
        if far > LARGEST:
            raise Unreadable("", f"features or weights lie {far:.2g} standard deviations off the others")
        if not self.weights:
            del graph["weights"]
        elif not m:
            graph["weights"] = np.zeros((0, self.weights), np.float32)
        return graph

    def __call__(self, sample: dict[str, np.ndarray]) -> Tokens:
        nodes, edges = sample["nodes"], sample["edges"]
        n, m, f = len(nodes), len(edges), self.features
        mean, std = self._standard
        values = np.zeros((n + m, self.dim), np.float32)
        values[:n, 0], values[n:, 0] = 1, -1
        values[:n, 1 : 1 + f] = (nodes - mean[:f]) / std[:f]
        if self.weights:
            values[n:, 1 + f :] = (sample["weights"] - mean[f:]) / std[f:]
        coords = torch.from_numpy(walks.places(n, edges))
        return Tokens(torch.from_numpy(values), coords, layout((n + m,), 0, "cpu"))

    def pairs(self, tokens: Tokens) -> Pairs:
        """Edges with their ends, and nodes with an edge between them."""
        return walks.pairs(tokens, self.directed)

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> dict[str, np.ndarray]:
        """The nodes in these rows, numbered anew where some are missing, and the edges between them."""
        rows = ~tokens.slot
        values, ends = tokens.values[rows].double().cpu().numpy(), tokens.coords[rows, :2].round().long().cpu().numpy()
        edge = ends[:, 0] != ends[:, 1]
        mean, std = self._standard
        f = self.features
        at = {old: new for new, old in enumerate(ends[~edge, 0].tolist())}
        there = np.array([a in at and b in at for a, b in ends[edge].tolist()], dtype=bool)
        between = [[at[a], at[b]] for a, b in ends[edge][there].tolist()]
        graph = {
            "nodes": (values[~edge, 1 : 1 + f] * std[:f] + mean[:f]).astype(np.float32),
            "edges": np.array(between, np.int64).reshape(-1, 2),
        }
        if self.weights:
            graph["weights"] = (values[edge, 1 + f :][there] * std[f:] + mean[f:]).astype(np.float32)
        return graph

    def raw(self, sample: dict[str, np.ndarray]) -> np.ndarray:
        """What a graph is without learning: statistics of features, weights, degrees and walks, counts of subtree patterns.

        Mean, spread and the first node's own (the centre of a neighbourhood) of up to 512 features; which of them come
        together in a node and across an edge, where there are at most 32; and counts of Weisfeiler-Lehman colours after 0 to 3
        rounds, folded to 256 each (Shervashidze et al. 2011), where features are told apart to a standard deviation.
        """
        nodes, edges = sample["nodes"], sample["edges"]
        n, m = len(nodes), len(edges)
        weights = sample.get("weights", np.zeros((0, self.weights), np.float32))[:, : SHOWN // 4]
        shown = nodes[:, :SHOWN].astype(np.float64)
        mean, std = (x[: self.features] for x in self._standard)
        standard = (nodes - mean) / std
        back = walks.returns(n, edges)
        degree = np.bincount(edges.ravel(), minlength=n)
        sizes = np.bincount(np.minimum(degree, 15), minlength=16)
        parts = [
            [n, m, m / max(1, n), np.log1p(n), np.log1p(m), degree.mean(), degree.std(), degree.max()],
            sizes,
            sizes / n,
            back.mean(0),
            back.std(0),
            shown.mean(0),
            shown.std(0),
            shown[0],
            weights.mean(0) if len(weights) else np.zeros(weights.shape[1]),
            weights.std(0) if len(weights) else np.zeros(weights.shape[1]),
            *(_together(standard, edges) if self.features <= PAIRED else ()),
            *_colours(standard, edges),
        ]
        return np.concatenate([np.asarray(p, np.float64) for p in parts]).clip(-1e30, 1e30).astype(np.float32)

    def state(self) -> Json:
        return asdict(self)

    @property
    def _standard(self) -> tuple[np.ndarray, np.ndarray]:
        n = self.features + self.weights
        return np.array(self.mean or (0.0,) * n), np.array(self.std or (1.0,) * n)


def plain(sample: Sample, directed: bool = False, most: tuple[int, int] = (NODES, EDGES)) -> dict[str, np.ndarray]:
    """Nodes [n, F] and weights [m, E] in float32 (E may be 0) and edges [m, 2], checked, without loops and repetitions.

    Raises Unreadable for what is no graph, or has more nodes or edges than `most`.
    """
    if not isinstance(sample, dict) or "nodes" not in sample or "edges" not in sample:
        raise Unreadable("", 'a graph is {"nodes": [n, F], "edges": [m, 2]}')
    nodes, edges = _numbers(sample["nodes"], "nodes"), _numbers(sample["edges"], "edges")
    edges = edges.reshape(0, 2) if edges.size == 0 else edges
    if nodes.ndim != 2 or 0 in nodes.shape:
        raise Unreadable("", f"nodes are [n, F], one row of features for each, not {list(nodes.shape)}")
    if edges.ndim != 2 or edges.shape[1] != 2 or (edges.dtype.kind not in "iu" and edges.size):
        raise Unreadable("", f"edges are [m, 2] whole numbers of nodes, not {list(edges.shape)} of {edges.dtype}")
    if len(nodes) > most[0] or len(edges) > 4 * most[1]:
        raise Unreadable(
            "",
            f"{len(nodes):,} nodes and {len(edges):,} edges are more than {most[0]:,} and {most[1]:,}: cut neighbourhoods",
        )
    n = len(nodes)
    if len(edges) and not (edges.min() >= 0 and edges.max() < n):
        raise Unreadable("", f"edges name nodes {edges.min()} to {edges.max()}, but there are 0 to {n - 1}")
    edges = edges.astype(np.int64)
    weights = sample.get("weights")
    weights = np.zeros((len(edges), 0), np.float32) if weights is None else _numbers(weights, "weights")
    weights = weights[:, None] if weights.ndim == 1 else weights
    if weights.ndim != 2 or len(weights) != len(edges):
        raise Unreadable("", f"weights are [m, E], one row for each of {len(edges)} edges, not {list(weights.shape)}")
    pairs = edges if directed else np.sort(edges, 1)
    _, first = np.unique(pairs[:, 0] * n + pairs[:, 1], return_index=True)
    first = np.sort(first)
    first = first[pairs[first, 0] != pairs[first, 1]]
    if len(first) > most[1]:
        raise Unreadable("", f"{len(first):,} edges are more than {most[1]:,}: cut neighbourhoods")
    with np.errstate(over="ignore"):  # what is beyond float32 becomes inf, which is refused in words
        nodes, weights = nodes.astype(np.float32), weights[first].astype(np.float32)
    if not all((np.abs(x) <= LARGEST).all() for x in (nodes, weights)):
        raise Unreadable("", f"features or weights are NaN, or larger than {LARGEST:g}")
    return {"nodes": nodes, "edges": pairs[first], "weights": weights}


def _directed(sample: Sample) -> bool:
    return isinstance(sample, dict) and isinstance(sample.get("directed"), bool | np.bool_) and bool(sample["directed"])


def _numbers(value: object, what: str) -> np.ndarray:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise Unreadable("", f"{what} are no array ({error})") from error
    if array.dtype.kind not in "biuf":
        raise Unreadable("", f"{what} are {array.dtype}, not numbers")
    return array


def _together(nodes: np.ndarray, edges: np.ndarray) -> list[np.ndarray]:
    """Mean products of every two features: within a node, and between the ends of an edge."""
    upper = np.triu_indices(nodes.shape[1])
    across = nodes[edges[:, 0]].T @ nodes[edges[:, 1]] / max(1, len(edges))
    return [(nodes.T @ nodes / len(nodes))[upper], (across + across.T)[upper]]


def _colours(nodes: np.ndarray, edges: np.ndarray) -> list[np.ndarray]:
    """How many nodes have each colour, per round: a colour is a hash of the features, then of one's own and the neighbours'."""
    mixer = _mixed(np.arange(1, nodes.shape[1] + 1, dtype=np.uint64)) | np.uint64(1)
    digits = np.round(nodes.clip(-1e12, 1e12)).astype(np.int64).astype(np.uint64)
    colour = _mixed((digits * mixer).sum(1, dtype=np.uint64))
    counts = [np.bincount((colour % BINS).astype(np.int64), minlength=BINS)]
    for _ in range(ROUNDS):
        heard = np.zeros_like(colour)
        np.add.at(heard, edges[:, 0], colour[edges[:, 1]])
        np.add.at(heard, edges[:, 1], colour[edges[:, 0]])
        colour = _mixed(colour * np.uint64(3) + _mixed(heard))
        counts.append(np.bincount((colour % BINS).astype(np.int64), minlength=BINS))
    return counts


def _mixed(words: np.ndarray) -> np.ndarray:
    """64-bit words scattered (the finaliser of splitmix64, Steele et al. 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
