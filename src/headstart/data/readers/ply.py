"""PLY files (Turk 1994): points, surfaces sampled by area, and scenes of Gaussian splats, ASCII or binary.

Vertices with x, y and z become points with their normals (nx ny nz) and colours (red green blue, as shares of 255) where
they have them; with faces, 2,048 points spread over the surface; with opacity, scale_0, rot_0 and f_dc_0, splats. Files of up
to 2 GiB (text: 256 MiB) with up to 20 million vertices are read. Axes are left as the file has them.
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ...errors import Unreadable
from .mesh import content, finite, surface, triangles

SUFFIXES = (".ply",)
ALONE = True
BYTES, TEXT, ITEMS, HEADER = 2 << 30, 256 << 20, 20_000_000, 1 << 16
CONSTANT = 0.28209479177387814  # of the spherical harmonics: colour = 0.5 + CONSTANT * f_dc
NUMBERS = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
SPLAT = ("f_dc_0", "f_dc_1", "f_dc_2", "opacity", *(f"scale_{i}" for i in range(3)), *(f"rot_{i}" for i in range(4)))
Property = tuple[str, str, str]  # name, number type, type of the count of a list ("" for a number)
Element = tuple[str, int, list[Property]]


def kind(start: bytes, path: Path) -> str | None:
    """By the first word; splats by the properties in the header."""
    if not re.match(rb"ply\r?\n", start):
        return None
    names = set(re.findall(rb"property\s+\S+\s+(\S+)", start.partition(b"end_header")[0]))
    return "splats" if {b"f_dc_0", b"opacity", b"scale_0", b"rot_0"} <= names else "points"


def read(path: Path) -> Float[np.ndarray, "n D"]:
    """[n, 3 + features] points or [n, 14] splats, float32."""
    data = content(path, BYTES)
    try:
        with np.errstate(all="ignore"):  # NaN of any make: `finite` leaves them out
            return _read(data)
    except Unreadable:
        raise
    except (ValueError, IndexError, KeyError, OverflowError, TypeError, MemoryError) as error:
        raise Unreadable("", f"the PLY file is damaged ({error})") from error


def _read(data: bytes) -> np.ndarray:
    order, elements, at = _header(data)
    if not order and len(data) > TEXT:
        raise Unreadable("", f"the file has {len(data) >> 20:,} MiB of text; up to {TEXT >> 20} can be read")
    words = data[at:].split() if not order else []
    at = at if order else 0
    vertex: dict[str, np.ndarray] | None = None
    faces = None
    for name, count, properties in elements:
        wanted = "vertex_indices" if any(p[0] == "vertex_indices" for p in properties) else "vertex_index"
        if order:
            columns, lists, at = _binary(data, at, count, properties, order, wanted)
        else:
            columns, lists, at = _ascii(words, at, count, properties, wanted)
        if name == "vertex":
            vertex = columns
        elif name == "face":
            faces = lists
    if vertex is None or not {"x", "y", "z"} <= set(vertex):
        raise Unreadable("", "the PLY file has no vertices with x, y and z")
    if set(SPLAT) <= set(vertex):
        return _splats(vertex)
    values = np.stack([c for name in ("xyz", "normals", "colours") for c in _named(vertex, name)], 1)
    return finite(values) if faces is None or not len(faces) else surface(values, faces)


def _named(vertex: dict[str, np.ndarray], what: str) -> list[np.ndarray]:
    """The three columns, or none. Whole numbers for colours are shares of their range."""
    names = {"xyz": "x y z", "normals": "nx ny nz", "colours": "red green blue"}[what].split()
    if not set(names) <= set(vertex):
        return []
    columns = [vertex[name] for name in names]
    whole = what == "colours" and all(c.dtype.kind in "iu" for c in columns)
    return [c.astype(np.float64) / (np.iinfo(c.dtype).max if whole else 1) for c in columns]


def _splats(vertex: dict[str, np.ndarray]) -> np.ndarray:
    names = ("x", "y", "z", *SPLAT[4:7], *SPLAT[7:], "opacity", *SPLAT[:3])
    values = np.stack([vertex[name].astype(np.float64) for name in names], 1)
    values[:, 11:] = 0.5 + CONSTANT * values[:, 11:]
    return finite(values)


def _header(data: bytes) -> tuple[str, list[Element], int]:
    """The byte order ("" for ASCII), what the file holds, and where that begins."""
    head = re.match(rb"ply\r?\n(.*?)end_header[ \t]*(\r\n|\n|\r)", data[:HEADER], re.DOTALL)
    if head is None:
        raise Unreadable("", "the file has no PLY header")
    order: str | None = None
    elements: list[Element] = []
    for line in head[1].decode("latin-1").splitlines():
        words = line.split()
        if words[:1] == ["format"]:
            order = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}[words[1]]
        elif words[:1] == ["element"]:
            elements.append((words[1], int(words[2]), []))
            if not 0 <= elements[-1][1] <= ITEMS or len(elements) > 100:
                raise Unreadable("", f"the PLY file says it has {words[2]} {words[1]}s; up to {ITEMS:,} can be read")
        elif words[:1] == ["property"]:
            many = words[1] == "list"
            elements[-1][2].append((words[-1], NUMBERS[words[3 if many else 1]], NUMBERS[words[2]] if many else ""))
            if len({p[0] for p in elements[-1][2]}) < len(elements[-1][2]):
                raise Unreadable("", f"the PLY file has two properties called {words[-1]}")
    if order is None:
        raise Unreadable("", "the PLY header names no format")
    return order, elements, head.end()


def _binary(
    data: bytes, at: int, count: int, properties: list[Property], order: str, wanted: str
) -> tuple[dict[str, np.ndarray], np.ndarray | None, int]:
    """Columns of numbers, triangles of the list called `wanted`, and where the next element begins."""
    if not count or not properties:
        return {}, None, at
    # all lists as long as the first ones: so it is in files of triangles, and reading them is one step
    guess: list[tuple[str, str] | tuple[str, str, tuple[int, ...]]] = []
    place = at
    for name, number, counter in properties:
        length = 1
        if counter:
            length = int(np.frombuffer(data, order + counter, 1, place)[0])
            if not 0 <= length <= 255:
                raise Unreadable("", f"the PLY file has a list of {length} numbers")
            guess.append((f"#{name}", order + counter))
            place += int(counter[1])
        guess.append((name, order + number, (length,)) if counter else (name, order + number))
        place += length * int(number[1])
    record = np.dtype(guess)
    if at + count * record.itemsize <= len(data):
        table = np.frombuffer(data, record, count, at)
        lists = [p for p in properties if p[2]]
        if all((table[f"#{p[0]}"] == table[f"#{p[0]}"][0]).all() for p in lists):
            columns = {p[0]: table[p[0]].astype(record[p[0]].newbyteorder("=")) for p in properties if not p[2]}
            corners = table[wanted] if any(p[0] == wanted for p in lists) else None
            sizes = None if corners is None else np.full(count, corners.shape[1])
            cut = None if corners is None or sizes is None else triangles(_whole(corners), sizes)
            return columns, cut, at + count * record.itemsize
    if not any(p[2] for p in properties):
        raise Unreadable("", "the PLY file ends too early")
    return _binary_lists(data, at, count, properties, order, wanted)


def _binary_lists(
    data: bytes, at: int, count: int, properties: list[Property], order: str, wanted: str
) -> tuple[dict[str, np.ndarray], np.ndarray | None, int]:
    """The same where lists differ in length: one by one. Numbers beside the lists are passed over."""
    endian = "little" if order == "<" else "big"
    parts, sizes = [], []
    for _ in range(count):
        for name, number, counter in properties:
            length = 1
            if counter:
                length = int.from_bytes(data[at : at + int(counter[1])], endian)  # type: ignore[arg-type]
                at += int(counter[1])
            if name == wanted:
                parts.append(data[at : at + length * int(number[1])])
                sizes.append(length)
                number_type = order + number
            at += length * int(number[1])
        if at > len(data):
            raise Unreadable("", "the PLY file ends too early")
    if not sizes:
        return {}, None, at
    return {}, triangles(_whole(np.frombuffer(b"".join(parts), number_type)), np.array(sizes)), at


def _ascii(
    words: list[bytes], at: int, count: int, properties: list[Property], wanted: str
) -> tuple[dict[str, np.ndarray], np.ndarray | None, int]:
    """As `_binary`, with words for bytes."""
    if not any(p[2] for p in properties):
        width = len(properties)
        if at + count * width > len(words):
            raise Unreadable("", "the PLY file ends too early")
        table = np.array(words[at : at + count * width], np.float64).reshape(count, width)
        with np.errstate(invalid="ignore"):
            columns = {
                name: table[:, i].astype(number) if number[0] in "iu" else table[:, i]
                for i, (name, number, _) in enumerate(properties)
            }
        return columns, None, at + count * width
    corners, sizes = [], []
    for _ in range(count):
        for name, _, counter in properties:
            length = 1
            if counter:
                length = int(words[at])
                at += 1
                if length < 0:
                    raise Unreadable("", "the PLY file has a list of negative length")
            if name == wanted:
                corners += words[at : at + length]
                sizes.append(length)
            at += length
        if at > len(words):
            raise Unreadable("", "the PLY file ends too early")
    if not sizes:
        return {}, None, at
    return {}, triangles(np.array([int(w) for w in corners], np.int64), np.array(sizes)), at


def _whole(corners: np.ndarray) -> np.ndarray:
    if corners.dtype.kind not in "iu":
        raise Unreadable("", "the faces of the PLY file are not whole numbers")
    return corners.astype(np.int64).reshape(-1)
