"""Pictures in any set of wavelengths: a row is a patch of one band, and its wavelength is a coordinate.

So sensors with different bands, and pictures with bands missing, go through one encoder. (Rows per band as in SatMAE's
channel groups, Cong et al. 2022, with the wavelength instead of a learnt group number, as in DOFA, Xiong et al. 2024.)
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from ..alignment import Alignment
from ..errors import Unreadable
from ..forms import Json, Sample
from ..outliers import MOST, sentinels, usual
from ..tokens import Tokenizer, Tokens, layout
from .grid import checked, content, cut, finite, join, middle, moments, near, places, resize, sizes, usable
from .payload import Numbers
from .want import Want

BANDS = 16  # of a sample; where there are more, neighbours are averaged
KNOTS = 64  # wavelengths whose mean and spread are kept
RAW = 3072
MOST_BANDS = 4096
UNKNOWN = 100_000.0  # nm: band i without a wavelength stands at this + 100 i, where no band of a camera is


@dataclass(frozen=True)
class MultispectralTokenizer(Tokenizer):
    """{"bands": [C, H, W], "wavelength": [C] nm} -> a row of patch * patch values for every patch of every band there is.

    Values are standardised with the mean and spread at their wavelength; between those that `fit` saw both are
    interpolated linearly, beyond them the nearest counts; so are `low` and `high`, to which outliers are clipped. A band of
    NaN is missing and makes no rows; single missing pixels take the mean of their band, and so do sentinels (`missing`: -9999
    far outside the rest, outliers.py). A band whose wavelength is NaN (all bands of a plain array [C, H, W]) is known by
    its number: it stands at 100,000 nm + 100 nm times its index. Bands are sorted by wavelength; of more than 16, neighbours
    are averaged into 16. The longer side becomes `side`, the other keeps the proportion. At most 2^27 values, 4,096 bands.
    """

    patch: int = 8
    side: int = 16
    wavelength: tuple[float, ...] = (550.0,)  # where mean and std are known, ascending
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    low: tuple[float, ...] = (-MOST,)
    high: tuple[float, ...] = (MOST,)
    missing: tuple[float, ...] = ()

    kind = "multispectral"
    axes = ("wavelength [100 nm]", "y [patches]", "x [patches]")
    signal = True
    pictured = True

    @classmethod
    def fit(cls, samples: list[Sample], want: Want = Want()) -> "MultispectralTokenizer":
        """Sizes for about want.rows rows with the usual number of bands, and mean and spread at every wavelength."""
        gone = usual([x[~hole] for x, hole, _ in usable(samples, _given, "multispectral")]).missing
        shapes = usable(samples, lambda x: _bands(x, gone)[0].shape, "multispectral")
        native = float(np.median([max(shape[1:]) for shape in shapes]))
        share = float(np.median([math.prod(s) / max(s[1:]) ** 2 for s in shapes]))  # bands, times how narrow they are
        side, patch = sizes(native, 2, share, want, (2, 4, 8, 16))
        plain = cls(patch, side, missing=gone)
        seen = usable(samples, plain._placed, "multispectral")
        each = [(nm, band[~hole]) for x in seen for band, hole, nm in zip(*x, strict=True) if not hole.all()]
        at = np.array([nm for nm, _ in each], np.float64)
        width = 1.0
        while len(np.unique(np.round(at / width))) > KNOTS:
            width *= 1.5
        knots = []
        for group in np.unique(np.round(at / width)):
            members = np.flatnonzero(np.round(at / width) == group)
            values = np.concatenate([each[i][1] for i in members])
            _, _, low, high, *_ = usual([values])
            (mean,), (std,) = moments([torch.from_numpy(values[(values > low) & (values < high)])[None]])
            knots.append((float(at[members].mean()), mean, std, low, high))
        fitted = cls(patch, side, *zip(*sorted(knots), strict=True))
        return replace(fitted, missing=gone)

    @property
    def dim(self) -> int:
        return self.patch * self.patch

    def fitted(self, sample: Sample) -> dict[str, np.ndarray]:
        """Bands [C, h, w] and their wavelengths, both float32: what is missing left out, sorted, in this size."""
        bands, _, wavelength = self._placed(sample)
        return {"bands": bands, "wavelength": wavelength}

    def aligned(self, sample: Sample) -> Alignment:
        """Patches on pixels; the rows of all bands lie on each other."""
        sides = _given(sample)[0].shape[1:]
        new = near(sides, self.side, self.patch)
        at = tuple(middle(n, m, n / m) for n, m in zip(sides, new, strict=True))
        return Alignment(sides, at, (self.patch, self.patch), (1, 2))

    def _placed(self, sample: Sample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The fitted bands, bool [C, h, w]: what of them was missing, and their wavelengths."""
        bands, hole, wavelength = _bands(sample, self.missing, self._clipped)
        level = _level(bands, hole)
        sides = near(bands.shape[1:], self.side, self.patch)
        if sides != bands.shape[1:]:
            if hole.any():
                # a pixel is the mean of what it shows, and missing where that is under half
                share = resize(torch.from_numpy(~hole).float(), sides).numpy()
                off = resize(torch.from_numpy(np.where(hole, 0, bands - level)), sides).numpy()
                hole = share < 0.5
                bands = off / np.maximum(share, 0.5) + level
            else:
                bands = resize(torch.from_numpy(bands), sides).numpy()
                hole = np.zeros(bands.shape, bool)
        bands = np.where(hole, level, bands) if hole.any() else bands
        return self._clipped(bands, wavelength), hole, wavelength

    def _clipped(self, bands: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
        """Bands [C, H, W] between the limits at their wavelengths."""
        if self.low[0] == -MOST and max(self.high) == MOST:
            return bands
        low, high = (np.interp(wavelength, self.wavelength, x).astype(np.float32) for x in (self.low, self.high))
        return bands.clip(low[:, None, None], high[:, None, None])

    def __call__(self, sample: dict[str, np.ndarray]) -> Tokens:
        bands = torch.as_tensor(sample["bands"])
        mean, std = self._at(np.asarray(sample["wavelength"]))
        rows = cut(((bands - mean) / std)[:, None], (self.patch, self.patch))
        counts = [-(-n // self.patch) for n in bands.shape[1:]]
        where = places(len(bands), counts, bands.device)
        colour = torch.as_tensor(sample["wavelength"], dtype=torch.float32) / 100
        coords = torch.cat([colour.repeat_interleave(counts[0] * counts[1])[:, None], where], 1)
        return Tokens(rows, coords, layout((len(rows),), 0, str(rows.device)), self.kind)

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> dict[str, np.ndarray]:
        """The bands again, in their own units; patches that no row tells of are NaN."""
        rows, coords = content(tokens)
        colour, band = coords[:, 0].unique(return_inverse=True)
        where = torch.cat([band[:, None].float(), coords[:, 1:]], 1)
        bands = join(rows, where, (1, self.patch, self.patch))[0]
        wavelength = (colour * 100).numpy()
        mean, std = self._at(wavelength)
        return {"bands": (bands * std + mean).float().numpy(), "wavelength": wavelength}

    def drawn(self, sample: Sample) -> Tensor:
        """Its bands; what is shown has the first three."""
        return torch.as_tensor(np.asarray(sample["bands"]), dtype=torch.float32)

    def raw(self, sample: dict[str, np.ndarray]) -> np.ndarray:
        """Standardised pixels of a square picture, every one read off at the wavelengths of `fit` by linear interpolation."""
        at = np.array(self.wavelength)
        side = max(1, min(self.side, int((RAW / len(at)) ** 0.5)))
        mean, std = self._at(sample["wavelength"])
        flat = resize((torch.as_tensor(sample["bands"]) - mean) / std, (side, side)).flatten(1).numpy()
        have = np.asarray(sample["wavelength"], np.float64)
        right = np.searchsorted(have, at).clip(1, max(1, len(have) - 1)).clip(max=len(have) - 1)
        left = (right - 1).clip(min=0)
        share = ((at - have[left]) / np.maximum(have[right] - have[left], 1e-9)).clip(0, 1)[:, None]
        return (flat[left] * (1 - share) + flat[right] * share).astype(np.float32).ravel()

    def state(self) -> Json:
        return asdict(self)

    def _at(self, wavelength: np.ndarray) -> tuple[Tensor, Tensor]:
        mean, std = (np.interp(wavelength, self.wavelength, x) for x in (self.mean, self.std))
        return torch.tensor(mean, dtype=torch.float32)[:, None, None], torch.tensor(std, dtype=torch.float32)[
            :, None, None
        ]


def _level(bands: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """[C, 1, 1] the mean of what is there of every band."""
    there = np.where(hole, 0, bands).sum((1, 2), dtype=np.float64)
    return (there / np.maximum((~hole).sum((1, 2)), 1)).astype(np.float32)[:, None, None]


def _given(sample: Sample) -> tuple[np.ndarray, np.ndarray, object]:
    """The bands as they came, float32, what is missing of them, and their wavelengths."""
    if isinstance(sample, dict):
        if "bands" not in sample:
            raise Unreadable("", f"it has {', '.join(map(str, sample)) or 'nothing'}, but no bands")
        given, wavelength = sample["bands"], sample.get("wavelength")
    else:
        given, wavelength = sample, None
    masked = np.ma.getmaskarray(given) if isinstance(given, np.ma.MaskedArray) else False
    bands = checked(given, "C H W")
    if len(bands) > MOST_BANDS:
        raise Unreadable("", f"it has {len(bands):,} bands, more than {MOST_BANDS:,}: put the bands first")
    with np.errstate(over="ignore", invalid="ignore"):
        bands = bands.astype(np.float32)  # a copy
    return bands, np.isnan(bands) | masked, wavelength


def _bands(
    sample: Sample,
    missing: tuple[float, ...] = (),
    clipped: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The bands that are there, float32, what is missing of each (0 there), and their wavelengths, ascending [nm]."""
    bands, hole, given = _given(sample)
    wavelength = _wavelengths(given, len(bands))
    hole |= sentinels(bands, missing)
    there = ~hole.all((1, 2))
    if not there.any():
        raise Unreadable("", "all of its bands are missing")
    order = np.flatnonzero(there)[np.argsort(wavelength[there], kind="stable")]
    bands, hole, wavelength = bands[order], hole[order], wavelength[order]
    bands = finite(np.where(hole, 0, bands))
    bands = bands if clipped is None else clipped(bands, wavelength)
    if len(bands) > BANDS:
        groups = np.array_split(np.arange(len(bands)), BANDS)
        if hole.any():  # a band that misses pixels must not pull the others there
            bands = np.where(hole, _level(bands, hole), bands)
            hole = np.stack([hole[g].all(0) for g in groups])
        else:
            hole = np.zeros((len(groups), *bands.shape[1:]), bool)
        bands = np.stack([bands[g].mean(0) for g in groups])
        wavelength = np.array([wavelength[g].mean() for g in groups])
    for i in range(1, len(wavelength)):  # two bands at one place could not be told apart
        if wavelength[i] < wavelength[i - 1] + 0.05:
            wavelength[i] = wavelength[i - 1] + 0.1
    return bands, hole, wavelength.astype(np.float32)


def _wavelengths(given: object, n: int) -> np.ndarray:
    try:
        wavelength = np.full(n, np.nan) if given is None else np.array(given, np.float64)
    except (TypeError, ValueError) as error:
        raise Unreadable("", "its wavelengths are no numbers") from error
    if wavelength.shape != (n,):
        raise Unreadable("", f"it has {n} bands but wavelengths of shape {list(wavelength.shape)}")
    wavelength = np.where(np.isnan(wavelength), UNKNOWN + 100.0 * np.arange(n), wavelength)
    if wavelength.min() < 100 or wavelength.max() >= UNKNOWN + 100.0 * MOST_BANDS:
        raise Unreadable("", "its wavelengths are not in nm, 100 to 100,000: leave unknown ones NaN")
    return wavelength
