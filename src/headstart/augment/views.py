"""How many views of a sample, and of which kind: the same words for every modality."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from torch import Tensor

from ..step import Rng

Views = Callable[[Any, str, int, Rng], dict[str, list[Any]]]


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

    def __call__(self, samples: Tensor | Any, kind: str, multiple: int, rng: Rng) -> dict[str, list[Any]]:
        """A list of crops per view; `samples` are stacked [B, ...] and so is every crop."""
        crop = import_module(f"{__package__}.{kind}").crop
        big = [crop(samples, rng.fold("big").fold(i), self.big_scale, 1.0, multiple) for i in range(self.big)]
        small = [
            crop(samples, rng.fold("small").fold(i), self.small_scale, self.shrink, multiple) for i in range(self.small)
        ]
        return {"big": big, "small": small} if small else {"big": big}
