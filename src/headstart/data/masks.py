"""Masks: which class stands where in a sample. Labels, so no training of an encoder sees them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

COLOUR = 2**24  # a class that a mask gives as a colour is this, and the colour as 0xRRGGBB


@dataclass(frozen=True)
class Masks:
    """read: the number of a sample -> whole numbers in the shape of its points ([H, W] of a picture), below 0 unknown; None
    where it has no mask; Unreadable where that is damaged. why: how they were found, in a line for people."""

    read: Callable[[int], np.ndarray | None]
    why: str


@runtime_checkable
class WithMasks(Protocol):
    """A source that may know which class stands where in its samples."""

    masks: Masks | None


def is_whole(values: np.ndarray) -> bool:
    """Whether all of these are whole numbers, or missing."""
    if values.dtype.kind in "biu":
        return True
    return values.dtype.kind == "f" and bool((np.isnan(values) | (values == np.trunc(values))).all())


def as_mask(values: np.ndarray) -> np.ndarray:
    """Whole numbers as int64, -1 where they are missing."""
    return (
        np.where(np.isnan(values), -1, values).astype(np.int64) if values.dtype.kind == "f" else values.astype(np.int64)
    )


@runtime_checkable
class Rows(Protocol):
    """What is indexed by sample: an array, or one on disk."""

    def __getitem__(self, index: int, /) -> np.ndarray: ...


def of_array(values: Rows, name: str) -> Masks:
    """The masks along the first axis of an array."""
    return Masks(lambda i: as_mask(np.ma.filled(values[i], -1)), f"masks: array {name}, a class for every point")


def name_of(code: int) -> str:
    """What a class is called that masks give as this number."""
    return f"#{code - COLOUR:06x}" if code >= COLOUR else str(code)
