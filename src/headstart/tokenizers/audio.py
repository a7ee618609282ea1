"""Sound as rows of patches of its log-mel spectrogram: any rate, any number of channels, any length."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..alignment import Alignment
from ..errors import Mistake, Unreadable
from ..forms import Json, Sample
from ..tokens import Tokenizer, Tokens, layout
from .mel import log_mel
from .payload import Numbers
from .plain import as_array
from .rates import to_rate
from .want import Want

RATES = (500, 768_000)  # Hz that a recording may have
CHANNELS = 256
LOUDEST = 1e6  # 1 is full scale; louder is no sound but a mistake of units
UPSIDE_DOWN = -0.5  # correlation with the loudest channel
PATCHES = 4096  # in time
PICTURE = (64, 32)  # bands and moments of the plain vector
FULL = {np.dtype(np.int16): (0, 32_768), np.dtype(np.int32): (0, 2**31), np.dtype(np.uint8): (128, 128)}  # PCM


@dataclass(frozen=True)
class AudioTokenizer(Tokenizer):
    """A sound, mixed to one channel at `rate` Hz -> patches of `bands` mel bands by `frames` moments, time after time.

    A moment is 25 ms every 10 ms (at rates under 2,560 Hz: 64 samples); mean and std are per mel band. A fitted sound is float32
    [1, L]: resampled without aliasing, cut after `longest` samples, and continued with silence to full patches, so that
    sounds fall into few lengths.
    """

    rate: int = 16_000
    longest: int = 163_840
    mels: int = 128
    bands: int = 16
    frames: int = 16
    mean: tuple[float, ...] = (-7.0,)
    std: tuple[float, ...] = (4.0,)

    kind = "audio"
    axes = ("t [patches]", "mel [patches]")
    signal = True
    stacked = True
    pictured = True

    @classmethod
    def fit(cls, samples: list[Sample], want: Want = Want()) -> "AudioTokenizer":
        """Patches that cut a median sound into about want.rows rows, as square as that allows (want.patch: moments in one).

        The rate is want.rate; else 22,050 Hz where most recordings have 32 kHz and more, else 16 kHz or what they have.
        longest is want.longest (samples at that rate); else all but the longest twentieth, and at most 4 want.rows rows;
        never more than 4,096 patches in time.
        """
        heard: list[tuple[np.ndarray, int | None]] = []
        for sample in samples:
            try:
                heard.append(_checked(sample))
            except Unreadable:
                continue
        if not heard:
            raise Mistake("none of the samples is a sound: give waves [channels, samples] with their rate")
        rates = [r for _, r in heard if r]
        usual = float(np.median(rates)) if rates else 16_000.0
        rate = want.rate or (22_050 if usual >= 32_000 else min(16_000, round(usual)))
        if not RATES[0] <= rate <= RATES[1]:
            raise Mistake(f"a rate of {rate} Hz was asked for: choose {RATES[0]} to {RATES[1]}")
        mels = 128 if rate >= 16_000 else 64 if rate >= 6_000 else 32
        first = cls(rate, 1, mels)
        moments = np.array([max(1.0, x.shape[-1] / (r or rate) * rate / first.hop) for x, r in heard])
        bands, frames = _patch(float(np.median(moments)), mels, want)
        step = frames * first.hop
        most = max(1, 4 * want.rows * bands // mels)
        longest = want.longest or step * min(most, int(np.ceil(np.quantile(moments, 0.95) / frames)))
        longest = min(-(-longest // step), PATCHES) * step
        plain = replace(first, longest=longest, bands=bands, frames=frames, mean=(0.0,), std=(1.0,))
        spectra = [plain.kept(plain.fitted(x if r is None else {"wave": x, "rate": r})) for x, r in heard]
        seen = np.concatenate(spectra, 1).astype(np.float64)
        std = np.where(seen.std(1) > 1e-6, seen.std(1), 1.0)  # a band that never changes stays as it is
        return replace(plain, mean=tuple(seen.mean(1).tolist()), std=tuple(std.tolist()))

    @property
    def window(self) -> int:
        return max(64, round(0.025 * self.rate))

    @property
    def hop(self) -> int:
        return round(0.4 * self.window)

    @property
    def patch(self) -> int:
        """Samples that one patch covers."""
        return self.frames * self.hop

    @property
    def dim(self) -> int:
        return self.bands * self.frames

    def fitted(self, sample: Sample) -> np.ndarray:
        """float32 [1, L] of {"wave": [C, L], "rate"} or of [C, L] at this rate; float or 8, 16, 32-bit PCM."""
        wave, rate = _checked(sample)
        rate = rate or self.rate
        heard = _mono(wave[:, : int((self.longest + 1) * rate / self.rate) + 2])  # what lies behind is never heard
        x = to_rate(heard[None], rate, self.rate, self.longest)[0, : self.longest]
        return np.pad(x, (0, -len(x) % self.patch))[None]

    def aligned(self, sample: Sample) -> Alignment:
        """Stretches on samples of the wave; the rows of all heights lie on each other."""
        wave, rate = _checked(sample)
        points, step = wave.shape[1], (rate or self.rate) / self.rate
        heard = min(self.longest, max(1, round(points / step)))
        at = np.arange(heard + -heard % self.patch) * step
        return Alignment((points,), (at,), (self.patch,), (0,))

    def __call__(self, sample: np.ndarray | Tensor) -> Tokens:
        return self.many(torch.as_tensor(sample)[None])

    def many(self, waves: Tensor) -> Tokens:
        """[B, 1, L] sounds at this rate, in one go, on their device."""
        x = self.spectrum(waves)
        mean, std = (torch.tensor(v, device=x.device)[:, None] for v in (self.mean, self.std))
        x = (x - mean) / std
        b, high, wide = len(x), self.mels // self.bands, x.shape[-1] // self.frames
        rows = x.view(b, high, self.bands, wide, self.frames).permute(0, 3, 1, 2, 4).reshape(-1, self.dim)
        t, y = torch.meshgrid(torch.arange(wide), torch.arange(high), indexing="ij")
        coords = torch.stack([t, y], -1).view(-1, 2).to(torch.float32).repeat(b, 1).to(rows.device)
        return Tokens(rows, coords, layout((high * wide,) * b, 0, str(rows.device)), self.kind)

    def spectrum(self, waves: Tensor) -> Float[Tensor, "B mels moments"]:
        """Log-mel of [B, 1, L]; moment i is centred on its hop, and silence surrounds the sound."""
        if waves.ndim != 3 or waves.shape[1] != 1:
            raise ValueError(f"expected sounds [1, L], not {list(waves.shape[1:])}")
        around = self.window - self.hop
        end = -waves.shape[-1] % self.patch
        x = F.pad(waves[:, 0].to(torch.float32), (around // 2, around - around // 2 + end))
        fft = -(-2 * self.window // 128) * 128  # twice the window: so every band meets a frequency
        return log_mel(x, self.rate, self.mels, self.window, self.hop, fft)

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> np.ndarray:
        """The log-mel spectrogram of one sound, [mels, moments]; a waveform has a phase, which rows do not know."""
        rows = ~tokens.slot
        high = self.mels // self.bands
        x = tokens.values[rows].detach().float().cpu().view(-1, high, self.bands, self.frames)
        x = x.permute(1, 2, 0, 3).reshape(self.mels, -1)
        return (x * torch.tensor(self.std)[:, None] + torch.tensor(self.mean)[:, None]).numpy()

    def kept(self, sample: np.ndarray) -> np.ndarray:
        """What rows say of a fitted sound: its log-mel spectrogram. Phase, and pitch finer than a mel band, are lost."""
        return self.spectrum(torch.as_tensor(sample)[None])[0].numpy()

    def drawn(self, sample: Sample) -> Tensor:
        """The log-mel spectrogram, high sounds above."""
        return torch.as_tensor(np.asarray(sample), dtype=torch.float32).flip(0)[None]

    def raw(self, sample: np.ndarray) -> np.ndarray:
        """The spectrogram at 64 bands and 32 moments; mean, spread, peak and mean change of each band; log length."""
        x = self.spectrum(torch.as_tensor(sample)[None])
        picture = F.adaptive_avg_pool2d(x[:, None], (min(PICTURE[0], self.mels), PICTURE[1])).flatten()
        x = x[0]
        change = x.diff(dim=1).abs().mean(1) if x.shape[1] > 1 else torch.zeros(self.mels)
        length = torch.tensor([np.log(sample.shape[-1] / self.rate)], dtype=torch.float32)
        return torch.cat([picture, x.mean(1), x.std(1, correction=0), x.amax(1), change, length]).numpy()

    def state(self) -> Json:
        return asdict(self)


def _patch(moments: float, mels: int, want: Want) -> tuple[int, int]:
    """Bands and moments of a patch: rows near want.rows count most, squareness breaks the tie; at most 2,048 numbers."""
    wide = (max(1, min(want.patch, 64)),) if want.patch else (2, 4, 8, 16)
    shapes = [(mels // n, w) for n in (8, 4, 2, 1) for w in wide if mels // n * w <= 2048 or w not in (2, 4, 8, 16)]

    def cost(shape: tuple[int, int]) -> float:
        rows = np.ceil(moments / shape[1]) * (mels // shape[0])
        return abs(np.log2(rows / want.rows)) + 0.25 * abs(np.log2(shape[0] / shape[1]))

    return min(shapes, key=cost)


def _checked(sample: Sample) -> tuple[np.ndarray, int | None]:
    """The wave [C, L] as it came, and its rate, or None where that is the tokenizer's."""
    rate = None
    if isinstance(sample, Mapping):
        if "wave" not in sample or "rate" not in sample:
            raise Unreadable("", 'a sound is {"wave": [channels, samples], "rate": Hz}')
        sample, rate = sample["wave"], sample["rate"]
        if isinstance(rate, np.ndarray) and rate.size == 1:
            rate = rate.item()
        if isinstance(rate, bool) or not isinstance(rate, int | float | np.integer | np.floating):
            raise Unreadable("", f"the rate is a {type(rate).__name__}, not a number of samples per second")
        if not RATES[0] <= rate <= RATES[1]:
            raise Unreadable("", f"the rate is not one of sound, {RATES[0]} to {RATES[1]} Hz")
        rate = round(rate)
    wave = as_array(sample, "a sound")
    if np.ma.is_masked(wave):
        raise Unreadable("", "some of its samples are masked, and a sound has no gaps: fill them")
    if wave.ndim == 1:
        wave = wave[None]
    if wave.ndim != 2 or wave.size == 0 or wave.shape[0] > CHANNELS:
        raise Unreadable("", f"a sound is [channels, samples], not {list(wave.shape)}")
    if wave.dtype.kind != "f" and wave.dtype.newbyteorder("=") not in FULL:
        raise Unreadable("", f"the samples are {wave.dtype}: give floats, or 8, 16 or 32-bit PCM")
    return wave, rate


