"""Masks: which class stands where in a sample. Labels, so no training of an encoder sees them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

COLOUR = 2**24  # a class that a mask gives as a colour is this, and the colour as 0xRRGGBB
LOOK = 64  # masks of which neighbouring points are compared
SOME, ALIKE = 12, 0.3  # numbers of masks beyond which half of them, at least, have so large a share of like neighbours
MANY = 64  # numbers beyond which it is told if there are fewer masks
OBJECTS, MOST = 32, 0.9  # numbers from which on they may count objects, and the share of masks that have no gaps then


@dataclass(frozen=True)
class Masks:
    """read: the number of a sample -> whole numbers in the shape of its points ([H, W] of a picture), below 0 unknown; None
    where it has no mask; Unreadable where that is damaged. why: how they were found, in a line for people."""

    read: Callable[[int], np.ndarray | None]
    why: str


@dataclass(frozen=True)
class NamedMasks(Masks):
    """Masks beside which it stands what their numbers are called."""

    names: Mapping[int, str] = field(default_factory=dict)


def called(masks: Masks, numbers: Iterable[int]) -> tuple[tuple[str, ...], str]:
    """(names of these classes, what to say of names that are not used as they name too few)."""
    every, names = list(numbers), masks.names if isinstance(masks, NamedMasks) else {}
    lost = [number for number in every if number not in names]
    if not lost:
        return tuple(names[number] for number in every), ""
    said = f"classes keep their numbers, as {name_of(lost[0])} has no name beside the masks" if names else ""
    return tuple(map(name_of, every)), said


@runtime_checkable
class WithMasks(Protocol):
    """A source that may know which class stands where in its samples."""

    masks: Masks | None


def beside(source: object) -> bool:
    """Whether there are masks beside the samples of a source."""
    return isinstance(source, WithMasks) and source.masks is not None


def _is_whole(values: np.ndarray) -> bool:
    """Whether all of these are whole numbers, or missing."""
    if values.dtype.kind in "biu":
        return True
    return values.dtype.kind == "f" and bool((np.isnan(values) | (values == np.trunc(values))).all())


def as_mask(values: np.ndarray) -> np.ndarray:
    """Whole numbers as int64, -1 where they are missing."""
    return (
        np.where(np.isnan(values), -1, values).astype(np.int64) if values.dtype.kind == "f" else values.astype(np.int64)
    )


def fractions(values: np.ndarray) -> str:
    """What stands in an array instead of whole numbers, and what to do; "" where all are whole."""
    if _is_whole(values):
        return ""
    if values.dtype.kind != "f":
        return f"it holds {values.dtype} and no numbers: give the number of a class for every point"
    there = np.unique(values[~np.isnan(values)])
    odd = there[there != np.trunc(there)]
    return (
        f"it holds {len(odd):,} numbers that are not whole ({some(odd)}): give the number of a class for every point; "
        "of probabilities where they are above 0.5, or the largest"
    )


def some(numbers: np.ndarray) -> str:
    """The first of these and the last."""
    said = [name_of(n) if isinstance(n, int) else f"{n:.3g}" for n in numbers.tolist()]
    return ", ".join(said if len(said) <= 6 else [*said[:4], "...", said[-1]])


@dataclass
class Numbers:
    """The numbers of masks as these are looked at, without the negative ones. masks: in how many each is. pairs, alike: of the
    first masks, how many neighbours a point of each has, and how many of these are of the same number. gapless: masks that
    name 0 or 1 and every number from there to their largest."""

    masks: Counter[int] = field(default_factory=Counter)
    pairs: Counter[int] = field(default_factory=Counter)
    alike: Counter[int] = field(default_factory=Counter)
    gapless: int = 0
    looked: int = 0

    def add(self, mask: np.ndarray) -> None:
        numbers, at = np.unique(mask, return_inverse=True)
        there = numbers[numbers >= 0]
        self.masks.update(there.tolist())
        self.gapless += bool(len(there)) and there[0] <= 1 and bool(there[-1] - there[0] == len(there) - 1)
        self.looked += 1
        if self.looked > LOOK:
            return
        at = at.reshape(mask.shape)
        pairs, alike = np.zeros(len(numbers), np.int64), np.zeros(len(numbers), np.int64)
        for axis in range(at.ndim):
            along = np.moveaxis(at, axis, 0)
            one, other = along[1:], along[:-1]
            alike += 2 * np.bincount(one[one == other], minlength=len(numbers))
            pairs += sum(np.bincount(x.reshape(-1), minlength=len(numbers)) for x in (one, other))
        self.pairs.update(dict(zip(numbers.tolist(), pairs.tolist(), strict=True)))
        self.alike.update(dict(zip(numbers.tolist(), alike.tolist(), strict=True)))

    @property
    def doubt(self) -> str:
        """What is strange about these as classes; "" if nothing."""
        every = sorted(self.masks)
        if len(every) <= max(MANY, self.looked):
            return ""
        return (
            f"{len(every):,} classes ({some(np.array(every))}) are more than there are masks, {self.looked:,}: if these are "
            "shades or numbers of objects, save masks that hold the number of a class for every point"
        )

    @property
    def refused(self) -> str:
        """Why these are no numbers of classes, and what to do; "" where they may be. A class is in patches, whose points have
        neighbours of the same class: what JPEG or smoothing leaves at edges has none. Objects are counted anew in each mask."""
        every = np.array(sorted(self.masks), np.int64)
        said = f"{len(every):,} different numbers ({some(every)}), which are no classes"
        shares = [self.alike[n] / self.pairs[n] for n in every.tolist() if self.pairs[n]]
        if len(shares) > SOME and float(np.median(shares)) < ALIKE:
            return (
                f"{said}: most stand alone among points of other numbers, as JPEG and smoothing leave them at edges; save masks "
                "as PNG, resized by the nearest point, or bring each value to the nearest that is meant"
            )
        if len(every) > OBJECTS and self.gapless >= MOST * self.looked and min(self.masks.values()) < self.looked:
            return (
                f"{said}: each mask names all from {every[0]} to its largest, as objects are counted; give the number of a class "
                "instead (mask > 0 where all are of one class)"
            )
        return ""


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
