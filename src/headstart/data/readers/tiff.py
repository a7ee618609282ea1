"""TIFF beyond pictures: many bands or numbers (GeoTIFF) are multispectral, stacks of grey pages are volumes."""

import math
import re
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

import numpy as np

from ...errors import Unreadable
from ...extras import need
from ..sources.array import holed, is_told, scaling, told
from ._limits import unpacked
from ._quiet import quiet

SUFFIXES = (".tif", ".tiff", ".gtiff", ".btf")
EXTRA = "geo"
ALONE = True
MOST = 2**27  # numbers in a file
MOST_PAGES = 4096
MOST_LZW = 2**20  # bytes of one strip or tile: LZW may expand by 2,800
SIGNATURES = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
COMPRESSIONS = {1, 5, 8, 32773, 32946}  # none, LZW, deflate, packbits, deflate: what these expand to can be bounded
FORMATS = {1: ("B", 1), 3: ("H", 2), 4: ("I", 4), 13: ("I", 4), 16: ("Q", 8), 18: ("Q", 8)}
WIDTH, HEIGHT, BITS, TEXT, SAMPLES, FORMAT = 256, 257, 258, 270, 277, 339
GDAL_METADATA, GDAL_NODATA = 42112, 42113
SORT, POLARITY, EXTRAS = 254, 262, 338
RGB = 2  # a polarity
TRANSPARENT = (1, 2)  # what a channel more may be
XRESOLUTION, YRESOLUTION = 282, 283
CHANNELS = 2  # of TEXT: the planes are channels
MILLIMETRES = {"nm": 1e-6, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "micron": 1e-3, "microns": 1e-3, "micrometer": 1e-3, "mm": 1.0,
               "cm": 10.0, "m": 1e3, "inch": 25.4}  # fmt: skip
