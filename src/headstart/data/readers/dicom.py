"""DICOM: one slice is a picture, several frames are a volume, and the slices of a series are stacked to one."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ...errors import Mistake, Unreadable
from ...extras import need
from ...forms import Sample
from ..sources.array import holed, is_told, scaling, told
from ._quiet import quiet

SUFFIXES = (".dcm", ".dicom", ".ima")
EXTRA = "medical"
ALONE = True
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
SLICE = (
    *(
        "SeriesInstanceUID",
        "StudyInstanceUID",
        "PatientID",
        "SOPInstanceUID",
        "InstanceNumber",
        "Modality",
        "ImageType",
    ),
    *("ImagePositionPatient", "ImageOrientationPatient"),
)
PADDING = (  # and the limit of a range that begins there
    ("PixelPaddingValue", "PixelPaddingRangeLimit"),
    ("FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit"),
    ("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit"),
)
SAYS = (
    *(name for names in PADDING for name in names),
    *("RescaleSlope", "RescaleIntercept", "RescaleType", "Units", "PixelRepresentation", "Modality"),
    *("ModalityLUTSequence", "RealWorldValueMappingSequence", "SharedFunctionalGroupsSequence"),
)
SCANS = ("CT", "MR", "PT", "NM")  # what is made in slices
FLAT = ("CR", "DX", "MG", "RG", "IO", "PX", "XA", "RF", "US", "XC", "ES", "GM", "SM", "OP")  # what never is
MEASURED = ("CT", "PT", "NM")  # whose numbers stand in units, however they are shown
UNSAID = {"NumberOfFrames": 1, "Rows": 0, "Columns": 0, "SamplesPerPixel": 1}


@runtime_checkable
class _Header(Protocol):
    """A header, or a part of one, as pydicom has it."""

    def get(self, name: str, default: Sample = None, /) -> Sample: ...
    def __contains__(self, name: str, /) -> bool: ...


def kind(start: bytes, path: Path) -> str | None:
    """An "image" for one frame, a "volume" for several; None without the letters DICM after 128 bytes."""
    if start[128:132] != b"DICM":
        return None
    try:
        data = _dataset(path, header=True)
        if "Rows" not in data:
            return None  # a directory, a report, contours
        grey = _number(data, "SamplesPerPixel") == 1 and data.get("PhotometricInterpretation") != "PALETTE COLOR"
        return "volume" if grey and _number(data, "NumberOfFrames") > 1 else "image"
    except (Mistake, Unreadable):
        return "image"  # `read` says what is wrong


def read(path: Path) -> Sample:
    """A picture [C, H, W], or of several grey frames {"values": [1, D, H, W] float32, "spacing": mm along z, y, x, or NaN}.

    Eight-bit pixels that mean nothing else stay uint8; all others are rescaled (slope and intercept or a table: Hounsfield
    units; of enhanced files frame by frame) to float32. Padding is missing (`holed`). MONOCHROME1, where 0 is white, is inverted,
    unless the numbers stand in units. Frames that tell their positions are sorted along their normal. Colour is [3, H, W]
    uint8, of several frames the first. At most 2^27 pixels. JPEG inside needs pydicom's own plugins (pylibjpeg).
    """
    data = _dataset(path)
    values, holes, grey = _pixels(data)
    if values.ndim == 3 and grey:
        spacing, heights = _spacing(data), _frames_heights(data, len(values))
        if heights is not None:
            order = np.argsort(heights, kind="stable")
            values, holes = values[order], None if holes is None else holes[order]
            gap = float(np.median(np.diff(np.unique(np.round(heights, 3)))))
            spacing[0] = gap if math.isnan(spacing[0]) else spacing[0]
        values = values.astype(np.float32)
        values = values if holes is None else holed(values, holes)
        return {"values": values[None], "spacing": np.array(spacing, np.float32)}
    if values.ndim == 4:
        values = values[0]
    if not grey:
        return np.array(np.moveaxis(values, -1, 0), order="C")
    return np.array(values[None], order="C") if holes is None else holed(values[None], holes[None])


def said(path: Path) -> str:
    """In a few words, what is done about the numbers of a file."""
    with suppress(Mistake, Unreadable):
        data = _dataset(path, header=True, more=SAYS)
        (slope, intercept), padding = _line(data, None), _padding(data)
        words = [] if padding is None else [f"padding ({padding[0]:g}) kept missing"]
        words += [scaling(slope, intercept)] if (slope, intercept) != (1, 0) else []
        words += ["rescaled by its table"] if data.get("ModalityLUTSequence") else []
        words += ["turned, as 0 is white"] if _is_inverted(data) else []
        return ", ".join(words)
    return ""


@dataclass(frozen=True)
class Slice:
    """What the header of a file of one grey frame tells. height: mm along the normal; number: its InstanceNumber; None unknown.

    flat: of a kind that is never made in slices (an X-ray). scan: of one that is. scout: a picture to plan a scan by.
    """

    path: Path
    series: str
    study: str
    patient: str
    uid: str
    number: float | None
    height: float | None
    form: tuple[object, ...]  # size and direction: slices of one volume agree in these
    scan: bool
    flat: bool
    scout: bool


def slice_of(path: Path) -> Slice | None:
    """None for what is no DICOM file of one grey frame."""
    try:
        with path.open("rb") as file:
            if file.read(132)[128:] != b"DICM":
                return None
        data = _dataset(path, header=True, more=SLICE)
        if _number(data, "NumberOfFrames") != 1 or _number(data, "SamplesPerPixel") != 1 or not _number(data, "Rows"):
            return None
        sides = (_number(data, "Rows"), _number(data, "Columns"))
    except (Unreadable, OSError):
        return None
    place, across = (
        _vector(data, name, n) for name, n in (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6))
    )
    across = np.array([1.0, 0, 0, 0, 1, 0]) if across is None else across
    height = None if place is None else float(place @ np.cross(across[:3], across[3:]))
    modality = str(data.get("Modality", "") or "").upper()
    numbers = told(str(data.get("InstanceNumber", "")))
    names = ("SeriesInstanceUID", "StudyInstanceUID", "PatientID", "SOPInstanceUID")
    series, study, patient, uid = (str(data.get(name, "") or "") for name in names)
    return Slice(
        path,
        series,
        study,
        patient,
        uid,
        numbers[0] if numbers else None,
        height,
        (*sides, *np.round(across, 1).tolist()),
        modality in SCANS or (place is not None and modality not in FLAT),
        modality in FLAT,
        "LOCALIZER" in str(data.get("ImageType", "")).upper(),
    )


def series(folder: Path) -> list[dict[str, Sample]]:
    """The volumes of a folder whose files are slices, one for each SeriesInstanceUID, in the form that `read` gives.

    Files that are not DICOM are left out. At most 2^27 pixels in a series.
    """
    every = (slice_of(path) for path in sorted(p for p in Path(folder).iterdir() if p.is_file()))
    return [volume(one) for one in volumes(filter(None, every))]


def volumes(slices: Iterable[Slice]) -> list[list[Slice]]:
    """The slices of every volume in their order: along the normal where they tell their positions, else by InstanceNumber.

    One volume for each series; where every position is there several times (echoes, points in time), one for each time. A
    slice that is filed twice counts once; those of another size or direction than most of their series are left out.
    """
    by_series: dict[str, dict[str, Slice]] = {}
    for one in slices:
        by_series.setdefault(one.series, {}).setdefault(one.uid or str(one.path), one)
    found: list[list[Slice]] = []
    for every in by_series.values():
        form = Counter(one.form for one in every.values()).most_common(1)[0][0]
        found += _sorted([one for one in every.values() if one.form == form])
    return found


def _sorted(slices: list[Slice]) -> list[list[Slice]]:
    by_number = sorted(slices, key=lambda s: (math.inf if s.number is None else s.number, _natural(s.path.name)))
    heights = [round(s.height, 2) for s in by_number if s.height is not None]
    if len(heights) < len(slices) or len(set(heights)) == 1:
        return [by_number]
    at: dict[float, list[Slice]] = {}
    for height, one in zip(heights, by_number, strict=True):
        at.setdefault(height, []).append(one)
    times = {len(there) for there in at.values()}
    if len(times) == 1:
        return [[at[height][k] for height in sorted(at)] for k in range(times.pop())]
    return [[one for height in sorted(at) for one in at[height]]]


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """IM2 before IM10."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"([0-9]+)", name)]


