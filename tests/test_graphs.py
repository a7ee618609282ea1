"""Graphs: rows say all, the order of nodes shows in their numbers only, parts hang together, and files of them are read."""

import networkx as nx
import numpy as np
import pytest
import torch

from headstart.augment import graph as augment
from headstart.data.readers import graphs as reader
from headstart.data.sets import _grakel, cuneiform, mutag
from headstart.data.source import DataError
from headstart.errors import Mistake, Unreadable
from headstart.step import Step
from headstart.tokenizers import walks
from headstart.tokenizers.check import check_tokenizer
from headstart.tokenizers.graph import GraphTokenizer
from headstart.tokens import pack


def a_graph(n, m, features=3, weights=2, seed=0):
    r = np.random.default_rng(seed)
    pairs = np.array([(i, j) for i in range(n) for j in range(i + 1, n)]).reshape(-1, 2)
    graph = {"nodes": r.normal(5, 3, (n, features)), "edges": pairs[r.permutation(len(pairs))[:m]]}
    return graph | ({"weights": r.normal(-1, 0.1, (len(graph["edges"]), weights))} if weights else {})


SOME = [a_graph(n, m, seed=n) for n, m in [(5, 7), (12, 30), (1, 0), (3, 0), (40, 60)]]


def rng(n, step=0):
    return Step(step, 10, 3).rng("x", torch.arange(n))


def of_nx(graph, seed=0):
    r = np.random.default_rng(seed)
    edges = np.array(list(nx.convert_node_labels_to_integers(graph).edges)).reshape(-1, 2)
    return {"nodes": r.normal(0, 1, (len(graph), 2)), "edges": edges}


@pytest.mark.parametrize("weights", [0, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint8, bool])
def test_contract(dtype, weights):
    samples = [a_graph(n, m, weights=weights, seed=n) for n, m in [(5, 7), (12, 30), (1, 0), (3, 0), (40, 60)]]
    samples = [s | {"nodes": np.abs(s["nodes"]).astype(dtype), "edges": s["edges"].astype(np.uint16)} for s in samples]
    check_tokenizer(GraphTokenizer.fit(samples), samples)
    check_tokenizer(GraphTokenizer(3, weights), samples)


def test_lists_do_and_directed_edges_keep_their_direction():
    graph = {"nodes": [[1.0], [2.0], [4.0]], "edges": [[1, 0], [0, 1], [2, 1]], "directed": True}
    tokenizer = GraphTokenizer.fit([graph, {"nodes": [[0.0]], "edges": []}])
    assert tokenizer.directed
    assert tokenizer.decode(tokenizer(tokenizer.fitted(graph)))["edges"].tolist() == [[1, 0], [0, 1], [2, 1]]
    both = GraphTokenizer.fit([graph | {"directed": False}])
    assert both.fitted(graph)["edges"].tolist() == [[0, 1], [1, 2]]


def test_loops_and_repetitions_are_left_out_and_the_first_mention_counts():
    graph = {"nodes": np.ones((3, 1)), "edges": [[1, 0], [2, 2], [0, 1], [1, 2]], "weights": [7.0, 1.0, 8.0, 9.0]}
    there = GraphTokenizer(1, 1).fitted(graph)
    assert there["edges"].tolist() == [[0, 1], [1, 2]] and there["weights"].tolist() == [[7.0], [9.0]]


def test_order_of_nodes_shows_in_their_numbers_only():
    tokenizer = GraphTokenizer.fit(SOME)
    for sample in SOME:
        there = tokenizer.fitted(sample)
        n = len(there["nodes"])
        to = np.random.default_rng(1).permutation(n)  # node i is now called to[i]
        back = np.argsort(to)
        other = tokenizer.fitted(there | {"nodes": there["nodes"][back], "edges": to[there["edges"]]})
        a, b = tokenizer(there), tokenizer(other)
        assert torch.equal(a.coords[:n, 2:][back], b.coords[:n, 2:]) and torch.equal(a.values[:n][back], b.values[:n])
        assert torch.equal(a.coords[n:, 2:], b.coords[n:, 2:]) and torch.equal(a.values[n:], b.values[n:])
        raw = tokenizer.raw(there), tokenizer.raw(other)
        own = slice(8 + 32 + 12 + 6, 8 + 32 + 12 + 9)  # the first node's features, which are another node's now
        np.testing.assert_allclose(*(np.delete(x, own) for x in raw), atol=1e-3)


