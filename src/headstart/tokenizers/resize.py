"""Pictures brought to one channel count and near one area, their aspect kept."""

import math

import numpy as np
from PIL import Image

from ..errors import Unreadable

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def to_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """Grey to colour by repetition, colour to grey by luma."""
    have = len(image)
    if have == channels:
        return image
    if have == 1 and channels == 3:
        return np.repeat(image, 3, axis=0)
    if have == 3 and channels == 1:
        grey = np.tensordot(LUMA, image.astype(np.float32), axes=1)[None]
        return grey if image.dtype == np.float32 else np.rint(grey).astype(image.dtype)
    raise Unreadable("", f"it has {have} channels, and there is no rule that makes {channels} of them")


def grid(height: int, width: int, area: int, multiple: int) -> tuple[int, int]:
    """Sides, multiples of `multiple` and at most 4:1, nearest to the aspect and the area by log error."""
    aspect = min(4.0, max(0.25, width / height))
    cells = area / multiple**2
    choices = set()
    exact = math.sqrt(cells / aspect)
    for rows in {max(1, math.floor(exact)), max(1, math.ceil(exact))}:
        for ideal in (rows * aspect, cells / rows):
            choices |= {(rows, max(1, math.floor(ideal))), (rows, max(1, math.ceil(ideal)))}
    choices = {(r, c) for r, c in choices if max(r, c) <= 4 * min(r, c)} or {(1, 1)}

    def error(cell: tuple[int, int]) -> tuple[float, float, int]:
        r, c = cell
        off_area = abs(math.log(r * c / cells))
        return (round(off_area + abs(math.log(c / r / aspect)), 9), off_area, r)

    rows, columns = min(choices, key=error)
    return rows * multiple, columns * multiple


def resize(image: np.ndarray, area: int, multiple: int) -> np.ndarray:
    """Bring [C, H, W] near H*W = area with both sides multiples of `multiple`, antialiased, same dtype.

    The aspect is kept exactly: what the new sides have no room for is cropped from both ends alike.
    """
    channels, height, width = image.shape
    rows, columns = grid(height, width, area, multiple)
    if (rows, columns) == (height, width):
        return image
    scale = max(rows / height, columns / width)
    left, top = (width - columns / scale) / 2, (height - rows / scale) / 2
    box = (max(0.0, left), max(0.0, top), min(width, width - left), min(height, height - top))
    if image.dtype == np.uint8 and channels == 3:
        colour = _scaled(np.moveaxis(image, 0, -1), rows, columns, box)
        return np.ascontiguousarray(np.moveaxis(colour, -1, 0))
    if image.dtype == np.uint8:
        return np.stack([_scaled(plane, rows, columns, box) for plane in image])
    planes = image.astype(np.float32, copy=False)
    out = np.stack([_scaled(plane, rows, columns, box) for plane in planes])
    # bicubic overshoots at edges: no value that the picture did not have
    out = np.clip(out, planes.min(axis=(1, 2), keepdims=True), planes.max(axis=(1, 2), keepdims=True))
    return out if image.dtype == np.float32 else np.rint(out).astype(image.dtype)


def shown(sides: tuple[int, int], area: int | None, multiple: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the rows and the columns of a resized picture lie among those that it had; without an area it stays as it is."""
    height, width = sides
    rows, columns = sides if area is None else grid(height, width, area, multiple)
    scale = max(rows / height, columns / width)  # as `resize` crops it
    left, top = (width - columns / scale) / 2, (height - rows / scale) / 2
    return (np.arange(rows) + 0.5) / scale + top - 0.5, (np.arange(columns) + 0.5) / scale + left - 0.5


def _scaled(plane: np.ndarray, rows: int, columns: int, box: tuple[float, float, float, float]) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(plane))
    return np.array(picture.resize((columns, rows), Image.Resampling.BICUBIC, box=box, reducing_gap=2.0))
