"""GraphML read with the parser that Python brings: no entities, no document types, nothing fetched."""

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np

from ..classes import as_labels
from ..labels import attribute
from ..source import DataError

NODES, EDGES = 2_000_000, 20_000_000  # of a file
VALUES = 64  # a string attribute with more is a name, not a feature
LETTERS = 1000  # of a value
DEEPEST = 100


@dataclass
class Pile:
    """The nodes and edges of many graphs, numbered over all of them."""

    nodes: np.ndarray  # [N, F] float32, F may be 0
    graph: np.ndarray  # [N] the graph of each node
    edges: np.ndarray  # [M, 2]
    weights: np.ndarray  # [M, E] float32, E may be 0
    graphs: int
    labels: np.ndarray | None = None  # one per graph
    classes: tuple[str, ...] = ()
    why: str = ""  # how the labels were found
    directed: bool = False
    node_labels: np.ndarray | None = None
    node_classes: tuple[str, ...] = ()


@dataclass
class _Found:
    """What the parser has met so far. Values are kept by attribute: number of the node, edge or graph -> text."""

    keys: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # id -> for, name, type
    defaults: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, dict[int, str]]] = field(default_factory=lambda: {"node": {}, "edge": {}, "graph": {}})
    names: dict[str, int] = field(default_factory=dict)  # of the present graph
    graph: list[int] = field(default_factory=list)
    ends: list[tuple[str, str]] = field(default_factory=list)  # of the present graph
    edges: list[tuple[int, int]] = field(default_factory=list)
    graphs: int = 0
    directed: bool = False
    depth: int = 0  # of <graph>
    level: int = 0  # of any element
    path: list[tuple[str, int]] = field(default_factory=list)  # which element values are about
    key: str | None = None
    text: list[str] = field(default_factory=list)


def parse(path: Path, label: str | None = None) -> Pile:
    """Every <graph> of a file. Numbers and attributes of few values become features; DataError where it is not GraphML."""
    found = _Found()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def start(tag: str, attributes: dict[str, str]) -> None:
        found.level += 1
        if found.level > DEEPEST:
            raise DataError(f"elements lie more than {DEEPEST} deep in each other")
        _start(found, tag.rpartition(" ")[2], attributes)

    def text(data: str) -> None:
        if found.key is not None and len(found.text) < LETTERS:
            found.text.append(data[:LETTERS])

    def end(tag: str) -> None:
        found.level -= 1
        _end(found, tag.rpartition(" ")[2])

    def refuse(*_: object) -> None:
        raise DataError(f"{path} declares a document type, which is not read: take the DOCTYPE out")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except DataError as error:
        raise DataError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from error
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise DataError(f"{path} is not whole GraphML ({error}): write it again") from error
    if not found.graphs or not found.graph:
        raise DataError(f"{path} holds no graph with nodes")
    return _pile(found, label, path.name)


def _start(found: _Found, tag: str, attributes: dict[str, str]) -> None:
    if tag == "key":
        name = attributes.get("attr.name", attributes["id"])
        found.keys[attributes["id"]] = attributes.get("for", "all"), name, attributes.get("attr.type", "string")
        found.path.append(("key " + attributes["id"], 0))
    elif tag == "default" and found.path:
        found.key, found.text = found.path[-1][0].removeprefix("key "), []
    elif tag == "graph":
        found.depth += 1
        if found.depth > 1:
            raise DataError("a graph lies within a node of another, which is not read: take the outer one apart")
        found.directed |= attributes.get("edgedefault") == "directed"
        found.path.append(("graph", found.graphs))
    elif tag == "node":
        if attributes["id"] in found.names:
            raise DataError(f"two nodes are called {attributes['id'][:40]}")
        if len(found.graph) == NODES:
            raise DataError(f"there are more than {NODES:,} nodes")
        found.names[attributes["id"]] = len(found.graph)
        found.path.append(("node", len(found.graph)))
        found.graph.append(found.graphs)
    elif tag == "edge":
        if len(found.edges) + len(found.ends) == EDGES:
            raise DataError(f"there are more than {EDGES:,} edges")
        found.path.append(("edge", len(found.edges) + len(found.ends)))
        found.ends.append((attributes["source"], attributes["target"]))
    elif tag == "hyperedge":
        raise DataError("edges between more than two nodes are not read")
    elif tag == "data" and found.path:
        found.key, found.text = attributes["key"], []


