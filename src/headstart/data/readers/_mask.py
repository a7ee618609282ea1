"""Masks in files: the numbers of a picture as they stand there (of a palette, which entry it is), or those of a scan or array."""

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ...errors import Unreadable
from ..masks import COLOUR, as_mask, fractions, some
from ..source import DataError
from . import claims
from ._npz import load_array

MOST = 256  # different numbers in one mask: more are no classes
APART = 32  # how far numbers of a JPEG are from each other if it kept them


def read_mask(path: Path) -> np.ndarray:
    """int64 in the shape of the sample's points. Grey pictures in colour are grey; other colours are classes of their own."""
    if path.suffix.lower() == ".npy":
        values = _array(path)
    else:
        try:
            values = _picture(path)
        except UnidentifiedImageError:
            values = _scan(path)
        except OSError as error:
            raise Unreadable(path.name, f"the mask cannot be read ({error.strerror or error})") from error
        except (ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise Unreadable(path.name, f"the mask is damaged ({error})") from error
    values = _alone(values)
    if reason := fractions(values):
        raise Unreadable(path.name, reason)
    found = as_mask(values)
    if len(numbers := np.unique(found)) > MOST:
        raise Unreadable(
            path.name,
            f"it holds {len(numbers):,} different numbers ({some(numbers)}), which are no classes: is it a picture?",
        )
    return found


def _picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        image.load()
        values = _numbers(image)
        numbers = np.unique(values)
        if image.format == "JPEG" and (np.diff(numbers) < APART).any():
            raise Unreadable(
                path.name,
                f"it holds {len(numbers):,} different numbers ({some(numbers)}), as JPEG changes them: save masks as PNG, each "
                "value brought to the nearest that is meant",
            )
        return values


def _numbers(image: Image.Image) -> np.ndarray:
    if image.mode in ("P", "L", "1", "I", "F") or image.mode.startswith("I;16"):
        return np.array(image).astype(np.uint8) if image.mode == "1" else np.array(image)
    values = np.array(image.convert("RGB")).astype(np.int64)
    grey = (values == values[..., :1]).all()
    red, green, blue = np.moveaxis(values, -1, 0)
    return red if grey else COLOUR + red * 65_536 + green * 256 + blue


def _array(path: Path) -> np.ndarray:
    try:
        return np.asarray(load_array(path, path))
    except DataError as error:
        raise Unreadable(path.name, str(error)) from error


def _scan(path: Path) -> np.ndarray:
    read = next((claim.reader.read for claim in claims(path) if claim.reader.read is not None), None)
    found = None if read is None else read(path)
    values = (
        next((found[k] for k in ("values", "bands", "frames") if k in found), None)
        if isinstance(found, dict)
        else found
    )
    if not isinstance(values, np.ndarray):
        raise Unreadable(path.name, "this is no mask that can be read here: give PNG, .npy or NIfTI")
    return values


def _alone(values: np.ndarray) -> np.ndarray:
    """Without axes of channels of which there is one."""
    return (
        values[0]
        if values.ndim > 2 and len(values) == 1
        else values[..., 0]
        if values.ndim > 2 and values.shape[-1] == 1
        else values
    )
