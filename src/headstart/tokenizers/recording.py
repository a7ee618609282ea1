"""What a series sample says, whatever its form: values, and if known their channels, their rate or their times."""

import re
from collections import Counter
from collections.abc import Iterable, Sized
from dataclasses import dataclass

import numpy as np

from ..errors import Unreadable
from ..forms import Sample

CHANNELS = 1024  # of one sample
_WHAT = re.compile(r"^(eeg|ecg|ekg|emg|eog|meg|lead|channel|ch)[\s_:.-]+|[\s_:.-]+(ref|le|avg|av)$")


@dataclass(frozen=True)
class Recording:
    """values: [C, L] float32, NaN where missing. names: of the channels, () if unknown; no two are equal.

    rate: values in a second, None if unknown. time: [L] seconds from the first value, rising; None if the steps are even.
    """

    values: np.ndarray
    names: tuple[str, ...] = ()
    rate: float | None = None
    time: np.ndarray | None = None


def recording(sample: Sample) -> Recording:
    """An array [C, L] or [L], or {"values", "channels", "rate", "time"} of which all but the values may be left out.

    What is masked (numpy.ma) is missing. Times are seconds, or moments as numpy has them (datetime64).

    Raises Unreadable for anything else. Times in disorder are sorted; where they are even (each nearest to its own place on
    an even grid) they become a rate.
    """
    if not isinstance(sample, dict):
        return Recording(_values(sample))
    if "values" not in sample:
        raise Unreadable("", f"it has no values, only {', '.join(map(str, list(sample)[:5])) or 'nothing'}")
    values = _values(sample["values"])
    names = () if sample.get("channels") is None else _names(sample["channels"], len(values))
    rate = None if sample.get("rate") is None else _rate(sample["rate"])
    if sample.get("time") is None:
        return Recording(values, names, rate)
    time = _numbers(sample["time"], "times")
    if time.shape != values.shape[1:]:
        raise Unreadable("", f"it has {values.shape[1]} values in a channel but times of shape {list(time.shape)}")
    time = time.astype(np.float64)
    if not np.isfinite(time).all():
        raise Unreadable("", "some times are missing or infinite")
    if (np.diff(time) < 0).any():
        order = time.argsort(kind="stable")
        values, time = values[:, order], time[order]
    time = time - time[0]
    if len(time) == 1:
        return Recording(values, names, rate)
    if time[-1] == 0 or not np.isfinite(time[-1]):
        raise Unreadable("", "all its times are one" if time[-1] == 0 else "its times are too far apart")
    steps = len(time) - 1
    if np.abs(time * (steps / time[-1]) - np.arange(len(time))).max() < 0.5:
        return Recording(values, names, steps / float(time[-1]))
    return Recording(values, names, None, time)


def gridded(values: np.ndarray, time: np.ndarray, rate: float, longest: int) -> np.ndarray:
    """Values [C, L] at these times on an even grid of `rate` cells a second, at most `longest` cells; NaN in empty cells.

    Several values of a channel in one cell become their mean.
    """
    place = np.rint(time * rate)
    near = place < longest
    place, values = place[near].astype(np.int64), values[:, near].astype(np.float64)
    size = int(place[-1]) + 1
    seen = ~np.isnan(values)
    count = np.stack([np.bincount(place, row, size) for row in seen])
    total = np.stack([np.bincount(place, row, size) for row in np.where(seen, values, 0.0)])
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def plain(name: str) -> str:
    """A channel's name as all write it: "EEG Fp1-REF" and "FP1" are one channel."""
    short = _WHAT.sub("", _WHAT.sub("", name.strip().lower()))
    return re.sub(r"[\s_.]+", "", short) or name.strip().lower()


def _values(given: object) -> np.ndarray:
    x = _numbers(given, "values")
    x = x[None] if x.ndim == 1 else x
    if x.ndim != 2:
        raise Unreadable("", f"a series is [channels, points], not an array of shape {list(x.shape)}")
    if not x.size:
        raise Unreadable("", f"it is empty: its shape is {list(x.shape)}")
    if len(x) > CHANNELS:
        raise Unreadable("", f"it has {len(x):,} channels, more than {CHANNELS:,}: give [channels, points]")
    with np.errstate(over="ignore"):
        x = x.astype(np.float32, copy=False)
    if np.isinf(x).any():
        raise Unreadable("", "some values are infinite, or too large for 32 bits")
    return x


def _numbers(given: object, what: str) -> np.ndarray:
    if not hasattr(given, "__array__") and not isinstance(given, list | tuple):
        raise Unreadable("", f"its {what} are a {type(given).__name__}, not an array")
    try:
        x = np.asarray(given)
        if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
            x = np.ma.filled(given.astype(np.float64), np.nan)
    except Exception as error:  # whatever a foreign object or a ragged list does
        raise Unreadable("", f"its {what} make no array ({error})") from error
    if x.dtype.kind in "mM" and what == "times":  # moments and durations, in seconds from the first
        exact = x.astype(f"{x.dtype.kind}8[us]")
        x = (exact - exact.reshape(-1)[:1]) / np.timedelta64(1, "s")
    if x.dtype.kind not in "biuf":
        raise Unreadable("", f"its {what} are {x.dtype}, not real numbers")
    return x


def _names(given: object, count: int) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Sized) or not isinstance(given, Iterable) or len(given) != count:
        raise Unreadable("", f"it has {count} channels: give one name for each")
    if not all(isinstance(name, str) for name in given):
        raise Unreadable("", "the names of its channels are not all strings")
    seen: Counter[str] = Counter()
    names = []
    for name in (plain(name[:200]) for name in given):
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    if len(set(names)) < count:
        raise Unreadable("", "the names of its channels are not all different")
    return tuple(names)


def _rate(given: object) -> float:
    x = _numbers([given] if isinstance(given, int | float) else given, "rate")
    if x.size != 1 or not np.isfinite(x).all() or not 1e-9 < float(x.ravel()[0]) < 1e9:
        raise Unreadable("", f"its rate is {given!r:.40}, not a number of values in a second")
    return float(x.ravel()[0])
