"""What a format's own library writes is what is read, of points and surfaces (tests/properties.py)."""

import struct

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.properties import SEED, file, numbers, same, some

from headstart.data.open import open_source

# points


@some(12)
@given(
    st.sampled_from(["1.2", "1.4"]), st.sampled_from([0, 1, 2, 3, 6, 7]), st.sampled_from(["las", "laz"]), st.integers(2, 300),
    st.sampled_from([0.001, 0.01, 1.0]), st.sampled_from([0.0, 5e5, -4e6]), SEED,
)  # fmt: skip
def test_las(version, form, suffix, count, scale, offset, seed):
    laspy = pytest.importorskip("laspy")
    if suffix == "laz":
        pytest.importorskip("lazrs")
    assume(version == "1.4" or form < 4)
    rng = np.random.default_rng(seed)
    header = laspy.LasHeader(point_format=form, version=version)
    header.scales, header.offsets = [scale] * 3, [offset] * 3
    las = laspy.LasData(header)
    whole = rng.integers(-10_000, 10_000, (3, count))
    las.X, las.Y, las.Z = whole
    las.intensity = rng.integers(0, 65_536, count)
    expected = [*((whole - whole.min(1, keepdims=True)) * scale), las.intensity / 65_535]
    if form in (2, 3, 7):
        las.red, las.green, las.blue = rng.integers(0, 65_536, (3, count))
        expected += [las.red / 65_535, las.green / 65_535, las.blue / 65_535]
    with file(f"a.{suffix}") as path:
        las.write(path)
        source = open_source(path)
        assert source.kind == "points"
        same(source[0], np.stack(expected, 1), rtol=1e-5, atol=1e-4)


TYPES = {"f4": "float", "f8": "double", "u1": "uchar", "i2": "short", "u2": "ushort", "i4": "int"}


@some(14)
@given(
    st.sampled_from(["ascii", "binary_little_endian", "binary_big_endian"]), st.sampled_from(["f4", "f8", "i2", "i4"]),
    st.sampled_from([None, "u1", "u2", "f4"]), st.booleans(), st.permutations(["x", "y", "z"]), st.integers(1, 60), SEED,
)  # fmt: skip
def test_ply(form, place, colour, extra, order, count, seed):
    rng = np.random.default_rng(seed)
    fields = [(name, place) for name in order] + ([("quality", "i2")] if extra else [])
    fields += [(name, colour) for name in ("red", "green", "blue")] if colour else []
    record = np.dtype([(n, ("<" if "little" in form else ">" if "big" in form else "=") + t) for n, t in fields])
    table = np.zeros(count, record)
    for name, dtype in fields:
        table[name] = rng.random(count) if dtype == colour == "f4" else numbers(rng, count, dtype)
    head = f"ply\nformat {form} 1.0\nelement vertex {count}\n"
    head += "".join(f"property {TYPES[t]} {n}\n" for n, t in fields) + "end_header\n"
    body = (
        table.tobytes() if form != "ascii" else "\n".join(" ".join(map(repr, row.tolist())) for row in table).encode()
    )
    expected = [table[n].astype(np.float64) for n in "xyz"]
    if colour:
        most = {"u1": 255, "u2": 65_535, "f4": 1}[colour]
        expected += [table[n].astype(np.float64) / most for n in ("red", "green", "blue")]
    with file("a.ply") as path:
        path.write_bytes(head.encode() + body)
        source = open_source(path)
        assert source.kind == "points"
        same(source[0], np.stack(expected, 1))


