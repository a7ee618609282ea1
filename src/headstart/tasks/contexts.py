"""Recordings cut into contexts: what an encoder reads before it says what comes next, each in units of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from ..data.feeding.prepare import Prepared
from ..data.source import Source
from ..data.sources.windows import Windows
from ..errors import Unreadable
from ..forms import Sample
from ..tokenizers.recording import recording
from ..tokenizers.series import LONGEST, SeriesTokenizer
from ..tokens import Tokenizer

FLAT = (
    1e-6  # of a channel's spread, or of a context's mean: what varies less stands still, and is not scaled up further
)


@dataclass(frozen=True)
class Cuts:
    """Contexts of recordings: [n] each. of: which recording. end: its first value after the context. channel: the one that is
    read, where channels make rows apart and each is said by itself, as in PatchTST (Nie et al. 2023); -1 where all are."""

    of: np.ndarray
    end: np.ndarray
    channel: np.ndarray

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, at: np.ndarray) -> "Cuts":
        return Cuts(self.of[at], self.end[at], self.channel[at])


class Contexts:
    """The `length` values before each cut, brought to mean 0 and spread 1 channel by channel (RevIN, Kim et al. 2022), as the
    tokenizer has such values: a source that an encoder reads. Nothing at or after a cut is in it.

    spread: of each channel; see FLAT.
    """

    kind = "series"
    labels: np.ndarray | None = None
    groups: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    bad: Sequence[Unreadable] = ()

    def __init__(self, recordings: Prepared, cuts: Cuts, length: int, spread: Sequence[float], tokenizer: Tokenizer):
        self.recordings, self.cuts, self.length, self.spread = recordings, cuts, length, np.asarray(spread)
        self.tokenizer = series_of(tokenizer)
        self._whole = lru_cache(maxsize=4)(recordings.__getitem__)

    def __len__(self) -> int:
        return len(self.cuts)

    def channels(self, index: int) -> list[int]:
        """Those that are read."""
        one = int(self.cuts.channel[index])
        return [one] if one >= 0 else list(range(self.tokenizer.channels))

    def stretch(self, index: int, start: int, stop: int) -> Float[np.ndarray, "C L"]:
        """Values of these channels in the data's units, counted from the cut: -3 to 0 are the last three of the context."""
        end = int(self.cuts.end[index])
        whole: np.ndarray = self._whole(int(self.cuts.of[index]))
        return whole[self.channels(index), end + start : end + stop].astype(np.float64)

    def units(self, index: int) -> tuple[Float[np.ndarray, "C"], Float[np.ndarray, "C"]]:
        """(mean, spread) of each channel of a context; NaN where it was not recorded."""
        x = self.stretch(index, -self.length, 0)
        seen = ~np.isnan(x)
        count = np.where(seen.any(1), seen.sum(1), np.nan)
        mean = np.where(seen, x, 0.0).sum(1) / count
        off = np.where(seen, x - mean[:, None], 0.0)
        least = FLAT * np.maximum(self.spread[self.channels(index)], np.abs(mean))
        return mean, np.maximum(np.sqrt((off**2).sum(1) / count), least)

    def plain(self, index: int) -> Float[np.ndarray, "C L"]:
        """A context with mean 0 and spread 1, NaN where nothing was recorded."""
        mean, scale = self.units(index)
        return (self.stretch(index, -self.length, 0) - mean[:, None]) / scale[:, None]

    def __getitem__(self, index: int) -> Sample:
        own, at = self.tokenizer, self.channels(index)
        mean, std = (np.asarray(x)[at, None] for x in (own.mean, own.std))
        out = np.full((own.channels, self.length), np.nan, np.float32)
        out[at] = self.plain(index) * std + mean
        return out

    def name(self, index: int) -> str:
        one = int(self.cuts.channel[index])
        whose = self.recordings.name(int(self.cuts.of[index]))
        return f"{whose}@{int(self.cuts.end[index])}" + (f"/{self.tokenizer.channel(one)}" if one >= 0 else "")

    def describe(self) -> str:
        inner = self.recordings.source
        return inner.source.describe() if isinstance(inner, Windows) else inner.describe()

    def prepared(self) -> Prepared:
        """As a tokenizer takes them: each is made when it is asked for, as they overlap."""
        every = np.arange(len(self), dtype=np.int64)
        made = Prepared(self, self.__getitem__, every, list(self.recordings.bad), self, self.tokenizer)
        made.keeps = False
        return made


class Endings:
    """The last values of every recording of a source, so many at the tokenizer's rate."""

    def __init__(self, source: Source, length: int, rate: float | None):
        self.source, self.length, self.rate = source, length, rate
        self.kind, self.labels, self.classes = source.kind, source.labels, source.classes
        self.groups, self.bad = source.groups, source.bad

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        one = recording(self.source[index])
        some = np.flatnonzero(~np.isnan(one.values).all(0))
        stop = int(some[-1]) + 1 if len(some) else one.values.shape[1]
        if one.time is not None and self.rate:
            start = int(np.searchsorted(one.time, one.time[stop - 1] - self.length / self.rate))
        else:
            times = one.rate / self.rate if one.rate and self.rate else 1.0
            steps = min(self.length, int((stop - 1) / times))
            start = stop - 1 - round(steps * times)  # so that the last value is one at the tokenizer's rate, too
        said = {"channels": list(one.names) or None, "rate": one.rate}
        time = None if one.time is None else one.time[start:stop]
        return {"values": one.values[:, start:stop], "time": time, **said}

    def name(self, index: int) -> str:
        return self.source.name(index)

    def describe(self) -> str:
        return self.source.describe()


def series_of(tokenizer: Tokenizer) -> SeriesTokenizer:
    """A tokenizer of series."""
    assert isinstance(tokenizer, SeriesTokenizer)
    return tokenizer


def reader_of(tokenizer: Tokenizer) -> SeriesTokenizer:
    """The tokenizer with nothing cut off at the end of a recording, where training read the beginning alone (data.longest)."""
    own = series_of(tokenizer)
    return replace(own, longest=max(own.longest, LONGEST))
