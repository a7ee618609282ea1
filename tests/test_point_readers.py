"""Files of points, surfaces and splats: what is in them, and words for what is broken."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.data.readers import cloud, mesh, ply
from headstart.errors import Unreadable

RNG = np.random.default_rng(0)
CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
QUADS = np.array([[0, 1, 3, 2], [4, 5, 7, 6], [0, 1, 5, 4], [2, 3, 7, 6], [0, 2, 6, 4], [1, 3, 7, 5]])
ROWS = [
    (round(float(a), 3), round(float(b), 3), round(float(c), 3), i % 256)
    for i, (a, b, c) in enumerate(RNG.random((50, 3)))
]


def ply_of(form: str, vertices: list[tuple], names: str, types: str, faces: Any = None) -> bytes:
    """A PLY file in one of the three forms; types are those of struct."""
    said = {"f": "float", "B": "uchar", "d": "double", "i": "int"}
    head = f"ply\nformat {form} 1.0\ncomment made up\nelement vertex {len(vertices)}\n"
    head += "".join(f"property {said[t]} {n}\n" for n, t in zip(names.split(), types, strict=True))
    if faces is not None:
        head += f"element face {len(faces)}\nproperty list uchar int vertex_indices\n"
    head += "end_header\n"
    if form == "ascii":
        lines = [" ".join(map(str, v)) for v in vertices]
        lines += [] if faces is None else [" ".join(map(str, (len(f), *f))) for f in faces]
        return (head + "\n".join(lines) + "\n").encode()
    order = "<" if "little" in form else ">"
    body = b"".join(struct.pack(order + types, *v) for v in vertices)
    body += b"" if faces is None else b"".join(struct.pack(f"{order}B{len(f)}i", len(f), *f) for f in faces)
    return head.encode() + body


FORMS = ("ascii", "binary_little_endian", "binary_big_endian")


def save(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_ply_vertices_are_points_with_their_colours(tmp_path: Path, form: str) -> None:
    rows = [(*r[:3], 255, 0, 51) for r in ROWS]
    path = save(tmp_path / "a.ply", ply_of(form, rows, "x y z red green blue", "fffBBB"))
    points = ply.read(path)
    assert points.shape == (50, 6) and points.dtype == np.float32
    np.testing.assert_allclose(points[:, :3], [r[:3] for r in ROWS], atol=1e-6)
    np.testing.assert_allclose(points[:, 3:], [[1, 0, 0.2]] * 50, atol=1e-6)
    assert ply.kind(path.read_bytes()[:4096], path) == "points"


@pytest.mark.parametrize("form", FORMS)
def test_ply_surfaces_are_sampled_by_area(tmp_path: Path, form: str) -> None:
    mixed = [*QUADS.tolist()[:5], [1, 3, 7], [1, 7, 5]]
    for faces in (QUADS, mixed):
        points = ply.read(save(tmp_path / "a.ply", ply_of(form, CUBE.tolist(), "x y z", "fff", faces)))
        _check_cube(points)


def _check_cube(points: np.ndarray) -> None:
    assert points.shape == (mesh.POINTS, 3)
    on = np.isclose(points, 0, atol=1e-5) | np.isclose(points, 1, atol=1e-5)
    assert on.any(1).all()
    shares = [np.isclose(points[:, axis], side, atol=1e-5).mean() for axis in range(3) for side in (0, 1)]
    np.testing.assert_allclose(shares, 1 / 6, atol=0.01)
    np.testing.assert_allclose(points.mean(0), 0.5, atol=0.02)


@pytest.mark.parametrize("form", FORMS)
def test_ply_splats_have_their_14_columns(tmp_path: Path, form: str) -> None:
    names = "x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 f_rest_0 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3"
    rows = [tuple(float(i) for i in range(18)) for _ in range(4)]
    path = save(tmp_path / "a.ply", ply_of(form, rows, names, "f" * 18))
    splats = ply.read(path)
    assert splats.shape == (4, 14) and ply.kind(path.read_bytes()[:4096], path) == "splats"
    assert splats[0, :11].tolist() == [0, 1, 2, 11, 12, 13, 14, 15, 16, 17, 10]
    np.testing.assert_allclose(splats[0, 11:], 0.5 + 0.28209479 * np.array([6, 7, 8]), rtol=1e-6)


def test_trimesh_agrees_on_meshes(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    ball = trimesh.creation.icosphere(subdivisions=3)
    for name in ("a.obj", "a.off", "a.stl", "a.ply"):
        ball.export(tmp_path / name)
        start = (tmp_path / name).read_bytes()[:4096]
        reader = ply if name.endswith("ply") else mesh
        assert reader.kind(start, tmp_path / name) == "points", name
        points = reader.read(tmp_path / name)
        assert points.shape == (mesh.POINTS, 3)
        radius = np.linalg.norm(points, axis=1)
        assert radius.min() > 0.985 and radius.max() < 1.0001 and np.abs(points.mean(0)).max() < 0.03
        assert np.array_equal(points, reader.read(tmp_path / name))
    (tmp_path / "t.stl").write_text(trimesh.exchange.stl.export_stl_ascii(ball))
    assert np.abs(np.linalg.norm(mesh.read(tmp_path / "t.stl"), axis=1) - 1).max() < 0.015


def test_obj_counts_back_and_passes_over_what_is_broken(tmp_path: Path) -> None:
    lines = [f"v {x} {y} {z} 0.5 0.5 0.5" for x, y, z in CUBE] + ["vt 0 0", "vn 0 0 1", "usemtl a"]
    lines += ["f " + " ".join(f"{i - 8}/1/1" for i in face) for face in QUADS.tolist()]
    lines += ["f 1 1 1", "f 1 2 99", "f 1 2"]  # no area, no such corner, no face
    path = save(tmp_path / "a.obj", "\n".join(lines).encode())
    _check_cube(mesh.read(path))
    assert mesh.kind(path.read_bytes(), path) == "points"
    assert mesh.kind(b"\x4c\x01\x02\0\0\0", path) is None and mesh.kind(b"int main() {}\n", path) is None
    assert mesh.read(save(tmp_path / "b.obj", b"v 1 2 3\nv 4 5 6\n")).tolist() == [[1, 2, 3], [4, 5, 6]]


def test_off_without_a_break_after_its_name(tmp_path: Path) -> None:
    body = f"{len(CUBE)} {len(QUADS)} 0\n" + "\n".join(" ".join(map(str, v)) for v in CUBE)
    body += "\n# faces\n" + "\n".join("4 " + " ".join(map(str, f)) for f in QUADS.tolist())
    for head in ("OFF", "OFF\n", "OFF # by hand\n"):
        path = save(tmp_path / "a.off", (head + body).encode())
        assert mesh.kind(path.read_bytes(), path) == "points"
        _check_cube(mesh.read(path))


def lzf(data: bytes) -> bytes:
    """Literal runs, with one copy that overlaps itself where a byte is repeated."""
    out, i = bytearray(), 0
    while i < len(data):
        run = 1
        while i + run < len(data) and run < 200 and data[i + run] == data[i]:
            run += 1
        if run > 9:
            out += bytes([0, data[i], 7 << 5, run - 10, 0])  # a copy of run - 1 bytes, from 1 back
            i += run
        else:
            out += bytes([0, data[i]])
            i += 1
    return bytes(out)


def pcd_of(form: str) -> bytes:
    names, n = ("x", "y", "z", "intensity", "rgb"), len(ROWS)
    rgb = np.uint32(255 << 16 | 51).view(np.float32)
    table = np.array([(*r, rgb) for r in ROWS], [(name, "<f4") for name in names])
    head = f"# .PCD v0.7\nVERSION 0.7\nFIELDS {' '.join(names)}\nSIZE 4 4 4 4 4\nTYPE F F F F F\nCOUNT 1 1 1 1 1\n"
    head += f"WIDTH {n}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {n}\nDATA {form}\n"
    if form == "ascii":
        return head.encode() + "\n".join(" ".join(repr(float(v)) for v in row) for row in table.tolist()).encode()
    if form == "binary":
        return head.encode() + table.tobytes()
    flat = b"".join(table[name].tobytes() for name in names)
    return head.encode() + struct.pack("<II", len(lzf(flat)), len(flat)) + lzf(flat)


@pytest.mark.parametrize("form", ["ascii", "binary", "binary_compressed"])
def test_pcd_in_all_its_forms(tmp_path: Path, form: str) -> None:
    path = save(tmp_path / "a.pcd", pcd_of(form))
    assert cloud.kind(path.read_bytes()[:4096], path) == "points"
    points = cloud.read(path)
    np.testing.assert_allclose(points[:, :4], ROWS, atol=1e-5)
    np.testing.assert_allclose(points[:, 4:], [[1, 0, 0.2]] * 50, atol=1e-6)


def test_points_without_a_return_are_left_out(tmp_path: Path) -> None:
    data = pcd_of("binary")
    at = data.index(b"DATA binary\n") + 12
    path = save(tmp_path / "a.pcd", data[:at] + struct.pack("<f", float("nan")) + data[at + 4 :])
    assert len(cloud.read(path)) == 49


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_las_is_shifted_to_its_corner(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    laspy = pytest.importorskip("laspy")
    path = tmp_path / f"a{suffix}"
    file = laspy.create(point_format=3, file_version="1.2")
    file.header.scales, file.header.offsets = [0.001] * 3, [500_000, 4_000_000, 0]
    places = RNG.random((3_000, 3)) * [90, 90, 10]
    file.x, file.y, file.z = (places + np.array([500_000, 4_000_000, 300])).T
    file.intensity = np.full(3_000, 13_107, np.uint16)
    file.red = file.green = np.full(3_000, 65_535, np.uint16)
    file.write(path)
    points = cloud.read(path)
    assert cloud.kind(path.read_bytes()[:4096], path) == "points" and points.shape == (3_000, 7)
    np.testing.assert_allclose(points[:, :3], places - places.min(0), atol=2e-3)
    np.testing.assert_allclose(points[:, 3:], [[0.2, 1, 1, 0]] * 3_000, atol=1e-6)
    monkeypatch.setattr(cloud, "KEPT", 1_000)
    assert 900 <= len(cloud.read(path)) <= 1_001


def test_text_and_kitti_are_known_by_numbers_that_make_sense(tmp_path: Path) -> None:
    text = "\n".join(f"{a} {b} {c} {d}" for a, b, c, d in ROWS)
    for name, body in (
        ("a.xyz", "# made up\n" + text),
        ("a.pts", f"{len(ROWS)}\n{text}"),
        ("b.xyz", text.replace(" ", ",")),
    ):
        path = save(tmp_path / name, body.encode())
        assert cloud.kind(body.encode()[:4096], path) == "points"
        np.testing.assert_allclose(cloud.read(path), ROWS, atol=1e-6)
    molecule = b"2\nwater\nO 0 0 0\nH 0 0 1\n"
    assert cloud.kind(molecule, save(tmp_path / "m.xyz", molecule)) is None
    sweep = np.concatenate([RNG.normal(0, 20, (99, 3)), RNG.random((99, 1))], 1).astype("<f4")
    path = save(tmp_path / "a.bin", sweep.tobytes())
    assert cloud.kind(sweep.tobytes()[:4096], path) == "points" and np.array_equal(cloud.read(path), sweep)
    for other in (RNG.bytes(1_600), sweep.tobytes()[:-3], bytes(1_600), b"text " * 320):
        assert cloud.kind(other[:4096], save(tmp_path / "b.bin", other)) is None
        with pytest.raises(Unreadable):
            cloud.read(tmp_path / "b.bin")


def _files(folder: Path) -> list[tuple[Any, str, bytes]]:
    splat = "x y z f_dc_0 f_dc_1 f_dc_2 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3"
    files: list[tuple[Any, str, bytes]] = []
    for form in FORMS:
        files.append((ply, ".ply", ply_of(form, CUBE.tolist(), "x y z", "fff", [*QUADS.tolist(), [1, 2, 3]])))
        files.append((ply, ".ply", ply_of(form, [(1.0,) * 14] * 9, splat, "f" * 14)))
    files += [(cloud, ".pcd", pcd_of(form)) for form in ("ascii", "binary", "binary_compressed")]
    text = "\n".join(f"{a} {b} {c} {d}" for a, b, c, d in ROWS).encode()
    files += [(cloud, ".xyz", text), (cloud, ".pts", b"50\n" + text)]
    cube = "\n".join("v " + " ".join(map(str, v)) for v in CUBE)
    files.append(
        (mesh, ".obj", (cube + "\n" + "\n".join(f"f {a + 1} {b + 1} {c + 1}" for a, b, c, _ in QUADS)).encode())
    )
    off = "OFF\n8 6 0\n" + "\n".join(" ".join(map(str, v)) for v in CUBE) + "\n"
    files.append((mesh, ".off", (off + "\n".join("4 " + " ".join(map(str, f)) for f in QUADS)).encode()))
    triangle = struct.pack("<12fH", *RNG.random(12).tolist(), 0)
    files.append((mesh, ".stl", bytes(80) + struct.pack("<I", 9) + triangle * 9))
    try:
        import laspy
    except ImportError:
        return files
    for suffix in (".las", ".laz"):
        file = laspy.create(point_format=3, file_version="1.2")
        file.x, file.y, file.z = RNG.random((3, 200))
        file.write(folder / f"whole{suffix}")
        files.append((cloud, suffix, (folder / f"whole{suffix}").read_bytes()))
    return files


def test_broken_files_are_refused_in_words(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    refused = read = 0
    for reader, suffix, data in _files(tmp_path):
        broken = [b"", b"\0" * 300, b"This is a letter.\n" * 9, data[: len(data) // 2], data[:10], data + b"\xff"]
        for _ in range(40):
            flipped = bytearray(data)
            for at in rng.integers(0, len(data), int(rng.integers(1, 4))):
                flipped[at] ^= 1 << int(rng.integers(8))
            broken += [bytes(flipped), data[: int(rng.integers(len(data)))]]
        for some in broken:
            path = save(tmp_path / f"x{suffix}", some)
            reader.kind(some[:4096], path)
            try:
                points = reader.read(path)
                assert points.dtype == np.float32 and points.ndim == 2 and np.isfinite(points).all()
                read += 1
            except Unreadable:
                refused += 1
    assert refused > 300 and read > 100


def test_what_says_it_is_huge_is_not_believed(tmp_path: Path) -> None:
    huge = ply_of("binary_little_endian", CUBE.tolist(), "x y z", "fff").replace(b"vertex 8", b"vertex 19999999")
    with pytest.raises(Unreadable, match="too early"):
        ply.read(save(tmp_path / "a.ply", huge))
    with pytest.raises(Unreadable, match="up to"):
        ply.read(save(tmp_path / "a.ply", huge.replace(b"19999999", b"99999999999")))
    bomb = pcd_of("binary_compressed").replace(b"POINTS 50", b"POINTS 9999999")
    with pytest.raises(Unreadable):
        cloud.read(save(tmp_path / "a.pcd", bomb))
    with pytest.raises(ValueError, match="unpacks"):
        cloud.inflate(bytes([0, 0]) + bytes([224, 255, 0]) * 1_000, 5_000)
    with pytest.raises(Unreadable, match="cannot be opened"):
        ply.read(tmp_path / "not there.ply")


def test_a_surface_takes_points_by_area_and_interpolates_colours() -> None:
    vertices = np.array([[0, 0, 0, 0.0], [1, 0, 0, 1], [0, 1, 0, 0], [9, 0, 0, 5], [9, 0, 3, 5], [9, 3, 0, 5]])
    points = mesh.surface(vertices, np.array([[0, 1, 2], [3, 4, 5]]))
    assert abs((points[:, 0] > 5).mean() - 0.9) < 0.01  # 4.5 against 0.5
    near = points[points[:, 0] < 5]
    np.testing.assert_allclose(near[:, 3], near[:, 0], atol=1e-6)
    assert (points[points[:, 0] > 5, 3] == 5).all()
