"""Which samples are the same, or nearly: hashes of content, and of pictures as they look (pHash, Zauner 2010)."""

import hashlib
import numbers
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from PIL import Image

from ...forms import Sample

SIDE, KEPT = 32, 8  # a picture is brought to 32x32, and 8x8 low frequencies make 64 bits
THUMB = 16  # sides of the small picture that has the last word
FAR = 7  # bits of 64 in which two pictures may differ to be compared at all
ALIKE = 0.988  # correlation of the small pictures; photographs at a third of their size have 0.993, as JPEG at quality 30 0.999
GREY, TINT = (
    10.0,
    0.4,
)  # colours may differ by 10 of 255, or by 0.4 of how colourful the pictures are (root mean squares)
STEP = 0.02  # standard deviations: the grain of `signature`
BUCKET = 4096  # different hashes of one bucket that are compared with each other; beyond, only with that many next ones


def content(sample: Sample) -> bytes:
    """16 bytes that are equal for equal samples: arrays of one shape and type with the same values, texts, dicts, lists."""
    said = hashlib.blake2b(digest_size=16)
    for piece in _pieces(sample):
        said.update(piece)
    return said.digest()


def signature(sample: Sample) -> bytes | None:
    """Equal for samples that differ by gain and offset (arrays), or by letter case and white space (texts); None: no opinion.

    Of an array: the means of 64 stretches, standardised, to a fiftieth of a standard deviation.
    """
    if isinstance(sample, str):
        return hashlib.blake2b(" ".join(sample.casefold().split()).encode("utf-8", "replace"), digest_size=16).digest()
    if not isinstance(sample, np.ndarray) or sample.dtype.kind not in "biuf" or sample.size < 64:
        return None
    flat = np.nan_to_num(sample.reshape(-1).astype(np.float64))
    edges = np.linspace(0, flat.size, 65).astype(int)[:-1]
    means = np.add.reduceat(flat, edges) / np.diff([*edges, flat.size])
    spread = means.std()
    if not np.isfinite(spread) or spread <= 1e-9 * max(1.0, float(np.abs(means).max())):
        return None
    rounded = np.rint((means - means.mean()) / spread / STEP).astype(np.int32)
    shape = repr(sample.shape).encode()
    return hashlib.blake2b(shape + rounded.tobytes(), digest_size=16).digest()


def look(picture: np.ndarray) -> tuple[int, np.ndarray] | None:
    """A picture [C, H, W] as 64 bits, and as a small one: uint8 [256 + 48], grey 16x16 and colour 4x4; None for plain ones.

    The bits say whether each of 8x8 low frequencies (DCT-II of the grey picture) lies above their median; they hardly change
    with size, compression or brightness.
    """
    if picture.ndim != 3 or (picture.dtype.kind not in "bui" and not np.isfinite(picture).all()):
        return None
    low, high = float(picture.min()), float(picture.max())
    if high <= low:
        return None
    colour = (picture[:3] if len(picture) >= 3 else picture[:1]).astype(np.float32, copy=False)
    colour = colour if len(colour) == 3 else np.repeat(colour, 3, axis=0)
    grey = np.tensordot(np.array([0.299, 0.587, 0.114], np.float32), colour, axes=1)
    rate = 255 / (high - low)  # of means, which are few
    waves = _cosines()
    frequencies = (waves @ ((_sized(grey, SIDE) - low) * rate) @ waves.T).reshape(-1)
    frequencies[0] = 0.0  # the mean is brightness
    bits = frequencies > np.median(frequencies)
    small = [_sized(grey, THUMB), *(_sized(plane, 4) for plane in colour)]
    thumb = (np.concatenate([s.reshape(-1) for s in small]) - low) * rate
    return int.from_bytes(np.packbits(bits).tobytes(), "big"), np.clip(np.rint(thumb), 0, 255).astype(np.uint8)


