"""The idx format of MNIST: two zero bytes, a dtype, the axes and their sizes, the values; often gzipped."""

import gzip
import math
import struct
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from ..labels import idx_name
from ..source import DataError
from ._limits import unpacked

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP = b"\x1f\x8b"
DEFLATE_LIMIT = 1032  # no deflate stream expands by more, so a header that claims more is lying


def is_idx(path: str | Path) -> bool:
    """Whether the file, or what is gzipped in it, begins like an idx file."""
    try:
        with _open(Path(path)) as file:
            magic = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return len(magic) == 4 and magic[:2] == b"\0\0" and magic[2] in DTYPES and 1 <= magic[3] <= 8


def read_idx(path: str | Path) -> np.ndarray:
    """The array of an idx or idx.gz file, in this machine's byte order."""
    path = Path(path)
    try:
        with _open(path) as file:
            magic = file.read(4)
            if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES or not 1 <= magic[3] <= 8:
                raise DataError(f"{path} is no idx file: its first bytes are {magic.hex(' ') or 'missing'}")
            dtype, axes = np.dtype(DTYPES[magic[2]]), magic[3]
            sizes = file.read(4 * axes)
            if len(sizes) < 4 * axes:
                raise DataError(f"{path} ends inside its header: copy it again")
            shape = struct.unpack(f">{axes}I", sizes)
            claimed = math.prod(shape) * dtype.itemsize
            on_disk = path.stat().st_size
            room = on_disk * DEFLATE_LIMIT if isinstance(file, gzip.GzipFile) else on_disk - 4 - 4 * axes
            if claimed > room:
                raise DataError(f"{path} is cut short: its header promises {claimed:,} bytes; copy it again")
            if reason := unpacked(claimed, on_disk, str(path)):
                raise DataError(reason)
            body = bytearray(claimed)  # writable, so that torch may share it
            view, got = memoryview(body), 0
            while got < claimed and (more := file.readinto(view[got:])):  # type: ignore[union-attr]
                got += more
            if got < claimed:
                raise DataError(f"{path} is cut short: {got:,} of {claimed:,} bytes; copy it again")
            if file.read(1):
                raise DataError(f"{path} holds more than the {claimed:,} bytes of its header: copy it again")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is damaged or cut short ({error}): copy it again") from error
    values = np.frombuffer(body, dtype).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=False)


def labels_beside(path: str | Path) -> np.ndarray | None:
    """The labels of an images file: train-images-idx3-ubyte.gz has train-labels-idx1-ubyte(.gz) beside it."""
    path = Path(path)
    name = idx_name(path.name)
    plain = name.removesuffix(".gz")
    for candidate in (name, plain, plain + ".gz"):
        beside = path.with_name(candidate)
        if beside != path and beside.is_file() and is_idx(beside):
            labels = read_idx(beside)
            return labels if labels.ndim == 1 else None
    return None


def _open(path: Path) -> BufferedIOBase:
    file = path.open("rb")
    zipped = file.read(2) == GZIP
    file.seek(0)
    if not zipped:
        return file
    file.close()
    return gzip.open(path, "rb")