@some(10)
@given(
    st.sampled_from(["ascii", "binary"]),
    st.sampled_from(["4 F", "8 F", "2 I", "4 I"]),
    st.booleans(),
    st.integers(2, 50),
    SEED,
)
def test_pcd(form, place, coloured, count, seed):
    rng = np.random.default_rng(seed)
    width, letter = place.split()
    dtype = f"<{letter.lower()}{width}"
    table = np.zeros(count, [(n, dtype) for n in "xyz"] + ([("rgb", "<f4")] if coloured else []))
    for name in "xyz":
        table[name] = numbers(rng, count, dtype)
    colours = rng.integers(0, 256, (count, 3))
    if coloured:
        word = (colours @ [65_536, 256, 1]).astype("<u4")
        table["rgb"] = word.view("<f4")
    extra = " rgb" if coloured else ""
    head = f"VERSION .7\nFIELDS x y z{extra}\nSIZE {' '.join([width] * 3)}{' 4' * coloured}\n"
    head += f"TYPE {' '.join([letter] * 3)}{' F' * coloured}\nCOUNT 1 1 1{' 1' * coloured}\nWIDTH {count}\nHEIGHT 1\n"
    head += f"VIEWPOINT 0 0 0 1 0 0 0\nPOINTS {count}\nDATA {form}\n"
    lines = "\n".join(" ".join(repr(v) for v in row.tolist()) for row in table)
    with file("a.pcd") as path:
        path.write_bytes(head.encode() + (table.tobytes() if form == "binary" else lines.encode()))
        found = open_source(path)[0]
    expected = np.stack([table[n].astype(np.float64) for n in "xyz"], 1)
    same(found, np.hstack([expected, colours / 255]) if coloured else expected)


@some(8)
@given(
    st.sampled_from(["xyz", "pts", "bin"]),
    st.sampled_from([" ", "\t", ", "]),
    st.integers(3, 6),
    st.integers(2, 50),
    SEED,
)
def test_points_in_lines(suffix, between, width, count, seed):
    points = np.random.default_rng(seed).uniform(0.1, 9, (count, 4 if suffix == "bin" else width)).astype("f4")
    with file(f"a.{suffix}") as path:
        if suffix == "bin":
            path.write_bytes(points.tobytes())
        else:
            lines = [between.join(repr(float(v)) for v in row) for row in points]
            path.write_text("\n".join([str(count)] * (suffix == "pts") + lines) + "\n")
        same(open_source(path, "points")[0], points)


@some(10)
@given(st.sampled_from(["off", "obj", "stl", "ascii stl", "ply"]), st.integers(1, 12), SEED)
def test_surfaces(form, count, seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-5, 5, (count, 3, 3)).astype("f4")
    corners[..., 2] = 2 * corners[..., 0] - corners[..., 1] + 1  # all in one plane
    lines = [" ".join(repr(float(v)) for v in c) for c in corners.reshape(-1, 3)]
    faces = np.arange(3 * count).reshape(-1, 3)
    if form == "off":
        data = "\n".join(["OFF", f"{3 * count} {count} 0", *lines, *(f"3 {a} {b} {c}" for a, b, c in faces)]).encode()
    elif form == "obj":
        data = "\n".join(
            [*(f"v {x}" for x in lines), *(f"f {a + 1}//1 {b - 3 * count} {c + 1}" for a, b, c in faces)]
        ).encode()
    elif form == "stl":
        record = np.zeros(count, [("n", "<f4", 3), ("c", "<f4", (3, 3)), ("more", "<u2")])
        record["c"] = corners
        data = b"\0" * 80 + struct.pack("<I", count) + record.tobytes()
    elif form == "ply":
        head = f"ply\nformat binary_little_endian 1.0\nelement vertex {3 * count}\nproperty float x\nproperty float y\n"
        head += f"property float z\nelement face {count}\nproperty list uchar int vertex_indices\nend_header\n"
        data = head.encode() + corners.astype("<f4").tobytes() + b"".join(struct.pack("<B3i", 3, *f) for f in faces)
    else:
        shape = "facet normal 0 0 1\nouter loop\nvertex {}\nvertex {}\nvertex {}\nendloop\nendfacet\n"
        shapes = [shape.format(*lines[3 * i : 3 * i + 3]) for i in range(count)]
        data = ("solid made\n" + "".join(shapes) + "endsolid made\n").encode()
    with file(f"a.{form.split()[-1]}") as path:
        path.write_bytes(data)
        found = open_source(path)[0].astype(np.float64)
    assert found.shape == (2048, 3)
    np.testing.assert_allclose(found[:, 2], 2 * found[:, 0] - found[:, 1] + 1, atol=1e-4)
    side = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(side, axis=1)
    np.testing.assert_allclose(found.mean(0), area @ corners.mean(1) / area.sum(), atol=0.35)  # spread by area