def _end(found: _Found, tag: str) -> None:
    if tag == "default" and found.key is not None:
        found.defaults[found.key], found.key = "".join(found.text)[:LETTERS].strip(), None
    elif tag == "data" and found.key is not None:
        what, number = found.path[-1]
        if what in found.values:
            found.values[what].setdefault(found.key, {})[number] = "".join(found.text)[:LETTERS].strip()
        found.key = None
    elif tag in ("key", "node", "edge") and found.path:
        found.path.pop()
    elif tag == "graph":
        found.path.pop()
        for a, b in found.ends:
            if a not in found.names or b not in found.names:
                raise DataError(f"an edge names a node that is not there: {a[:40]} or {b[:40]}")
            found.edges.append((found.names[a], found.names[b]))
        found.names, found.ends = {}, []
        found.graphs, found.depth = found.graphs + 1, found.depth - 1


def _pile(found: _Found, label: str | None, title: str) -> Pile:
    n, m = len(found.graph), len(found.edges)
    node_columns, edge_columns, graph_columns = (
        {
            found.keys.get(key, ("", key, "string"))[1]: (found.keys.get(key, ("", key, "string"))[2], key, values)
            for key, values in found.values[what].items()
        }
        for what in ("node", "edge", "graph")
    )
    pile = Pile(
        np.zeros((n, 0), np.float32),
        np.array(found.graph),
        np.array(found.edges, np.int64).reshape(-1, 2),
        np.zeros((m, 0), np.float32),
        found.graphs,
        directed=found.directed,
    )
    used = None
    if found.graphs > 1:
        used = _target(graph_columns, found.graphs, label)
        if used:
            pile.labels, pile.classes = _labels(graph_columns[used][2], found.graphs, title)
    else:
        used = _target(node_columns, n, label)
        if used:
            pile.node_labels, pile.node_classes = _labels(node_columns[used][2], n, title)
            del node_columns[used]
    if used is not None:
        pile.why = f"labels: attribute {used}, {'by its name' if label is None else 'as asked'}"
    if label is not None and used is None:
        known = ", ".join(sorted({*node_columns, *graph_columns})[:20]) or "none"
        raise DataError(f"{title} has no attribute {label!r}: those it has are {known}")
    pile.nodes = _features(node_columns, n, found.defaults)
    pile.weights = _features(edge_columns, m, found.defaults)
    return pile


def _target(columns: dict[str, tuple[str, str, dict[int, str]]], n: int, label: str | None) -> str | None:
    """The attribute to be predicted: the one asked for, else one with a telling name whose values repeat."""
    if label is not None:
        return label if label in columns else None
    return attribute({name: tuple(column[2].values()) for name, column in columns.items()}, n)


def _labels(values: dict[int, str], n: int, title: str) -> tuple[np.ndarray, tuple[str, ...]]:
    words = np.array([values.get(i, "") for i in range(n)])
    there = words != ""
    try:
        numbers = words[there].astype(np.float64)
        quantities = not np.array_equal(numbers, np.trunc(numbers))
    except (ValueError, OverflowError):
        quantities = False
    if quantities:
        out = np.full(n, np.nan, np.float32)
        out[there] = numbers
        return out, ()
    codes, classes = as_labels(words[there], int(there.sum()), title)
    labels = np.full(n, -1, np.int64)
    labels[there] = codes
    return labels, classes


def _features(columns: dict[str, tuple[str, str, dict[int, str]]], n: int, defaults: dict[str, str]) -> np.ndarray:
    """A column for each number (what is missing has the mean), and one for each value of a string that takes few."""
    out = [np.zeros((n, 0), np.float32)]
    for _, (kind, key, values) in sorted(columns.items())[:256]:
        words = [values.get(i, defaults.get(key, "")) for i in range(n)]
        if kind == "string":
            known = sorted(set(words))
            if 2 <= len(known) <= min(VALUES, max(2, n // 2)):
                out.append((np.array(words)[:, None] == np.array(known)).astype(np.float32))
            continue
        numbers = np.array([_number(word) for word in words])
        there = np.isfinite(numbers)
        numbers[~there] = numbers[there].mean() if there.any() else 0.0
        out.append(numbers[:, None].astype(np.float32))
    return np.hstack(out)


def _number(word: str) -> float:
    if word.lower() in ("true", "false"):
        return float(word.lower() == "true")
    try:
        number = float(word)
    except ValueError:
        return np.nan
    return number if abs(number) < 1e30 else np.nan
