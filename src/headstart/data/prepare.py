"""Read every sample once: images to one channel count and near one area, what cannot be read named."""

import json
import math
import os
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from .images import FolderSource, grid, resize, to_channels
from .source import ArraySource, DataError, Source, Subset, Unreadable

CHUNK = 16  # samples per task: small ones are read faster than a task is handed over
Read = Callable[[int], Any]
Progress = Callable[[int, int], None]


class Prepared:
    """The readable samples of a source, ready to be cut into tokens.

    `samples` are at hand, unless it is None: then there was no room to keep them, and each is read when asked for.
    """

    def __init__(
        self,
        source: Source,
        read: Read,
        origin: np.ndarray,
        bad: list[Unreadable],
        samples: Source | np.ndarray | list[Any] | None,
    ):
        self.source, self.kind, self.classes = source, source.kind, source.classes
        self.origin = origin  # int64 [n]: where each sample stands in the source
        self.bad = bad
        self.labels = None if source.labels is None else source.labels[origin]
        self.samples = samples
        self._read = read

    @property
    def lazy(self) -> bool:
        return self.samples is None

    def __len__(self) -> int:
        return len(self.origin)

    def __getitem__(self, index: int) -> Any:
        return self._read(int(self.origin[index])) if self.samples is None else self.samples[index]

    def name(self, index: int) -> str:
        return self.source.name(int(self.origin[index]))

    def describe(self) -> str:
        left_out = f", {len(self.bad):,} unreadable left out" if self.bad else ""
        return f"{self.source.describe()}{left_out}; {'read when needed' if self.lazy else 'kept in memory'}"

    def write_bad(self, path: str | Path) -> None:
        """One line of JSON for each sample left out: {"path", "reason"}."""
        path = Path(path)
        part = path.with_name(path.name + ".part")
        lines = [json.dumps({"path": e.where, "reason": e.reason}) for e in self.bad]
        part.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        part.replace(path)


