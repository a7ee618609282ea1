"""How many views of a sample, and of which kind: the same words for every modality."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..step import Rng

Crop = Callable[[Rng, tuple[float, float], float], Any]  # rng, scale, shrink -> a part of every sample of a batch
Views = Callable[[Crop, Rng], dict[str, list[Any]]]


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

    def __call__(self, crop: Crop, rng: Rng) -> dict[str, list[Any]]:
        """A list of crops per view, each of all samples of the batch."""
        big = [crop(rng.fold("big").fold(i), self.big_scale, 1.0) for i in range(self.big)]
        small = [crop(rng.fold("small").fold(i), self.small_scale, self.shrink) for i in range(self.small)]
        return {"big": big, "small": small} if small else {"big": big}
