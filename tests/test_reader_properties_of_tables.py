"""What a format's own library writes is what is read, of tables (tests/properties.py)."""

import csv
import json
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties import SEED, WORDS, file, same, some

from headstart.data.open import open_source
from headstart.data.readers import columnar, delimited, jsonl

# tables

FORMS = {  # by Arrow's type: what is written, and what a cell is
    "int8": lambda r: int(r.integers(-128, 128)), "uint32": lambda r: int(r.integers(0, 2**32)),
    "int64": lambda r: int(r.integers(-(2**50), 2**50)), "float32": lambda r: float(np.float32(r.standard_normal())),
    "float64": lambda r: float(r.standard_normal()), "bool_": lambda r: bool(r.integers(2)),
    "string": lambda r: str(r.choice(["", "a", "ü, \"b\"", "1", "NA", "two\nlines"])),
    "date32": lambda r: datetime(2000, 1, 1).date() + timedelta(days=int(r.integers(9999))),
    "timestamp": lambda r: datetime(2000, 1, 1) + timedelta(milliseconds=int(r.integers(10**12))),
}  # fmt: skip


@some(14)
@given(
    st.lists(st.sampled_from(sorted(FORMS)), min_size=1, max_size=5), st.integers(2, 40), st.floats(0, 0.5),
    st.sampled_from(["parquet", "feather", "arrow"]), st.sampled_from(["snappy", "zstd", "gzip", "none"]),
    st.integers(1, 20), st.booleans(), SEED,
)  # fmt: skip
def test_tables_by_columns(forms, rows, gaps, suffix, packed, part, coded, seed):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    rng = np.random.default_rng(seed)
    cells = {
        f"{form} {i}": [None if rng.random() < gaps else FORMS[form](rng) for _ in range(rows)]
        for i, form in enumerate(forms)
    }
    types = {"timestamp": pa.timestamp("ms")}
    columns = {n: pa.array(c, types.get(n.split()[0]) or getattr(pa, n.split()[0])()) for n, c in cells.items()}
    if coded:
        columns = {n: c.dictionary_encode() if n.startswith("string") else c for n, c in columns.items()}
    table = pa.table(columns)
    with file(f"a.{suffix}") as path:
        if suffix == "parquet":
            parquet.write_table(table, path, compression=packed, row_group_size=part)
        elif suffix == "feather":
            feather.write_feather(
                table, path, compression="uncompressed" if packed == "none" else "lz4", chunksize=part
            )
        else:
            with pa.ipc.new_file(path, table.schema) as out:
                out.write_table(table, max_chunksize=part)
        found = columnar.load(path)
        opened = open_source(path, "table")
    assert len(opened) == rows and found.names == tuple(cells)
    for name, column in cells.items():
        for i, cell in enumerate(column):
            got = found.row(i)[name]
            assert got == cell and isinstance(got, bool) == isinstance(cell, bool), (name, i, got, cell)


@some(14)
@given(
    st.sampled_from([",", ";", "\t", "|"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.integers(2, 4), st.integers(6, 30),
    SEED,
)  # fmt: skip
def test_tables_of_text(separator, quoting, end, encoding, columns, rows, seed):
    rng = np.random.default_rng(seed)
    words = ["red, green", 'a "b"', "x;y", "two\nlines", "tab\there", "ü日本", "p|q"]
    table = {"when": [datetime(2020, 1, 1).date() + timedelta(days=int(d)) for d in rng.permutation(400)[:rows]]}
    for i in range(columns):
        table[f"n{i}"] = [round(float(x), 3) for x in rng.standard_normal(rows)]
        table[f"w{i}"] = [str(w) for w in rng.choice(words, rows)]
        table[f"k{i}"] = [int(x) for x in rng.integers(-500, 500, rows)]
    with file("a.csv") as path:
        with path.open("w", encoding=encoding, newline="") as out:
            writer = csv.writer(out, delimiter=separator, quoting=quoting, lineterminator=end)
            writer.writerow(table)
            writer.writerows(zip(*table.values(), strict=True))
        found = delimited.load(path)
    assert found.names == tuple(table) and len(found) == rows
    for i in range(rows):
        assert found.row(i) == {name: cells[i] for name, cells in table.items()}


@some(10)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"n": st.floats(-1e6, 1e6).map(lambda x: round(x, 4)), "k": st.integers(-(2**40), 2**40)},
            optional={
                "w": WORDS.map(lambda w: f"é{w}"), "b": st.booleans(), "in": st.fixed_dictionaries({"x": st.integers(0, 9)}),
            },
        ),
        min_size=2, max_size=12,
    ),
    st.sampled_from(["jsonl", "json"]),
)  # fmt: skip
def test_tables_of_json(rows, suffix):
    with file(f"a.{suffix}") as path:
        lines = json.dumps(rows) if suffix == "json" else "\n".join(map(json.dumps, rows))
        path.write_text(lines)
        found = jsonl.load(path)
    for i, row in enumerate(rows):
        flat = {k: v for k, v in row.items() if k != "in"} | ({"in.x": row["in"]["x"]} if "in" in row else {})
        flat |= {"w": flat["w"].strip()} if "w" in flat else {}
        assert {k: v for k, v in found.row(i).items() if v is not None} == flat


@some(10)
@given(
    st.lists(st.lists(st.integers(1, 30), min_size=2, max_size=2), min_size=2, max_size=5), st.booleans(), st.floats(0, 0.3),
    SEED,
)  # fmt: skip
def test_ts(shapes, labelled, gaps, seed):
    rng = np.random.default_rng(seed)
    channels = 1 + seed % 3
    every = [rng.standard_normal((channels, length)).astype("f4") for length, _ in shapes]
    every = [np.where(rng.random(x.shape) < gaps, np.nan, x) for x in every]
    head = ["@problemName Made", "@timeStamps false", f"@univariate {str(channels == 1).lower()}"]
    head.append("@classLabel true b a" if labelled else "@classLabel false")
    lines = [":".join(",".join("?" if x != x else repr(float(x)) for x in c) for c in s) for s in every]
    labels = ["ab"[int(rng.integers(2))] for _ in every]
    lines = [f"{line}:{label}" if labelled else line for line, label in zip(lines, labels, strict=True)]
    with file("a.ts") as path:
        path.write_text("\n".join([*head, "@data", *lines]) + "\n")
        source = open_source(path)
        for i, values in enumerate(every):
            same(source[i], values)
    assert not labelled or [source.classes[i] for i in source.labels] == labels
