"""DICOM: one slice is a picture, several frames are a volume, and `series` stacks a folder of slices."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import Mistake, Unreadable
from ...extras import need
from ...forms import Sample
from ._quiet import quiet

SUFFIXES = (".dcm", ".dicom", ".ima")
EXTRA = "medical"
MOST = 2**27  # pixels in a file
DEFLATED = "1.2.840.10008.1.2.1.99"
MOST_BYTES = 2**30
MOST_DEFLATED = 2**20  # bytes: it inflates to at most a thousand times that
SIZES = (
    "NumberOfFrames",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
)
UNSAID = {"NumberOfFrames": 1, "Rows": 0, "Columns": 0, "SamplesPerPixel": 1}


def kind(start: bytes, path: Path) -> str | None:
    """An "image" for one frame, a "volume" for several; None without the letters DICM after 128 bytes."""
    if start[128:132] != b"DICM":
        return None
    try:
        data = _dataset(path, header=True)
        grey = _number(data, "SamplesPerPixel") == 1 and data.get("PhotometricInterpretation") != "PALETTE COLOR"
        return "volume" if grey and _number(data, "NumberOfFrames") > 1 else "image"
    except (Mistake, Unreadable):
        return "image"  # `read` says what is wrong


def read(path: Path) -> Sample:
    """A picture [C, H, W], or of several grey frames {"values": [1, D, H, W] float32, "spacing": mm along z, y, x, or NaN}.

    Eight-bit pixels that mean nothing else stay uint8; all others are rescaled (slope and intercept: Hounsfield units) to
    float32. MONOCHROME1, where 0 is white, is inverted. Colour is [3, H, W] uint8, of several frames the first. At most
    2^27 pixels. JPEG inside needs pydicom's own plugins (pylibjpeg).
    """
    data = _dataset(path)
    values, grey = _pixels(data)
    if values.ndim == 3 and grey:
        return {"values": values.astype(np.float32)[None], "spacing": np.array(_spacing(data), np.float32)}
    if values.ndim == 4:
        values = values[0]
    return np.array(values[None] if grey else np.moveaxis(values, -1, 0), order="C")


def series(folder: Path) -> list[dict[str, Sample]]:
    """The volumes of a folder whose files are slices, one for each SeriesInstanceUID, in the form that `read` gives.

    Slices are sorted along their normal; those of another size than the series' first, and files that are not DICOM, are
    left out. At most 2^27 pixels in a series.
    """
    slices: dict[str, list[tuple[float, Any]]] = {}
    for path in sorted(p for p in Path(folder).iterdir() if p.is_file()):
        with path.open("rb") as file:
            if kind(file.read(132), path) != "image":
                continue
        try:
            data = _dataset(
                path, header=True, more=("SeriesInstanceUID", "ImagePositionPatient", "ImageOrientationPatient")
            )
            place = np.array(data.get("ImagePositionPatient", [0, 0, len(slices)]), float)
            across = np.array(data.get("ImageOrientationPatient", [1, 0, 0, 0, 1, 0]), float)
            height = float(place @ np.cross(across[:3], across[3:]))
        except (Unreadable, ValueError, TypeError):
            continue
        slices.setdefault(str(data.get("SeriesInstanceUID", "")), []).append((height, path))
    return [_stacked(sorted(found)) for found in slices.values()]


def _stacked(found: list[tuple[float, Path]]) -> dict[str, Sample]:
    first = _dataset(found[0][1])
    stack: list[np.ndarray] = []
    for _, path in found:
        values, grey = _pixels(_dataset(path))
        if grey and values.ndim == 2 and (not stack or values.shape == stack[0].shape):
            stack.append(values.astype(np.float32))
        if sum(x.size for x in stack) > MOST:
            raise Unreadable(str(path), f"its series has more than {MOST:,} pixels")
    if not stack:
        raise Unreadable(str(found[0][1]), "its series has no grey slices")
    spacing = _spacing(first)
    gap = float(np.median(np.diff([height for height, _ in found]))) if len(found) > 1 else math.nan
    if gap > 0:
        spacing[0] = gap
    return {"values": np.stack(stack)[None], "spacing": np.array(spacing, np.float32)}


def _dataset(path: Path, header: bool = False, more: tuple[str, ...] = ()) -> Any:
    pydicom = need("pydicom", EXTRA, "reading DICOM")
    quiet("pydicom")
    try:
        meta, size = pydicom.filereader.read_file_meta_info(path), path.stat().st_size
        if size > MOST_BYTES or (meta.get("TransferSyntaxUID") == DEFLATED and size > MOST_DEFLATED):
            raise Unreadable("", f"its {size:,} bytes are too many: divide it, or save it without deflate compression")
        tags = [*SIZES, *more] if header else None
        return pydicom.dcmread(path, stop_before_pixels=header, specific_tags=tags)
    except Unreadable:
        raise
    except Exception as error:  # on damaged files pydicom raises anything
        raise Unreadable("", f"the DICOM file is damaged ({type(error).__name__}: {error})") from error


def _pixels(data: Any) -> tuple[np.ndarray, bool]:
    """[frames,] [H, W] or [frames,] [H, W, 3], rescaled, and whether they are grey."""
    counts = [_number(data, name) for name in UNSAID]
    if math.prod(counts) > MOST:
        raise Unreadable("", f"it has more than {MOST:,} pixels")
    if "PixelData" not in data and "FloatPixelData" not in data and "DoubleFloatPixelData" not in data:
        raise Unreadable("", "it holds no picture")
    try:
        with np.errstate(all="ignore"):
            pixels = need("pydicom.pixels", EXTRA, "reading DICOM")
            values = data.pixel_array
            colours = str(data.get("PhotometricInterpretation", ""))
            if counts[3] == 1 and colours == "PALETTE COLOR":
                values, grey = pixels.apply_color_lut(values, data), False
                values = (values >> 8 if values.dtype.itemsize > 1 else values).astype(np.uint8)[..., :3]
            elif counts[3] == 1:
                values, grey = _rescaled(values, data, colours == "MONOCHROME1"), True
            else:
                grey = False
                if values.dtype != np.uint8:
                    values = (values.astype(np.float32) * (255 / max(1.0, float(values.max())))).astype(np.uint8)
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable("", f"its pixels cannot be read ({type(error).__name__}: {error})") from error
    flat = values.shape if grey else values.shape[:-1]
    if values.size == 0 or len(flat) not in (2, 3) or (not grey and values.shape[-1] != 3):
        raise Unreadable("", f"its pixels have the shape {list(values.shape)}")
    if not np.isfinite(values).all():
        raise Unreadable("", "it holds NaN or infinite values")
    return values, grey


def _rescaled(values: np.ndarray, data: Any, inverted: bool) -> np.ndarray:
    if inverted and values.dtype.kind in "iu":
        bits = int(data.get("BitsStored", 8 * values.dtype.itemsize))
        white = 2**bits - 1 if values.dtype.kind == "u" else -1
        values = (white - values.astype(np.int64)).astype(np.uint8 if bits <= 8 and white > 0 else np.float32)
    slope, intercept = (float(data.get(name, or_) or 0) for name, or_ in (("RescaleSlope", 1), ("RescaleIntercept", 0)))
    if values.dtype == np.uint8 and (slope, intercept) == (1, 0):
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def _spacing(data: Any) -> list[float]:
    """mm along z, y, x; NaN where the file does not say."""
    try:
        groups = data.get("SharedFunctionalGroupsSequence")  # of enhanced, multi-frame files
        if groups and groups[0].get("PixelMeasuresSequence"):
            data = groups[0].PixelMeasuresSequence[0]
        y, x = (float(v) for v in data.get("PixelSpacing") or (math.nan, math.nan))
        z = float(data.get("SpacingBetweenSlices") or data.get("SliceThickness") or math.nan)
    except Exception:  # a damaged sequence raises anything, and the pixels are fine without it
        return [math.nan] * 3
    return [v if v > 0 else math.nan for v in (z, y, x)]


def _number(data: Any, name: str) -> int:
    try:
        return max(0, int(data.get(name) or UNSAID[name]))
    except Exception as error:  # values are parsed when they are asked for
        raise Unreadable("", f"its {name} is no number") from error
