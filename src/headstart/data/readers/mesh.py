"""Surfaces as clouds of points: OBJ, OFF and STL files, 2,048 points spread over the triangles by area, always the same ones.

Files of up to 256 MiB with up to 10 million vertices and triangles are read. Axes are left as the file has them;
only what is very far from 0 is shifted (`finite`).
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from ...errors import Unreadable

SUFFIXES = (".obj", ".off", ".stl")
ALONE = True
POINTS = 2_048  # sampled from a surface
FAR = 1_000  # times its own size
CORNERS = 65_536  # of a face
BYTES, ITEMS = 256 << 20, 10_000_000
_OBJ = re.compile(rb"(#|v[tnp]? |f |o |g |s |l |p |mtllib|usemtl|vn|vt|\s*$)")


def kind(start: bytes, path: Path) -> str | None:
    """ "points" for an OFF by its first word, an STL by its length or first word, an OBJ by its suffix and lines."""
    suffix = path.suffix.lower()
    if re.match(rb"\s*(ST)?C?N?OFF\b|\s*OFF\d", start):
        return "points"
    if suffix == ".stl" and (_is_binary_stl(start, path) or start.lstrip()[:5].lower() == b"solid"):
        return "points"
    if suffix == ".obj" and b"\0" not in start:
        lines = start.splitlines()[: -1 if len(start) >= 4096 else None]
        if lines and all(_OBJ.match(line) for line in lines):
            return "points"
    return None


def read(path: Path) -> Float[np.ndarray, "n 3"]:
    """[2048, 3] float32 of the surface; the vertices where there are no triangles."""
    data = content(path, BYTES)
    if not data:
        raise Unreadable("", "the file is empty")
    try:
        if re.match(rb"\s*(ST)?C?N?OFF", data):
            vertices, faces = _off(data)
        elif path.suffix.lower() == ".stl" and len(data) >= 84 and len(data) == 84 + 50 * _count(data):
            return surface(*_stl(data))
        elif data.lstrip()[:5].lower() == b"solid":
            numbers = re.findall(rb"vertex\s+(\S+)\s+(\S+)\s+(\S+)", data)
            vertices = np.array(numbers[: 3 * ITEMS], np.float64).reshape(-1, 3)
            faces = np.arange(len(vertices) // 3 * 3).reshape(-1, 3)
        else:
            vertices, faces = obj(data)
    except (ValueError, IndexError, OverflowError, MemoryError) as error:
        raise Unreadable("", f"the mesh is damaged ({error})") from error
    return surface(vertices, faces)


def content(path: Path, most: int) -> bytes:
    """The bytes of a file that is not too large."""
    try:
        size = path.stat().st_size
        if size > most:
            raise Unreadable("", f"the file has {size >> 20:,} MiB; up to {most >> 20:,} can be read")
        return path.read_bytes()
    except OSError as error:
        raise Unreadable("", f"the file cannot be opened ({error.strerror or error})") from error


def surface(
    vertices: Float[np.ndarray, "n D"], faces: Int[np.ndarray, "m 3"], count: int = POINTS
) -> Float[np.ndarray, "k D"]:
    """Points [count, D] float32 spread evenly over triangles by area; further columns are interpolated.

    Triangles without area or with a corner that is not there are passed over; with none left, the vertices are given.
    """
    vertices = np.asarray(vertices, np.float64)
    if not len(vertices) or vertices.ndim != 2:
        raise Unreadable("", "the file holds no vertices")
    faces = faces[((faces >= 0) & (faces < len(vertices))).all(1)]
    faces = faces[np.isfinite(vertices[:, :3]).all(1)[faces].all(1)]
    a, b, c = (vertices[faces[:, i], :3] for i in range(3))
    with np.errstate(all="ignore"):
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    area[~np.isfinite(area)] = 0
    if not area.sum() > 0 or not np.isfinite(area.sum()):
        return finite(vertices)
    rng = np.random.default_rng(0)
    total = area.cumsum()
    on = np.searchsorted(total, (np.arange(count) + rng.random(count)) / count * total[-1], side="right")
    on = faces[on.clip(0, len(faces) - 1)]
    u, v = rng.random((2, count, 1))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    return finite((1 - u - v) * vertices[on[:, 0]] + u * vertices[on[:, 1]] + v * vertices[on[:, 2]])


def finite(points: np.ndarray) -> Float[np.ndarray, "n D"]:
    """float32, without rows that hold NaN, infinity or what float32 cannot hold; at least one is left, or Unreadable.

    A cloud that is far away for its size, as on the grid of a country, is shifted near 0: float32 would round it to half metres.
    """
    with np.errstate(all="ignore"):
        points = np.array(points, np.float64)
        points = points[np.isfinite(points.astype(np.float32)).all(1)]
    if not len(points):
        raise Unreadable("", "the file holds no point")
    low, high = np.quantile(points[:: 1 + len(points) // 10_000, :3], [0.01, 0.99], axis=0)
    if np.abs(low).max() > FAR * (high - low).max() > 0:
        points[:, :3] -= np.floor(low)
    return points.astype(np.float32)


def triangles(corners: Int[np.ndarray, "m"], sizes: Int[np.ndarray, "f"]) -> Int[np.ndarray, "t 3"]:
    """Polygons, their corners one after another, cut into triangles that share the first corner."""
    sizes = sizes.astype(np.int64)
    start = np.cumsum(sizes) - sizes
    fans = np.clip(sizes - 2, 0, None)
    if fans.sum() > ITEMS:
        raise Unreadable("", f"the mesh has more than {ITEMS:,} triangles")
    first = np.repeat(start, fans)
    step = np.arange(len(first)) - np.repeat(np.cumsum(fans) - fans, fans)
    return np.stack([corners[first], corners[first + step + 1], corners[first + step + 2]], 1)


def obj(data: bytes) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, "m 3"]]:
    """Vertices and triangles of a Wavefront OBJ file; textures, normals and all else are passed over."""
    places: list[bytes] = []
    corners: list[int] = []
    sizes: list[int] = []
    for line in data.replace(b"\\\n", b" ").splitlines():
        if line.startswith((b"v ", b"v\t")):
            places.append(line[2:])
        elif line.startswith((b"f ", b"f\t")):
            words = line.split(None, CORNERS + 1)[1:]
            if len(words) > CORNERS:
                raise Unreadable("", f"the mesh has a face of more than {CORNERS:,} corners")
            n = len(places)
            at = [int(word.partition(b"/")[0]) for word in words]
            corners += [i - 1 if i > 0 else n + i for i in at]
            sizes.append(len(at))
        if len(places) > ITEMS or len(corners) > 3 * ITEMS:
            raise Unreadable("", f"the mesh has more than {ITEMS:,} vertices or triangles")
    vertices = np.array([place.split()[:3] for place in places], np.float64).reshape(-1, 3)
    return vertices, triangles(np.array(corners, np.int64), np.array(sizes, np.int64))


def _off(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """ModelNet's files leave out the line break after OFF; colours after a face are passed over."""
    text = re.sub(rb"#[^\n]*", b"", data)
    head = re.match(rb"\s*((?:ST)?C?N?OFF)(?:\s+BINARY)?", text)
    assert head is not None
    lines = [line for line in text[head.end() :].splitlines() if line.strip()]
    if not lines:
        raise Unreadable("", "the mesh ends before its counts")
    n, m = (int(word) for word in lines[0].split()[:2])
    if not (0 < n <= ITEMS and 0 <= m <= ITEMS) or len(lines) < 1 + n + m:
        raise Unreadable("", f"the mesh says it has {n:,} vertices and {m:,} faces, but has {len(lines) - 1:,} lines")
    vertices = np.array([line.split()[:3] for line in lines[1 : 1 + n]], np.float64).reshape(-1, 3)
    faces = [line.split() for line in lines[1 + n : 1 + n + m]]
    cut = [words[1 : 1 + int(words[0])] for words in faces]
    corners = np.array([int(word) for words in cut for word in words], np.int64)
    return vertices, triangles(corners, np.array([len(words) for words in cut], np.int64))


def _stl(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("more", "<u2")])
    corners = np.frombuffer(data, record, _count(data), 84)["corners"].reshape(-1, 3)
    with np.errstate(invalid="ignore"):
        corners = corners.astype(np.float64)
    return corners, np.arange(len(corners)).reshape(-1, 3)


def _count(data: bytes) -> int:
    return int.from_bytes(data[80:84], "little")


def _is_binary_stl(start: bytes, path: Path) -> bool:
    try:
        return len(start) >= 84 and path.stat().st_size == 84 + 50 * _count(start)
    except OSError:
        return False
