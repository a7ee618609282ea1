"""Graphs: GraphML, lists of edges, and folders laid out as the TU Dortmund collection is.

A file of many graphs gives one sample for each. A file of one large graph gives one for each node: what lies around it.
Nodes without features have their degree for one.
"""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from ...errors import Unreadable
from ...forms import Sample
from ..classes import as_labels, said_of_labels
from ..source import DataError, Source
from ._graphml import Pile, parse

OWN = (".edges", ".edgelist")
SUFFIXES = (".graphml", *OWN, ".txt")
NODES, EDGES = 512, 4096  # of one graph, as `tokenizers.walks` has them
LIMIT = 2**30  # bytes of a file
MOST = 20_000_000  # edges of a file
HOPS, SIZE = 2, 48  # a neighbourhood, where nobody says otherwise
VALUES = 512  # a label of nodes or edges that takes more is read as a number
ENOUGH = 5  # lines that a .txt must have to be taken for edges
PAIR = re.compile(r"\s*[0-9]+[ \t]+[0-9]+\s*")
EDGE = re.compile(r"\s*([^\s,;]+)(?:\s*[,;]\s*|\s+)([^\s,;]+)((?:(?:\s*[,;]\s*|\s+)[-+0-9.eE]+)*)\s*")
CONTROL = re.compile(r"[\0-\x08\x0e-\x1f]")  # no text has these
PARTS = (
    "A",
    "graph_indicator",
    *(f"{part}_{what}" for part in ("graph", "node", "edge") for what in ("labels", "attributes")),
)


def kind(start: bytes, path: Path) -> str | None:
    """Graphs, if it is GraphML, part of a folder in the TU layout, or nothing but pairs of numbers (or of names in .edges)."""
    if path.is_dir():
        return "graph" if is_set(path) else None
    if re.search(rb"<(\w+:)?graphml[\s>]", start):
        return "graph"
    if _tu_part(path):
        return "graph"
    text = start.decode("utf-8", errors="replace")
    if CONTROL.search(text):
        return None
    lines = text.split("\n")[: None if len(start) < 4096 else -1]
    lines = [line for line in lines if line.strip() and line.lstrip()[0] not in "#%"]
    if path.suffix.lower() in OWN:
        return "graph" if lines and all(EDGE.fullmatch(line[:1000]) for line in lines) else None
    if path.suffix.lower() not in (".txt", ""):
        return None
    return "graph" if len(lines) >= ENOUGH and all(PAIR.fullmatch(line[:1000]) for line in lines) else None


def open(path: Path, label: str | None = None, hops: int = HOPS, size: int = SIZE) -> Source:
    """The graphs of a file or folder; one of more than 512 nodes or 4,096 edges becomes a neighbourhood for each node.

    label: the attribute (GraphML) to be predicted; else one called class, label, target or y whose values repeat.
    hops, size: see `neighbourhoods`.
    """
    try:
        if path.is_dir():
            return _tu(path)
        if name := _tu_part(path):
            if path.name != f"{name}_A.txt":  # or each part would give the whole set
                raise DataError(f"{path} is one part of the set {name}: give {name}_A.txt, or the folder")
            return _tu(path.parent, name)
        if path.stat().st_size > LIMIT:
            raise DataError(f"{path} is larger than {LIMIT >> 30} GiB: divide it")
        with path.open("rb") as file:
            start = file.read(4096)
        pile = parse(path, label) if b"graphml" in start else _edge_list(path)
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror or error}): check its permissions") from error
    source = Graphs(pile, path.stem)
    if len(source) == 1 and (len(pile.nodes) > NODES or len(pile.edges) > EDGES):
        return neighbourhoods(source[0], hops, size, pile.node_labels, pile.node_classes, path.stem)
    return source


def read(path: Path) -> dict[str, Sample]:
    """The graph in a file that holds one of at most 512 nodes and 4,096 edges; Unreadable where it holds something else.

    Attributes that are strings take their columns from the file alone: where files are to be compared, give numbers.
    """
    try:
        source = open(path)
    except DataError as error:
        raise Unreadable("", str(error)) from error
    if len(source) != 1 or source.labels is not None:
        raise Unreadable("", f"the file holds {len(source):,} samples, not one graph")
    return source[0]


def is_set(folder: Path) -> bool:
    """Whether a folder as a whole is a set of graphs in the TU layout: `open` it, not its files."""
    return folder.is_dir() and _tu_name(folder) is not None


