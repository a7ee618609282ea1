"""What a format's own library writes is what is read, of graphs, molecules and sequences (tests/properties.py)."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.properties import SEED, file, same, some

from headstart.data.open import open_source

# graphs, molecules, sequences


@some(12)
@given(st.booleans(), st.integers(1, 4), st.integers(2, 12), st.booleans(), st.booleans(), SEED)
def test_graphs(directed, graphs, nodes, featured, weighted, seed):
    networkx = pytest.importorskip("networkx")
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(graphs):
        graph = networkx.gnp_random_graph(nodes, 0.4, seed=int(rng.integers(2**31)), directed=directed)
        for i in graph:
            graph.nodes[i].update(
                {"height": float(rng.standard_normal()), "count": int(rng.integers(9))} if featured else {}
            )
        for a, b in graph.edges:
            graph.edges[a, b].update({"w": float(rng.standard_normal())} if weighted else {})
        made.append(graph)
    with file("a.graphml") as path:
        from networkx.readwrite.graphml import GraphMLWriter

        writer = GraphMLWriter()
        writer.add_graphs(made)
        writer.dump(str(path))
        source = open_source(path)
        found = [source[i] for i in range(len(source))]
    assert source.kind == "graph" and len(found) == graphs
    for graph, sample in zip(made, found, strict=True):
        edges = list(graph.edges)
        assert sample["edges"].tolist() == [list(e) for e in edges] and sample.get("directed", False) == directed
        if featured:
            same(sample["nodes"], [[graph.nodes[i]["count"], graph.nodes[i]["height"]] for i in graph])
        if weighted and any(g.number_of_edges() for g in made):
            same(sample["weights"].reshape(-1), [graph.edges[e]["w"] for e in edges])


@some(8)
@given(st.sampled_from([" ", "\t", ","]), st.booleans(), st.integers(3, 20), SEED)
def test_lists_of_edges(between, weighted, nodes, seed):
    networkx = pytest.importorskip("networkx")
    graph = networkx.gnp_random_graph(nodes, 0.5, seed=seed)
    assume(graph.number_of_edges())
    rng = np.random.default_rng(seed)
    for a, b in graph.edges:
        graph.edges[a, b]["weight"] = float(rng.random())
    with file("a.edgelist") as path:
        write = networkx.write_weighted_edgelist if weighted else networkx.write_edgelist
        write(graph, path, delimiter=between, **({} if weighted else {"data": False}))
        found = open_source(path)[0]
    names = list(dict.fromkeys(i for e in graph.edges for i in e))
    assert [[names[a], names[b]] for a, b in found["edges"]] == [list(e) for e in graph.edges]
    if weighted:
        same(found["weights"][:, 0], [graph.edges[e]["weight"] for e in graph.edges])


MOLECULES = (
    "CCO",
    "c1ccccc1O",
    "C[C@H](N)C(=O)O",
    "F/C=C/F",
    "[NH4+].[Cl-]",
    "CC(=O)Oc1ccccc1C(=O)O",
    "[13CH4]",
    "C#N",
    "O=S(=O)(O)O",
)


@some(10)
@given(
    st.lists(st.sampled_from(MOLECULES), min_size=1, max_size=6),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
def test_molecules(chosen, new, hydrogens, end):
    chem = pytest.importorskip("rdkit.Chem")
    every = [chem.MolFromSmiles(s) for s in chosen]
    told = [chem.AddHs(m) if hydrogens else m for m in every]
    with file("a.sdf") as path:
        writer = chem.SDWriter(str(path))
        writer.SetForceV3000(new)
        for i, molecule in enumerate(told):
            molecule.SetProp("mass", str(i + 0.5))
            writer.write(molecule)
        writer.close()
        path.write_bytes(path.read_bytes().replace(b"\n", end.encode()))
        source = open_source(path)
        assert source.kind == "molecule" and [source[i] for i in range(len(source))] == [
            chem.MolToSmiles(m) for m in every
        ]
        same(source.properties["mass"], np.arange(len(every)) + 0.5)
        lines = path.with_suffix(".smi")
        lines.write_text(end.join(f"{s} name {i}" for i, s in enumerate(chosen)), newline="")
        source = open_source(lines)
        assert [source[i] for i in range(len(source))] == list(chosen)
        assert [source.name(i) for i in range(len(source))] == [f"name {i}" for i in range(len(chosen))]


@some(10)
@given(
    st.lists(st.text("DEFHIKLMPQRSVWY", min_size=30, max_size=200), min_size=1, max_size=5), st.integers(1, 80),
    st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(),
)  # fmt: skip
def test_sequences(sequences, width, end, stop):
    lines = []
    for i, letters in enumerate(sequences):
        whole = "M" + letters + "*" * stop
        lines += [f">s{i} some words", *(whole[at : at + width] for at in range(0, len(whole), width))]
    with file("a.fasta") as path:
        path.write_text(end.join(lines) + end, newline="")
        source = open_source(path, "protein")
    assert [source[i] for i in range(len(source))] == ["M" + s for s in sequences]
    assert [source.name(i) for i in range(len(source))] == [f"s{i}" for i in range(len(sequences))]
