"""What stored arrays say about their numbers (CF conventions and their like): scale, offset, what is missing."""

import base64
import math
import re
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from ..sources.array import is_told, scaling, told

FILLS = ("fillvalue", "missingvalue", "codemissingvalue", "nodata", "nodatavalue")  # names as `_attributes` has them
SURE_OFFSETS = ("addoffset",)  # what counts without a scale
SCALES = {
    "scalefactor": ("addoffset", "offset"),
    "slope": ("intercept", "offset"),
    "conversion": ("offset",),  # NWB
}


@runtime_checkable
class OnDisk(Protocol):
    """An array as h5py and zarr have it."""

    shape: tuple[int, ...]
    dtype: object
    chunks: tuple[int, ...] | None
    name: str

    def __getitem__(self, index: object, /) -> np.ndarray: ...


@runtime_checkable
class _Attributed(Protocol):
    """What has attributes."""

    attrs: Mapping[str, object]


@runtime_checkable
class _HDF5Fill(Protocol):
    """What h5py's arrays hold where nothing was written."""

    fillvalue: object


@runtime_checkable
class _ZarrFill(Protocol):
    """What zarr's arrays hold where nothing was written."""

    fill_value: object


@dataclass(frozen=True)
class Meant:
    """What is meant by the numbers of an array on disk, as its attributes tell.

    missing: stored numbers that say "not measured", and so do those below `least` and above `most`. slope, offset: by which
    stored numbers are to be taken, arrays that go with a sample; None where as they are. ranged: the bounds are of the scaled
    numbers. white: 0 is white.
    """

    stored: np.dtype
    missing: tuple[float, ...] = ()
    least: float = -math.inf
    most: float = math.inf
    ranged: bool = False
    slope: np.ndarray | None = None
    offset: np.ndarray | None = None
    white: bool = False

    @property
    def dtype(self) -> np.dtype:
        return self.stored if self.slope is None else np.dtype(np.float32)

    @property
    def gaps(self) -> bool:
        return bool(self.missing) or math.isfinite(self.least) or math.isfinite(self.most)

    @property
    def said(self) -> str:
        """In a few words, what is done about it."""
        words = [f"no data ({', '.join(f'{m:.7g}' for m in self.missing)}) kept missing"] if self.missing else []
        if math.isfinite(self.least) or math.isfinite(self.most):
            words.append(f"beyond {self.least:g} to {self.most:g} taken for missing")
        if self.slope is not None and self.offset is not None:
            both = self.slope.size == self.offset.size == 1
            words.append(scaling(self.slope.item(), self.offset.item()) if both else "scaled channel by channel")
        return ", ".join([*words, *["turned, as 0 is white"] * self.white])

    def of(self, values: np.ndarray) -> np.ndarray:
        """The numbers that these stored ones stand for; a masked array where some may be missing."""
        if self.stored.kind in "iu" and values.dtype.kind in "iu" and self.stored.kind != values.dtype.kind:
            values = values.astype(self.stored)  # _Unsigned: -1 is 255
        holes = np.zeros(values.shape, bool)
        for number in self.missing:
            holes |= is_told(values, number)
        if self.gaps and values.dtype.kind == "f":
            holes |= np.isnan(values)
        bounded = values
        if self.slope is not None:
            with np.errstate(all="ignore"):
                bounded = values.astype(np.float64) * self.slope + self.offset
        if self.gaps:
            within = bounded if self.ranged else values
            slack = 1e-6 * max((abs(b) for b in (self.least, self.most) if math.isfinite(b)), default=0) * self.ranged
            holes |= (within < self.least - slack) | (within > self.most + slack)
        if self.slope is not None:
            with np.errstate(all="ignore"):
                values = bounded.astype(np.float32)
        elif self.white:
            values = np.iinfo(values.dtype).max - values
        return np.ma.MaskedArray(values, holes) if self.gaps else values