def alike(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """bool [n]: whether small pictures [n, 304] agree in form (grey, by correlation) and in colour."""
    first, second = a.astype(np.float32), b.astype(np.float32)
    form = _correlation(first[:, : THUMB**2], second[:, : THUMB**2])
    tint = []
    for some in (first[:, THUMB**2 :], second[:, THUMB**2 :]):
        planes = some.reshape(len(some), 3, -1)
        tint.append(
            planes - planes.mean(axis=1, keepdims=True)
        )  # what is left of each place when its grey is taken away
    colourful = np.maximum(*(np.sqrt((t**2).mean(axis=(1, 2))) for t in tint))
    off = np.sqrt(((tint[0] - tint[1]) ** 2).mean(axis=(1, 2)))
    return (form >= ALIKE) & (off <= np.maximum(GREY, TINT * colourful))


def near_pairs(hashes: np.ndarray, far: int = FAR) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs (i < j) of different numbers uint64 [n] that differ in at most `far` <= 7 bits, in batches.

    Two such hashes differ by at most one bit in one of four quarters (7 bits over four quarters), so only those are compared: not
    n^2 pairs, but about n * 68 * n / 65,536. A pair may come more than once.
    """
    if far > 7:
        raise ValueError("quarters with one bit changed find pairs that differ in up to 7 bits")
    quarters = hashes[:, None].view(np.uint16)  # [n, 4]
    flips = np.array([0, *(1 << b for b in range(16))], np.uint16)
    for quarter in range(quarters.shape[1]):
        own = quarters[:, quarter]
        order = np.argsort(own, kind="stable")
        ordered = own[order]
        for flip in flips:
            wanted = own ^ flip
            begin = np.searchsorted(ordered, wanted, side="left")
            count = np.minimum(np.searchsorted(ordered, wanted, side="right") - begin, BUCKET)
            for some in _portions(count, 2**22):
                i = np.repeat(some, count[some])
                within = np.arange(len(i)) - np.repeat(np.cumsum(count[some]) - count[some], count[some])
                j = order[np.repeat(begin[some], count[some]) + within]
                keep = i < j
                i, j = i[keep], j[keep]
                keep = bits_set(hashes[i] ^ hashes[j]) <= far
                if keep.any():
                    yield i[keep], j[keep]


def bits_set(numbers: np.ndarray) -> np.ndarray:
    """How many bits of each uint64 are 1."""
    return _ones()[np.ascontiguousarray(numbers)[:, None].view(np.uint16)].sum(axis=1, dtype=np.int64)


def _portions(count: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """Numbers 0..n-1 in stretches whose counts add up to about `most`."""
    total = np.cumsum(count)
    begin = 0
    while begin < len(count):
        end = int(np.searchsorted(total, (total[begin - 1] if begin else 0) + most, side="right"))
        end = max(end, begin + 1)
        yield np.arange(begin, end)
        begin = end


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return (a * b).sum(axis=1) / np.maximum(size, 1e-6)


def _sized(plane: np.ndarray, side: int) -> np.ndarray:
    """Area means: what a pixel of the small picture covers."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize((side, side), Image.Resampling.BOX))


@lru_cache(maxsize=1)
def _cosines() -> np.ndarray:
    """float32 [8, 32]: the first rows of the orthonormal DCT-II."""
    k, x = np.arange(KEPT)[:, None], np.arange(SIDE)[None]
    waves = np.cos(np.pi * (2 * x + 1) * k / (2 * SIDE)) * np.sqrt(2 / SIDE)
    waves[0] /= np.sqrt(2)
    return waves.astype(np.float32)


@lru_cache(maxsize=1)
def _ones() -> np.ndarray:
    every = np.arange(2**16, dtype=np.uint16)
    return sum(((every >> b) & 1).astype(np.uint8) for b in range(16))  # type: ignore[return-value]


def _pieces(value: Sample) -> Iterator[Sample]:
    if isinstance(value, np.ndarray):
        yield f"array {value.shape} {value.dtype.newbyteorder('=').str}".encode()
        if value.dtype.hasobject:
            yield from _pieces(value.tolist())
        else:
            native = value.astype(value.dtype.newbyteorder("="), copy=False)
            yield np.ascontiguousarray(native).reshape(-1).view(np.uint8).data if native.size else b""
    elif isinstance(value, str):
        yield b"str " + value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bytes):
        yield b"bytes " + value
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            yield b"key " + str(key).encode()
            yield from _pieces(value[key])
    elif isinstance(value, list | tuple):
        yield f"list {len(value)}".encode()
        for item in value:
            yield from _pieces(item)
    elif isinstance(value, numbers.Real) and not isinstance(value, bool):
        yield f"number {float(value)!r}".encode()
    else:
        yield f"{type(value).__name__} {value}".encode()
