"""What is kept of every sample of a source, a few hundred bytes each, and which samples are the same by it."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from ..data.finding.likeness import alike, content, look, near_pairs, signature
from ..data.sniff import MEASURED, channels_of, main_of, rate_of, size_of
from ..data.source import Source
from ..data.sources.cached import Remembered
from ..data.sources.pair import PairSource
from ..dist import divided
from ..errors import Unreadable
from ..forms import Sample
from ..outliers import channels

SIGNALS = frozenset(
    {"image", "multispectral", "video", "volume", "audio", "series", "field"}
)  # constant ones say nothing
TEXTS = frozenset({"text", "code"})  # of which letter case and white space do not matter
CHUNK = 16

Named = list[tuple[str, str]]  # (name, reason)
Row: TypeAlias = tuple[Any, ...]  # (what is wrong, then a value for each list of Traits)


@dataclass
class Traits:
    """What is kept of every sample of a source; None where it could not be read.

    ends: of each channel its lowest value and how often it stands there, its highest and how often.
    """

    source: Source
    bad: Named
    content: list[bytes | None]
    likeness: list[bytes | None]
    look: list[tuple[int, np.ndarray] | None]
    plain: list[str | None]
    size: list[tuple[int, ...] | None]
    channels: list[int | None]
    rate: list[float | None]
    ends: list[np.ndarray | None]


def traits(
    source: Source, progress: Callable[[int, int], None] | None = None, say: Callable[[str], None] | None = None
) -> Traits:
    """Read every sample once, in threads, and keep a few hundred bytes of each, for the next time, too.

    say: is told in a line how many were known.
    """
    bad = [(error.where, error.reason) for error in source.bad]
    memory = Remembered(source, "traits")

    def made(first: int, end: int) -> list[Row]:
        """Of these samples, by this process."""
        rows: list[Row] = []

        def some(start: int) -> list[Row]:
            return [_traits_of(source, i, memory) for i in range(start, min(start + CHUNK, end))]

        with ThreadPoolExecutor(min(8, os.cpu_count() or 2)) as pool:
            for chunk in pool.map(some, range(first, end, CHUNK)):
                rows += chunk
                if progress is not None:
                    progress(len(rows), end - first)
        return rows

    rows = [row for part in divided(len(source), made) for row in part]
    bad += [wrong for row in rows for wrong in row[0]]
    if say is not None and (said := memory.said()):
        say(said)
    columns = [list(column) for column in zip(*(row[1:] for row in rows), strict=True)] or [[] for _ in range(8)]
    return Traits(source, bad, *columns)


def same(keys: Sequence[bytes | None]) -> list[list[int]]:
    """Groups of two or more numbers with equal keys, in order of the first."""
    at: dict[bytes, list[int]] = defaultdict(list)
    for i, key in enumerate(keys):
        if key is not None:
            at[key].append(i)
    return [group for group in at.values() if len(group) > 1]


def nearly(of: Traits) -> list[list[int]]:
    """Groups of samples that are not the same and nearly so; of identical ones the first stands for all."""
    first: dict[bytes, int] = {}
    for i, key in enumerate(of.content):
        if key is not None:
            first.setdefault(key, i)
    at = sorted(first.values())
    pairs = [p for group in same([of.likeness[i] for i in at]) for p in pairwise(at[g] for g in group)]
    pairs += [(at[i], at[j]) for i, j in pairs_alike([of.look[i] for i in at])]
    return _groups(pairs)


def pairs_alike(looks: Sequence[tuple[int, np.ndarray] | None]) -> list[tuple[int, int]]:
    """Pairs of pictures that look the same."""
    at = np.array([i for i, seen in enumerate(looks) if seen is not None], np.int64)
    if len(at) < 2:
        return []
    hashes = np.array([looks[i][0] for i in at.tolist()], np.uint64)  # type: ignore[index]
    small = np.stack([looks[i][1] for i in at.tolist()])  # type: ignore[index]
    order = np.argsort(hashes, kind="stable")
    distinct, begin = np.unique(hashes[order], return_index=True)
    within = np.flatnonzero(np.diff(hashes[order]) == 0)  # neighbours of one hash
    batches: list[tuple[np.ndarray, np.ndarray]] = [(order[within], order[within + 1])]
    pairs: set[tuple[int, int]] = set()
    for i, j in [*batches, *((order[begin[a]], order[begin[b]]) for a, b in near_pairs(distinct))]:
        for part in np.array_split(np.arange(len(i)), len(i) // 65_536 + 1):
            ok = alike(small[i[part]], small[j[part]]) if len(part) else np.zeros(0, bool)
            pairs |= set(zip(at[i[part][ok]].tolist(), at[j[part][ok]].tolist(), strict=True))
    return sorted(pairs)


def _groups(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Connected numbers, smallest first."""
    root: dict[int, int] = {}

    def find(i: int) -> int:
        while root.setdefault(i, i) != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for i, j in pairs:
        a, b = find(i), find(j)
        root[max(a, b)] = min(a, b)
    found: dict[int, list[int]] = defaultdict(list)
    for i in sorted(root):
        found[find(i)].append(i)
    return sorted(found.values())


def _traits_of(source: Source, index: int, memory: Remembered) -> Row:
    """(what is wrong, content, likeness, look, why it is plain, size, channels, rate, ends)"""
    name = source.name(index)
    try:
        if not isinstance(source, PairSource):
            return ([], *memory(index, lambda: _said_of(source[index], source.kind)))
        sample, missing = source.parts(index)
    except Unreadable as error:
        return ([(name, error.reason)], *[None] * 8)
    wrong = [(f"{name}, {part}", reason) for part, reason in missing.items()]
    return (wrong, *_said_of(sample, source.kind))


def _said_of(sample: Sample, kind: str) -> Row:
    main = main_of(sample)
    plain = _plain(sample, main, kind)
    seen = None if kind != "image" or plain or not isinstance(main, np.ndarray) else look(main)
    said = None if kind not in SIGNALS | TEXTS or kind == "image" or plain else signature(main)
    ends = _ends(main) if kind in MEASURED and isinstance(main, np.ndarray) and not plain else None
    return (content(sample), said, seen, plain, size_of(sample), channels_of(sample, kind), rate_of(sample), ends)


def _ends(values: np.ndarray) -> np.ndarray | None:
    if values.dtype.kind not in "iuf":
        return None
    ends = np.zeros((len(flat := channels(values)), 4))
    for row, end in zip(flat, ends, strict=True):
        known = row[np.isfinite(row)]
        if len(known):
            low, high = known.min(), known.max()
            end[:] = low, (known == low).sum(), high, (known == high).sum()
    return ends


def _plain(sample: Sample, main: Sample, kind: str) -> str | None:
    if isinstance(sample, str):
        return None if sample.strip() else "it is empty"
    if kind == "table" and isinstance(sample, dict):
        return "every cell is missing" if all(v is None for k, v in sample.items() if k) else None
    if isinstance(main, np.ndarray | list) and not len(main):
        return "it is empty"
    if isinstance(main, np.ndarray) and not main.size:
        return "it is empty"
    if kind not in SIGNALS or not isinstance(main, np.ndarray) or main.dtype.kind not in "biuf":
        return None
    known = main[np.isfinite(main)] if main.dtype.kind == "f" else main
    if not known.size:
        return "every value is missing"
    low, high = known.min(), known.max()
    return f"every value is {low:g}" if low == high and main.size > 1 else None