class Graphs:
    """Many graphs whose nodes and edges lie in common arrays."""

    kind = "graph"
    groups: np.ndarray | None = None
    bad: Sequence[Unreadable] = ()

    def __init__(self, pile: Pile, title: str):
        n = len(pile.nodes)
        if not n:
            raise DataError(f"{title} holds no nodes: give a graph")
        order = np.argsort(pile.graph, kind="stable")
        number = np.empty(n, np.int64)
        number[order] = np.arange(n)
        count = pile.graphs
        self.first = np.searchsorted(pile.graph[order], np.arange(count + 1))
        self.nodes, self.title, self.directed = pile.nodes[order], title, pile.directed
        edges = number[pile.edges]
        owner = pile.graph[pile.edges[:, 0]]
        if not np.array_equal(owner, pile.graph[pile.edges[:, 1]]):
            raise DataError(f"{title} has edges from one graph to another: number the nodes over all graphs")
        by = np.argsort(owner, kind="stable")
        self.edges, self.weights = edges[by], pile.weights[by]
        self.first_edge = np.searchsorted(owner[by], np.arange(count + 1))
        if not self.nodes.shape[1]:
            self.nodes = _degrees(n, self.edges)
        self.labels, self.classes, self.why = pile.labels, pile.classes, pile.why

    def __len__(self) -> int:
        return len(self.first) - 1

    def __getitem__(self, index: int) -> dict[str, Sample]:
        (a, b), (c, d) = self.first[index : index + 2], self.first_edge[index : index + 2]
        graph: dict[str, Sample] = {"nodes": self.nodes[a:b], "edges": self.edges[c:d] - a}
        if self.weights.shape[1]:
            graph["weights"] = self.weights[c:d]
        return graph | ({"directed": True} if self.directed else {})

    def name(self, index: int) -> str:
        return f"{self.title}[{index}]"

    def describe(self) -> str:
        size = f"{len(self.nodes):,} nodes, {len(self.edges):,} edges"
        return f"{self.title}: {len(self):,} graphs ({size}){said_of_labels(self)}"


class _Neighbourhoods:
    """What lies around each node of one graph; see `neighbourhoods`."""

    kind = "graph"
    groups: np.ndarray | None = None
    bad: Sequence[Unreadable] = ()

    def __init__(
        self,
        graph: dict[str, Sample],
        hops: int,
        size: int,
        labels: np.ndarray | Sequence[object] | None,
        classes: Sequence[str],
        title: str,
        why: str = "",
    ):
        if hops < 1 or not 2 <= size <= NODES:
            raise DataError(f"a neighbourhood has at least 1 hop and 2 to {NODES} nodes, not {hops} and {size}")
        self.nodes = np.asarray(graph["nodes"], np.float32)
        self.edges = np.asarray(graph["edges"], np.int64).reshape(-1, 2)
        n, m = len(self.nodes), len(self.edges)
        if m and not (self.edges.min() >= 0 and self.edges.max() < n):
            raise DataError(f"{title} has edges of nodes that are not there: number the {n} nodes from 0")
        self.weights = None if graph.get("weights") is None else np.asarray(graph["weights"], np.float32)
        self.directed = bool(graph.get("directed", False))
        ends = np.concatenate([self.edges[:, 0], self.edges[:, 1]])
        order = np.argsort(ends, kind="stable")
        self.first = np.searchsorted(ends[order], np.arange(n + 1))
        self.near = np.concatenate([self.edges[:, 1], self.edges[:, 0]])[order]
        self.edge = order % max(1, m)
        self.hops, self.size, self.title, self.why = hops, size, title, why
        self.labels: np.ndarray | None = None
        self.classes: tuple[str, ...] = ()
        if labels is not None:
            self.labels, self.classes = as_labels(np.asarray(labels), n, title, classes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, index: int) -> dict[str, Sample]:
        chosen = self._around(index)
        held = [self.edge[self.first[i] : self.first[i + 1]] for i in chosen]
        edges = np.unique(np.concatenate(held))
        sort = np.argsort(chosen)
        ranked = chosen[sort]
        at = np.searchsorted(ranked, self.edges[edges]).clip(max=len(chosen) - 1)
        inside = (ranked[at] == self.edges[edges]).all(1)
        centre = (np.arange(len(chosen)) == 0).astype(np.float32)[:, None]
        graph: dict[str, Sample] = {"nodes": np.hstack([self.nodes[chosen], centre]), "edges": sort[at[inside]]}
        if self.weights is not None:
            graph["weights"] = self.weights[edges[inside]]
        return graph | ({"directed": True} if self.directed else {})

    def _around(self, index: int) -> Int[np.ndarray, "n"]:
        """The node, then its neighbours, then theirs; where there is no room for all of a hop, those that chance picks."""
        rng = np.random.Generator(np.random.PCG64(index))
        chosen = frontier = np.array([index % len(self.nodes)])
        for _ in range(self.hops):
            found = []
            for i in frontier:
                a, b = self.first[i], self.first[i + 1]
                # of a hub with a million neighbours only as many are looked at as could stay
                found.append(self.near[a:b] if b - a <= 4 * self.size else self.near[rng.integers(a, b, 4 * self.size)])
            new = np.setdiff1d(np.concatenate(found), chosen)
            room = self.size - len(chosen)
            frontier = new if len(new) <= room else np.sort(rng.choice(new, room, replace=False))
            chosen = np.concatenate([chosen, frontier])
            if not len(frontier) or len(chosen) == self.size:
                break
        return chosen

    def name(self, index: int) -> str:
        return f"{self.title}[node {index}]"

    def describe(self) -> str:
        what = f"neighbourhoods ({self.hops} hops, at most {self.size} nodes) in a graph of {len(self.edges):,} edges"
        return f"{self.title}: {len(self):,} {what}{said_of_labels(self)}"


