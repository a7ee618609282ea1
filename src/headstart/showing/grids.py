"""Pictures, bands, clips, scans and fields, drawn."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..forms import Sample
from .page import heat, picture, said, short, table

SIDE = 224  # pixels of a picture's longer side, at most
SMALL = 112  # likewise of a frame and of a slice
FRAMES = 6
BANDS = 12
VISIBLE = (650.0, 550.0, 450.0)  # nm, shown as red, green and blue


@dataclass(frozen=True)
class Range:
    """Which values are drawn darkest and lightest: those of the sample as its tokenizer has it, for all that is made of it."""

    low: float = 0.0
    high: float = 1.0


def range_of(values: np.ndarray) -> Range:
    """0 to 1 for what lies within and is not all dark, as pixels do; else where all but the outermost 1 % lie."""
    x = values[np.isfinite(values)]
    if not x.size or (x.min() >= -1e-3 and x.max() <= 1 + 1e-3 and x.max() > 0.1):
        return Range()
    low, high = np.quantile(x[:: max(1, x.size // 100_000)], (0.005, 0.995))
    return Range(float(low), float(high))


def image(sample: Sample, scale: Range, alt: str) -> str:
    """[C, H, W]: by up to three channels; what is missing is transparent."""
    return picture(_pixels(numbers(sample, shares=True), scale, SIDE), alt)


def multispectral(sample: Sample, scale: Range, alt: str) -> str:
    """Three bands as red, green and blue, and the range of every band."""
    x, known, at = _bands(sample)
    rows = []
    for i in np.unique(np.linspace(0, len(x) - 1, BANDS).round().astype(int)).tolist():
        there = x[i][np.isfinite(x[i])]
        ends = [short(there.min()), short(there.max())] if there.size else ["missing", ""]
        name = f"band {i}" if known is None or not np.isfinite(known[i]) else f"{known[i]:.0f} nm"
        mark = "".join(letter for letter, band in zip("RGB", at, strict=True) if band == i)
        rows.append([said(f"{name} {mark}"), *map(said, ends)])
    return colours(sample, scale, alt) + table(rows, ["band", "lowest", "highest"])


def colours(sample: Sample, scale: Range, alt: str) -> str:
    """Three bands as red, green and blue, each by its own range."""
    x, _, at = _bands(sample)
    rgb = [(each - own.low) / max(own.high - own.low, 1e-12) for each in x[at] for own in [range_of(each)]]
    return picture(_pixels(np.stack(rgb), Range(), SIDE), f"{alt}, bands {', '.join(map(str, at))} as red, green, blue")


def _bands(sample: Sample) -> tuple[np.ndarray, np.ndarray | None, list[int]]:
    """[C, H, W], wavelengths [C] where they are known, and which bands are shown as red, green and blue."""
    bands, nm = (sample["bands"], sample.get("wavelength")) if isinstance(sample, dict) else (sample, None)
    x = numbers(bands)
    known = None if nm is None else np.asarray(nm, np.float64)
    if known is not None and np.isfinite(known).all() and known.min() < 50_000:
        at = [int(np.abs(known - want).argmin()) for want in VISIBLE]
    else:
        at = np.linspace(len(x) - 1, 0, 3).round().astype(int).tolist()
    return x, known, at


def video(sample: Sample, scale: Range, alt: str) -> str:
    """A strip of frames [T, C, H, W], evenly taken."""
    frames = sample["frames"] if isinstance(sample, dict) else sample
    at = np.unique(np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)).tolist()
    x = numbers(np.stack([np.asarray(frames[i]) for i in at]), shares=True)
    strip = "".join(picture(_pixels(f, scale, SMALL), f"{alt}, frame {i}") for i, f in zip(at, x, strict=True))
    return f"<div class=strip>{strip}</div>"


def volume(sample: Sample, scale: Range, alt: str) -> str:
    """The three middle slices of [C, D, H, W], each voxel as long as it is."""
    mm = sample.get("spacing") if isinstance(sample, dict) else None
    x = numbers(sample["values"] if isinstance(sample, dict) else sample)
    x = x[None] if x.ndim == 3 else x
    length = np.ones(3) if mm is None else np.nan_to_num(np.abs(np.asarray(mm, np.float64)), nan=1.0)
    length = np.where(length > 0, length, 1.0)
    slices = []
    for axis, name in enumerate(("across z", "across y", "across x")):
        flat = np.take(x[:3], x.shape[1 + axis] // 2, axis=1 + axis)
        high, wide = (n * mm for i, (n, mm) in enumerate(zip(x.shape[1:], length, strict=True)) if i != axis)
        small = _pixels(flat, scale, SMALL, (float(high), float(wide)))
        slices.append(picture(small, f"{alt}, middle slice {name}"))
    return f"<div class=strip>{''.join(slices)}</div>"


def field(sample: Sample, scale: Range, alt: str) -> str:
    """The middle slice of [4, D, H, W] in its colours, and the density seen from the front."""
    x = numbers(sample)
    share = np.iinfo(sample.dtype).max if isinstance(sample, np.ndarray) and sample.dtype.kind == "u" else 1.0
    colour = picture(_pixels(x[:3, x.shape[1] // 2] / share, Range(), SMALL), f"{alt}, colours of the middle slice")
    density = np.log1p(np.clip(x[3], 0, 1e6)).max(0)
    seen = heat(
        _fitting(density[None], SMALL)[0], 0.0, float(density.max()), f"{alt}, densest along each line of sight"
    )
    return f"<div class='strip two'>{colour}{seen}</div>"


def numbers(values: Sample, shares: bool = False) -> np.ndarray:
    """float32, NaN where masked. shares: whole numbers of 8 and 16 bits as shares of their range, as pixels are."""
    x = np.asarray(np.ma.getdata(values))
    most = np.iinfo(x.dtype).max if shares and x.dtype in (np.uint8, np.uint16) else 1
    real = x.astype(np.float32) / np.float32(most)
    return np.where(np.ma.getmaskarray(values), np.float32(np.nan), real) if np.ma.isMaskedArray(values) else real


def _fitting(x: np.ndarray, side: int, size: tuple[float, float] | None = None) -> np.ndarray:
    """[C, H, W] with its longer side at most `side` pixels; size: its height and width, where pixels are no squares."""
    high, wide = size or x.shape[1:]
    share = min(1.0, side / max(x.shape[1:])) * max(x.shape[1:]) / max(high, wide)
    sides = (max(1, round(high * share)), max(1, round(wide * share)))
    if sides == x.shape[1:]:
        return x
    there = np.isfinite(x)
    if there.all():
        return _resized(x, sides)
    weight, small = _resized(there, sides), _resized(np.where(there, x, 0), sides)
    return np.where(weight >= 0.5, small / np.maximum(weight, 0.5), np.nan)


def _resized(x: np.ndarray, sides: tuple[int, int]) -> np.ndarray:
    """[C, h, w] float32: the mean of what falls into each pixel."""
    turned = [Image.fromarray(c).resize(sides[::-1], Image.Resampling.BOX) for c in x.astype(np.float32)]
    return np.stack([np.asarray(c) for c in turned])


def _pixels(x: np.ndarray, scale: Range, side: int, size: tuple[float, float] | None = None) -> np.ndarray:
    """uint8 [H, W], [H, W, 3] or, where something is missing, [H, W, 4] of [C, H, W]."""
    x = _fitting(x[:3] if len(x) > 2 else x[:1], side, size)
    gone = ~np.isfinite(x).all(0)
    shown = np.clip((x - scale.low) / max(scale.high - scale.low, 1e-12), 0, 1)
    grey = np.rint(255 * np.nan_to_num(shown)).astype(np.uint8)
    if not gone.any():
        return grey[0] if len(grey) == 1 else np.ascontiguousarray(grey.transpose(1, 2, 0))
    return (
        np.concatenate([np.repeat(grey, 3 // len(grey), 0), np.where(gone, 0, 255)[None]])
        .astype(np.uint8)
        .transpose(1, 2, 0)
        .copy()
    )
