"""Signals over time as rows of short windows: any channels, any rate, gaps and uneven times included."""

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..alignment import Alignment
from ..errors import Mistake, Unreadable
from ..forms import Json, Sample
from ..outliers import cleaned, usual
from ..tokens import Tokenizer, Tokens, layout
from .curves import curves
from .payload import Numbers
from .rates import filled, to_rate
from .recording import CHANNELS, Recording, gridded, recording
from .want import Want

MIXED = 32  # channels up to which all of them share a row, if every sample has the same ones
SPARE = 16  # places for channels whose names were never seen
NUMBERS = 1024  # in a row, at most, unless a patch is asked for
LONGEST = 200_000  # points of a sample that are read, unless asked
CELLS = 2**26  # numbers in a fitted sample
WINDOWS = 10_000  # in a sample
RAW = 3072


@dataclass(frozen=True)
class SeriesTokenizer(Tokenizer):
    """[C, L] -> rows of `patch` points, standardised per channel over the data set.

    form "mixed": the channels of a window are one row [C * patch]; coordinate: window. For samples with the same few channels.
    form "apart": every channel of a window is a row [patch]; coordinates: window and the channel's place, so that recordings
    with other channels (1, 2 or 12 leads, any cap) share an encoder. Channels that a sample lacks make no rows.

    A fitted sample is always an array [channels, L] float32, NaN where nothing is known. names: channels by name; a sample is
    sorted into their places, and names never seen take one of the places after them, always the same by the name's hash
    (the next free one where two meet). masked: some values are missing, and [patch] flags (1: observed) follow the values,
    which are 0 where missing; windows with nothing observed make no rows. Without it, a last window that is not full repeats
    the last value, and samples with gaps are unreadable.

    rate: points per second; samples that state another rate are resampled, uneven times are put on a grid of this rate,
    where values that meet in one cell become their mean and the time within a cell is lost. Array samples are taken to be
    at this rate. Samples are cut after `longest` points (also: 10,000 windows, 2^26 numbers). length: points of a typical sample.

    low, high, missing: of each channel, what lies far outside the rest (outliers.py). Sentinels (`missing`: -9999) are missing
    before anything is computed; values beyond `low` and `high` are clipped, and enter no mean and no spread.

    Standardising by the data set, not by the sample, keeps the level of a signal and tells a causal model nothing of the
    future.
    """

    patch: int = 8
    channels: int = 1
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    form: str = "mixed"
    masked: bool = False
    names: tuple[str, ...] = ()
    rate: float | None = None
    longest: int = LONGEST
    length: int = 256
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    missing: tuple[tuple[float, ...], ...] = ()

    kind = "series"
    signal = True
    stacked = True
    pictured = True

    @classmethod
    def fit(cls, samples: Sequence[Sample], want: Want | None = None) -> "SeriesTokenizer":
        """Rate, channels, windows, and the mean and spread of each channel, from these samples.

        The most common rate (uneven times: one over the median step) is everybody's unless `want.rate` says another. Windows
        are so long that a typical sample makes about `want.rows` rows (where each channel makes its own: and at least 4 windows).
        """
        want = want or Want()
        read = list(_readable(samples))
        if not read:
            raise Mistake(
                f"none of these {len(samples)} samples is a series: give arrays [channels, points] of numbers"
            )
        longest = want.longest or LONGEST
        rate = _rate(read, want, longest)
        mixed, channels, names = _channels(read)
        draft = cls(
            2**20, channels, form="mixed" if mixed else "apart", masked=True, names=names, rate=rate, longest=longest
        )
        draft = draft._robust(read)
        low, high = (np.array(x, np.float32)[:, None] for x in (draft.low, draft.high))
        lengths, present, masked, moments = [], [], False, _Moments(channels)
        for one in read:
            try:
                x = draft._placed(one)
            except Unreadable:
                continue
            seen = ~np.isnan(x)
            there = seen.any(1)
            masked |= not bool((seen if mixed else seen[there]).all())
            lengths.append(x.shape[1])
            present.append(int(there.sum()))
            moments.add(np.where((x > low) & (x < high), x, np.nan))
        if not lengths:
            raise Mistake("every value of these samples is missing: give series with numbers in them")
        length = int(np.median(lengths))
        mean, std = moments.spread()
        patch = want.patch or _patch(
            length, want.rows, 1 if mixed else round(np.mean(present)), channels if mixed else 1
        )
        return replace(draft, patch=patch, mean=mean, std=std, masked=masked, length=length)

    @property
    def dim(self) -> int:
        return self.patch * (self.channels if self.form == "mixed" else 1) * (2 if self.masked else 1)

    @property
    def most(self) -> int:
        """Points of a sample that are read."""
        return min(self.longest, WINDOWS * self.patch, max(1, CELLS // self.channels))

    def channel(self, place: int) -> str:
        """What the channel at a place is called."""
        return self.names[place] if place < len(self.names) else str(place)

    @property
    def axes(self) -> tuple[str, ...]:
        return ("t [windows]",) if self.form == "mixed" else ("t [windows]", "channel")

    def fitted(self, sample: Sample) -> Float[np.ndarray, "C L"]:
        """At this rate, every channel in its place, cut; points at the end where all channels are missing are left out."""
        x = self._placed(recording(sample))
        seen = ~np.isnan(x)
        if not self.masked:
            if self.form == "mixed" and not seen.any(1).all():
                raise Unreadable(
                    "", "a channel is missing, and was not in the samples that the tokenizer was fitted to"
                )
            if not seen[seen.any(1)].all():
                raise Unreadable(
                    "", "values are missing (NaN), and none were in the samples that the tokenizer was fitted to"
                )
        return x

    def aligned(self, sample: Sample) -> Alignment:
        """Windows on moments; the rows of all channels lie on each other."""
        one, length = recording(sample), self.fitted(sample).shape[1]
        points, at = one.values.shape[1], np.arange(length, dtype=np.float64)
        if (
            isinstance(sample, dict)
            and sample.get("time") is not None
            and (np.diff(sample["time"]).astype(float) < 0).any()
        ):
            raise Unreadable("", "its times are in disorder, so that no mask can be laid on it: sort both")
        if one.time is not None and self.rate is not None:
            at = np.interp(at / self.rate, one.time, np.arange(points))
        elif one.rate is not None and self.rate is not None and abs(self.rate / one.rate - 1) * points >= 0.5:
            at *= one.rate / self.rate
        return Alignment((points,), (at,), (self.patch,), (0,))

    def _placed(self, one: Recording) -> np.ndarray:
        limit = min(self.longest, WINDOWS * self.patch, max(1, CELLS // self.channels))
        places = self._places(one)
        values = self._clean(one.values, places)
        if one.time is not None:
            if self.rate is None or not self.masked:
                raise Unreadable("", "its times are uneven, and the tokenizer was fitted to samples with even ones")
            values = gridded(values, one.time, self.rate, limit)
        elif one.rate is not None and self.rate is not None:
            values = to_rate(values, one.rate, self.rate, limit)
        values = values[:, :limit]
        some = ~np.isnan(values).all(0)
        if not some.any():
            raise Unreadable("", "every value is missing")
        values = values[:, : int(np.flatnonzero(some)[-1]) + 1]
        x = np.full((self.channels, values.shape[1]), np.nan, np.float32)
        x[places] = self._clean(values, places)  # again: a filter overshoots
        return x

    def _robust(self, read: list[Recording]) -> "SeriesTokenizer":
        """With the limits and sentinels of every channel."""
        parts: list[list[np.ndarray]] = [[] for _ in range(self.channels)]
        for one in read:
            try:
                for place, row in zip(self._places(one), one.values, strict=True):
                    parts[place].append(row)
            except Unreadable:
                continue
        _, _, low, high, missing, _ = zip(*map(usual, parts), strict=True)
        return replace(self, low=low, high=high, missing=missing)

    def _clean(self, values: np.ndarray, places: list[int]) -> np.ndarray:
        """Values [C, L] of the channels at these places: sentinels missing, outliers clipped."""
        if not self.low:
            return values
        low, high = ([x[place] for place in places] for x in (self.low, self.high))
        return cleaned(values, low, high, [self.missing[place] for place in places])

    def _places(self, one: Recording) -> list[int]:
        """Where each channel of a sample goes among those of this tokenizer."""
        count = len(one.values)
        if not one.names or not self.names:
            fewer = self.form == "apart" and not self.names
            allowed = {self.channels, len(self.names) or self.channels}
            if count in allowed or (fewer and count < self.channels):
                return list(range(count))
            raise Unreadable("", f"it has {count} channels, not {' or '.join(map(str, sorted(allowed)))}")
        place = {name: i for i, name in enumerate(self.names)}
        spare = self.channels - len(self.names)
        free = set(range(len(self.names), self.channels))
        new = sorted(name for name in one.names if name not in place)
        if len(new) > spare:
            raise Unreadable(
                "", f"{len(new)} of its channels have new names ({new[0]!r:.30}, ...), and {spare} may have"
            )
        for name in new:
            at = zlib.crc32(name.encode(errors="replace")) % spare
            while len(self.names) + at not in free:
                at = (at + 1) % spare
            place[name] = len(self.names) + at
            free.remove(place[name])
        return [place[name] for name in one.names]

    def __call__(self, sample: np.ndarray | Tensor) -> Tokens:
        return self.many(torch.as_tensor(sample)[None])

    def many(self, series: Tensor) -> Tokens:
        """[B, C, L] signals of one length, in one go."""
        if series.ndim != 3 or series.shape[1] != self.channels:
            raise ValueError(f"expected signals [{self.channels}, L], not {list(series.shape[1:])}")
        mean, std = (torch.tensor(x, device=series.device)[:, None] for x in (self.mean, self.std))
        x = (series.to(torch.float32) - mean) / std
        if self.masked:
            x = F.pad(x, (0, -x.shape[-1] % self.patch), value=torch.nan)
        else:
            x = F.pad(x, (0, -x.shape[-1] % self.patch), mode="replicate")
        b, n = len(x), x.shape[-1] // self.patch
        each = self.form == "apart"
        x = (
            x.view(b, self.channels, n, self.patch)
            .transpose(1, 2)
            .reshape(b, -1, self.patch if each else self.dim_seen)
        )
        coords = torch.arange(x.shape[1], dtype=torch.float32, device=x.device)[:, None]
        if each:
            coords = torch.cat([(coords / self.channels).floor(), coords % self.channels], 1)
        coords = coords.repeat(b, 1)
        if not self.masked and not each:
            return Tokens(x.flatten(0, 1), coords, layout((n,) * b, 0, str(x.device)))
        seen = ~x.isnan()
        keep = seen.any(-1)
        keep[:, 0] |= ~keep.any(1)  # a part of a sample may show nothing: one row says so
        x = torch.cat([x.nan_to_num(), seen.to(x.dtype)], -1) if self.masked else x.nan_to_num()
        counts = tuple(keep.sum(1).tolist())
        return Tokens(x[keep], coords[keep.flatten()], layout(counts, 0, str(x.device)))

    @property
    def dim_seen(self) -> int:
        """Values in a row, flags not counted."""
        return self.dim // 2 if self.masked else self.dim

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> Float[Tensor, "C L"]:
        """One signal again, in its own units; NaN where rows say that nothing was observed, or say nothing."""
        data = ~tokens.slot
        x, at = tokens.values[data].float(), tokens.coords[data].round().long()
        if self.masked:
            x, seen = x.chunk(2, -1)
            x = x.masked_fill(seen < 0.5, torch.nan)
        n = int(at[:, 0].max()) + 1
        out = x.new_full((n, self.channels, self.patch), torch.nan)
        if self.form == "mixed":
            out[at[:, 0]] = x.view(-1, self.channels, self.patch)
        else:
            out[at[:, 0], at[:, 1]] = x
        mean, std = (torch.tensor(y, device=x.device)[:, None] for y in (self.mean, self.std))
        return out.transpose(0, 1).reshape(self.channels, -1) * std + mean

    def drawn(self, sample: Sample) -> Tensor:
        """Its curves."""
        return curves(torch.as_tensor(np.asarray(sample), dtype=torch.float32))

    def raw(self, sample: np.ndarray) -> Float[np.ndarray, "F"]:
        """Standardised values at one length, [channels * points] with at most 3,072 numbers.

        Shorter samples are stretched by straight lines, longer ones are averaged piece by piece. Gaps are bridged by straight
        lines; a channel that is not there lies at its mean.
        """
        points = max(1, min(self.length, RAW // self.channels))
        mean, std = (np.asarray(x, np.float64)[:, None] for x in (self.mean, self.std))
        x, gone = filled((np.asarray(sample) - mean) / std)
        have = x.shape[1]
        if have > points:
            edges = np.arange(points) * have // points
            x = np.add.reduceat(x, edges, axis=1) / np.diff(edges, append=have)
        elif have < points:
            at = np.linspace(0, have - 1, points)
            x = np.stack([np.interp(at, np.arange(have), row) for row in x])
        return np.where(gone.all(1, keepdims=True), 0.0, x).astype(np.float32).ravel()[:RAW]

    def state(self) -> Json:
        return asdict(self)


class _Moments:
    """Mean and spread per channel of many samples, without keeping them (Chan et al. 1979)."""

    def __init__(self, channels: int):
        self.n, self.mean, self.sum2 = (np.zeros(channels) for _ in range(3))
        self.low, self.high = np.full(channels, np.inf), np.full(channels, -np.inf)

    def add(self, x: np.ndarray) -> None:
        seen = ~np.isnan(x)
        y = np.where(seen, x, 0.0).astype(np.float64)
        n = seen.sum(1)
        mean = y.sum(1) / np.maximum(n, 1)
        sum2 = (np.where(seen, y - mean[:, None], 0.0) ** 2).sum(1)
        total = np.maximum(self.n + n, 1)
        off = mean - self.mean
        self.sum2 += sum2 + off**2 * self.n * n / total
        self.mean += off * n / total
        self.n += n
        self.low = np.minimum(self.low, np.where(seen, x, np.inf).min(1))
        self.high = np.maximum(self.high, np.where(seen, x, -np.inf).max(1))

    def spread(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and std; 1 for a channel that never changes; the average channel's for one never seen."""
        std = np.sqrt(self.sum2 / np.maximum(self.n, 1))
        std = np.where((self.high > self.low) & (std > 1e-7 * np.abs(self.mean)), std, 1.0)
        known = np.flatnonzero(self.n)
        mean = np.where(self.n > 0, self.mean, self.mean[known].mean())
        std = np.where(self.n > 0, std, std[known].mean())
        return tuple(map(float, mean)), tuple(map(float, std))


def _readable(samples: Sequence[Sample]) -> Iterator[Recording]:
    for sample in samples:
        try:
            yield recording(sample)
        except Unreadable:
            continue


def _rate(read: list[Recording], want: Want, longest: int) -> float | None:
    """The rate of everybody."""
    steps = [float(np.median(d[d > 0])) for d in (np.diff(one.time) for one in read if one.time is not None)]
    spans = [float(one.time[-1]) for one in read if one.time is not None]
    stated = Counter(float(f"{one.rate:.6g}") for one in read if one.rate is not None)
    if want.rate and (steps or stated):
        return float(want.rate)
    if not steps:
        return stated.most_common(1)[0][0] if stated else None
    step = max(float(np.median(steps)), float(np.median(spans)) / longest)
    return float(f"{1 / step:.6g}")


def _channels(read: list[Recording]) -> tuple[bool, int, tuple[str, ...]]:
    """Whether channels share rows, how many places there are for them, and the names of the first.

    Where samples without names do not have a channel for each name there is, the majority of samples decides, and the others
    are odd.
    """
    named = sorted((one for one in read if one.names), key=lambda one: -len(one.names))
    bare = [one for one in read if not one.names]
    names = tuple(dict.fromkeys(name for one in named for name in one.names))[:CHANNELS]
    if named and any(len(one.values) != len(names) for one in bare):
        read, names = (bare, ()) if len(bare) > len(named) else (named, names)
    counts = {len(one.values) for one in read}
    if not names:
        return len(counts) == 1 and max(counts) <= MIXED, max(counts), ()
    if counts == {len(names)} and len(names) <= MIXED:
        return True, len(names), names
    return False, len(names) + SPARE, names


def _patch(length: int, rows: int, present: int, together: int) -> int:
    """Points in a window, so that `present` channels, `together` in a row, make about `rows` rows."""
    windows = max(4, rows // present)
    least = min(-(-4 // together), max(1, length // 8))  # a row of one number has little to say
    return max(1, least, min(-(-length // windows), max(16, NUMBERS // together)))