def volume(slices: Sequence[Slice]) -> dict[str, Sample]:
    """Slices in their order as one volume, each rescaled by its own numbers."""
    stack: list[np.ndarray] = []
    first: _Header | None = None
    for one in slices:
        try:
            data = _dataset(one.path)
            values, holes, grey = _pixels(data)
        except Unreadable as error:
            raise Unreadable("", f"its slice {one.path.name} cannot be used: {error.reason}") from error
        if not grey or values.ndim != 2 or (stack and values.shape != stack[0].shape):
            raise Unreadable("", f"its slice {one.path.name} has another form than the others")
        first = data if first is None else first
        values = values.astype(np.float32)
        stack.append(values if holes is None else holed(values, holes))
        if sum(x.size for x in stack) > MOST:
            raise Unreadable("", f"its series has more than {MOST:,} pixels")
    spacing = _spacing(first)
    heights = [one.height for one in slices if one.height is not None]
    gap = float(np.median(np.diff(heights))) if len(heights) == len(slices) > 1 else math.nan
    if gap > 0:
        spacing[0] = gap
    return {"values": np.stack(stack)[None], "spacing": np.array(spacing, np.float32)}


def _vector(data: _Header, name: str, count: int) -> np.ndarray | None:
    try:
        vector = np.array(data.get(name), float)
    except Exception:  # values are parsed when they are asked for
        return None
    return vector if vector.shape == (count,) and np.isfinite(vector).all() else None


