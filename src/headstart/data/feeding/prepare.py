"""Read every sample once, in the form its tokenizer wants; what cannot be read is named."""

import json
import os
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from ...errors import Unreadable
from ...forms import Sample
from ...tokens import Tokenizer, Tokens
from ...writing import write_text
from ..source import DataError, Source, Subset
from ..sources.array import ArraySource
from ..sources.files import FileSource, begun
from ..sources.windows import nbytes
from .loader import Form, PairTokenizer, form, form_for

CHUNK = 16  # samples per task: small ones are read faster than a task is handed over
LOOK = 64  # samples that say how much room one takes
Read = Callable[[int], Sample]
Progress = Callable[[int, int], None]


class StandsIn(Protocol):
    """Who is taken for samples that can be read no more."""

    def instead(self, index: int) -> int: ...  # the number of the sample itself, or of the one that stands for it
    def lost(self, index: int, error: Unreadable) -> None: ...  # from now on another one stands for it


class Prepared:
    """The readable samples of a source, fitted, ready to be cut into tokens.

    `samples` are at hand, unless it is None: then there was no room to keep them, and each is read when asked for.
    """

    def __init__(
        self,
        source: Source,
        read: Read,
        origin: np.ndarray,
        bad: list[Unreadable],
        samples: Source | np.ndarray | list[Sample] | None,
        tokenizer: Tokenizer | PairTokenizer,
    ):
        self.source, self.kind, self.classes = source, source.kind, source.classes
        self.origin = origin  # int64 [n]: where each sample stands in the source
        self.bad = [*source.bad, *bad]
        self.labels = None if source.labels is None else source.labels[origin]
        self.groups = None if source.groups is None else source.groups[origin]
        self.samples = samples
        self.tokenizer = tokenizer
        self.missing: StandsIn | None = None
        self._read = read
        self._made: dict[int, tuple[Form, Sample]] = {}
        self._asked: tuple[Tokenizer | PairTokenizer, bool] = (tokenizer, True)
        self.keeps = not self.lazy and not isinstance(samples, np.ndarray | ArraySource | Subset)

    @property
    def lazy(self) -> bool:
        return self.samples is None

    @cached_property
    def whole(self) -> np.ndarray:
        """Which samples of pairs have every part."""
        there = [all(part is not None for part in self[i].values()) for i in range(len(self))]
        return np.flatnonzero(there)

    def __len__(self) -> int:
        return len(self.origin)

    def __getitem__(self, index: int) -> Sample:
        while True:
            at = index if self.missing is None else self.missing.instead(index)
            if self.samples is not None:
                return self.samples[at]
            try:
                return self._read(int(self.origin[at]))
            except Unreadable as error:
                if self.missing is None:
                    raise
                self.missing.lost(at, error)

    def placed(self, at: np.ndarray) -> "Prepared":
        """The same samples in another order: number i is what was number at[i]."""
        had = self.samples
        samples = had if had is None else had[at] if isinstance(had, np.ndarray) else [had[i] for i in at.tolist()]
        made = Prepared(self.source, self._read, self.origin[at], [], samples, self.tokenizer)
        made.bad, made.keeps = list(self.bad), self.keeps
        return made

    def made_by(self, tokenizer: Tokenizer | PairTokenizer) -> bool:
        """Whether the rows that it keeps are those of this tokenizer (the last answer is known: some are long to compare)."""
        if tokenizer is not self._asked[0]:
            self._asked = tokenizer, tokenizer == self.tokenizer
        return self._asked[1]

    def ready(self, index: int, cut: bool = True) -> tuple[Form, Sample]:
        """(form, sample) as the loader takes it. Rows are made once and kept; of arrays only where these have many shapes, as a
        stack of one shape is cut cheaply, and rows take more room than pixels."""
        if index in self._made and (cut or not isinstance(self[index], np.ndarray)):
            return self._made[index]
        made = form_for(self[index], self.tokenizer)
        shape, array = form(made), isinstance(made, np.ndarray)
        if self.keeps and (cut or not array):
            rows = self.tokenizer(made) if array and not isinstance(self.tokenizer, PairTokenizer) else made
            self._made[index] = shape, rows
            return self._made[index]
        return shape, made

    def name(self, index: int) -> str:
        return self.source.name(int(self.origin[index]))

    def describe(self) -> str:
        left_out = f", {len(self.bad):,} unreadable left out" if self.bad else ""
        return f"{self.source.describe()}{left_out}; {'read when needed' if self.lazy else 'kept in memory'}"

    def write_bad(self, path: str | Path) -> None:
        """One line of JSON for each sample left out: {"path", "reason"}."""
        lines = [json.dumps({"path": e.where, "reason": e.reason}) for e in self.bad]
        write_text(Path(path), "".join(line + "\n" for line in lines))


