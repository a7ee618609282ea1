"""Clouds of points from scanners: PCD, LAS and LAZ, text with a point in a line, and KITTI's .bin.

Points with NaN (no return) are left out. PCD: normals, intensity and colour follow x y z where there are such fields. LAS:
shifted so that the least x, y, z are 0; points that are marked as withheld are left out; intensity and colour as shares of
their range, which of colours is 255 where none is above; of more than 2 million points every
second, third, ... is read. Text: 3 to 12 numbers in a line. KITTI: x y z and reflectance. Files of up to 2 GiB (text: 256
MiB) are read. Axes are left as the file has them; only what is very far from 0 is shifted (`mesh.finite`).
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ...errors import Mistake, Unreadable
from ...extras import need
from ._limits import claimed, unpacked
from .mesh import content, finite

SUFFIXES = (".pcd", ".las", ".laz", ".xyz", ".pts", ".bin")
EXTRA = "points"
ALONE = True
BYTES, TEXT, INFLATED, POINTS, KEPT = 2 << 30, 256 << 20, 64 << 20, 20_000_000, 2_000_000
LAS = 375  # bytes of the longest header
PCD = re.compile(rb"(\s*#[^\n]*\n)*\s*(VERSION|FIELDS)\s")


def kind(start: bytes, path: Path) -> str | None:
    """PCD and LAS by their first words; text and KITTI by suffix and by numbers that make sense."""
    suffix = path.suffix.lower()
    if start[:4] == b"LASF" or PCD.match(start):
        return "points"
    if suffix in (".xyz", ".pts") and _numbers(start, len(start) >= 4096) is not None:
        return "points"
    if suffix == ".bin":
        try:
            size = path.stat().st_size
        except OSError:
            return None
        return (
            "points"
            if size and size % 16 == 0 and _sane(np.frombuffer(start[: len(start) // 16 * 16], "<f4"))
            else None
        )
    return None


def read(path: Path) -> Float[np.ndarray, "n D"]:
    """[n, 3 + features] float32."""
    with np.errstate(all="ignore"):  # NaN of any make: `finite` leaves them out
        return _read(path)


def _read(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise Unreadable("", f"the file cannot be opened ({error.strerror or error})") from error
    if not start:
        raise Unreadable("", "the file is empty")
    try:
        if start[:4] == b"LASF":
            return finite(_las(path))
        data = content(path, TEXT if path.suffix.lower() in (".xyz", ".pts") else BYTES)
        if PCD.match(start):
            return finite(_pcd(data))
        if path.suffix.lower() == ".bin":
            values = np.frombuffer(data[: len(data) // 16 * 16], "<f4")
            if len(data) % 16 or not _sane(values):
                raise Unreadable("", "this .bin file does not hold x, y, z and reflectance as float32")
            return finite(values.reshape(-1, 4))
        table = _numbers(data, False)
        if table is None:
            raise Unreadable("", "the file does not hold points, one in a line")
        return finite(table)
    except (Unreadable, Mistake):
        raise
    except BaseException as error:  # damaged files make parsers raise anything, the one for .laz even panics
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise Unreadable("", f"the cloud is damaged ({type(error).__name__}: {error})") from error


def _sane(values: np.ndarray) -> bool:
    """Metres within a scanner's reach, and a reflectance."""
    rows = values.reshape(-1, 4)
    with np.errstate(invalid="ignore"):
        near = bool((np.abs(rows[:, :3]) < 500).all() and (rows[:, 3] >= 0).all() and (rows[:, 3] <= 255).all())
    return len(rows) > 0 and near and float(np.ptp(rows[:, :3])) > 0.01


def _numbers(data: bytes, cut: bool) -> np.ndarray | None:
    """[n, 3..12] numbers of text with equally long lines; the first may count them; or None. cut: the last line is not whole."""
    if b"\0" in data[:4096]:
        return None
    data = data.replace(b",", b"." if b";" in data else b" ").replace(b";", b" ")
    lines = [line for line in data.splitlines() if line[:1] not in (b"#", b"/")]
    lines = [line for line in (lines[:-1] if cut else lines) if line.strip()]
    if lines and (len(lines[0].split()) == 1 or lines[0].split()[0].lower() in (b"x", b'"x"')):
        lines = lines[1:]  # how many there are, or the names of the columns
    if not lines or len(lines) > POINTS:
        return None
    width = len(lines[0].split())
    words = b"\n".join(lines).split()
    if not 3 <= width <= 12 or len(words) != width * len(lines):
        return None
    try:
        return np.array(words, np.float64).reshape(-1, width)
    except ValueError:
        return None


