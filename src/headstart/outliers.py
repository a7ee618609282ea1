"""Numbers far outside the rest, which must not carry mean and spread away; and sentinels, numbers that mean "not measured".

What is usual is said by all values but the outermost few. What lies far beyond is clipped and enters no mean. A number that
people write for "not measured" (-9999, 1e9) and that lies far out is a sentinel: it counts as missing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

SHARE, FEW = 0.0005, 3  # of the values at either end, and at least so many: they do not say what is usual
FAR = 3.0  # usual ranges outside the usual one: what lies further out is clipped; a code that is repeated there is a sentinel
SURE = 10.0  # the same for a code that is there once or twice
DISTINCT = 8  # different values from which on there is a range
SOME = 2**20  # values that say what is usual
MOST = float(np.finfo(np.float32).max)  # no limit
CHANNELS, SHOWN = 64, 3  # channels that are looked at, lines that are said
MISSING = "taken as missing"
DOUBT = "taken as a number; write NaN for it (in a table nothing) if it means that nothing was measured"
CLIPPED = "clipped, and no mean or spread counts them"
SATURATED = (32_767, 32_768, 65_535, 2**31 - 1, 2**31, 2**32 - 1)  # fill values, but what a sensor says at its end, too


def _codes() -> np.ndarray:
    nines = [float("9" * n) / 10**k for n in range(3, 11) for k in range(min(n - 1, 3))]
    eights = [float(d * n) for d in "78" for n in range(4, 7)]
    tens = [10.0**n for n in range(6, 39)]
    every = [*nines, *eights, *tens, *SATURATED, 9.969209968386869e36]  # the last is netCDF's
    return np.unique(np.array([*every, *(-v for v in every)], np.float32))


CODES = _codes()


class Usual(NamedTuple):
    """What is usual in a channel. first, last: nearly all values lie between. low, high: what lies beyond is clipped.

    missing: sentinels. doubtful: codes that are repeated outside, and may be sentinels or mean what they say.
    """

    first: float = -MOST
    last: float = MOST
    low: float = -MOST
    high: float = MOST
    missing: tuple[float, ...] = ()
    doubtful: tuple[float, ...] = ()


class Column(NamedTuple):
    """A channel or column: its name, its values [n] in every sample, and what is usual in it."""

    name: str
    parts: Sequence[np.ndarray]
    usual: Usual


def usual(parts: Sequence[np.ndarray]) -> Usual:
    """What is usual among these values [n] of one channel, as float32 has them; what is not finite says nothing."""
    step = max(1, sum(map(len, parts)) // SOME)
    values, counts = np.unique(_joined([x[::step] for x in parts]), return_counts=True)
    ordinary = np.isfinite(values) & ~np.isin(values, CODES)
    values, counts = values[ordinary], counts[ordinary]
    if len(values) < 2:
        return Usual()
    first, last = _ends(values, counts)
    width = last - first
    far = _joined([x[(x < first - width) | (x > last + width)] for x in parts])
    outside, times = np.unique(far, return_counts=True)
    missing: list[float] = []
    doubtful: list[float] = []
    for value, n in zip(outside.tolist(), times.tolist(), strict=True):
        if np.float32(value) in CODES:
            gap = max(first - value, value - last) / width
            sure = gap > (FAR if n >= FEW else SURE) and abs(value) not in SATURATED
            (missing if sure else doubtful if n >= FEW else []).append(value)
    wide = len(values) >= DISTINCT
    low, high = (max(-MOST, first - FAR * width), min(MOST, last + FAR * width)) if wide else (-MOST, MOST)
    return Usual(first, last, float(np.float32(low)), float(np.float32(high)), tuple(missing), tuple(doubtful))


def cleaned(
    values: np.ndarray, low: Sequence[float], high: Sequence[float], missing: Sequence[Sequence[float]]
) -> np.ndarray:
    """Values [C, ...] float32, sentinels NaN and the rest within these limits of each channel; itself if that changes nothing."""
    out = values
    for channel, (row, a, b, codes) in enumerate(zip(values, low, high, missing, strict=True)):
        gone = sentinels(row, codes)
        if ((row < a) | (row > b) | gone).any():
            out = values.copy() if out is values else out
            out[channel] = np.where(gone, np.float32(np.nan), row.clip(np.float32(a), np.float32(b)))
    return out


def sentinels(values: np.ndarray, missing: Sequence[float]) -> np.ndarray:
    """Where values, as float32 has them, are one of these."""
    if not missing:
        return np.zeros(values.shape, bool)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.isin(values.astype(np.float32, copy=False), np.array(missing, np.float32))


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.concatenate([np.zeros(0, np.float32), *(x.astype(np.float32, copy=False) for x in parts)])


def _ends(values: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Between which of these rising values nearly all lie; where nearly all are one, all of the others count."""
    for drop in (max(FEW, int(SHARE * counts.sum())), 0):
        below = np.cumsum(counts)
        inside = (below > drop) & (below[-1] - below + counts > drop)
        if inside.sum() > 1:
            break
    found = values[inside]
    return float(found[0]), float(found[-1])