def _frames_heights(data: _Header, count: int) -> np.ndarray | None:
    """mm along the normal of every frame of an enhanced file; None where they do not tell, or all of them tell the same."""
    try:
        frames, shared = data.get("PerFrameFunctionalGroupsSequence"), data.get("SharedFunctionalGroupsSequence")
        heights = []
        for frame in frames or ():
            turned = next(g for g in (frame, *(shared or ())) if g.get("PlaneOrientationSequence"))
            across = np.array(turned.PlaneOrientationSequence[0].ImageOrientationPatient, float)
            place = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
            heights.append(float(place @ np.cross(across[:3], across[3:])))
    except Exception:  # a damaged sequence raises anything, and the pixels are fine without it
        return None
    at = np.array(heights)
    return at if len(at) == count and np.isfinite(at).all() and np.ptp(at) > 0 else None


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


def _pixels(data: Any) -> tuple[np.ndarray, np.ndarray | None, bool]:
    """[frames,] [H, W] or [frames,] [H, W, 3], rescaled; which are padding, None where none is told; whether they are grey."""
    counts = [_number(data, name) for name in UNSAID]
    if math.prod(counts) > MOST:
        raise Unreadable("", f"it has more than {MOST:,} pixels")
    if "PixelData" not in data and "FloatPixelData" not in data and "DoubleFloatPixelData" not in data:
        raise Unreadable("", "it holds no picture")
    holes = None
    try:
        with np.errstate(all="ignore"):
            pixels = need("pydicom.pixels", EXTRA, "reading DICOM")
            values = data.pixel_array
            colours = str(data.get("PhotometricInterpretation", ""))
            if counts[3] == 1 and colours == "PALETTE COLOR":
                values, grey = pixels.apply_color_lut(values, data), False
                values = (values >> 8 if values.dtype.itemsize > 1 else values).astype(np.uint8)[..., :3]
            elif counts[3] == 1:
                holes, grey = _holes(values, data), True
                values = _rescaled(_used_bits(values, data), data)
            else:
                grey = False
                if values.dtype != np.uint8:
                    most = 2 ** int(data.get("BitsStored", 8 * values.dtype.itemsize)) - 1
                    values = (values.astype(np.float32) * (255 / most)).round().clip(0, 255).astype(np.uint8)
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable("", f"its pixels cannot be read ({type(error).__name__}: {error})") from error
    flat = values.shape if grey else values.shape[:-1]
    if values.size == 0 or len(flat) not in (2, 3) or (not grey and values.shape[-1] != 3):
        raise Unreadable("", f"its pixels have the shape {list(values.shape)}")
    if not np.isfinite(values if holes is None else values[~holes]).all():
        raise Unreadable("", "it holds NaN or infinite values")
    return values, holes, grey