MASK = 4  # a bit of SORT: the page says which pixels of another are there
ASIDE = MASK | 1  # or that it is a preview of another
LOOK = 8  # pages among which a mask is looked for
SENTINEL2 = {  # nm, central wavelengths of the Sentinel-2A instrument (ESA), by the names that its bands have in files
    "B1": 443, "B2": 492, "B3": 560, "B4": 665, "B5": 704, "B6": 741, "B7": 783, "B8": 833, "B8A": 865, "B9": 945,
    "B10": 1374, "B11": 1614, "B12": 2202,
}  # fmt: skip
LENGTH = re.compile(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(nm|nano\w*|um|[µμ]m|micro\w*)(?![a-z])", re.IGNORECASE)


def kind(start: bytes, path: Path) -> str | None:
    """A "multispectral" picture, a "volume", or None for what the reader of pictures takes.

    Pictures are one page of grey or of colours of 8 bits at most or 16 without sign, perhaps with transparency (grey of 8 bits
    alone). Two or more pages of one size in grey, 8 bits or more, are a volume, and so is a stack that ImageJ wrote,
    unless ImageJ or OME say that they are channels alone. All else is multispectral: several channels that are neither, as
    satellites have, even if they are three.
    """
    if start[:4] not in SIGNATURES:
        return None
    try:
        with path.open("rb") as file:
            pages = _pages(file)
    except (OSError, struct.error, OverflowError, ValueError):
        return None  # the reader of pictures says that it is damaged
    if not pages:
        return None
    pages = [page for page in pages if not page.get(SORT, 0) & 1] or pages  # without previews
    first = pages[0]
    channels, bits, form = first.get(SAMPLES, 1), first.get(BITS, 1), first.get(FORMAT, 1)
    if channels == 1 and bits >= 8 and (_stacked(pages) or first.get(TEXT)):
        return "multispectral" if first.get(TEXT) == CHANNELS else "volume"
    grey, more = first.get(POLARITY, 1) in (0, 1), first.get(EXTRAS, 1) in TRANSPARENT
    plain = (
        channels == 1 or (channels == 2 and bits <= 8 and more) if grey else channels <= 3 or (channels == 4 and more)
    )
    return None if plain and form == 1 and (bits <= 8 or bits == 16) else "multispectral"


@runtime_checkable
class _Tag(Protocol):
    """A tag as tifffile has it."""

    code: int
    value: object


@runtime_checkable
class _Page(Protocol):
    """A page as tifffile has it."""

    subfiletype: int
    shape: tuple[int, ...]
    tags: Iterable[_Tag]

    def asarray(self) -> np.ndarray: ...


@runtime_checkable
class _Tiff(Protocol):
    """An open file as tifffile has it."""

    pages: Sequence[_Page]


@dataclass(frozen=True)
class Meant:
    """What the tags of a TIFF say about its numbers.

    missing: stored numbers that say "no data". scale: slope and offset of every band, or none. white: 0 is white.
    """

    missing: tuple[float, ...] = ()
    scale: tuple[tuple[float, float], ...] = ()
    white: bool = False

    def holes(self, stored: np.ndarray) -> np.ndarray:
        """Where stored numbers say that there is no data."""
        found = np.zeros(stored.shape, bool)
        for number in self.missing:
            found |= is_told(stored, number)
        return found

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """[C, ...] in the units that are meant, float32; as it is where nothing is said of any."""
        if not self.scale:
            return values
        slope, offset = np.array(self.scale if len(self.scale) == len(values) else self.scale[:1] * len(values)).T
        form = (-1, *(1,) * (values.ndim - 1))
        with np.errstate(all="ignore"):
            return (values.astype(np.float64) * slope.reshape(form) + offset.reshape(form)).astype(np.float32)

    @property
    def said(self) -> str:
        """In a few words, what is done about it."""
        words = [f"no data ({', '.join(f'{m:.7g}' for m in self.missing)}) kept missing"] if self.missing else []
        same = len(set(self.scale)) == 1
        words += [scaling(*self.scale[0]) if same else "scaled band by band"] if self.scale else []
        return ", ".join(words)


def meant(tags: Mapping[int, object]) -> Meant:
    """By GDAL's "no data" and metadata, by ImageJ's calibration, and by the polarity of pictures."""
    metadata, bands = str(tags.get(GDAL_METADATA, ""))[: 2**20], _first(tags.get(SAMPLES, 1))
    items = _items(metadata)
    whole = {a.get("name", "").lower(): v for a, v in items if "sample" not in a}
    missing = told(str(tags.get(GDAL_NODATA, ""))) or told(whole.get("_fillvalue", ""))
    found = {(role, i): number for a, v in items for role, i, number in [_role(a, v)] if role}
    calibration = re.search(r"^cf=0\s*\nc0=(\S+)\s*\nc1=(\S+)", str(tags.get(TEXT, ""))[:2000], re.MULTILINE)
    sides = (told(whole.get("scale_factor", "1")), told(whole.get("add_offset", "0")))
    common = (sides[0][0], sides[1][0]) if all(sides) else (1.0, 0.0)
    if calibration and "ImageJ=" in str(tags[TEXT])[:2000] and all(map(told, calibration.groups())):
        common = (told(calibration[2])[0], told(calibration[1])[0])
    scale = tuple((found.get(("scale", i), common[0]), found.get(("offset", i), common[1])) for i in range(bands))
    white = _first(tags.get(POLARITY, 1)) == 0
    return Meant(tuple(missing), scale if any(each != (1, 0) for each in scale) else (), white)


def said(path: Path) -> str:
    """In a few words, what is done about the numbers of a file."""
    quiet("tifffile")
    with suppress(Exception), path.open("rb") as file, need("tifffile", EXTRA, "").TiffFile(file, name="") as tif:
        words = [meant(_tags(tif)).said, "pixels outside its mask kept missing" if _mask_page(tif) is not None else ""]
        return ", ".join(filter(None, words))
    return ""


def mask(path: Path) -> np.ndarray | None:
    """bool [H, W]: the pixels that a page of the file says are not there; None without such a page."""
    try:
        with path.open("rb") as file:
            if not any(page.get(SORT, 0) & MASK for page in _pages(file)[1:]):
                return None
    except (OSError, struct.error, OverflowError, ValueError, KeyError):
        return None  # the reader of pictures says that it is damaged
    return _loaded(path).mask


def stored(path: Path) -> np.ndarray:
    """[C, H, W] the numbers of the first image as they are stored."""
    return _loaded(path).values


def read(path: Path) -> dict[str, np.ndarray]:
    """{"bands": [C, H, W], "wavelength": [C] nm} of the first image, or of a stack {"values": [C, D, H, W], "spacing": mm}.

    Bands are in the units that GDAL's scale and offset (or ImageJ's calibration) make of the stored numbers. What is the "no
    data" value, lies outside a mask of the file, or is transparent, is NaN (then, as for all but 8 and 16 bits without sign,
    float32). Where 0 is white, whole numbers are turned. Wavelengths are NaN unless the GDAL metadata has an item WAVELENGTH, or
    a band's description tells a length ("560 nm", "0.56 um"), or names of Sentinel-2 with a B8A among them. Channels and spacing
    of a stack (along z, y, x) are those that ImageJ or OME tell; else one, and NaN. At most 2^27 numbers and 4,096 pages;
    compression none, deflate, LZW (needs imagecodecs) or packbits.
    """
    found = _loaded(path)
    values, tags, says = found.values, found.tags, meant(found.tags)
    holes = says.holes(values)
    if says.white and values.dtype.kind in "bu":  # numbers with a sign are measured rather than seen
        values = (
            ~values if values.dtype.kind == "b" else (2 ** _first(tags.get(BITS, 8)) - 1 - values).astype(values.dtype)
        )
    if found.spacing is not None:
        return {"values": holed(says.scaled(values).astype(np.float32), holes), "spacing": found.spacing}
    values = says.scaled(values)
    if found.mask is not None and found.mask.shape == values.shape[1:]:
        holes = holes | found.mask
    if (
        np.asarray(tags.get(EXTRAS) or 0).reshape(-1)[-1] in TRANSPARENT
        and len(values) == _first(tags.get(SAMPLES, 1)) > 1
    ):
        holes = (holes | (found.values[-1] == 0))[:-1]  # transparent, whatever colour is there
        values = values[:-1]
    if values.dtype not in (np.uint8, np.uint16) or holes.any():
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
    if holes.any():
        values = holed(values, holes)
    metadata = str(tags.get(GDAL_METADATA, ""))
    return {"bands": np.ascontiguousarray(values), "wavelength": wavelengths(metadata[: 2**20], len(values))}


@dataclass(frozen=True)
class _Loaded:
    """values: [C, H, W] as stored, of a stack [C, D, H, W]. mask: bool [H, W], what is not there. spacing: mm along z, y, x of a
    stack; None of all else."""

    values: np.ndarray
    tags: Mapping[int, object]
    mask: np.ndarray | None
    spacing: np.ndarray | None


def _loaded(path: Path) -> _Loaded:
    tifffile = need("tifffile", EXTRA, "reading .tif with many bands")
    quiet("tifffile")
    try:
        with path.open("rb") as file:
            start = file.read(16)
        with path.open("rb") as file, tifffile.TiffFile(file, name="") as tif:
            series = tif.series[0]
            _check(tif, series.shape, series.pages)
            stack = kind(start, path) == "volume"
            values = np.asarray(series.asarray())
            values, axes = values.reshape(series.shape), series.axes
            tags, mask = _tags(tif), None
            spacing = _spacing(tags) if stack else None
            if not stack and (page := _mask_page(tif)) is not None:
                _check(tif, page.shape, [page])
                mask = np.asarray(page.asarray()) == 0
    except Unreadable:
        raise
    except Exception as error:  # on damaged files tifffile raises anything
        raise Unreadable(
            "", f"the TIFF file is damaged, or of a form not read ({error or type(error).__name__})"
        ) from error
    if values.dtype.kind not in "biuf" or "Y" not in axes or "X" not in axes or values.size == 0:
        raise Unreadable("", f"it holds {values.dtype} values along {axes or 'no axes'}, not bands of numbers")
    order = [i for i, a in enumerate(axes) if a not in "YX"] + [axes.index("Y"), axes.index("X")]
    channels = [i for i in order[:-2] if axes[i] == "C"] if stack and len(order) > 3 else []
    values = values.transpose(channels + [i for i in order if i not in channels])
    sides, parts = values.shape[-2:], math.prod(values.shape[: len(channels)])
    return _Loaded(values.reshape(*((parts, -1) if stack else (-1,)), *sides), tags, mask, spacing)


def _tags(tif: _Tiff) -> dict[int, object]:
    return {tag.code: tag.value for tag in tif.pages[0].tags}


def _mask_page(tif: _Tiff) -> _Page | None:
    """The page of one channel that says which pixels of the first are there."""
    for i in range(1, LOOK):
        try:
            page = tif.pages[i]
        except IndexError:
            return None
        if isinstance(page, _Page) and int(page.subfiletype) & MASK and page.shape == tif.pages[0].shape[:2]:
            return page
    return None


def _items(metadata: str) -> list[tuple[dict[str, str], str]]:
    """The attributes and the text of every item of GDAL's metadata."""
    every = re.findall(r"<Item ([^>]*)>([^<]*)</Item>", metadata)
    return [(dict(re.findall(r'(\w+)="([^"]*)"', a)), v) for a, v in every]


def _role(about: Mapping[str, str], value: str) -> tuple[str, int, float]:
    """("scale" or "offset", band, number) of an item that tells one of a band; else "" first."""
    role = about.get("role", about.get("name", "")).lower()
    number, numbers = about.get("sample", ""), told(value)
    if role not in ("scale", "offset") or not number.isdigit() or len(number) > 5 or len(numbers) != 1:
        return "", 0, 0.0
    return role, int(number), float(numbers[0])


def _first(value: object) -> int:
    return int(np.asarray(value).reshape(-1)[0])


def wavelengths(metadata: str, bands: int) -> np.ndarray:
    """The wavelength of every band in nm as float32, NaN where GDAL's metadata (tag 42112) does not say."""
    found = np.full(bands, np.nan, np.float32)
    described: dict[int, str] = {}
    items = _items(metadata)
    units = next((v for a, v in items if a.get("name", "").lower() == "wavelength_units"), "nm").lower()
    for about, value in items:
        number = about.get("sample", "")
        band = int(number) if number.isdigit() and len(number) < 6 else -1
        if not 0 <= band < bands:
            continue
        name = about.get("name", "").lower()
        if name == "wavelength" and re.fullmatch(r"\s*\d+(\.\d+)?\s*", value):
            nm = float(value) * (1 if units.startswith(("nm", "nano")) and float(value) >= 100 else 1000)
            found[band] = nm
        elif name in ("description", "wavelength"):
            described[band] = value.strip()
            if (length := LENGTH.search(value)) and np.isnan(found[band]):
                found[band] = float(length[1]) * (1 if length[2].lower().startswith("n") else 1000)
    if "B8A" in described.values():
        for band, name in described.items():
            if np.isnan(found[band]):
                found[band] = SENTINEL2.get(re.sub(r"^B0", "B", name), np.nan)
    found[~((found >= 100) & (found < 100_000))] = np.nan
    return found


def _check(tif: Any, shape: tuple[int, ...], pages: Any) -> None:
    """Refuse, before anything is decoded, what would take too much memory."""
    if math.prod(shape) > MOST or len(pages) > MOST_PAGES:
        raise Unreadable("", f"its shape {list(shape)} is too large: at most {MOST:,} numbers")
    each = max((page.keyframe.dtype.itemsize for page in pages if page is not None), default=1)
    if reason := unpacked(math.prod(shape) * each, tif.filehandle.size):
        raise Unreadable("", reason)
    for page in pages:
        if page is None:
            continue
        code = int(page.keyframe.compression)
        if code not in COMPRESSIONS:
            raise Unreadable("", f"its compression ({code}) is not read: save it with deflate or none")
        most = math.prod(page.keyframe.tile or page.keyframe.shape) * page.keyframe.dtype.itemsize * 64 + 2**20
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            if code == 5 and count > MOST_LZW:
                raise Unreadable("", "its strips are too large for LZW: save it with deflate, or in tiles")
            if code in (8, 32946) and count * 1032 > 2**28:
                tif.filehandle.seek(offset)
                _check_inflated(tif.filehandle.read(count), most)


def _check_inflated(data: bytes, most: int) -> None:
    inflate, total = zlib.decompressobj(), 0
    while data and not inflate.eof:
        total += len(inflate.decompress(data, 2**20))
        data = inflate.unconsumed_tail
        if total > most:
            raise Unreadable("", "it expands to more than its header says")


def _planes(text: bytes) -> int:
    """1 where ImageJ wrote a stack behind one page, CHANNELS where it or OME say that the planes are channels alone, else 0."""
    if said := re.search(rb"^ImageJ=.*\nimages=(\d{1,9})\n", text, re.DOTALL):
        sizes = {name: re.search(rb"\n%s=(\d{1,9})\n" % name, text) for name in (b"channels", b"slices", b"frames")}
    else:
        sizes = {
            name: re.search(rb'<Pixels\b[^>]*\b%s="(\d{1,9})"' % name, text) for name in (b"SizeC", b"SizeZ", b"SizeT")
        }
    channels, slices, frames = (1 if size is None else int(size[1]) for size in sizes.values())
    shown = not said or re.search(rb"\nmode=(composite|color)\n", text)  # other programs write slices as channels
    if channels > 1 and slices == frames == 1 and shown:
        return CHANNELS
    return int(said is not None and int(said[1]) > 1)


def _spacing(tags: Mapping[int, object]) -> np.ndarray:
    """mm along z, y, x, as ImageJ or OME tell; NaN where they do not."""
    text = str(tags.get(TEXT, ""))[: 2**20]
    found: list[tuple[list[float], str]] = [([], "")] * 3
    if text.startswith("ImageJ="):
        says = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
        per = [told(tags.get(tag, ())) for tag in (YRESOLUTION, XRESOLUTION)]  # pixels in a unit, as a fraction
        sides = [[n[1] / n[0]] if len(n) == 2 and n[0] else [] for n in per]
        found = [(numbers, says.get("unit", "")) for numbers in (told(says.get("spacing", "")), *sides)]
    elif pixels := re.search(r"<Pixels\b[^>]*>", text):
        says = dict(re.findall(r'(\w+)="([^"]*)"', pixels[0]))
        found = [(told(says.get(f"PhysicalSize{a}", "")), says.get(f"PhysicalSize{a}Unit", "um")) for a in "ZYX"]
    units = [MILLIMETRES.get(unit.strip().replace("\\u00B5", "µ"), math.nan) for _, unit in found]
    return np.array([n[0] * u if n else math.nan for (n, _), u in zip(found, units, strict=True)], np.float32)


def _stacked(pages: list[dict[int, int]]) -> bool:
    size = {tuple(page.get(tag, 1) for tag in (WIDTH, HEIGHT, BITS, SAMPLES)) for page in pages}
    return len(pages) > 1 and len(size) == 1


def _pages(file: BinaryIO) -> list[dict[int, int]]:
    """The numbers that say what the first pages are like; TEXT is as `_planes` has it."""
    start = file.read(16)
    order, big = SIGNATURES[start[:4]], start[2] == 43 or start[3] == 43
    (offset,) = struct.unpack(order + "Q", start[8:16]) if big else struct.unpack(order + "I", start[4:8])
    head, entry, link = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    pages: list[dict[int, int]] = []
    seen = set()
    while offset and offset not in seen and len(pages) < 3:
        seen.add(offset)
        file.seek(offset)
        (count,) = struct.unpack(order + head, file.read(struct.calcsize(order + head)))
        size = struct.calcsize(order + entry)
        table = file.read(size * min(count, 4096))
        after = file.read(struct.calcsize(order + link))
        page = {}
        for tag, form, n, value in struct.iter_unpack(order + entry, table[: len(table) // size * size]):
            if tag in (SORT, WIDTH, HEIGHT, BITS, SAMPLES, FORMAT, POLARITY, EXTRAS) and form in FORMATS and n:
                code, width = FORMATS[form]
                if n * width > len(value):
                    file.seek(struct.unpack(order + link, value)[0])
                    value = file.read(width)
                page[tag] = struct.unpack(order + code, value[:width])[0]
            elif tag == TEXT and n > len(value):
                file.seek(struct.unpack(order + link, value)[0])
                page[TEXT] = _planes(file.read(min(n, 2**16)))
        pages.append(page)
        offset = struct.unpack(order + link, after)[0] if len(after) == struct.calcsize(order + link) else 0
    return pages
