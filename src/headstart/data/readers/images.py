"""Pictures of any format that Pillow reads, one in a file: the right way up and of any mode, or refused with the reason."""

import importlib.util
import math
import os
import re
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from ...errors import Mistake, Unreadable
from ..sources.array import holed
from . import tiff
from ._limits import instead_of

IMAGES = (
    ".png .apng .jpg .jpeg .jpe .jfif .mpo .bmp .dib .gif .tif .tiff .webp .avif .avifs .ppm .pgm .pbm .pnm "
    ".pfm .jp2 .j2k .jpx .j2c .ico .cur .tga .pcx .sgi .rgb .dds .qoi .heic .heif"
)
OTHERS = (
    ".txt .md .rst .html .xml .json .jsonl .csv .tsv .yaml .yml .toml .ini .log .py .ipynb .sh .svg .pdf "
    ".lock .db .zip .tar .gz .bz2 .xz .7z .npy .npz .pt .pth .pkl .h5 .hdf5 .parquet .arrow .mat "
    ".safetensors .mp4 .avi .mov .mkv .webm .wav .mp3 .flac .ogg"
)
SUFFIXES, OTHER_SUFFIXES = tuple(IMAGES.split()), frozenset(OTHERS.split())
MAGIC = (
    *(b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", *tiff.SIGNATURES, b"qoif"),
    *(b"\0\0\0\x0cjP  ", b"\xffO\xffQ"),  # the two forms of JPEG 2000
)
HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")  # brands of what phones store
EXTRA = "heic"
ALONE = True
PLAIN = {"1": "L", "P": "RGB", "La": "LA", "PA": "RGBA", "RGBa": "RGBA", "RGBX": "RGB", "HSV": "RGB"}
ORIENTATION = 274
GREY16 = ("I;16", "I;16L", "I;16B", "I;16N")
Tile = tuple[str, tuple[int, int, int, int] | None, int, tuple[object, ...] | str | None]  # as Pillow has it
_QUIET = ("ignore", None, Warning, re.compile(r"PIL(\.|$)"), 0)


def read_image(path: str | Path, area: int | None = None) -> np.ndarray:
    """The picture in a file as [C, H, W]: uint8 or uint16 with 1 or 3 channels, or one channel of float32.

    EXIF orientation is applied, transparency laid on white, palettes and other colour spaces become RGB, and
    of an animation the first frame is taken. With `area` a large picture comes already reduced, averaging
    whole squares of pixels, but not below twice the sides that `resize` to that area needs: on openclipart
    this is three times as fast. Of a TIFF, "no data" and what lies outside its mask is missing (`holed`), scale and
    offset are applied, and what says that 0 is white is turned. Colours of 16 bits stay so (of a PNG with imagecodecs, of a TIFF
    with tifffile, else their upper 8 bits).
    """
    where = str(path)
    # asked at every call: catch_warnings elsewhere undoes it, and in here would not be safe among threads
    if _QUIET not in warnings.filters:
        warnings.filterwarnings("ignore", module=_QUIET[3].pattern)
    try:
        _heic_too()
        with Image.open(path) as image:
            if image.format == "TIFF":
                image.seek(_whole(image))
            reduction = 1 if area is None else _reduction(image.width, image.height, area)
            if reduction > 1 and image.format == "JPEG":
                image.draft(None, (image.width // reduction, image.height // reduction))
            image.info["turn"] = (
                image.getexif().get(ORIENTATION) if image.format == "TIFF" else None
            )  # lost as it is loaded
            if image.format == "TIFF" and (image.info["turn"] or 0) > 4:
                image.filename = ""  # or Pillow maps it into memory by the sides that it has once it is turned
            tiles = list(image.tile)
            image.load()
            meant, gone = _meant(image, path)
            whole = area is None or gone is not None or meant != tiff.Meant()
            values = _deep_colours(image, tiles, path)
            if values is None:
                values = _values(image, 1 if whole else _reduction(image.width, image.height, area or 1))
            holes = None if gone is None and not meant.missing else _holes(image, values.shape, meant, gone, path)
            if meant.white and image.mode in GREY16:
                values = 65_535 - values  # Pillow turns those of 8 bits alone
            values = meant.scaled(values)
    except UnidentifiedImageError as error:
        if (bands := _other_tiff(path)) is not None:
            return bands
        empty = os.path.exists(path) and os.path.getsize(path) == 0
        reason = "the file is empty" if empty else instead_of(Path(path)) or "its content is no image format"
        raise Unreadable(where, reason) from error
    except Image.DecompressionBombError as error:
        raise Unreadable(where, f"the image is too large to be decoded safely ({error})") from error
    except MemoryError as error:
        raise Unreadable(where, "the image does not fit in memory") from error
    except OSError as error:
        closed, said = error.strerror, error.strerror or error
        raise Unreadable(where, f"the {'file cannot be opened' if closed else 'image is damaged'} ({said})") from error
    except Exception as error:  # on damaged files decoders raise anything: SyntaxError, struct.error, ...
        raise Unreadable(where, f"the image is damaged ({type(error).__name__}: {error})") from error
    if values.dtype == np.float32 and not np.isfinite(values if holes is None else values[~holes]).all():
        raise Unreadable(where, "the image holds NaN or infinite values")
    return values if holes is None else holed(values, holes)


def _deep_colours(image: Image.Image, tiles: Sequence[Tile], path: str | Path) -> np.ndarray | None:
    """uint16 [C, H, W] of a picture of 16 bits in colour, or with transparency, of which Pillow keeps the upper 8; else None."""
    begin, how = tiles[0][2:4] if tiles else (0, "")
    if image.mode not in ("RGB", "RGBA", "LA"):
        return None
    if image.format == "TIFF" and _is_deep(image) and image.tag_v2.get(tiff.POLARITY) == tiff.RGB:  # type: ignore[attr-defined]
        try:
            values, extras = tiff.stored(Path(path)), image.tag_v2.get(tiff.EXTRAS, (0,))  # type: ignore[attr-defined]
        except (Mistake, Unreadable):
            return None
        premultiplied = extras[0] == 1
    elif image.format == "PNG" and str(how).endswith(";16B") and "transparency" not in image.info:
        if importlib.util.find_spec("imagecodecs") is None:
            return None
        decoded = importlib.import_module("imagecodecs").png_decode(Path(path).read_bytes())
        values, premultiplied = np.moveaxis(np.atleast_3d(decoded), -1, 0), False
    elif (
        image.format == "PPM"
        and isinstance(how, tuple)
        and how[0] == "RGB"
        and isinstance(how[1], int)
        and how[1] > 255
    ):
        count = image.width * image.height * 3
        plain = np.frombuffer(Path(path).read_bytes(), ">u2", count, begin).reshape(image.height, image.width, 3)
        values, premultiplied = np.moveaxis(np.rint(plain * (65_535 / how[1])).astype(np.uint16), -1, 0), False
    else:
        return None
    if values.dtype != np.uint16 or len(values) > 4 or sorted(values.shape[1:]) != sorted(image.size):
        return None
    if len(values) in (2, 4):  # on white
        share = values[-1] / 65_535
        values = (
            np.rint(values[:-1] * (1 if premultiplied else share) + 65_535 * (1 - share))
            .clip(0, 65_535)
            .astype(np.uint16)
        )
    image.info["turn"] = image.info.get("turn") or image.getexif().get(ORIENTATION)
    return np.ascontiguousarray(np.stack([_turned(plane, image) for plane in values]))


def said(path: Path) -> str:
    """In a few words, what is done about the numbers of a file, and what of it is not read."""
    words, frames, kind_ = [tiff.said(path) if path.suffix.lower() in tiff.SUFFIXES else ""], 1, "frames"
    with suppress(Exception), Image.open(path) as image:  # what is wrong with it is said where it is read
        frames = image.n_frames  # type: ignore[attr-defined]  # or an AttributeError, where there is always one
        if image.format == "TIFF":
            frames, kind_ = sum(not _is_aside(image, page) for page in range(frames)), "pages"
    return ", ".join(filter(None, [*words, f"the first of {frames:,} {kind_} is read" if frames > 1 else ""]))


def _is_aside(image: Image.Image, page: int) -> bool:
    """Whether a page of a TIFF is a preview of another, or a mask."""
    image.seek(page)
    return bool(image.tag_v2.get(tiff.SORT, 0) & tiff.ASIDE)  # type: ignore[attr-defined]  # of a TIFF


def _whole(image: Image.Image) -> int:
    """The page of a TIFF that holds the picture: the first, or the first that is neither a preview of another nor a mask."""
    for page in range(tiff.LOOK):
        try:
            if not _is_aside(image, page):
                return page
        except Exception:  # EOFError behind the last one; SyntaxError at a page that Pillow cannot show
            break
    return 0


def _values(image: Image.Image, reduction: int) -> np.ndarray:
    if image.mode in GREY16:
        return np.asarray(_upright(image)).astype(np.uint16)[None]
    if image.mode in ("I", "F"):
        values = np.array(_upright(image))[None]
        fits = image.mode == "I" and values.min() >= 0 and values.max() <= 65_535
        return values.astype(np.uint16 if fits else np.float32)
    mode = PLAIN.get(image.mode, image.mode)
    if image.has_transparency_data and mode not in ("LA", "RGBA"):
        mode = "LA" if image.mode in ("1", "L") else "RGBA"
    image = image.convert(mode) if reduction == 1 else _averaged(image, mode, reduction)
    if mode in ("LA", "RGBA"):
        opaque = mode[:-1]
        paper = Image.new(opaque, image.size, "white")
        paper.paste(image.convert(opaque), mask=image.getchannel("A"))
        paper.info = image.info
        image = paper
    if mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB") or image  # None only if in place
    elif image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    values = np.array(_upright(image))
    return values[None] if values.ndim == 2 else np.ascontiguousarray(np.moveaxis(values, -1, 0))


def _meant(image: Image.Image, path: str | Path) -> tuple[tiff.Meant, np.ndarray | None]:
    """What a TIFF says about its numbers, and bool [H, W]: what lies outside its mask."""
    if image.format != "TIFF":
        return tiff.Meant(), None
    with suppress(Exception):  # a damaged tag is no reason to lose the picture
        return tiff.meant(dict(image.tag_v2)), tiff.mask(Path(path))  # type: ignore[attr-defined]  # of a TIFF
    return tiff.Meant(), None


def _holes(
    image: Image.Image, shape: tuple[int, ...], meant: tiff.Meant, gone: np.ndarray | None, path: str | Path
) -> np.ndarray:
    """bool [C, H, W]: what of a TIFF is missing; a pixel in colours, where every colour says so."""
    stored = np.asarray(image)
    if meant.white and image.mode in ("1", "L"):
        stored = np.asarray((1 if image.mode == "1" else 255) - stored.astype(np.uint8))  # Pillow has turned it
    if stored.ndim == 3 and meant.missing and _is_deep(image):
        stored = np.stack([_turned(x, image) for x in tiff.stored(Path(path))], -1)
    holes = meant.holes(stored)
    if holes.ndim == 3:
        holes = np.asarray(holes[..., : 1 if holes.shape[-1] == 2 else 3].all(-1))
    if gone is not None:
        holes = holes | _turned(gone, image)
    return np.broadcast_to(holes, shape)


def _other_tiff(path: str | Path) -> np.ndarray | None:
    """The picture in a TIFF of a form that Pillow does not know, such as a BigTIFF that begins with MM; else None."""
    with suppress(Mistake, Unreadable, OSError, KeyError), open(path, "rb") as file:
        if file.read(4) in tiff.SIGNATURES:
            bands = tiff.read(Path(path))["bands"]
            return bands if len(bands) in (1, 3) else None
    return None


def _is_deep(image: Image.Image) -> bool:
    """Whether a TIFF has more than 8 bits, of whose colours Pillow keeps the upper 8."""
    return bool(max(image.tag_v2.get(tiff.BITS, (8,))) > 8)  # type: ignore[attr-defined]  # of a TIFF


def _turned(plane: np.ndarray, image: Image.Image) -> np.ndarray:
    """[H, W] as Pillow has turned the picture that it goes with."""
    if (turn := image.info.get("turn")) is None:
        return plane
    other = Image.fromarray(plane.astype(np.int32))
    other.getexif()[ORIENTATION] = turn
    return np.asarray(ImageOps.exif_transpose(other)).astype(plane.dtype)


def _upright(image: Image.Image) -> Image.Image:
    with suppress(Exception):  # a damaged EXIF block is no reason to lose the picture
        image = ImageOps.exif_transpose(image) or image
    return image


def _averaged(image: Image.Image, mode: str, factor: int) -> Image.Image:
    """Convert and average squares of pixels, in strips: copies of a large picture take gigabytes."""
    out = Image.new(mode, (-(-image.width // factor), -(-image.height // factor)))
    rows = factor * max(1, 2**20 // (image.width * factor))
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        # reduce weighs colours by their alpha
        out.paste(strip.convert(mode).reduce(factor), (0, top // factor))
    out.info = image.info
    return out


def _reduction(width: int, height: int, area: int) -> int:
    kept = min(width, 4 * height) * min(height, 4 * width)  # what resize keeps of an extreme aspect
    return max(1, int(math.sqrt(kept / area) / 2))


@cache
def _heic_too() -> bool:
    """Whether Pillow reads the pictures of phones, with the plugin that the extra "heic" installs."""
    if importlib.util.find_spec("pillow_heif") is None:
        return False
    importlib.import_module("pillow_heif").register_heif_opener()
    return True


def _is_heic(start: bytes) -> bool:
    return start[4:8] == b"ftyp" and start[8:12] in HEIC


def _is_image(start: bytes) -> bool:
    """Whether a file that begins with these 16 bytes is an image."""
    if _is_heic(start):
        return _heic_too()
    riff = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    avif = start[4:12] in (b"ftypavif", b"ftypavis")
    pnm = start[:1] == b"P" and start[1:2] in b"123456fF" and start[2:3].isspace() and len(start) > 2
    return start.startswith(MAGIC) or riff or avif or pnm


def kind(start: bytes, path: Path) -> str | None:
    """By content; an empty file that is called a picture counts as a broken one."""
    named = not start and path.suffix.lower() in SUFFIXES
    return "image" if named or _is_image(start[:16]) else None


def read(path: Path) -> np.ndarray:
    """[C, H, W], as `read_image` has it."""
    return read_image(path)


def smaller(area: int) -> Callable[[Path], np.ndarray]:
    """`read`, but decoding no more than `resize` to `area` needs."""
    return partial(read_image, area=area)
