"""Moving pictures as rows of tubelets: two frames deep, a patch wide and high (ViViT, Arnab et al. 2021, section 3.2)."""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..alignment import Alignment
from ..errors import Unreadable
from ..forms import Json, Sample
from ..tokens import Tokenizer, Tokens
from .grid import LONGEST, checked, column, content, finite, join, middle, moments, near, patched, resize, sizes, usable
from .payload import Numbers
from .want import Want

TUBE = 2  # frames
FRAMES = 16  # of a clip, where nothing else is wanted
MOST_FRAMES = 512
LUMA = (0.299, 0.587, 0.114)
RAW = 3072


@dataclass(frozen=True)
class VideoTokenizer(Tokenizer):
    """[T, C, H, W] uint8 -> rows of [2 * patch * patch * channels], standardised per channel; odd clips repeat their last frame.

    A clip with a frame rate is brought to `rate` frames per second (the nearest frame each) and cut to its middle `frames`;
    one without is taken to be at that rate, and thinned evenly to `frames` if it is longer. The longer side becomes
    `side`, the other keeps the proportion. Grey and colour are made from each other. At most 2^27 values, 512 frames used.
    """

    patch: int = 8
    side: int = 32
    frames: int = 16
    rate: float | None = None
    channels: int = 3
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.25,)

    kind = "video"
    axes = ("t [tubelets]", "y [patches]", "x [patches]")
    signal = True
    stacked = True
    pictured = True

    @classmethod
    def fit(cls, samples: list[Sample], want: Want = Want()) -> "VideoTokenizer":
        """The usual clip in about want.rows rows. want.longest: frames (else at most 16); want.rate: frames per second.

        Without a wanted rate, the usual clip's frames are spread over its length, at no more than its own rate.
        """
        clips = usable(samples, _clip, "video")
        frames = min(want.longest or FRAMES, MOST_FRAMES)
        rated = [(len(x), fps) for x, fps in clips if fps is not None]
        rate = None
        if rated:
            usual, seconds = (float(np.median(v)) for v in ([f for _, f in rated], [n / f for n, f in rated]))
            rate = float(want.rate) if want.rate else min(usual, frames / seconds)
        counts = [len(x) if fps is None or rate is None else max(1, round(len(x) * rate / fps)) for x, fps in clips]
        frames = max(1, min(frames, int(np.median(counts))))
        native = float(np.median([max(x.shape[2:]) for x, _ in clips]))
        share = float(np.median([x.shape[2] * x.shape[3] / max(x.shape[2:]) ** 2 for x, _ in clips]))
        side, patch = sizes(native, 2, share * -(-frames // TUBE), want)
        colours = [x.shape[1] for x, _ in clips]
        plain = cls(patch, side, frames, rate, max(set(colours), key=colours.count))
        parts = [torch.from_numpy(x).transpose(0, 1) / 255 for x in usable(samples, plain.fitted, "video")]
        return cls(patch, side, frames, rate, plain.channels, *moments(parts))

    @property
    def dim(self) -> int:
        return TUBE * self.patch * self.patch * self.channels

    def fitted(self, sample: Sample) -> np.ndarray:
        """[T, C, h, w] uint8 in this size, rate and number of channels."""
        clip, fps = _clip(sample)
        if clip.shape[1] != self.channels and {clip.shape[1], self.channels} != {1, 3}:
            raise Unreadable("", f"it has {clip.shape[1]} channels, not {self.channels}")
        clip = clip[np.rint(self._taken(len(clip), fps)).astype(int).clip(0, len(clip) - 1)]
        sides = near(clip.shape[2:], self.side, self.patch)
        if sides != clip.shape[2:]:
            frames = torch.from_numpy(clip.reshape(-1, *clip.shape[2:])).float()
            clip = resize(frames, sides).round().clamp(0, 255).byte().numpy().reshape(*clip.shape[:2], *sides)
        if clip.shape[1] != self.channels:
            clip = np.repeat(clip, 3, 1) if self.channels == 3 else _grey(clip)
        return np.ascontiguousarray(clip)

    def _taken(self, length: int, fps: float | None) -> np.ndarray:
        """Where the frames that are kept lie among those of a clip."""
        if fps is not None and self.rate is not None and fps != self.rate:
            count = min(max(1, round(length * self.rate / fps)), LONGEST)
            skipped = max(0, count - self.frames) // 2
            return (skipped + np.arange(min(count, self.frames)) + 0.5) * fps / self.rate - 0.5
        if fps is not None:
            return max(0, length - self.frames) // 2 + np.arange(min(length, self.frames), dtype=np.float64)
        return np.linspace(0, length - 1, min(length, self.frames))

    def aligned(self, sample: Sample) -> Alignment:
        """Tubelets on pixels and frames."""
        clip, fps = _clip(sample)
        sides = clip.shape[2:]
        new = near(sides, self.side, self.patch)
        at = tuple(middle(n, m, n / m) for n, m in zip(sides, new, strict=True))
        along = (self._taken(len(clip), fps), *at)
        return Alignment((len(clip), *sides), along, (TUBE, self.patch, self.patch), (0, 1, 2))

    def __call__(self, sample: np.ndarray | Tensor) -> Tokens:
        return self.many(torch.as_tensor(sample)[None])

    def many(self, clips: Tensor) -> Tokens:
        """[B, T, C, H, W] clips of one size: uint8, or float in 0..1."""
        if clips.ndim != 5 or clips.shape[2] != self.channels:
            raise ValueError(f"expected clips [T, {self.channels}, H, W], not {list(clips.shape[1:])}")
        return patched(self._standardised(clips).transpose(1, 2), (TUBE, self.patch, self.patch), self.kind)

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> np.ndarray:
        """[T, C, H, W] uint8; tubelets that no row tells of are black."""
        x = join(*content(tokens), (TUBE, self.patch, self.patch))
        x = (x * column(self.std, 3) + column(self.mean, 3)).nan_to_num(0)
        return (x.transpose(0, 1) * 255).round().clamp(0, 255).byte().numpy()

    def drawn(self, sample: Sample) -> Tensor:
        """The middle frame."""
        x = torch.as_tensor(np.asarray(sample), dtype=torch.float32)
        return x[len(x) // 2] / (255 if x.max() > 1 else 1)

    def raw(self, sample: np.ndarray) -> np.ndarray:
        """Standardised pixels of eight frames, evenly spaced, each a small square."""
        side = max(1, min(self.side, int((RAW / 8 / self.channels) ** 0.5)))
        clip = sample[np.linspace(0, len(sample) - 1, 8).round().astype(int)]
        x = self._standardised(torch.as_tensor(clip)[None]).flatten(0, 2)
        return resize(x, (side, side)).numpy().ravel()

    def state(self) -> Json:
        return asdict(self)

    def _standardised(self, clips: Tensor) -> Float[Tensor, "B T C H W"]:
        x = clips.to(torch.float32) / (255.0 if clips.dtype == torch.uint8 else 1.0)
        return (x - column(self.mean, 2, x.device)) / column(self.std, 2, x.device)


def _clip(sample: Sample) -> tuple[np.ndarray, float | None]:
    """The frames as uint8, and how many there are in a second if that is known."""
    fps = None
    if isinstance(sample, dict):
        if "frames" not in sample:
            raise Unreadable("", f"it has {', '.join(map(str, sample)) or 'nothing'}, but no frames")
        try:
            fps = None if sample.get("fps") is None else float(sample["fps"])
        except (TypeError, ValueError, OverflowError) as error:
            raise Unreadable("", "its fps is no number") from error
        sample = sample["frames"]
    clip = checked(sample, "T C H W")
    if clip.dtype == bool:
        clip = clip * np.uint8(255)
    elif clip.dtype == np.uint16:
        clip = (clip / 257.0).round().astype(np.uint8)
    elif clip.dtype.kind == "f":
        clip = finite(clip)
        if clip.min() < 0 or clip.max() > 1:
            raise Unreadable("", "its frames are floats outside 0..1")
        clip = (clip * 255).round().astype(np.uint8)
    elif clip.dtype != np.uint8:
        raise Unreadable("", f"its frames are {clip.dtype}, not uint8")
    if fps is not None and not 1e-4 <= fps <= 1e6:  # NaN included
        fps = None
    return clip, fps


def _grey(clip: np.ndarray) -> np.ndarray:
    return np.rint(np.tensordot(clip.astype(np.float32), LUMA, ((1,), (0,)))).astype(np.uint8)[:, None]