def meant(array: OnDisk) -> Meant:
    """By the conventions of CF and netCDF, of HDF-EOS, NWB and HDF5's pictures, and by the fill value of the storage."""
    dtype, says = _plain_type(array.dtype), _attributes(array)
    if dtype.kind not in "iuf":
        return Meant(dtype)
    unsigned = str(np.asarray(says.get("unsigned", "")).reshape(-1)[:1].tolist()).lower()
    if dtype.kind in "iu" and ("true" in unsigned or "false" in unsigned):
        dtype = np.dtype(f"{'u' if 'true' in unsigned else 'i'}{dtype.itemsize}")
    slope, offset = _scale(says, tuple(array.shape))
    missing = [m for name in FILLS if name in says for m in _numbers(says[name], dtype)]
    if not missing:
        missing = _storage_fill(array, dtype)
    bounds = _numbers(says.get("validrange", ()), dtype)
    least, most = bounds if len(bounds) == 2 else (-math.inf, math.inf)
    least = next(iter(_numbers(says.get("validmin", ()), dtype)), least)
    most = next(iter(_numbers(says.get("validmax", ()), dtype)), most)
    given = next((np.asarray(says[k]).dtype.kind for k in ("validrange", "validmin", "validmax") if k in says), "")
    pictured = "IMAGE" in str(says.get("class", "")) and np.any(
        np.asarray(says.get("imagewhiteiszero", 0)).astype(bool)
    )
    return Meant(
        dtype,
        tuple(dict.fromkeys(missing)),
        least,
        most,
        slope is not None and dtype.kind in "iu" and given == "f",
        slope,
        offset,
        bool(pictured) and dtype.kind == "u" and slope is None,
    )


def _attributes(array: OnDisk) -> dict[str, object]:
    """The attributes of an array, their names in lower case without marks: _FillValue and fill_value are one."""
    found: dict[str, object] = {}
    attributes = array.attrs if isinstance(array, _Attributed) else {}
    for name in list(attributes):
        with suppress(Exception):  # of a type that the library does not know
            found.setdefault(re.sub(r"[\W_]", "", str(name)).casefold(), attributes[name])
    return found


def _numbers(value: object, dtype: np.dtype) -> list[float]:
    """What an attribute tells, of an array that is read as this dtype."""
    found = told(value)
    if not found and isinstance(value, str) and dtype.kind == "f":  # xarray in Zarr 3: eight bytes in base64
        with suppress(ValueError, struct.error):
            found = [struct.unpack("<d", base64.b64decode(value, validate=True))[0]]
    if dtype.kind == "u":  # told as if it had a sign
        found = [m + 2 ** (8 * dtype.itemsize) if m < 0 and m >= -(2 ** (8 * dtype.itemsize - 1)) else m for m in found]
    return found


def _scale(says: Mapping[str, object], shape: tuple[int, ...]) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Slope and offset, one number each or one for each channel, shaped to go with a sample; None where they change nothing."""
    for slope_name, offset_names in SCALES.items():
        offset_name = next((name for name in offset_names if name in says), None)
        if slope_name == "slope" and offset_name is None:
            continue  # a slope alone may be anything
        if slope_name == "conversion" and "unit" not in says:
            continue
        if slope_name not in says and offset_name not in SURE_OFFSETS:
            continue
        slope, offset = (told(says.get(name, default)) for name, default in ((slope_name, 1), (offset_name or "", 0)))
        parts = [_shaped(part, shape) for part in (slope, offset)]
        if parts[0] is not None and parts[1] is not None and ((parts[0] != 1).any() or (parts[1] != 0).any()):
            return parts[0], parts[1]
    return None, None


def _shaped(numbers: list[float], shape: tuple[int, ...]) -> np.ndarray | None:
    if len(numbers) == 1:
        return np.array(numbers[0], np.float64)
    axis = next((i for i in (1, len(shape) - 1) if 0 < i < len(shape) and shape[i] == len(numbers)), None)
    if axis is None or not numbers:
        return None
    return np.array(numbers, np.float64).reshape([-1 if i == axis else 1 for i in range(1, len(shape))])


def _storage_fill(array: OnDisk, dtype: np.dtype) -> list[float]:
    """What the storage puts where nothing was written, if it can be told from what was.

    0 and 1 are what new arrays are made of, and of one byte all values are used.
    """
    value: object = None
    with suppress(Exception):
        value = array.fillvalue if isinstance(array, _HDF5Fill) else None
        value = array.fill_value if isinstance(array, _ZarrFill) else value
    found = told(value) if value is not None and dtype.itemsize > 1 else []
    return [m for m in found[:1] if m not in (0, 1)]


def _plain_type(dtype: object) -> np.dtype:
    try:
        plain: np.dtype = np.dtype(dtype)  # type: ignore[call-overload]  # or a TypeError
    except TypeError:
        return np.dtype("U1")  # zarr's own strings
    said: Mapping[str, object] = plain.metadata or {}
    text = plain.kind == "T" or (plain.kind == "O" and said.get("vlen") in (str, bytes))
    return np.dtype("U1") if text else plain
