"""Pictures as rows of patches: any channel count, any size, 8-bit, 16-bit or float."""

import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..alignment import Alignment
from ..errors import Mistake, Unreadable
from ..forms import Json, Sample
from ..tokens import Tokenizer, Tokens, layout
from .payload import Numbers
from .resize import resize, shown, to_channels
from .want import Want

RAW_SIDE, RAW_MOST = 32, 3 * 32 * 32  # pixels along a side, and numbers, of a raw vector
RANGE = {torch.uint8: 255.0, torch.uint16: 65_535.0}  # integers are shares of their range; floats are taken as they are


@dataclass(frozen=True)
class ImageTokenizer(Tokenizer):
    """Square patches in reading order; a row is [patch * patch * channels], pixel by pixel, standardised per channel.

    Pictures are brought near side * side pixels, aspect kept, both sides multiples of `patch`; without `side` they stay as they
    are, and sides that are no multiple of `patch` are continued by repeating the last row or column. Pixels that are missing
    (NaN, or masked by numpy.ma) take the mean of their channel in that picture, and mean and spread are of the others.
    """

    patch: int = 8
    channels: int = 3
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.25,)
    side: int | None = None

    kind = "image"
    axes = ("y [patches]", "x [patches]")
    signal = True
    stacked = True
    pictured = True

    @classmethod
    def fit(cls, samples: list[np.ndarray], want: Want = Want()) -> "ImageTokenizer":
        """Side and patch by the median area; 3 channels if any picture has 3, else what most have; mean and spread of each."""
        images = [x for x in samples if _wrong(x) is None]
        if not images:
            raise Mistake(
                f"none of {len(samples)} samples is a picture: {_wrong(samples[0]) if samples else 'there are none'}"
            )
        side = want.side or min(
            64 if want.rows < 100 else 224, max(4, round(math.sqrt(np.median([x[0].size for x in images]))))
        )
        patch = want.patch or max(1, 2 ** round(math.log2(side / math.sqrt(want.rows))))
        if patch > side:
            raise Mistake(
                f"data.patch={patch} is larger than the pictures' side of {side}: choose a smaller patch or a larger data.side"
            )
        counts = [len(x) for x in images]
        channels = 3 if 3 in counts else max(set(counts), key=counts.count)
        plain = cls(patch, channels, side=max(patch, round(side / patch) * patch))
        flat = []
        for x in images:
            try:
                pixels, holes = plain._placed(x)
            except Unreadable:  # of another channel count
                continue
            flat.append((to_float(torch.as_tensor(pixels)).flatten(1).double(), torch.as_tensor(~holes).flatten(1)))
        n = torch.stack([seen.sum(1) for _, seen in flat]).sum(0).clamp(min=1)
        mean = torch.stack([(x * seen).sum(1) for x, seen in flat]).sum(0) / n
        var = torch.stack([((x - mean[:, None]) ** 2 * seen).sum(1) for x, seen in flat]).sum(0) / n
        std = torch.where(var > 0, var.sqrt(), 1.0)  # a channel that never changes stays as it is
        return cls(patch, channels, tuple(mean.tolist()), tuple(std.tolist()), plain.side)

    @property
    def area(self) -> int | None:
        """Pixels that are left of a picture: what a reader may decode less for."""
        return None if self.side is None else self.side**2

    def fitted(self, sample: Sample) -> np.ndarray:
        """[channels, H, W] of uint8, uint16 or float32, near the tokenizer's area; nothing is missing any more."""
        return self._placed(sample)[0]

    def aligned(self, sample: Sample) -> Alignment:
        """Patches on pixels: what `resize` crops is seen by no row."""
        height, width = np.shape(sample)[1:]
        at = shown((height, width), self.area, self.patch)
        return Alignment((height, width), at, (self.patch, self.patch), (0, 1))

    def _placed(self, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        """The fitted picture, and bool [channels, H, W]: what of it was missing."""
        reason = _wrong(sample)
        if reason is not None:
            raise Unreadable("", reason)
        holes = _holes(sample)
        if holes is None:
            image = sample if self.area is None else resize(sample, self.area, self.patch)
            image = to_channels(image, self.channels)
            return image, np.broadcast_to(False, image.shape)
        image = _filled(np.ma.getdata(sample).astype(np.float32), holes)
        if self.area is not None:
            image, holes = _around(image, holes, self.area, self.patch)
        image = to_channels(image, self.channels)
        if len(holes) != len(image):
            holes = np.broadcast_to(holes.any(0), image.shape)
        return image if sample.dtype == np.float32 else np.rint(image).astype(sample.dtype), holes

    @property
    def dim(self) -> int:
        return self.patch * self.patch * self.channels

    def __call__(self, sample: np.ndarray | Tensor) -> Tokens:
        return self.many(torch.as_tensor(sample)[None])

    def many(self, images: Tensor) -> Tokens:
        """[B, C, H, W] pictures of one size, in one go."""
        x, p = self.standardise(images), self.patch
        b, c, h, w = x.shape
        if h % p or w % p:
            x = F.pad(x, (0, -w % p, 0, -h % p), mode="replicate")
            h, w = x.shape[2:]
        rows = x.view(b, c, h // p, p, w // p, p).permute(0, 2, 4, 3, 5, 1).reshape(-1, self.dim)
        y, x_ = torch.meshgrid(torch.arange(h // p), torch.arange(w // p), indexing="ij")
        coords = torch.stack([y, x_], -1).view(-1, 2).to(torch.float32).repeat(b, 1).to(rows.device)
        return Tokens(rows, coords, layout((h // p * (w // p),) * b, 0, str(rows.device)))

    def standardise(self, images: Tensor) -> Float[Tensor, "B C H W"]:
        """Mean 0 and variance 1 per channel over the data set."""
        if images.ndim != 4 or images.shape[1] != self.channels:
            raise ValueError(f"expected pictures [{self.channels}, H, W], not {list(images.shape[1:])}")
        mean, std = (torch.tensor(x, device=images.device).view(-1, 1, 1) for x in (self.mean, self.std))
        return (to_float(images) - mean) / std

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> Float[Tensor, "C H W"]:
        """One picture again, in the unit range of its pixels (floats: as given)."""
        p, rows = self.patch, ~tokens.slot
        h, w = (int(n) + 1 for n in tokens.coords[rows].amax(0))
        x = tokens.values[rows].float().view(h, w, p, p, self.channels).permute(4, 0, 2, 1, 3).reshape(-1, h * p, w * p)
        return x * torch.tensor(self.std).view(-1, 1, 1) + torch.tensor(self.mean).view(-1, 1, 1)

    def drawn(self, sample: Sample) -> Tensor:
        """The picture itself."""
        return torch.as_tensor(np.asarray(sample), dtype=torch.float32)

    def raw(self, sample: np.ndarray) -> np.ndarray:
        """Pixels, as shares of their range, at one size for all."""
        side = min(RAW_SIDE, self.side or RAW_SIDE, math.isqrt(RAW_MOST // self.channels))
        x = to_float(torch.as_tensor(sample))
        if x.shape[1:] != (side, side):
            x = F.interpolate(x[None], (side, side), mode="area")[0]
        return x.numpy().ravel()

    def state(self) -> Json:
        return asdict(self)


def _wrong(sample: Sample) -> str | None:
    what = (
        f"{getattr(sample, 'dtype', type(sample).__name__)} of shape {list(np.shape(sample))}"
        if not isinstance(sample, dict)
        else "a dict"
    )
    if (
        not isinstance(sample, np.ndarray)
        or sample.ndim != 3
        or 0 in sample.shape
        or sample.dtype not in (np.uint8, np.uint16, np.float32)
    ):
        return f"the image is {what}, not uint8, uint16 or float32 of shape [C, H, W]"
    holes = _holes(sample)
    if holes is not None and holes.all():
        return "all of the image is missing (NaN)"
    if sample.dtype == np.float32 and np.isinf(np.ma.filled(sample, 0)).any():
        return "the image holds infinite values"
    return None


def _holes(sample: np.ndarray) -> np.ndarray | None:
    """bool [C, H, W]: what is missing; None where all of it is there, and nobody masked any."""
    masked = np.ma.getmaskarray(sample) if isinstance(sample, np.ma.MaskedArray) else None
    if sample.dtype != np.float32:
        return masked
    gone = np.isnan(np.ma.getdata(sample))
    gone = gone if masked is None else gone | masked
    return gone if masked is not None or gone.any() else None


def _filled(image: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """The mean of the channel where something is missing; that of all channels where all of one is."""
    seen = ~holes
    level = np.where(seen, image, 0).sum((1, 2), dtype=np.float64) / np.maximum(seen.sum((1, 2)), 1)
    level = np.where(seen.any((1, 2)), level, image[seen].mean(dtype=np.float64))
    return np.where(holes, level[:, None, None], image).astype(np.float32)


def _around(image: np.ndarray, holes: np.ndarray, area: int, multiple: int) -> tuple[np.ndarray, np.ndarray]:
    """Resized without what is beneath the holes: a pixel is the mean of what it shows, and missing where that is under half."""
    level = image.mean((1, 2), keepdims=True)
    share = resize((~holes).astype(np.float32), area, multiple)
    there = resize(np.where(holes, 0, image - level), area, multiple) / np.maximum(share, 0.5) + level
    gone = share < 0.5
    ends = np.where(holes, level, image)
    there = there.clip(ends.min((1, 2), keepdims=True), ends.max((1, 2), keepdims=True))
    return _filled(there, gone if not gone.all() else ~gone), gone


def to_float(images: Tensor) -> Tensor:
    """fp32, integers as shares of their range."""
    return images.to(torch.float32) / RANGE.get(images.dtype, 1.0)