def channels(values: np.ndarray) -> np.ndarray:
    """[C, n] of an array [C, ...] or [n]: at most CHANNELS channels, NaN where it is masked."""
    whole = values if values.ndim > 1 else values[None]
    flat = whole[:CHANNELS].reshape(min(len(whole), CHANNELS), -1)
    return np.ma.filled(flat.astype(np.float32), np.nan) if np.ma.is_masked(flat) else np.asarray(flat)


def by_channel(arrays: Sequence[np.ndarray]) -> list[Column]:
    """Each channel of arrays [C, ...], of those with the commonest C."""
    flat = [channels(x) for x in arrays if x.dtype.kind in "iuf" and x.size]
    if not flat:
        return []
    count = Counter(map(len, flat)).most_common(1)[0][0]
    each = [[x[i] for x in flat if len(x) == count] for i in range(count)]
    return [Column(f"channel {i}", parts, usual(parts)) for i, parts in enumerate(each)]


def by_name(rows: Sequence[Mapping[str, object]]) -> list[Column]:
    """Each column of rows in which there are numbers."""
    names = dict.fromkeys(name for row in rows for name in row)
    of = {name: [v for row in rows if type(v := row.get(name)) in (int, float)] for name in names}
    each = {name: [np.array(values, np.float64)] for name, values in of.items() if values}
    return [Column(f"column {name}", parts, usual(parts)) for name, parts in each.items()]


def noted(found: Sequence[Column], done: str) -> list[str]:
    """In a line each, the first few: what lies far outside the rest in a channel, how often, and what is made of it.

    done: what is made of sentinels.
    """
    lines = []
    for name, parts, each in found:
        for value in (*each.missing, *each.doubtful):
            times = [int(sentinels(x, (value,)).sum()) for x in parts]
            what = done if value in each.missing else DOUBT
            lines.append(f"{name}: {value:.7g} stands {_often(times)}, and {between(each)}: {what}")
        far = [((x < each.low) | (x > each.high)) & ~sentinels(x, (*each.missing, *each.doubtful)) for x in parts]
        if done != DOUBT and any(x.any() for x in far):
            lines.append(
                f"{name}: values lie far outside {_often([int(x.sum()) for x in far])}, and {between(each)}: {CLIPPED}"
            )
    return (
        lines if len(lines) <= SHOWN else [*lines[:SHOWN], f"and {len(lines) - SHOWN:,} more channels with such values"]
    )


def _often(times: Sequence[int]) -> str:
    many = f"{sum(times):,} times" if sum(times) > 1 else "once"
    return many if len(times) == 1 else f"{many}, in {sum(map(bool, times)):,} of {len(times):,} samples looked at"


def between(each: Usual) -> str:
    return f"{each.first:.4g} to {each.last:.4g} is usual"
