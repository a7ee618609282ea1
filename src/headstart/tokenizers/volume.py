"""Scans as rows of small cubes, all of one size in millimetres: what is near is equally near in every scan."""

import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..alignment import Alignment
from ..errors import Unreadable
from ..forms import Json, Sample
from ..outliers import sentinels
from ..outliers import usual as ordinary
from ..tokens import Tokenizer, Tokens
from .grid import HUGE, checked, column, content, finite, join, middle, moments, patched, resample, resize, usable
from .payload import Numbers
from .want import Want

CHANNELS = 16
LOW, HIGH = (
    0.005,
    0.995,
)  # what lies beyond these shares of voxels is metal, motion or a defect (nnU-Net clips there, too)
LARGEST = 4096  # cubes in a sample
RAW = 3072


@dataclass(frozen=True)
class VolumeTokenizer(Tokenizer):
    """[C, D, H, W] float32 -> rows of [patch^3 * channels], standardised per channel over the data set.

    A scan is resampled to `spacing` mm (z, y, x) about its middle, and padded with its lowest value or cut to `size`
    voxels. An unknown spacing is taken as 1 mm; an array without one that is of this size already stays as it is. Voxels
    that are missing (NaN, or one of `missing`: -9999 far outside the rest, outliers.py) take the mean of the others of their
    channel, and enter no statistics.
    Intensities are clipped to the set's 0.5 and 99.5 percentiles (`low`, `high`: CT, whose units are fixed), or, with
    `by_scan`, brought to 0..1 between the scan's own (MR, whose units differ from scan to scan). At most 2^27 values and
    16 channels.
    """

    patch: int = 8
    size: tuple[int, int, int] = (32, 32, 32)
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    channels: int = 1
    by_scan: bool = False
    low: tuple[float, ...] = (-HUGE,)
    high: tuple[float, ...] = (HUGE,)
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    missing: tuple[float, ...] = ()

    kind = "volume"
    signal = True
    stacked = True
    pictured = True

    @property
    def axes(self) -> tuple[str, ...]:
        return tuple(f"{name} [{self.patch * mm:.3g} mm]" for name, mm in zip("zyx", self.spacing, strict=True))

    @classmethod
    def fit(cls, samples: list[Sample], want: Want = Want()) -> "VolumeTokenizer":
        """The usual spacing, coarsened until the usual scan makes about want.rows rows (or is want.side voxels long).

        Intensities are taken scan by scan where their ranges differ by more than a factor of 2.
        """
        gone = ordinary([x.ravel() for x in usable(samples, lambda x: _values(x)[0], "volume")]).missing
        scans = usable(samples, lambda x: _form(x, gone), "volume")
        usual = np.median([mm for _, mm in scans], 0)
        extent = np.median([np.multiply(shape[1:], mm) for shape, mm in scans], 0)
        patch, size, spacing = _grid(usual, extent, want)
        counts = [shape[0] for shape, _ in scans]
        channels = max(set(counts), key=counts.count)
        open_ = ((-HUGE,) * channels, (HUGE,) * channels)
        plain = cls(patch, size, spacing, channels, False, *open_, missing=gone)
        placed = usable(samples, plain._placed, "volume")
        parts, seen = ([each[i].reshape(channels, -1) for each in placed] for i in (0, 1))
        width = [
            max((np.ptp(np.quantile(x[c, s[c]], (LOW, HIGH))) for c in range(channels) if s[c].any()), default=0.0)
            for x, s in zip(parts, seen, strict=True)
        ]
        narrow, wide = np.quantile([w for w in width if w > 0] or [1.0], (0.1, 0.9))
        if wide > 2 * narrow:
            parts = [_unit(x) for x in parts]
            ends, by_scan = open_, True
        else:
            step = max(1, sum(x.shape[1] for x in parts) // 2_000_000)
            ends_of = [np.quantile(_there(parts, seen, c, step), (LOW, HIGH)) for c in range(channels)]
            low, high = np.stack(ends_of, 1).astype(np.float32)
            parts = [x.clip(low[:, None], high[:, None]) for x in parts]
            ends, by_scan = (tuple(map(float, low)), tuple(map(float, high))), False
        each = [moments([torch.from_numpy(_there(parts, seen, c)[None])]) for c in range(channels)]
        mean, std = (tuple(one[i][0] for one in each) for i in (0, 1))
        return cls(patch, size, spacing, channels, by_scan, *ends, mean, std, gone)

    @property
    def dim(self) -> int:
        return self.patch**3 * self.channels

    def fitted(self, sample: Sample) -> np.ndarray:
        """[C, D, H, W] float32 on the common grid, with common intensities."""
        values = self._placed(sample)[0]
        flat = values.reshape(self.channels, -1)
        low, high = (np.array(x, np.float32)[:, None] for x in (self.low, self.high))
        flat = _unit(flat) if self.by_scan else flat.clip(low, high)
        return np.ascontiguousarray(flat.reshape(values.shape))

    def aligned(self, sample: Sample) -> Alignment:
        """Cubes on voxels; what is padded is on none, and what is cut off is seen by no row."""
        values, _, mm = _scan(sample, self.missing)
        sides, steps = values.shape[1:], self._steps(sample, values.shape[1:], mm)
        at = tuple(middle(n, m, step) for n, m, step in zip(sides, self.size, steps, strict=True))
        return Alignment(sides, at, (self.patch,) * 3, (0, 1, 2))

    def _steps(self, sample: Sample, sides: tuple[int, ...], mm: tuple[float, ...]) -> list[float]:
        """Voxels of a scan from one point of the common grid to the next; an array without a spacing may be on it already."""
        if not isinstance(sample, dict) and sides == self.size:
            return [1.0] * 3
        steps = [ours / theirs for ours, theirs in zip(self.spacing, mm, strict=True)]
        return [1.0 if abs(step - 1) < 1e-4 else step for step in steps]

    def _placed(self, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        """[C, D, H, W] on the common grid, and bool of that shape: what was not missing."""
        values, seen, mm = _scan(sample, self.missing)
        if len(values) != self.channels:
            raise Unreadable("", f"it has {len(values)} channels, not {self.channels}")
        if isinstance(sample, dict) or values.shape[1:] != self.size:
            steps = self._steps(sample, values.shape[1:], mm)
            lowest = float(values.min())
            whole, there = seen.all(), torch.from_numpy(seen)
            values = resample(torch.from_numpy(values), self.size, steps, lowest).numpy()
            seen = (
                np.ones(values.shape, bool) if whole else resample(there.float(), self.size, steps, 1.0).numpy() >= 0.5
            )
        return values, seen

    def __call__(self, sample: np.ndarray | Tensor) -> Tokens:
        return self.many(torch.as_tensor(sample)[None])

    def many(self, scans: Tensor) -> Tokens:
        """[B, C, D, H, W] fitted scans, or parts of such, of one size."""
        return patched(self._standardised(scans), (self.patch,) * 3, self.kind)

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> np.ndarray:
        """[C, D, H, W] with the intensities of `fitted`; cubes that no row tells of are NaN."""
        x = join(*content(tokens), (self.patch,) * 3)
        return (x * column(self.std, 3) + column(self.mean, 3)).float().numpy()

    def drawn(self, sample: Sample) -> Tensor:
        """The middle slice, by up to three channels."""
        x = torch.as_tensor(np.asarray(sample), dtype=torch.float32)
        return x[:3, x.shape[1] // 2]

    def raw(self, sample: np.ndarray) -> np.ndarray:
        """Standardised voxels of a small cube."""
        side = max(1, int((RAW / self.channels) ** (1 / 3) + 1e-9))
        x = self._standardised(torch.as_tensor(sample)[None])[0]
        return resize(x, [min(side, n) for n in self.size]).numpy().ravel()

    def state(self) -> Json:
        return asdict(self)

    def _standardised(self, scans: Tensor) -> Float[Tensor, "B C D H W"]:
        if scans.ndim != 5 or scans.shape[1] != self.channels:
            raise ValueError(f"expected scans [{self.channels}, D, H, W], not {list(scans.shape[1:])}")
        device = scans.device
        return (scans.to(torch.float32) - column(self.mean, 3, device)) / column(self.std, 3, device)


def _values(sample: Sample) -> tuple[np.ndarray, object]:
    """[C, D, H, W] as it came, and the spacing that goes with it."""
    spacing: object = None
    if isinstance(sample, dict):
        if "values" not in sample:
            raise Unreadable("", f"it has {', '.join(map(str, sample)) or 'nothing'}, but no values")
        spacing, sample = sample.get("spacing"), sample["values"]
    values = checked(sample, "C D H W")
    if len(values) > CHANNELS:
        raise Unreadable(
            "", f"it has {len(values)} channels, more than {CHANNELS}: give a sample for each point in time"
        )
    return values, spacing


def _scan(sample: Sample, missing: tuple[float, ...] = ()) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """Values [C, D, H, W] float32, the channel's mean where one is missing; which were there; spacing in mm, 1 if unknown."""
    values, spacing = _values(sample)
    try:
        mm = np.ones(3) if spacing is None else np.array(spacing, np.float64)
    except (TypeError, ValueError) as error:
        raise Unreadable("", "its spacing is not three numbers (mm along z, y, x)") from error
    if mm.shape != (3,):
        raise Unreadable("", "its spacing is not three numbers (mm along z, y, x)")
    mm = np.where(np.isnan(mm), 1.0, mm)
    if mm.min() < 1e-6 or mm.max() > 1e4:
        raise Unreadable("", f"its spacing of {mm.tolist()} mm cannot be")
    given = sample["values"] if isinstance(sample, dict) else sample
    masked = np.ma.getmaskarray(given) if isinstance(given, np.ma.MaskedArray) else False
    gone = sentinels(values, missing) | (np.isnan(values) if values.dtype.kind == "f" else False)
    seen = ~(gone | np.broadcast_to(masked, values.shape))
    if seen.all():
        return finite(values), seen, tuple(mm.tolist())
    if not seen.any():
        raise Unreadable("", "all of its voxels are missing (NaN)")
    there = np.where(seen, values, 0)
    count = seen.sum((1, 2, 3))
    level = there.sum((1, 2, 3), dtype=np.float64) / np.maximum(count, 1)
    level = np.where(count > 0, level, values[seen].mean(dtype=np.float64))
    values = np.where(seen, values, level[:, None, None, None])
    return finite(values), seen, tuple(mm.tolist())


def _there(parts: list[np.ndarray], seen: list[np.ndarray], channel: int, step: int = 1) -> np.ndarray:
    """What is not missing of one channel of all scans [C, n]; a zero where all of it is."""
    every = [x[channel, ::step][s[channel, ::step]] for x, s in zip(parts, seen, strict=True)]
    there = np.concatenate(every)
    return there if len(there) else np.zeros(1, np.float32)


def _form(sample: Sample, missing: tuple[float, ...]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    values, _, mm = _scan(sample, missing)
    return values.shape, mm


def _grid(
    usual: np.ndarray, extent: np.ndarray, want: Want
) -> tuple[int, tuple[int, int, int], tuple[float, float, float]]:
    """Patch, size and spacing: the usual spacing, its finest axes coarsened until the rows are few enough."""
    patch = want.patch or (4 if (extent / usual).max() <= 16 else 8)

    def counts(finest: float) -> np.ndarray:
        return np.maximum(1, np.round(extent / np.maximum(usual, finest) / patch + 1e-9))

    finest, most = float(usual.min()), LARGEST if want.side else 1.5 * want.rows
    if want.side:
        finest = float(extent.max()) / want.side
        usual = np.minimum(usual, finest)  # a wanted side may also be finer than the scans are
    while counts(finest).prod() > most:
        finest *= 1.02
    size = counts(finest) * patch
    spacing = np.where(usual < finest, extent / size, usual)  # a coarsened axis is coarsened so that all of it fits
    spacing = np.where(extent < size * spacing * 0.5, extent / size, spacing)  # a few slices fill one patch
    z, y, x = (int(n) for n in size)
    return patch, (z, y, x), (float(spacing[0]), float(spacing[1]), float(spacing[2]))


def _unit(flat: np.ndarray) -> np.ndarray:
    """Every channel of [C, n] clipped to its percentiles and brought to 0..1; doing it again changes nothing."""
    n = flat.shape[1]
    at = sorted({math.floor(LOW * (n - 1)), math.ceil(HIGH * (n - 1))})
    ends = np.partition(flat, at, axis=1)  # values that occur, so the same ones are found the second time
    low, high = ends[:, at[:1]], ends[:, at[-1:]]
    return ((flat.clip(low, high) - low) / np.where(high > low, high - low, 1)).astype(np.float32)
