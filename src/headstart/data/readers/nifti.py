"""NIfTI scans (.nii, .nii.gz) as volumes: axes along the patient, spacing in millimetres, values rescaled."""

import gzip
import io
import math
import zlib
from pathlib import Path

import numpy as np

from ...errors import Unreadable
from ...extras import need
from ._limits import unpacked
from ._quiet import quiet

SUFFIXES = (".nii", ".nii.gz")
EXTRA = "medical"
ALONE = True
MOST = 2**30  # bytes of a file, unzipped; twice that as float32 of 16-bit values
GZIP = b"\x1f\x8b"
HEAD, PIECE, BEHIND = 1024, 2**22, 2**20  # bytes: of the header; read at once; behind the voxels, to find the end


def kind(start: bytes, path: Path) -> str | None:
    """A "volume" for a single-file NIfTI-1 or NIfTI-2, also gzipped. An .hdr/.img pair is not read."""
    if start.startswith(GZIP):
        try:
            start = zlib.decompressobj(31).decompress(start, 1024)
        except zlib.error:
            return None
    first = start[344:348] == b"n+1\0" and start[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c")
    second = start[4:8] == b"n+2\0" and start[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c")
    return "volume" if first or second else None


def read(path: Path) -> dict[str, np.ndarray]:
    """{"values": [C, D, H, W] float32, "spacing": mm along z, y, x}.

    z runs to the patient's head, y to the front, x to the right (the header's axes, turned to the nearest such). A fourth
    axis becomes channels; NaN, which in maps of the brain means outside, is missing. At most 2^30 bytes, unzipped.
    """
    nibabel = need("nibabel", EXTRA, "reading NIfTI")
    start = bytes(_unzipped(path, HEAD))
    cls = nibabel.Nifti2Image if kind(start, path) and start[4:8] == b"n+2\0" else nibabel.Nifti1Image
    quiet("nibabel")
    try:
        with np.errstate(all="ignore"):
            header = cls.header_class.from_fileobj(io.BytesIO(start))
            shape, dtype = tuple(map(int, header.get_data_shape())), header.get_data_dtype()
            while len(shape) > 4 and shape[-1] == 1:
                shape = shape[:-1]
            if dtype.kind not in "iuf":
                raise Unreadable("", f"its voxels are {dtype}, not real numbers")
            if not 1 <= len(shape) <= 5 or min(shape) < 1 or (len(shape) == 5 and shape[3] != 1):
                raise Unreadable("", f"its shape {list(shape)} is no scan: x, y, z and channels")
            stored = _stored(path, int(header.get_data_offset()), shape, dtype)
            image = cls(_scaled(stored, *header.get_slope_inter()), header.get_best_affine(), header)
            del stored
            image = nibabel.as_closest_canonical(image)
            values = np.asarray(image.dataobj)
            zooms = image.header.get_zooms()[:3]
            unit = {"meter": 1e3, "micron": 1e-3}.get(image.header.get_xyzt_units()[0], 1.0)
    except Unreadable:
        raise
    except Exception as error:  # on damaged headers nibabel raises anything
        raise Unreadable("", f"the NIfTI file is damaged ({type(error).__name__}: {error})") from error
    if values.ndim == 5:
        values = values[:, :, :, 0]
    values = values.reshape(*values.shape, *(1,) * (4 - values.ndim))
    spacing = [abs(float(mm)) * unit or math.nan for mm in reversed([*zooms, *(1.0,) * (3 - len(zooms))])]
    return {"values": np.ascontiguousarray(values.transpose(3, 2, 1, 0)), "spacing": np.array(spacing, np.float32)}


def _stored(path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """The voxels as they are stored: no more is unzipped than the header says there is, and that may not be too much."""
    size = offset + math.prod(shape) * dtype.itemsize
    if size > MOST:
        raise Unreadable("", f"it holds more than {MOST:,} bytes")
    if reason := unpacked(size, path.stat().st_size):
        raise Unreadable("", reason)
    data = _unzipped(path, size, whole=True)
    if len(data) >= size + BEHIND:
        raise Unreadable("", f"it holds more than {BEHIND:,} bytes behind its voxels: its header is damaged")
    if len(data) < size:
        raise Unreadable("", "the file is cut short")
    return np.ndarray(shape, dtype, data, offset, order="F")


def _scaled(stored: np.ndarray, slope: float | None, offset: float | None) -> np.ndarray:
    """float32, in the units that the header tells, one plane at a time: float64 of all would take twice the room."""
    if slope is None or (slope, offset or 0.0) == (1, 0):
        return stored.astype(np.float32, order="F", copy=False)
    values = np.empty(stored.shape, np.float32, order="F")
    for i in range(stored.shape[-1]):
        values[..., i] = stored[..., i].astype(np.float64) * slope + (offset or 0.0)
    return values


def _unzipped(path: Path, most: int, whole: bool = False) -> bytearray:
    """The first bytes of a file, unzipped. whole: to the end, where its sum is checked, unless far more is behind them."""
    found = bytearray()
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == GZIP
            file.seek(0)
            source = gzip.GzipFile(fileobj=file) if zipped else file
            end = most + (BEHIND if zipped and whole else 0)
            while len(found) < end and (piece := source.read(min(PIECE, end - len(found)))):
                found += piece
    except EOFError as error:
        raise Unreadable("", "the file is cut short") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        if len(found) < most or not str(error).startswith("Not a gzipped file"):  # that is only behind all members
            raise Unreadable("", f"its compression is damaged ({error})") from error
    except OSError as error:
        raise Unreadable("", f"the file cannot be opened ({error.strerror or error})") from error
    return found