def test_walks_return_as_counted_by_hand():
    path = np.array([[0, 1], [1, 2]])
    back = walks.returns(4, path)
    np.testing.assert_allclose(back[0], np.array([0.5, 0, 0.5, 0, 0.5, 0.5]) * walks.SCALE)
    np.testing.assert_allclose(back[1], np.array([1, 0, 1, 0, 1, 1]) * walks.SCALE)
    np.testing.assert_allclose(back[3], walks.SCALE)  # without edges one stays
    triangle = walks.returns(3, np.array([[0, 1], [1, 2], [0, 2]]))
    np.testing.assert_allclose(triangle[0, :2], np.array([0.5, 0.25]) * walks.SCALE)
    r = np.random.default_rng(0)
    graph = nx.gnp_random_graph(30, 0.2, seed=1)
    step = nx.to_numpy_array(graph) / np.maximum(1, np.array([d for _, d in graph.degree]))[:, None]
    powers = np.stack([np.diag(np.linalg.matrix_power(step, k)) for k in walks.STEPS], 1)
    linked = np.array([d > 0 for _, d in graph.degree])
    edges = np.array(graph.edges)[r.permutation(graph.number_of_edges())]
    np.testing.assert_allclose(walks.returns(30, edges)[linked], walks.SCALE * powers[linked], atol=2e-4)


def test_features_do_not_reach_coordinates():
    tokenizer = GraphTokenizer.fit(SOME)
    there = tokenizer.fitted(SOME[1])
    other = there | {"nodes": there["nodes"] + 1, "weights": there["weights"] * 2}
    assert torch.equal(tokenizer(there).coords, tokenizer(other).coords)


def test_payload_is_standardised():
    samples = [s | {"nodes": np.hstack([s["nodes"], np.full((len(s["nodes"]), 1), 7.0)])} for s in SOME]
    tokenizer = GraphTokenizer.fit(samples)
    values = pack([tokenizer(tokenizer.fitted(s)) for s in samples]).values.double()
    node = values[:, 0] > 0
    for part in (values[node, 1:4], values[~node, 5:]):
        assert part.mean(0).abs().max() < 1e-5 and (part.std(0, correction=0) - 1).abs().max() < 1e-5
    assert (values[node, 4] == 7).all(), "what never changes stays"
    assert (values[node, 5:] == 0).all() and (values[~node, 1:5] == 0).all()