def neighbourhoods(
    graph: dict[str, Sample],
    hops: int = HOPS,
    size: int = SIZE,
    labels: np.ndarray | Sequence[object] | None = None,
    classes: Sequence[str] = (),
    title: str = "graph",
    why: str = "",
) -> Source:
    """A sample for each node of a graph {"nodes": [n, F], "edges": [m, 2], "weights": [m, E] or absent}.

    It is the graph between the node and at most `size` - 1 others within `hops` steps, either way along the edges. The node
    itself comes first, and a last feature that is 1 for it alone says so. labels: one per node.
    """
    return _Neighbourhoods(graph, hops, size, labels, classes, title, why)


def _degrees(n: int, edges: np.ndarray) -> np.ndarray:
    return np.bincount(edges.ravel(), minlength=n)[:, None].astype(np.float32)


def _edge_list(path: Path) -> Pile:
    """Lines of two names and perhaps numbers; # and % begin remarks. What has the same numbers everywhere gives weights."""
    names: dict[str, int] = {}
    edges: list[tuple[int, int]] = []
    extra: list[list[float]] = []
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for i, line in enumerate(file, 1):
            if not line.strip() or line.lstrip()[0] in "#%":
                continue
            found = None if CONTROL.search(line[:1000]) else EDGE.fullmatch(line[:1000])
            if not found:
                raise DataError(
                    f"{path}, line {i}, is no edge (two names, then perhaps numbers): {line.strip()[:40]!r}"
                )
            if len(edges) == MOST:
                raise DataError(f"{path} has more than {MOST:,} edges: divide it")
            a, b = (names.setdefault(found[j], len(names)) for j in (1, 2))
            edges.append((a, b))
            try:
                extra.append([float(x) for x in re.split(r"[\s,;]+", found[3]) if x][:8])
            except ValueError:
                extra.append([])
    if not edges:
        raise DataError(f"{path} holds no edges: give a file with two names on each line")
    n, widths = len(names), {len(x) for x in extra}
    weights = (
        np.array(extra, np.float32).reshape(len(edges), -1)
        if len(widths) == 1
        else np.zeros((len(edges), 0), np.float32)
    )
    if not np.isfinite(weights).all():
        raise DataError(f"{path} has weights that are no finite numbers: leave them out")
    return Pile(np.zeros((n, 0), np.float32), np.zeros(n, np.int64), np.array(edges), weights, 1)


def _tu_name(folder: Path) -> str | None:
    """What the parts of a set in this folder are called before _A.txt."""
    names = sorted(
        p.name[:-6] for p in folder.glob("*_A.txt") if (folder / f"{p.name[:-6]}_graph_indicator.txt").is_file()
    )
    return names[0] if names else None


