"""How many views of a sample, and of which kind: the same words for every modality."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, runtime_checkable

from ..forms import Sample
from ..step import Rng


@runtime_checkable
class Looks(Protocol):
    """The samples of a batch that are alike in form, and the ways their kind can be looked at."""

    @property
    def whole(self) -> Sample: ...  # the samples as they are
    def turns(self) -> int:
        """How many exact transformations there are, the identity among them; a Mistake where there are none."""

    def crop(self, rng: Rng, scale: tuple[float, float], shrink: float = 1.0, of: Sample = None) -> Sample:
        """A random part of every sample (or of what was looked at before), altered as its kind may be."""

    def turn(self, number: int, of: Sample = None) -> Sample:
        """Every sample under one of the `turns`: rotated, reversed, mirrored. Nothing is interpolated."""

    def coarser(self, factor: int, of: Sample = None) -> Sample:
        """Every sample at a `factor` times lower resolution, by means."""


def turns(kind: str) -> int:
    """How many exact transformations samples of this kind have, the identity among them; 1 where there is no other."""
    return int(getattr(import_module(f"{__package__}.{kind}"), "TURNS", 1))


Views = Callable[[Looks, Rng], dict[str, list[Sample]]]


@dataclass(frozen=True)
class multicrop:
    """A few big crops and many small ones (SwAV, Caron et al. 2020; DINO, section 3.1).

    A big crop covers a share of the sample in `big_scale` and is brought to the sample's own size; a small one covers
    `small_scale` and is brought to `shrink` times its extent along every axis.
    """

    big: int = 2
    small: int = 8
    big_scale: tuple[float, float] = (0.4, 1.0)
    small_scale: tuple[float, float] = (0.05, 0.4)
    shrink: float = 0.5

    def __call__(self, look: Looks, rng: Rng) -> dict[str, list[Sample]]:
        """A list of crops per view, each of all samples of the batch."""
        big = [look.crop(rng.fold("big").fold(i), self.big_scale, 1.0) for i in range(self.big)]
        small = [look.crop(rng.fold("small").fold(i), self.small_scale, self.shrink) for i in range(self.small)]
        return {"big": big, "small": small} if small else {"big": big}


@dataclass(frozen=True)
class two_crops:
    """Two parts of a sample under the names "a" and "b": the second a part of the whole, or of the first (`nested`)."""

    a_scale: tuple[float, float] = (0.4, 1.0)
    b_scale: tuple[float, float] = (0.4, 1.0)
    nested: bool = False

    def __call__(self, look: Looks, rng: Rng) -> dict[str, list[Sample]]:
        """One crop per view."""
        a = look.crop(rng.fold("a"), self.a_scale)
        return {"a": [a], "b": [look.crop(rng.fold("b"), self.b_scale, of=a if self.nested else None)]}


@dataclass(frozen=True)
class turned:
    """Every sample in each of its kind's exact transformations, in their order, under the name "x" (RotNet, Gidaris 2018)."""

    def __call__(self, look: Looks, rng: Rng) -> dict[str, list[Sample]]:
        """All transformations of all samples."""
        return {"x": [look.turn(number) for number in range(look.turns())]}