def prepare(
    source: Source,
    tokenizer: Tokenizer | PairTokenizer,
    workers: int = 2,
    memory: int | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Every sample as `tokenizer.fitted` has it.

    Samples that would take more than `memory` bytes (a quarter of what is free) are read when asked for instead.
    """
    if len(source) == 0:
        raise DataError(f"{source.describe()}: there is nothing to prepare")
    if _stays(source, tokenizer):
        if progress is not None:
            progress(len(source), len(source))  # whole numbers need no look: none of them can be wrong
        return Prepared(source, source.__getitem__, np.arange(len(source), dtype=np.int64), [], source, tokenizer)
    fit = partial(fitted, source, reduced(source, tokenizer.area), tokenizer)
    room = _free_memory() // 4 if memory is None else memory
    # read once all the same: which samples are good must be known before any is set aside, and not change later
    each, cut = _bytes_each(source, fit, tokenizer)
    keep = each * len(source) <= room
    good, bad, samples = _read_all(source, fit, workers, progress, keep)
    prepared = Prepared(source, fit, good, bad, _gathered(samples) if keep else None, tokenizer)
    prepared.keeps &= cut * len(source) <= room
    return prepared


def fitted(source: Source, smaller: Source, tokenizer: Tokenizer | PairTokenizer, index: int) -> Sample:
    """One sample as its tokenizer has it, or Unreadable with its name."""
    try:
        return tokenizer.fitted(smaller[index])
    except Unreadable as error:
        raise Unreadable(source.name(index), error.reason) from error


def few(source: Source, count: int) -> list[Sample]:
    """Up to `count` readable samples spread over the source, as they are read, of long files the beginning; the first readable
    ones if none of these is."""
    out: list[Sample] = []
    bad: list[Unreadable] = []
    spread = np.unique(np.linspace(0, len(source) - 1, count).astype(int)).tolist()
    seen = set(spread)
    for index in [*spread, *(i for i in range(len(source)) if i not in seen)]:
        if out and index not in seen:
            break
        try:
            out.append(begun(source, int(index)))
        except Unreadable as error:
            bad.append(error)
    if not out:
        raise _none_usable(source, bad)
    return out


def reduced(source: Source, area: int | None) -> Source:
    """The same samples, decoded no larger than `area` needs where the format allows it."""
    if area is None:
        return source
    if isinstance(source, Subset):
        return Subset(reduced(source.source, area), source.indices)
    return source.reduced(area) if isinstance(source, FileSource) else source


def _stays(source: Source, tokenizer: Tokenizer | PairTokenizer) -> bool:
    """An array of whole numbers whose samples are in form already: nothing to read, change or refuse."""
    if not isinstance(source, ArraySource) or source.dtype not in (np.uint8, np.uint16):
        return False
    first = source[0]
    try:
        return tokenizer.fitted(first) is first
    except Unreadable:
        return False


def _gathered(samples: list[Sample]) -> np.ndarray | list[Sample]:
    """The same samples, arrays of one form in one array; one array if all are alike.

    Thousands of small blocks would lie all over the heap and slow down every allocation from then on (docs/log.md).
    """
    places: dict[tuple[tuple[int, ...], np.dtype], list[int]] = defaultdict(list)
    for i, sample in enumerate(samples):
        if isinstance(sample, np.ndarray):
            places[sample.shape, sample.dtype].append(i)
    if len(places) == 1 and sum(map(len, places.values())) == len(samples):
        return np.stack(samples)
    for at in places.values():
        for i, sample in zip(at, np.stack([samples[i] for i in at]), strict=True):
            samples[i] = sample
    return samples


def _bytes_each(source: Source, fit: Read, tokenizer: Tokenizer | PairTokenizer) -> tuple[float, float]:
    """The bytes that a fitted sample takes, and that its rows take, judged by a few."""
    sizes, cut = [], []
    for index in np.unique(np.linspace(0, len(source) - 1, LOOK).astype(int)):
        try:
            sample = fit(int(index))
        except Unreadable:
            continue
        sizes.append(nbytes(sample))
        made = form_for(sample, tokenizer)
        if isinstance(made, np.ndarray) and not isinstance(tokenizer, PairTokenizer):
            made = tokenizer(made)
        for part in made.values() if isinstance(made, dict) else [made]:
            if isinstance(part, Tokens):
                cut.append(1000 + part.values.nbytes + part.coords.nbytes)
    return float(np.mean(sizes or 0)), float(np.sum(cut)) / max(1, len(sizes))


def _read_all(
    source: Source, read: Read, workers: int, progress: Progress | None, keep: bool
) -> tuple[np.ndarray, list[Unreadable], list[Sample]]:
    """The indices that can be read, what was wrong with the others, and the samples if kept; all in order."""
    good: list[int] = []
    bad: list[Unreadable] = []
    samples: list[Sample] = []

    def task(start: int) -> list[Sample]:
        out: list[Sample] = []
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
