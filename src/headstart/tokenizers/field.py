"""Radiance fields on a grid as rows of small cubes of colour and density (as Nerf-MAE reads them, Irshad et al. 2024)."""

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import Unreadable
from ..forms import Json, Sample
from ..outliers import MOST, cleaned, usual
from ..tokens import Tokenizer, Tokens
from .grid import checked, column, content, finite, join, moments, near, patched, resize, sizes, usable
from .payload import Numbers
from .want import Want

RAW_SIDE = 9  # 4 * 9^3 = 2,916 numbers
DENSEST = 1e6


@dataclass(frozen=True)
class FieldTokenizer(Tokenizer):
    """[4, D, H, W] (r g b density) -> rows of [patch^3 * 4], standardised per channel over the data set.

    Density, which spans decades, goes through log(1 + density), and back exactly. The longest side becomes `side`, the
    others keep the proportion; where cells are merged, their colours weigh as much as their density, as they do in an
    image of them. Density is 0 or more, and what is beyond 1e6 counts as 1e6; integer colours are shares of their range.
    What lies far outside the rest is clipped to `low` and `high` of its channel (outliers.py). At most 2^27 values.
    """

    patch: int = 8
    side: int = 32
    mean: tuple[float, ...] = (0.5, 0.5, 0.5, 0.0)
    std: tuple[float, ...] = (0.25, 0.25, 0.25, 1.0)
    low: tuple[float, ...] = (-MOST,) * 4
    high: tuple[float, ...] = (MOST,) * 4

    kind = "field"
    axes = ("z [patches]", "y [patches]", "x [patches]")
    signal = True
    stacked = True
    pictured = True

    @classmethod
    def fit(cls, samples: list[Sample], want: Want = Want()) -> "FieldTokenizer":
        """Sizes for about want.rows rows."""
        fields = usable(samples, _field, "field")
        shapes = [x.shape[1:] for x in fields]
        native = float(np.median([max(sides) for sides in shapes]))
        share = float(np.median([math.prod(sides) / max(sides) ** 3 for sides in shapes]))
        side, patch = sizes(native, 3, share, want, (2, 4, 8))
        found = [usual([x[i].ravel() for x in fields]) for i in range(4)]
        plain = cls(patch, side, low=tuple(u.low for u in found), high=tuple(u.high for u in found))
        mean, std = moments([_logs(torch.from_numpy(plain.fitted(x))[None])[0] for x in fields])
        return replace(plain, mean=mean, std=std)

    @property
    def dim(self) -> int:
        return 4 * self.patch**3

    def fitted(self, sample: Sample) -> np.ndarray:
        """[4, d, h, w] float32 in this size."""
        field = cleaned(_field(sample), self.low, self.high, ((),) * 4)
        sides = near(field.shape[1:], self.side, self.patch)
        return field if sides == field.shape[1:] else _resized(torch.from_numpy(field), sides).numpy()

    def __call__(self, sample: np.ndarray | Tensor) -> Tokens:
        return self.many(torch.as_tensor(sample)[None])

    def many(self, fields: Tensor) -> Tokens:
        """[B, 4, D, H, W] fields of one size."""
        if fields.ndim != 5 or fields.shape[1] != 4:
            raise ValueError(f"expected fields [4, D, H, W], not {list(fields.shape[1:])}")
        return patched(self._standardised(fields), (self.patch,) * 3, self.kind)

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> np.ndarray:
        """[4, D, H, W]; cubes that no row tells of are empty."""
        x = join(*content(tokens), (self.patch,) * 3)
        x = (x * column(self.std, 3) + column(self.mean, 3)).nan_to_num(0)
        return torch.cat([x[:3], torch.expm1(x[3:])]).float().numpy()

    def drawn(self, sample: Sample) -> Tensor:
        """The middle slice, in its colours."""
        x = torch.as_tensor(np.asarray(sample), dtype=torch.float32)
        return x[:3, x.shape[1] // 2]

    def raw(self, sample: np.ndarray) -> np.ndarray:
        """Standardised colours and log densities of a small cube."""
        small = _resized(torch.as_tensor(sample), (RAW_SIDE,) * 3)
        return self._standardised(small[None]).numpy().ravel()

    def state(self) -> Json:
        return asdict(self)

    def _standardised(self, fields: Tensor) -> Float[Tensor, "B 4 D H W"]:
        return (_logs(fields) - column(self.mean, 3, fields.device)) / column(self.std, 3, fields.device)


def _logs(fields: Tensor) -> Tensor:
    x = fields.to(torch.float32)
    return torch.cat([x[:, :3], torch.log1p(x[:, 3:])], 1)


def _resized(field: Tensor, sides: tuple[int, ...]) -> Tensor:
    density = field[3:]
    weight = density / density.max().clamp(min=1e-12) + 1e-3  # empty cells have colours, too, which count for little
    merged = resize(torch.cat([field[:3] * weight, weight, density]), sides)
    return torch.cat([merged[:3] / merged[3:4], merged[4:].clamp(min=0)])


def _field(sample: Sample) -> np.ndarray:
    values = checked(sample, "C D H W")
    if np.ma.is_masked(sample):
        raise Unreadable("", "some of its values are masked, and a field has no gaps: fill them")
    if len(values) != 4:
        raise Unreadable("", f"it has {len(values)} channels, not the four of a field: red, green, blue, density")
    share = 255.0 if values.dtype == np.uint8 else 65_535.0 if values.dtype == np.uint16 else 1.0
    values = finite(values)
    values[:3] /= np.float32(share)
    if values[3].min() < 0:
        raise Unreadable("", "it has negative densities")
    values[3] = values[3].clip(max=DENSEST)
    return values