def prepare(
    source: Source,
    area: int,
    multiple: int,
    channels: int | None = None,
    workers: int = 2,
    memory: int | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Images near `area` = H*W, with sides that are multiples of `multiple`; series and texts checked only.

    Without `channels`, 64 samples spread over the source decide: 3 if any has 3, else the count that most
    have. Samples that would take more than `memory` bytes (a quarter of what is free) are read when asked for
    instead.
    """
    if source.kind == "image" and (multiple < 1 or area < multiple**2):
        raise DataError(f"an area of {area} holds no {multiple}x{multiple} patch: raise the area or lower the multiple")
    if len(source) == 0:
        raise DataError(f"{source.describe()}: there is nothing to prepare")
    unchanged = _needs_no_change(source, area, multiple, channels)
    if unchanged or source.kind != "image":
        good = np.arange(len(source), dtype=np.int64)
        bad: list[Unreadable] = []
        if not (isinstance(source, ArraySource) and source.dtype in (np.uint8, np.uint16)):
            good, bad, _ = _read_all(source, partial(_checked, source), workers, progress, keep=False)
        elif progress is not None:
            progress(len(source), len(source))  # whole numbers need no look: none of them can be wrong
        return Prepared(source, source.__getitem__, good, bad, Subset(source, good) if bad else source)
    smaller = _reduced(source, area)
    count, bytes_each = _look(source, smaller, area, multiple, channels)
    fit = partial(_fitted, source, smaller, area, multiple, count)
    if bytes_each * len(source) > (_free_memory() // 4 if memory is None else memory):
        # read once all the same: which samples are good must be known before any is set aside, and not change later
        good, bad, _ = _read_all(source, fit, workers, progress, keep=False)
        return Prepared(source, fit, good, bad, None)
    good, bad, samples = _read_all(source, fit, workers, progress, keep=True)
    return Prepared(source, fit, good, bad, _gathered(samples))


def _gathered(samples: list[np.ndarray]) -> np.ndarray | list[np.ndarray]:
    """The same samples, those of one form in one array; one array if all are alike.

    Thousands of small blocks would lie all over the heap and slow down every allocation from then on (docs/log.md).
    """
    places: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for i, sample in enumerate(samples):
        places[sample.shape, sample.dtype].append(i)
    if len(places) == 1:
        return np.stack(samples)
    for at in places.values():
        for i, sample in zip(at, np.stack([samples[i] for i in at]), strict=True):
            samples[i] = sample
    return samples


def _needs_no_change(source: Source, area: int, multiple: int, channels: int | None) -> bool:
    if not isinstance(source, ArraySource) or source.kind != "image":
        return False
    count, height, width = source.shape
    return channels in (None, count) and grid(height, width, area, multiple) == (height, width)


def _reduced(source: Source, area: int) -> Source:
    if isinstance(source, Subset):
        return Subset(_reduced(source.source, area), source.indices)
    return source.reduced(area) if isinstance(source, FolderSource) else source


def _checked(source: Source, index: int) -> Any:
    sample = source[index]
    what = f"{getattr(sample, 'dtype', type(sample).__name__)} of shape {list(np.shape(sample))}"
    reason = None
    if source.kind == "text":
        if not isinstance(sample, str) or not sample.strip():
            reason = "the text is empty"
    elif source.kind == "image":
        if sample.ndim != 3 or 0 in sample.shape or sample.dtype not in (np.uint8, np.uint16, np.float32):
            reason = f"the image is {what}, not uint8, uint16 or float32 of shape [C, H, W]"
    elif sample.ndim != 2 or 0 in sample.shape or sample.dtype != np.float32:
        reason = f"the series is {what}, not float32 of shape [C, L]"
    if reason is None and source.kind != "text" and not np.isfinite(sample).all():
        reason = f"the {source.kind} holds NaN or infinite values"
    if reason is not None:
        raise Unreadable(source.name(index), reason)
    return sample


def _fitted(source: Source, smaller: Source, area: int, multiple: int, channels: int, index: int) -> np.ndarray:
    try:
        return to_channels(resize(_checked(smaller, index), area, multiple), channels)
    except Unreadable as error:
        raise Unreadable(source.name(index), error.reason) from error


def _look(source: Source, smaller: Source, area: int, multiple: int, channels: int | None) -> tuple[int, float]:
    """The channel count to bring all images to, and the bytes one of them takes, judged by a few."""
    spread = set(np.linspace(0, len(source) - 1, 64).astype(int).tolist())
    counts: Counter[int] = Counter()
    sizes: list[int] = []
    bad: list[Unreadable] = []
    for index in chain(sorted(spread), (i for i in range(len(source)) if i not in spread)):
        if sizes and len(sizes) + len(bad) >= len(spread):
            break  # the rest is looked at only until one can be read
        try:
            sample = _checked(smaller, index)
        except Unreadable as error:
            bad.append(Unreadable(source.name(index), error.reason))
            continue
        counts[len(sample)] += 1
        sizes.append(math.prod(grid(sample.shape[1], sample.shape[2], area, multiple)) * sample.dtype.itemsize)
    if not sizes:
        raise _none_usable(source, bad)
    if channels is None:
        channels = 3 if 3 in counts else counts.most_common(1)[0][0]
    return channels, channels * float(np.mean(sizes))


def _read_all(
    source: Source, read: Read, workers: int, progress: Progress | None, keep: bool
) -> tuple[np.ndarray, list[Unreadable], list[Any]]:
    """The indices that can be read, what was wrong with the others, and the samples if kept; all in order."""
    good: list[int] = []
    bad: list[Unreadable] = []
    samples: list[Any] = []

    def task(start: int) -> list[Any]:
        out: list[Any] = []
        for index in range(start, min(start + CHUNK, len(source))):
            try:
                sample = read(index)
                out.append(sample if keep else None)
            except Unreadable as error:
                out.append(error)
        return out

    starts = iter(range(0, len(source), CHUNK))
    pool = ThreadPoolExecutor(max(1, workers))
    try:
        ahead = deque(pool.submit(task, start) for start in islice(starts, 4 * max(1, workers)))
        index = 0
        while ahead:
            for result in ahead.popleft().result():
                if isinstance(result, Unreadable):
                    bad.append(result)
                else:
                    good.append(index)
                    samples.append(result)
                index += 1
            ahead.extend(pool.submit(task, start) for start in islice(starts, 1))
            if progress is not None:
                progress(index, len(source))
    finally:
        pool.shutdown(cancel_futures=True)
    if not good:
        raise _none_usable(source, bad)
    return np.array(good, dtype=np.int64), bad, samples


def _none_usable(source: Source, bad: list[Unreadable]) -> DataError:
    reasons = "; ".join(str(error) for error in bad[:3])
    more = f" (and {len(bad) - 3:,} more)" if len(bad) > 3 else ""
    return DataError(f"no usable {source.kind} in {source.describe()}: {reasons}{more}. Mend them or give other data")


def _free_memory() -> int:
    for pages, share in (("SC_AVPHYS_PAGES", 1.0), ("SC_PHYS_PAGES", 0.5)):  # macOS cannot tell what is free
        try:
            return int(os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE") * share)
        except (AttributeError, ValueError, OSError):
            continue
    return 4 * 2**30