def _mono(wave: np.ndarray) -> np.ndarray:
    """[L] float32: the mean of the channels, those turned around that are the loudest one upside down (a miswired cable)."""
    offset, full = FULL.get(wave.dtype.newbyteorder("="), (0, 1))
    with np.errstate(over="ignore", invalid="ignore"):
        x = wave.astype(np.float32) if full == 1 else ((wave.astype(np.float64) - offset) / full).astype(np.float32)
        if not np.isfinite(x).all() or float(np.abs(x).max()) > LOUDEST:
            raise Unreadable("", "the sound holds NaN, infinite or absurdly large values (1 is full scale)")
        return x[0] if len(x) == 1 else _together(x)


def _together(x: Float[np.ndarray, "C L"]) -> Float[np.ndarray, "L"]:
    """The mean of channels that do not cancel each other."""
    power = np.einsum("cl,cl->c", x, x, dtype=np.float64)
    first = int(power.argmax())
    like = np.einsum("cl,l->c", x, x[first], dtype=np.float64) / np.sqrt(power * power[first]).clip(min=1e-30)
    if (like > UPSIDE_DOWN).all():
        return x.mean(0, dtype=np.float32)
    return (x * np.where(like > UPSIDE_DOWN, 1, -1).astype(np.float32)[:, None]).mean(0, dtype=np.float32)
