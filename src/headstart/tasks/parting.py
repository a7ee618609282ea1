"""Recordings, parted into stretches that are learnt from and stretches that judge, none of which overlap."""

from dataclasses import dataclass

import numpy as np

from ..data.feeding.prepare import Prepared
from ..data.sources.windows import Windows
from ..errors import Mistake
from .dividing import held_out

MANY = 10  # recordings from which on whole ones are held back
LEARNT, JUDGING = 16, 4  # futures that do not overlap, at least
KEPT = 0.8  # of all values: contexts are so short that recordings with as many of them can be cut


@dataclass(frozen=True)
class Lay:
    """Where recordings lie in time. length: of each piece of one. whole: which recording it is of, from 0. offset: where it
    begins in it. group: recordings of one group are never parted."""

    length: np.ndarray
    whole: np.ndarray
    offset: np.ndarray
    group: np.ndarray

    @property
    def full(self) -> np.ndarray:
        """The length of each recording."""
        return np.bincount(self.whole, self.length).astype(np.int64)


@dataclass(frozen=True)
class Parting:
    """until: of each piece, the values that are learnt from; since: the first one that judges. in_time: recordings are parted,
    not kept whole."""

    lay: Lay
    context: int
    horizon: int
    until: np.ndarray
    since: np.ndarray
    in_time: bool

    @property
    def total(self) -> int:
        return self.context + self.horizon

    @property
    def judging(self) -> np.ndarray:
        """How many values of each piece judge."""
        return self.lay.length - self.since

    @property
    def futures(self) -> tuple[int, int]:
        """How many that do not overlap there are to learn from, and to judge by."""
        learnt, judging = (np.maximum(0, (x - self.context) // self.horizon) for x in (self.until, self.judging))
        return int(learnt.sum()), int(judging.sum())

    @property
    def enough(self) -> bool:
        learnt, judging = self.futures
        return learnt >= LEARNT and judging >= JUDGING


def laid(recordings: Prepared) -> Lay:
    """Pieces of one recording, where it was too long to be read at once, follow each other."""
    length = np.array([recordings[i].shape[1] for i in range(len(recordings))], np.int64)
    inner = recordings.source
    names = inner.recording[recordings.origin] if isinstance(inner, Windows) else recordings.origin
    _, first, whole = np.unique(names, return_index=True, return_inverse=True)
    before = np.cumsum(length) - length
    groups = whole if recordings.groups is None else np.unique(recordings.groups, return_inverse=True)[1]
    return Lay(length, whole, before - before[first][whole], groups)


def usual(lay: Lay, read: int, horizon: int, shortest: int) -> int:
    """The values of a context: as many as the encoder reads, or fewer where recordings that hold KEPT of all values would be too
    short for that."""
    order = np.argsort(-lay.full)
    share = np.cumsum(lay.full[order]) / lay.full.sum()
    least = int(lay.full[order][np.searchsorted(share, KEPT)])
    return int(np.clip(least - horizon, shortest, max(shortest, read)))


def parted(lay: Lay, context: int, horizon: int, share: float, seed: int) -> Parting:
    """Whole recordings judge where there are many, else the last stretch of each that is long enough for both."""
    total = context + horizon
    fits = np.flatnonzero(lay.length >= total)
    groups = lay.group[fits]
    if len(np.unique(groups)) >= MANY:
        held = np.unique(groups[held_out(np.zeros(len(fits), np.float32), groups, share, seed)])
        border = np.where(np.isin(lay.group, held), 0, lay.length)
        return Parting(lay, context, horizon, border, border, False)
    full = lay.full[lay.whole]
    last = np.where(full >= 2 * total, np.maximum(np.ceil(share * full).astype(np.int64), total), 0)
    border = np.clip(full - last - lay.offset, 0, lay.length)
    return Parting(lay, context, horizon, border, border, True)


def settled(lay: Lay, context: int, horizon: int, share: float, seed: int, shortest: int) -> Parting:
    """With contexts halved until there are enough futures, but not below `shortest`; a Mistake where there never are."""
    parting = parted(lay, context, horizon, share, seed)
    while not parting.enough:
        shorter = max(shortest, parting.context // 2)
        if shorter >= parting.context:
            learnt, judging = parting.futures
            raise Mistake(
                f"these recordings hold {learnt + judging} futures of {horizon:,} values, with {parting.context:,} before them, "
                f"that do not overlap, and {judging} of them could judge: too few, {LEARNT} to learn from and {JUDGING} to judge "
                "by are the least; give longer or more recordings, or a smaller horizon="
            )
        parting = parted(lay, shorter, horizon, share, seed)
    return parting


def moments(recordings: Prepared, parting: Parting, period: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(spread, mean absolute difference of values `period` apart) of each channel of what is learnt from; of a channel that is
    not in it, or never changes, the mean of the others."""
    each = [recordings[int(i)][:, : parting.until[i]].astype(np.float64) for i in np.flatnonzero(parting.until)]
    apart = [np.abs(x[:, period:] - x[:, :-period]) for x in each]
    counts, steps = (sum((~np.isnan(x)).sum(1) for x in xs) for xs in (each, apart))
    totals, off = (sum(np.nansum(x, 1) for x in xs) for xs in (each, apart))
    mean = totals / np.maximum(counts, 1)
    away = sum(np.nansum((x - mean[:, None]) ** 2, 1) for x in each)
    spread = _completed(np.sqrt(away / np.maximum(counts, 1)), np.ones(len(mean)))
    return tuple(spread.tolist()), tuple(_completed(off / np.maximum(steps, 1), spread).tolist())


def _completed(values: np.ndarray, instead: np.ndarray) -> np.ndarray:
    known = values > 0
    return np.where(known, values, values[known].mean()) if known.any() else instead