def _tu_part(path: Path) -> str | None:
    """The name of the set that this file is a part of."""
    for part in PARTS:
        name = path.name.removesuffix(f"_{part}.txt")
        if name != path.name and all((path.parent / f"{name}_{p}.txt").is_file() for p in PARTS[:2]):
            return name
    return None


def _tu(folder: Path, name: str | None = None) -> Source:
    """Many graphs with labels (TUDataset, Morris et al. 2020, appendix "Data format")."""
    name = name or _tu_name(folder)
    if name is None:
        raise DataError(f"{folder} holds no graphs: NAME_A.txt and NAME_graph_indicator.txt are missing")
    graph, edges = _column(folder, name, "graph_indicator")[:, 0], _column(folder, name, "A")
    if edges.shape[1] != 2 or not _whole(edges) or not _whole(graph) or not len(graph):
        raise DataError(f"{name}_A.txt must hold pairs of nodes, and {name}_graph_indicator.txt the graph of each node")
    n, m = len(graph), len(edges)
    edges, graph = edges.astype(np.int64) - 1, graph.astype(np.int64) - 1
    count = int(graph.max()) + 1
    if graph.min() < 0 or count > n or (m and not (edges.min() >= 0 and edges.max() < n)):
        raise DataError(f"{name}_A.txt must name nodes 1 to {n}, and {name}_graph_indicator.txt graphs from 1")
    tables = {
        part: _column(folder, name, part) if (folder / f"{name}_{part}.txt").is_file() else None for part in PARTS[2:]
    }
    for part, rows in (("node", n), ("edge", m), ("graph", count)):
        for what in ("labels", "attributes"):
            table = tables[f"{part}_{what}"]
            if table is not None and len(table) != rows:
                raise DataError(f"{name}_{part}_{what}.txt has {len(table)} lines, but there are {rows} {part}s")
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    why = f"labels: {name}_graph_labels.txt"
    if (table := tables["graph_labels"]) is not None:
        if _whole(table):
            values, codes = np.unique(table[:, 0].astype(np.int64), return_inverse=True)
            labels, classes = as_labels(codes, count, name, tuple(str(v) for v in values))
        else:
            labels = table[:, 0].astype(np.float32)
    elif (table := tables["graph_attributes"]) is not None:
        labels, why = table[:, 0].astype(np.float32), f"labels: the first column of {name}_graph_attributes.txt"
    nodes, weights = (_described(tables, part, rows) for part, rows in (("node", n), ("edge", m)))
    return Graphs(Pile(nodes, graph, edges, weights, count, labels, classes, "" if labels is None else why), name)


def _described(tables: dict[str, np.ndarray | None], part: str, rows: int) -> np.ndarray:
    """Labels as one column for each value, then attributes as they are, [rows, F]."""
    labels, attributes = tables[f"{part}_labels"], tables[f"{part}_attributes"]
    out = [np.zeros((rows, 0), np.float32)]
    if labels is not None:
        out.append(_one_hot(labels))
    if attributes is not None:
        out.append(attributes.astype(np.float32))
    return np.hstack(out)


def _column(folder: Path, name: str, part: str) -> np.ndarray:
    """The numbers of one part, [lines, columns]."""
    path = folder / f"{name}_{part}.txt"
    if path.stat().st_size > LIMIT:
        raise DataError(f"{path} is larger than {LIMIT >> 30} GiB: divide it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a file is empty is said below
            table = np.loadtxt(path, delimiter=",", ndmin=2, dtype=np.float64, max_rows=MOST + 1)
    except (ValueError, OSError) as error:
        raise DataError(f"{path} does not hold numbers, as many on each line ({error})") from error
    if len(table) > MOST or not np.isfinite(table).all() or np.abs(table).max(initial=0) > 1e30:
        raise DataError(f"{path} has more than {MOST:,} lines, or numbers that are not finite: divide or mend it")
    return table.reshape(-1, 2) if part == "A" and not table.size else table


def _whole(values: np.ndarray) -> bool:
    return bool((values == np.trunc(values)).all() and np.abs(values).max(initial=0) < 2**53)


def _one_hot(table: np.ndarray) -> np.ndarray:
    """A column for each value of each column, or the number itself where it takes more than VALUES."""
    columns = [np.unique(column, return_inverse=True) for column in table.T]
    return np.hstack(
        [
            np.eye(len(values), dtype=np.float32)[at] if len(values) <= VALUES else column[:, None].astype(np.float32)
            for (values, at), column in zip(columns, table.T, strict=True)
        ]
    )