def _las(path: Path) -> np.ndarray:
    laspy = need("laspy", "points", f"reading {path.suffix}")
    if path.suffix.lower() == ".laz":
        need("lazrs", "points", "reading .laz")
    parts, size = [], path.stat().st_size
    with path.open("rb") as head:
        _check_records(head.read(LAS), size)
    with laspy.open(path) as file:
        count = file.header.point_count
        if not 0 < count <= 10 * POINTS:
            raise Unreadable("", f"the file says it has {count:,} points")
        step = -(-count // KEPT)
        each = file.header.point_format.size
        if file.header.are_points_compressed:
            reason = unpacked(count * each, size)
        else:
            there = max(0, size - file.header.offset_to_point_data)
            reason = claimed(count, each, there, "points") if count * each > 2 * there else ""  # half may be cut off
        if reason:
            raise Unreadable("", reason)
        # what is read at once stays below what the file could hold
        for chunk in file.chunk_iterator(max(1_000, min(1_000_000, size))):
            names = set(chunk.point_format.dimension_names)
            if (withheld := np.asarray(chunk["withheld"])).any():
                chunk = chunk[withheld == 0]
            columns = [np.asarray(c)[::step] for c in (chunk.x, chunk.y, chunk.z)]
            columns += [
                np.asarray(chunk[n])[::step] / 65_535 for n in ("intensity", "red", "green", "blue") if n in names
            ]
            parts.append(np.stack(columns, 1))
            if sum(map(len, parts)) > 2 * KEPT:
                break
    points = np.concatenate(parts)
    if not len(points):
        raise Unreadable("", "all its points are withheld")
    points[:, :3] -= points[:, :3].min(0)
    if points.shape[1] > 4 and points[:, 4:].max() <= 255 / 65_535:
        points[:, 4:] *= 65_535 / 255  # colours of 8 bits, as many programs write them
    return points


def _check_records(head: bytes, size: int) -> None:
    """Unreadable where the header of a LAS says there are more records beside the points than fit: each is looked for."""
    own, points, records = (int.from_bytes(head[a:b], "little") for a, b in ((94, 96), (96, 100), (100, 104)))
    begin, later = int.from_bytes(head[235:243], "little"), int.from_bytes(head[243:247], "little")
    later = later if head[24:26] == b"\1\4" else 0  # version 1.4 has records behind the points, too
    reason = claimed(records, 54, min(size, points) - own, "records") or claimed(later, 60, size - begin, "records")
    if reason:
        raise Unreadable("", reason)


def _pcd(data: bytes) -> np.ndarray:
    """Point Cloud Library's format 0.7: ascii, binary, binary_compressed."""
    head = re.search(rb"^DATA[ \t]+(\w+)[ \t]*\r?\n", data[:65_536], re.MULTILINE)
    if head is None:
        raise Unreadable("", "the PCD file has no DATA line")
    said = {w[0]: w[1:] for w in (line.split() for line in data[: head.start()].decode("latin-1").splitlines()) if w}
    fields, widths = said["FIELDS"], [int(w) for w in said["SIZE"]]
    kinds, counts = said["TYPE"], [int(w) for w in said.get("COUNT", ["1"] * len(fields))]
    n = int(said["POINTS"][0]) if "POINTS" in said else int(said["WIDTH"][0]) * int(said["HEIGHT"][0])
    shapes = list(zip(fields, kinds, widths, counts, strict=True))
    if not 0 < n <= POINTS or len(fields) > 256 or any(not 0 < c <= 4096 for c in counts) or set(kinds) - set("IUF"):
        raise Unreadable("", f"the PCD file says it has {n:,} points; 1 to {POINTS:,} can be read")
    record = np.dtype([(f"{i}", f"<{k.lower()}{w}", (c,)) for i, (_, k, w, c) in enumerate(shapes)])
    body = data[head.end() :]
    if head[1] == b"ascii":
        if len(body) > TEXT:
            raise Unreadable("", f"the file has {len(body) >> 20:,} MiB of text; up to {TEXT >> 20} can be read")
        words = np.array(body.split()[: n * sum(counts)], np.float64).reshape(n, sum(counts))
        at = np.cumsum([0, *counts])
        columns = {name: words[:, at[i]].astype(record[f"{i}"].base) for i, name in enumerate(fields)}
    elif head[1] == b"binary":
        table = np.frombuffer(body, record, n)
        columns = {name: table[f"{i}"][:, 0] for i, name in enumerate(fields)}
    elif head[1] == b"binary_compressed":  # one field after another
        packed, plain = (int(v) for v in np.frombuffer(body, "<u4", 2))
        if plain != n * record.itemsize or plain > INFLATED or packed > len(body) - 8:
            raise Unreadable("", f"the PCD file says it has {plain:,} bytes when unpacked; up to {INFLATED:,} are")
        flat, columns, place = inflate(body[8 : 8 + packed], plain), {}, 0
        for name, k, w, c in shapes:
            columns[name] = np.frombuffer(flat, f"<{k.lower()}{w}", n * c, place).reshape(n, c)[:, 0]
            place += n * c * w
    else:
        raise Unreadable("", f"the PCD file's data is {head[1].decode()}, which is none of its three forms")
    return _pcd_columns(columns)


def _pcd_columns(columns: dict[str, np.ndarray]) -> np.ndarray:
    names = ["x", "y", "z", *(n for n in ("normal_x", "normal_y", "normal_z", "intensity") if n in columns)]
    values = [columns[name].astype(np.float64) for name in names]
    rgb = next((columns[name] for name in ("rgb", "rgba") if name in columns), None)
    if rgb is not None:  # three bytes in a float or an integer
        word = rgb.astype(np.float32).view(np.uint32) if rgb.dtype.kind == "f" else rgb.astype(np.uint32)
        values += [((word >> shift) & 255) / 255 for shift in (16, 8, 0)]
    return np.stack(values, 1)


def inflate(data: bytes, size: int) -> bytes:
    """LZF, as PCD files have it: never more than `size` bytes; ValueError where the data is no LZF of that size."""
    out, i = bytearray(), 0
    while i < len(data) and len(out) <= size:
        control = data[i]
        i += 1
        if control < 32:
            out += data[i : i + control + 1]
            i += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += data[i]
            i += 1
        back = ((control & 31) << 8) + data[i] + 1
        i += 1
        start = len(out) - back
        if start < 0:
            raise ValueError("it refers to what is before its beginning")
        length += 2
        piece = out[start : start + length]
        out += (piece * -(-length // len(piece)))[:length]  # a copy may overlap itself: then it repeats
    if len(out) != size:
        raise ValueError(f"it unpacks to {len(out):,} bytes, not {size:,}")
    return bytes(out)