def _padding(data: _Header) -> tuple[float, float] | None:
    """The stored numbers between which pixels are padding, as the file tells them."""
    for name, limit in PADDING:
        first = told(data.get(name)) if data.get(name) is not None else []
        last = told(data.get(limit)) if data.get(limit) is not None else first
        if first and last:
            return first[0], last[0]
    return None


def _holes(stored: np.ndarray, data: _Header) -> np.ndarray | None:
    """Where stored pixels are padding; a number told without a sign stands for the same bits."""
    padding = _padding(data)
    if padding is None:
        return None
    if stored.dtype.kind == "f":
        low, high = sorted(padding)
        return is_told(stored, low) if low == high or math.isnan(low) else (stored >= low) & (stored <= high)
    size = 8 * stored.dtype.itemsize
    ends = [int(v) % 2**size for v in padding]
    low, high = sorted(v - 2**size if stored.dtype.kind == "i" and v >= 2 ** (size - 1) else v for v in ends)
    return (stored >= low) & (stored <= high)


def _used_bits(stored: np.ndarray, data: _Header) -> np.ndarray:
    """Stored pixels without the bits that do not belong to them, where overlays used to lie; the sign is carried on."""
    size = 8 * stored.dtype.itemsize
    bits = int(data.get("BitsStored", size) or size)
    high = int(data.get("HighBit", bits - 1) or bits - 1)
    if stored.dtype.kind not in "iu" or not 1 < bits < size or not bits <= high + 1 <= size:
        return stored
    return (stored << (size - 1 - high)) >> (size - bits)


def _is_inverted(data: _Header) -> bool:
    """Whether 0 is white, and the numbers are no measurement, which stays what it is however it is shown."""
    if str(data.get("PhotometricInterpretation", "")) != "MONOCHROME1":
        return False
    units = data.get("RescaleType") == "HU" or data.get("Units")
    return not units and str(data.get("Modality", "")) not in MEASURED


def _rescaled(values: np.ndarray, data: Any) -> np.ndarray:
    if _is_inverted(data) and values.dtype.kind in "iu":
        bits = int(data.get("BitsStored", 8 * values.dtype.itemsize))
        white = 2**bits - 1 if values.dtype.kind == "u" else -1
        values = (white - values.astype(np.int64)).astype(np.uint8 if bits <= 8 and white > 0 else np.int32)
    if data.get("ModalityLUTSequence"):
        return np.asarray(need("pydicom.pixels", EXTRA, "").apply_modality_lut(values, data), np.float32)
    frames = data.get("PerFrameFunctionalGroupsSequence") if values.ndim == 3 else None
    lines = [_line(data, frame) for frame in frames or (None,)]
    if len(lines) != len(values) or len(set(lines)) == 1:
        lines = lines[:1]
    if values.dtype == np.uint8 and set(lines) == {(1.0, 0.0)}:
        return values
    slope, intercept = np.array(lines if len(lines) > 1 else lines[0]).T
    form = (-1, 1, 1) if len(lines) > 1 else ()
    with np.errstate(over="ignore", invalid="ignore"):
        return (values.astype(np.float64) * slope.reshape(form) + intercept.reshape(form)).astype(np.float32)


def _line(data: _Header, frame: _Header | None) -> tuple[float, float]:
    """Slope and intercept: of the frame, of all frames, of the file; without any, those of its only mapping to the real world."""
    groups = [g for g in (frame, *(data.get("SharedFunctionalGroupsSequence") or ())) if g is not None]
    places = [p for g in groups for p in (g.get("PixelValueTransformationSequence") or ())]
    for place in (*places, data):
        if "RescaleSlope" in place or "RescaleIntercept" in place:
            slope, intercept = (told(place.get(name, "")) for name in ("RescaleSlope", "RescaleIntercept"))
            return (slope[0] if slope else 1.0) or 1.0, intercept[0] if intercept else 0.0
    maps = [m for g in (*groups, data) for m in (g.get("RealWorldValueMappingSequence") or ())]
    if len(maps) == 1 and "RealWorldValueSlope" in maps[0]:
        return float(maps[0].RealWorldValueSlope), float(maps[0].get("RealWorldValueIntercept", 0))
    return 1.0, 0.0


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
