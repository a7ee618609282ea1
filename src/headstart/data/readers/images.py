"""Pictures of any format that Pillow reads: one file, one image (data/images.py)."""

from pathlib import Path

import numpy as np

from .. import images

SUFFIXES = tuple(images.SUFFIXES)
EXTRA = ""


def kind(start: bytes, path: Path) -> str | None:
    """By content; an empty file that is called a picture counts as a broken one."""
    named = not start and path.suffix.lower() in images.SUFFIXES
    return "image" if named or images.is_image(start[:16]) else None


def read(path: Path) -> np.ndarray:
    """[C, H, W], as `images.read_image` has it."""
    return images.read_image(path)
