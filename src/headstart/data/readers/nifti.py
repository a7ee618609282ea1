"""NIfTI scans (.nii, .nii.gz) as volumes: axes along the patient, spacing in millimetres, values rescaled."""

import io
import math
import zlib
from pathlib import Path

import numpy as np

from ...errors import Unreadable
from ...extras import need
from ._quiet import quiet

SUFFIXES = (".nii", ".nii.gz")
EXTRA = "medical"
MOST = 2**30  # bytes of a file, unzipped; twice that as float32 of 16-bit values
GZIP = b"\x1f\x8b"


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
    data = _plain(path)
    cls = nibabel.Nifti2Image if kind(data[:1024], path) and data[4:8] == b"n+2\0" else nibabel.Nifti1Image
    quiet("nibabel")
    try:
        with np.errstate(all="ignore"):
            header = cls.from_bytes(data).header  # lazy: no voxel is read yet
            shape, dtype = tuple(map(int, header.get_data_shape())), header.get_data_dtype()
            while len(shape) > 4 and shape[-1] == 1:
                shape = shape[:-1]
            if dtype.kind not in "iuf":
                raise Unreadable("", f"its voxels are {dtype}, not real numbers")
            if not 1 <= len(shape) <= 5 or min(shape) < 1 or (len(shape) == 5 and shape[3] != 1):
                raise Unreadable("", f"its shape {list(shape)} is no scan: x, y, z and channels")
            if math.prod(shape) * dtype.itemsize > len(data):
                raise Unreadable("", "the file is cut short")
            image = nibabel.as_closest_canonical(cls.from_bytes(data))
            values = np.asarray(image.dataobj, np.float32).reshape(image.shape[: len(shape)])
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


def _plain(path: Path) -> bytes:
    """The file's bytes, unzipped, but never more than MOST."""
    too_large = Unreadable("", f"it holds more than {MOST:,} bytes")
    try:
        with path.open("rb") as file:
            data = file.read(MOST + 1)
    except OSError as error:
        raise Unreadable("", f"the file cannot be opened ({error.strerror or error})") from error
    if len(data) > MOST:
        raise too_large
    if not data.startswith(GZIP):
        return data
    out, zipped = io.BytesIO(), data
    try:
        while zipped.startswith(GZIP):  # gzip files may be several, one after another
            inflate = zlib.decompressobj(31)
            out.write(inflate.decompress(zipped, MOST + 1 - out.tell()))
            if out.tell() > MOST or inflate.unconsumed_tail:
                raise too_large
            if not inflate.eof:
                raise Unreadable("", "the file is cut short")
            zipped = inflate.unused_data
    except zlib.error as error:
        raise Unreadable("", f"its compression is damaged ({error})") from error
    return out.getvalue()
