"""TIFF beyond pictures: many bands or numbers (GeoTIFF) are multispectral, stacks of grey pages are volumes."""

import math
import re
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...errors import Unreadable
from ...extras import need
from ._quiet import quiet

SUFFIXES = (".tif", ".tiff", ".gtiff", ".btf")
EXTRA = "geo"
MOST = 2**27  # numbers in a file
MOST_PAGES = 4096
MOST_LZW = 2**20  # bytes of one strip or tile: LZW may expand by 2,800
SIGNATURES = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
COMPRESSIONS = {1, 5, 8, 32773, 32946}  # none, LZW, deflate, packbits, deflate: what these expand to can be bounded
FORMATS = {1: ("B", 1), 3: ("H", 2), 4: ("I", 4), 13: ("I", 4), 16: ("Q", 8), 18: ("Q", 8)}
WIDTH, HEIGHT, BITS, TEXT, SAMPLES, FORMAT = 256, 257, 258, 270, 277, 339
GDAL_METADATA, GDAL_NODATA = 42112, 42113
SENTINEL2 = {  # nm, central wavelengths of the Sentinel-2A instrument (ESA), by the names that its bands have in files
    "B1": 443, "B2": 492, "B3": 560, "B4": 665, "B5": 704, "B6": 741, "B7": 783, "B8": 833, "B8A": 865, "B9": 945,
    "B10": 1374, "B11": 1614, "B12": 2202,
}  # fmt: skip
LENGTH = re.compile(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(nm|nano\w*|um|[µμ]m|micro\w*)(?![a-z])", re.IGNORECASE)


def kind(start: bytes, path: Path) -> str | None:
    """A "multispectral" picture, a "volume", or None for what the reader of pictures takes.

    Pictures are one page of 1, 3 or 4 channels (or 2: grey and transparency) of at most 8 bits, or of 1, 3 or 4 channels of
    16 bits without sign. Two or more pages of one size in grey, 8 bits or more, are a volume, and so is a stack that ImageJ
    wrote. All else is multispectral.
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
    first = pages[0]
    channels, bits, form = first.get(SAMPLES, 1), first.get(BITS, 1), first.get(FORMAT, 1)
    if channels == 1 and bits >= 8 and (_stacked(pages) or first.get(TEXT)):
        return "volume"
    whole = form == 1 and ((bits <= 8 and channels <= 4) or (bits == 16 and channels in (1, 3, 4)))
    return None if whole else "multispectral"


def read(path: Path) -> dict[str, np.ndarray]:
    """{"bands": [C, H, W], "wavelength": [C] nm} of the first image, or of a stack {"values": [1, D, H, W], "spacing": NaN}.

    Bands stay in their numbers; the GDAL "no data" value becomes NaN (then, as for all but 8 and 16 bits without sign,
    float32). Wavelengths are NaN unless the GDAL metadata has an item WAVELENGTH, or a band's description tells a length ("560
    nm", "0.56 um"), or names of Sentinel-2 with a B8A among them. At most 2^27 numbers and 4,096 pages; compression none,
    deflate, LZW (needs imagecodecs) or packbits.
    """
    tifffile = need("tifffile", EXTRA, "reading .tif with many bands")
    quiet("tifffile")
    try:
        with path.open("rb") as file:
            start = file.read(16)
        with path.open("rb") as file, tifffile.TiffFile(file, name="") as tif:
            series = tif.series[0]
            _check(tif, series)
            stack = kind(start, path) == "volume"
            values = np.asarray(series.asarray())
            values, axes = values.reshape(series.shape), series.axes
            tags = tif.pages[0].tags
            metadata = str(tags[GDAL_METADATA].value) if GDAL_METADATA in tags else ""
            nodata = str(tags[GDAL_NODATA].value) if GDAL_NODATA in tags else ""
    except Unreadable:
        raise
    except Exception as error:  # on damaged files tifffile raises anything
        raise Unreadable(
            "", f"the TIFF file is damaged, or of a form not read ({error or type(error).__name__})"
        ) from error
    if values.dtype.kind not in "biuf" or "Y" not in axes or "X" not in axes or values.size == 0:
        raise Unreadable("", f"it holds {values.dtype} values along {axes or 'no axes'}, not bands of numbers")
    order = [i for i, a in enumerate(axes) if a not in "YX"] + [axes.index("Y"), axes.index("X")]
    values = values.transpose(order).reshape(-1, *(values.shape[i] for i in order[-2:]))
    if stack:
        return {"values": values.astype(np.float32)[None], "spacing": np.full(3, np.nan, np.float32)}
    return {"bands": _marked(values, nodata), "wavelength": wavelengths(metadata[: 2**20], len(values))}


def wavelengths(metadata: str, bands: int) -> np.ndarray:
    """The wavelength of every band in nm as float32, NaN where GDAL's metadata (tag 42112) does not say."""
    found = np.full(bands, np.nan, np.float32)
    described: dict[int, str] = {}
    items = [
        (dict(re.findall(r'(\w+)="([^"]*)"', a)), v) for a, v in re.findall(r"<Item ([^>]*)>([^<]*)</Item>", metadata)
    ]
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


def _marked(bands: np.ndarray, nodata: str) -> np.ndarray:
    try:
        missing = float(nodata.strip("\0 ")) if nodata else None
    except ValueError:
        missing = None
    holes = None if missing is None else bands == missing
    if bands.dtype not in (np.uint8, np.uint16) or (holes is not None and holes.any()):
        with np.errstate(over="ignore"):
            bands = bands.astype(np.float32)
    if holes is not None and holes.any():
        bands[holes] = np.nan
    return np.ascontiguousarray(bands)


def _check(tif: Any, series: Any) -> None:
    """Refuse, before anything is decoded, what would take too much memory."""
    if math.prod(series.shape) > MOST or len(series.pages) > MOST_PAGES:
        raise Unreadable("", f"its shape {list(series.shape)} is too large: at most {MOST:,} numbers")
    for page in series.pages:
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


def _stacked(pages: list[dict[int, int]]) -> bool:
    size = {tuple(page.get(tag, 1) for tag in (WIDTH, HEIGHT, BITS, SAMPLES)) for page in pages}
    return len(pages) > 1 and len(size) == 1


def _pages(file: BinaryIO) -> list[dict[int, int]]:
    """The numbers that say what the first pages are like; TEXT is 1 where ImageJ wrote a stack behind one page."""
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
            if tag in (WIDTH, HEIGHT, BITS, SAMPLES, FORMAT) and form in FORMATS and n:
                code, width = FORMATS[form]
                if n * width > len(value):
                    file.seek(struct.unpack(order + link, value)[0])
                    value = file.read(width)
                page[tag] = struct.unpack(order + code, value[:width])[0]
            elif tag == TEXT and n > len(value):
                file.seek(struct.unpack(order + link, value)[0])
                said = re.search(rb"^ImageJ=.*\nimages=(\d{1,9})\n", file.read(min(n, 1000)), re.DOTALL)
                page[TEXT] = int(said is not None and int(said[1]) > 1)
        pages.append(page)
        offset = struct.unpack(order + link, after)[0] if len(after) == struct.calcsize(order + link) else 0
    return pages