BAD = {
    "nothing": None,
    "an array": np.ones((3, 2)),
    "no edges": {"nodes": np.ones((3, 3))},
    "no nodes": {"nodes": np.ones((0, 3)), "edges": []},
    "no features": {"nodes": np.ones((3, 0)), "edges": []},
    "flat": {"nodes": np.ones(3), "edges": []},
    "ragged": {"nodes": [[1, 2], [3]], "edges": []},
    "NaN": {"nodes": np.full((3, 3), np.nan), "edges": []},
    "beyond float32": {"nodes": np.full((3, 3), 1e300), "edges": []},
    "far off": {"nodes": np.full((3, 3), 3e38), "edges": []},
    "words": {"nodes": np.array([["a", "b", "c"]]), "edges": []},
    "objects": {"nodes": np.array([[None, 1, 2]]), "edges": []},
    "an edge to nowhere": {"nodes": np.ones((3, 3)), "edges": [[0, 3]]},
    "an edge to before": {"nodes": np.ones((3, 3)), "edges": [[0, -1]]},
    "edges in halves": {"nodes": np.ones((3, 3)), "edges": [[0.5, 1]]},
    "edges of three": {"nodes": np.ones((3, 3)), "edges": [[0, 1, 2]]},
    "weights of others": {"nodes": np.ones((3, 3)), "edges": [[0, 1]], "weights": np.ones((2, 2))},
    "weights of other width": {"nodes": np.ones((3, 3)), "edges": [[0, 1]], "weights": np.ones((1, 1))},
    "infinite weights": {"nodes": np.ones((3, 3)), "edges": [[0, 1]], "weights": [[np.inf, 1]]},
    "too many nodes": {"nodes": np.ones((513, 3)), "edges": []},
    "too many edges": a_graph(100, 4097, seed=9),
    "other features": {"nodes": np.ones((3, 4)), "edges": []},
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_graph_is_unreadable(what):
    tokenizer = GraphTokenizer.fit(SOME)
    with pytest.raises(Unreadable):
        tokenizer.fitted(BAD[what])
    assert GraphTokenizer.fit([BAD[what], *SOME]) == tokenizer, "and is not looked at by fit"


def test_fit_wants_one_graph():
    with pytest.raises(Mistake, match="neighbourhoods"):
        GraphTokenizer.fit([None, BAD["too many nodes"]])


def test_raw_tells_triangles_from_paths_and_stays_short():
    tokenizer = GraphTokenizer(1)
    one = np.ones((6, 1), np.float32)
    ring, two = (
        tokenizer.raw({"nodes": one, "edges": np.array(e)})
        for e in ([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [0, 5]], [[0, 1], [1, 2], [0, 2], [3, 4], [4, 5], [3, 5]])
    )
    assert not np.array_equal(ring, two), "all degrees are 2: only walks tell a hexagon from two triangles"
    assert (
        len(GraphTokenizer(4000, 4000).raw({"nodes": np.ones((2, 4000), np.float32), "edges": np.zeros((0, 2), int)}))
        <= 3072
    )


def crops(sample, n=40, scale=(0.3, 0.6)):
    tokenizer = GraphTokenizer.fit([sample])
    whole = pack([tokenizer(tokenizer.fitted(sample))] * n, 1)
    seen = augment.crop_rows(whole, rng(n), scale, 1.0)
    return tokenizer, [seen.coords[seen.layout.seg == i][1:] for i in range(n)], seen


@pytest.mark.parametrize(
    "graph", [nx.karate_club_graph(), nx.path_graph(30), nx.random_labeled_tree(50, seed=1)], ids=str
)
def test_a_part_hangs_together(graph, monkeypatch):
    monkeypatch.setattr(augment, "DROPPED", 0.0)
    _, parts, _ = crops(of_nx(graph))
    sizes = set()
    for coords in parts:
        node = coords[:, 0] == coords[:, 1]
        part = nx.Graph()
        part.add_nodes_from(coords[node, 0].int().tolist())
        count = len(part)
        part.add_edges_from(coords[~node, :2].int().tolist())
        assert len(part) == count, "an edge leads out of the part"
        assert nx.is_connected(part)
        assert 0.3 * len(graph) - 1 <= count <= 0.6 * len(graph) + 1
        sizes.add(count)
    assert len(sizes) > 5


def test_where_a_graph_falls_apart_its_parts_follow_one_after_another(monkeypatch):
    monkeypatch.setattr(augment, "DROPPED", 0.0)
    _, parts, _ = crops(of_nx(nx.disjoint_union_all([nx.path_graph(6)] * 5)), scale=(0.6, 0.6))
    for coords in parts:
        node = coords[:, 0] == coords[:, 1]
        part = nx.Graph()
        part.add_nodes_from(coords[node, 0].int().tolist())
        part.add_edges_from(coords[~node, :2].int().tolist())
        assert len(part) == 18 and nx.number_connected_components(part) == 3


def test_a_tenth_of_the_edges_is_dropped_and_all_nodes_may_stay():
    graph = of_nx(nx.gnp_random_graph(60, 0.2, seed=1))
    _, parts, _ = crops(graph, scale=(1.0, 1.0))
    kept = [int((c[:, 0] != c[:, 1]).sum()) / len(graph["edges"]) for c in parts]
    assert all(int((c[:, 0] == c[:, 1]).sum()) == 60 for c in parts)
    assert abs(np.mean(kept) - 0.9) < 0.01 and np.std(kept) > 0.005


def test_renumbered_nodes_are_the_same_graph(monkeypatch):
    monkeypatch.setattr(augment, "DROPPED", 0.0)
    graph = of_nx(nx.karate_club_graph())
    tokenizer, parts, seen = crops(graph, n=5, scale=(1.0, 1.0))
    there = tokenizer.fitted(graph)
    names = set()
    for i, coords in enumerate(parts):
        values = seen.values[seen.layout.seg == i][1:]
        node = coords[:, 0] == coords[:, 1]
        new = coords[node, 0].long()
        assert sorted(new.tolist()) == list(range(34))
        np.testing.assert_allclose(values[node][:, 1:], tokenizer(there).values[:34, 1:])
        np.testing.assert_array_equal(coords[~node, :2].numpy(), new.numpy()[there["edges"]])
        names.add(tuple(new.tolist()))
    assert len(names) == 5, "each time by other numbers"


def test_crops_follow_their_sample():
    tokenizer = GraphTokenizer.fit(SOME)
    items = [tokenizer(tokenizer.fitted(s)) for s in SOME]
    keys = torch.arange(len(SOME))
    there = augment.crop_rows(pack(items, 1), Step(0, 1, 3).rng("x", keys), (0.3, 0.8), 1.0)
    again = augment.crop_rows(pack(items, 1), Step(0, 1, 3).rng("x", keys), (0.3, 0.8), 1.0)
    assert torch.equal(there.coords, again.coords)
    back = augment.crop_rows(pack(items[::-1], 1), Step(0, 1, 3).rng("x", keys.flip(0)), (0.3, 0.8), 1.0)
    assert back.layout.lengths == there.layout.lengths[::-1]
    for i in range(len(SOME)):
        a, b = there.layout.seg == i, back.layout.seg == len(SOME) - 1 - i
        assert torch.equal(there.values[a], back.values[b]) and torch.equal(there.coords[a], back.coords[b])


def test_a_neighbourhood_is_what_lies_within_its_hops():
    graph = nx.gnp_random_graph(600, 0.004, seed=2)
    edges = np.array(graph.edges)
    nodes = np.arange(600)[:, None].astype(float)
    source = reader.neighbourhoods(
        {"nodes": nodes, "edges": edges, "weights": edges.sum(1)[:, None]}, 2, 512, nodes[:, 0] > 99
    )
    assert len(source) == 600 and source.labels.sum() == 500
    for i in range(0, 600, 37):
        sample = source[i]
        around = sample["nodes"][:, 0].astype(int)
        near = nx.ego_graph(graph, i, 2)
        assert around[0] == i and set(around) == set(near) and len(around) == len(near)
        assert sample["nodes"][:, 1].tolist() == [1.0] + [0.0] * (len(near) - 1)
        assert {tuple(sorted(around[e])) for e in sample["edges"]} == {tuple(sorted(e)) for e in near.edges}
        assert (around[sample["edges"]].sum(1) == sample["weights"][:, 0]).all()


def test_a_neighbourhood_stays_small_beside_a_hub():
    n = 50_000
    edges = np.stack([np.zeros(n - 1, int), np.arange(1, n)], 1)
    source = reader.neighbourhoods({"nodes": np.ones((n, 1)), "edges": edges}, 3, 20)
    for i in (0, 5):
        sample = source[i]
        assert len(sample["nodes"]) == 20 and len(sample["edges"]) == 19
        np.testing.assert_array_equal(sample["edges"], source[i]["edges"])
    assert GraphTokenizer.fit([source[0], source[1]]).features == 2


def test_graphml(tmp_path):
    path = tmp_path / "club.graphml"
    graph = nx.karate_club_graph()
    for i, node in enumerate(graph.nodes.values()):
        node |= {"age": 1.5 * i, "class": node.pop("club"), "role": "ab"[i % 2], "title": f"member {i}"}
    nx.write_graphml(graph, path)
    assert reader.kind(path.read_bytes()[:4096], path) == "graph"
    source = reader.open(path)
    sample = source[0]
    assert len(source) == 1 and sample["nodes"].shape == (34, 3), (
        "age, and role a or b; titles are names, class is the label"
    )
    np.testing.assert_allclose(sample["nodes"][:, 0], 1.5 * np.arange(34))
    assert sorted(map(tuple, sample["edges"].tolist())) == sorted(graph.edges)
    np.testing.assert_allclose(sample["weights"][:, 0], [w for *_, w in graph.edges.data("weight")])
    with pytest.raises(DataError, match="age"):
        reader.open(path, label="no such")


def test_a_large_graph_is_cut_with_its_labels(tmp_path):
    path = tmp_path / "large.graphml"
    graph = nx.random_labeled_tree(600, seed=1)
    for i in graph:
        graph.nodes[i]["label"] = "red" if i % 3 else "blue"
    nx.write_graphml(graph.to_directed(), path)
    source = reader.open(path)
    assert len(source) == 600 and source.classes == ("blue", "red") and source.labels.sum() == 400
    assert source[0]["directed"] is True
    tokenizer = GraphTokenizer.fit([source[i] for i in range(20)])
    assert tokenizer.directed and len(tokenizer(tokenizer.fitted(source[3]))) > 1


def test_many_graphs_in_one_file(tmp_path):
    path = tmp_path / "many.graphml"
    one = '<graph edgedefault="undirected"><data key="k">{}</data><node id="a"/><node id="b"/><node id="c"/>{}</graph>'
    edges = ['<edge source="a" target="b"/>', '<edge source="a" target="c"/><edge source="b" target="c"/>', "", ""]
    key = '<key id="k" for="graph" attr.name="class" attr.type="string"/>'
    path.write_text(f"<graphml>{key}{''.join(one.format('xyxy'[i], e) for i, e in enumerate(edges))}</graphml>")
    source = reader.open(path)
    assert [len(source[i]["edges"]) for i in range(4)] == [1, 2, 0, 0]
    assert source.labels.tolist() == [0, 1, 0, 1] and source.classes == ("x", "y")
    assert source[1]["nodes"].tolist() == [[1], [1], [2]], "degrees, where there are no features"


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE g [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><graphml><graph>&b;</graph></graphml>'
)
BROKEN = {
    "entities": BOMB.encode(),
    "entities in UTF-16": BOMB.encode("utf-16"),
    "a type fetched": b'<!DOCTYPE graphml SYSTEM "file:///etc/passwd"><graphml><graph><node id="a"/></graph></graphml>',
    "cut": b'<graphml><graph edgedefault="undirected"><node id="a"/>',
    "empty": b"",
    "no nodes": b"<graphml><graph/></graphml>",
    "an edge to nowhere": b'<graphml><graph><node id="a"/><edge source="a" target="b"/></graph></graphml>',
    "twice": b'<graphml><graph><node id="a"/><node id="a"/></graph></graphml>',
    "nested": b'<graphml><graph><node id="a"><graph><node id="b"/></graph></node></graph></graphml>',
    "unnamed": b"<graphml><graph><node/></graph></graphml>",
    "keyless": b'<graphml><graph><node id="a"><data>7</data></node></graph></graphml>',
    "hyperedge": b'<graphml><graph><node id="a"/><hyperedge/></graph></graphml>',
    "deep": b"<graphml>" + b"<desc>" * 100_000,
    "noise": np.random.default_rng(0).bytes(500),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_graphml_is_said(tmp_path, what):
    path = tmp_path / "a.graphml"
    path.write_bytes(BROKEN[what])
    with pytest.raises(DataError):
        reader.open(path)


def test_damaged_files(tmp_path):
    whole = tmp_path / "a.graphml"
    graph = nx.karate_club_graph()
    nx.write_graphml(graph, whole)
    r = np.random.default_rng(0)
    listed = "\n".join(f"{a} {b} 1.5" for a, b in graph.edges).encode()
    for content, name in ((whole.read_bytes(), "b.graphml"), (listed, "b.edges"), (b"1, 2\n2, 1\n", "x_A.txt")):
        path = tmp_path / name
        (tmp_path / "x_graph_indicator.txt").write_text("1\n1\n")
        for i in range(60):
            damaged = bytearray(content[: r.integers(0, len(content))] if i % 2 else content)
            for at in r.integers(0, max(1, len(damaged)), i % 9):
                if damaged:
                    damaged[at] ^= 1 << r.integers(0, 8)
            path.write_bytes(bytes(damaged))
            reader.kind(bytes(damaged[:4096]), path)
            try:
                source = reader.open(path)
                assert all(source[k]["edges"].ndim == 2 for k in range(len(source)))
            except (DataError, Unreadable):
                pass


def test_edge_lists(tmp_path):
    path = tmp_path / "a.edgelist"
    path.write_text("# who knows whom\nanna bert 2.5\nbert,carl,1\ncarl\tanna\t7\n")
    assert reader.kind(path.read_bytes(), path) == "graph"
    sample = reader.open(path)[0]
    assert sample["edges"].tolist() == [[0, 1], [1, 2], [2, 0]] and sample["weights"].tolist() == [[2.5], [1], [7]]
    assert sample["nodes"].tolist() == [[2], [2], [2]]
    assert reader.read(path)["edges"].tolist() == sample["edges"].tolist()
    path.write_text("anna\n")
    with pytest.raises(Unreadable):
        reader.read(path)
    with pytest.raises(DataError, match="line 1"):
        reader.open(path)


@pytest.mark.parametrize(
    ("text", "name", "is_one"),
    [
        ("# nodes\n1\t2\n1\t3\n2\t4\n3 4\n4 5\n", "a.txt", True),
        ("1.5 2\n1 3\n2 4\n3 4\n4 5\n", "a.txt", False),
        ("It is\n1 2\n1 3\n1 4\n5 6\n", "a.txt", False),
        ("1 2\n", "a.txt", False),
        ("a b\n", "a.edges", True),
        ("one and only\n", "a.edges", False),
        ("1 2\n3 4\n5 6\n7 8\n9 1\n", "a.csv", False),
        ("", "a.edges", False),
    ],
)
def test_what_counts_as_edges(tmp_path, text, name, is_one):
    assert (reader.kind(text.encode(), tmp_path / name) == "graph") == is_one


def tu(folder, **parts):
    folder.mkdir()
    for part, text in parts.items():
        (folder / f"{folder.name}_{part}.txt").write_text(text)
    return folder


PARTS = {
    "A": "1, 2\n2, 1\n4, 5\n5, 4\n3, 5\n5, 3\n",
    "graph_indicator": "1\n1\n2\n2\n2\n3\n",
    "graph_labels": "-1\n1\n-1\n",
    "node_labels": "0\n1\n2\n0\n0\n0\n",
    "node_attributes": "".join(f"{i}.5, {-i}\n" for i in range(6)),
    "edge_labels": "0\n0\n1\n1\n0\n0\n",
}


def test_a_tu_folder(tmp_path):
    folder = tu(tmp_path / "SET", **PARTS)
    a = folder / "SET_A.txt"
    assert reader.kind(b"", folder) == reader.kind(a.read_bytes(), a) == "graph"
    assert reader.is_set(folder) and not reader.is_set(tmp_path) and not reader.is_set(a)
    with pytest.raises(DataError, match=r"SET_A\.txt"):
        reader.open(folder / "SET_graph_labels.txt")
    for where in (folder, a):
        source = reader.open(where)
        assert [len(source[i]["nodes"]) for i in range(3)] == [2, 3, 1]
    assert source.labels.tolist() == [0, 1, 0] and source.classes == ("-1", "1")
    assert source[1]["edges"].tolist() == [[1, 2], [2, 1], [0, 2], [2, 0]]
    assert source[1]["nodes"].tolist() == [[0, 0, 1, 2.5, -2], [1, 0, 0, 3.5, -3], [1, 0, 0, 4.5, -4]]
    assert source[1]["weights"].tolist() == [[0, 1], [0, 1], [1, 0], [1, 0]]
    check_tokenizer(GraphTokenizer.fit([source[i] for i in range(3)]), [source[i] for i in range(3)])


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("A", "1, 7\n"),
        ("A", "0, 1\n"),
        ("A", "1, 3\n"),
        ("A", "1\n"),
        ("A", "a, b\n"),
        ("graph_indicator", ""),
        ("graph_indicator", "1\n1\n2\n2\n2\n99999999999\n"),
        ("graph_indicator", "0\n1\n2\n2\n2\n3\n"),
        ("graph_labels", "1\n"),
        ("node_labels", "1\n"),
        ("edge_labels", "1\n2\n"),
        ("node_attributes", "1, 2\n3\n"),
        ("node_attributes", "nan\n" * 6),
    ],
)
def test_a_broken_tu_folder_is_said(tmp_path, part, text):
    with pytest.raises(DataError):
        reader.open(tu(tmp_path / "SET", **(PARTS | {part: text})))


def test_sets_of_grakel(tmp_path, monkeypatch):
    for name, module in (("MUTAG", mutag), ("Cuneiform", cuneiform)):
        tu(tmp_path / name, **PARTS)
        monkeypatch.setattr(_grakel, "unpacked", lambda _, folder: tmp_path / folder.rpartition("/")[2])
        assert len(module.load()) == 3
        with pytest.raises(DataError, match="split"):
            module.load("test")


def test_readers_and_tokenizers_agree_on_the_largest_graph():
    from headstart.data.readers import graphs
    from headstart.tokenizers import walks

    assert (graphs.NODES, graphs.EDGES) == (walks.NODES, walks.EDGES)
