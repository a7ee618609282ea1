"""`headstart check`: what is wrong with data before it is learnt from: broken, repeated, empty and odd samples, and leaks."""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ..data.finding.likeness import alike, content, look, near_pairs, signature
from ..data.open import open_source
from ..data.sniff import channels_of, main_of, rate_of, size_of
from ..data.source import Source
from ..data.sources.pair import PairSource
from ..errors import Unreadable
from ..log import Log

SIGNALS = frozenset(
    {"image", "multispectral", "video", "volume", "audio", "series", "field"}
)  # constant ones say nothing
TEXTS = frozenset({"text", "code"})  # of which letter case and white space do not matter
FEW = 8  # samples from which on one can be odd
ODD = 4.0  # times larger or smaller than the median, and SPREAD times the usual distance from it
SPREAD = 6.0
RARE = 0.1  # share up to which another rate or channel count is odd
UNEVEN = 50  # times that the largest class may be larger than the smallest
SHOWN = 3
CHUNK = 16

Named = list[tuple[str, str]]  # (name, reason)


@dataclass(frozen=True)
class Checked:
    """What `check` found. Lists hold names; broken, plain, odd hold (name, reason).

    duplicates, near: groups of the same and of nearly the same samples. conflicts: the same sample under different labels.
    leaks: (name here, name in the labelled set, "the same" or "nearly the same"). balance: samples of each class.
    """

    path: str
    kind: str
    count: int
    broken: Named = field(default_factory=list)
    duplicates: list[list[str]] = field(default_factory=list)
    near: list[list[str]] = field(default_factory=list)
    conflicts: list[list[str]] = field(default_factory=list)
    plain: Named = field(default_factory=list)
    odd: Named = field(default_factory=list)
    balance: dict[str, int] = field(default_factory=dict)
    uneven: list[str] = field(default_factory=list)
    leaks: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def problems(self) -> int:
        return sum(len(getattr(self, name)) for name in PROBLEMS)

    @property
    def status(self) -> int:
        """The exit status: 0 clean, 1 something was found."""
        return 1 if self.problems else 0

    def lines(self) -> list[str]:
        """For people: each kind of problem, how many, and the first few."""
        out = [f"checked   {self.count:,} {self.kind} samples of {self.path}"]
        for name, (title, what) in PROBLEMS.items():
            found = getattr(self, name)
            if found:
                out.append(f"{title:9s} {len(found):,} {what}")
                out += [f"          {_said(item)}" for item in found[:SHOWN]]
                out += [f"          and {len(found) - SHOWN:,} more"] if len(found) > SHOWN else []
        if self.balance:
            most = sorted(self.balance.items(), key=lambda kv: -kv[1])
            out.append(f"classes   {len(most)}: from {most[0][0]} ({most[0][1]:,}) to {most[-1][0]} ({most[-1][1]:,})")
        return out if self.problems else [*out, "clean     nothing was found"]


PROBLEMS = {
    "broken": ("broken", "that cannot be read"),
    "duplicates": ("same", "groups of identical samples"),
    "near": ("alike", "groups of nearly identical samples"),
    "conflicts": ("labels", "groups of identical samples with different labels"),
    "plain": ("empty", "constant or empty samples"),
    "odd": ("odd", "samples of unusual size, rate or channels"),
    "uneven": ("classes", "classes with far fewer samples than the largest"),
    "leaks": ("leaks", "samples that are in the labelled set, too"),
}


@dataclass
class Traits:
    """What is kept of every sample of a source; None where it could not be read."""

    source: Source
    bad: Named
    content: list[bytes | None]
    likeness: list[bytes | None]
    look: list[tuple[int, np.ndarray] | None]
    plain: list[str | None]
    size: list[tuple[int, ...] | None]
    channels: list[int | None]
    rate: list[float | None]


def check(
    where: Any,
    labelled: Any = None,
    out: str | Path | None = None,
    log: Log | None = None,
    kind: str | None = None,
    label: str | None = None,
) -> Checked:
    """Look at every sample of `where`, say what is wrong, and write all of it as JSON to `out` (check-<name>.json here).

    labelled: a set that an encoder will be judged on; what is in both is a leak. Pictures are nearly the same if only size,
    compression or brightness differ; signals, if gain or offset do; texts, if letter case or white space do. kind, label: what
    to read where a folder holds several kinds, and the column of the labels.
    """
    log = log or Log()
    source = open_source(where, kind, label)
    log.say(f"found     {source.describe()}")
    here = traits(source, log.progress("checking"))
    there = (
        None
        if labelled is None
        else traits(open_source(labelled, source.kind), log.progress("checking the labelled set"))
    )
    duplicates = same(here.content)
    name = source.name
    found = Checked(
        path=str(where) if isinstance(where, str | Path) else type(where).__name__,
        kind=source.kind,
        count=len(source),
        broken=here.bad + ([] if there is None else [(f"labelled: {n}", reason) for n, reason in there.bad]),
        duplicates=[[name(i) for i in group] for group in duplicates],
        near=[[name(i) for i in group] for group in nearly(here)],
        conflicts=[[f"{name(i)} ({_label(source, i)})" for i in g] for g in duplicates if _disagree(source, g)],
        plain=[(name(i), reason) for i, reason in enumerate(here.plain) if reason is not None],
        odd=_odd(here),
        **_balance(source, here),
        leaks=[] if there is None else _leaks(here, there),
    )
    log.say("\n".join(found.lines()))
    target = Path(f"check-{_short(where)}.json") if out is None else Path(str(out))
    _write(target, found)
    log.say(f"wrote     {target}")
    return found


def traits(source: Source, progress: Callable[[int, int], None] | None = None) -> Traits:
    """Read every sample once, in threads, and keep a few hundred bytes of each."""
    n = len(source)
    bad = [(error.where, error.reason) for error in source.bad]
    rows: list[tuple[Any, ...]] = []

    def some(start: int) -> list[tuple[Any, ...]]:
        return [_traits_of(source, i) for i in range(start, min(start + CHUNK, n))]

    with ThreadPoolExecutor(min(8, os.cpu_count() or 2)) as pool:
        for chunk in pool.map(some, range(0, n, CHUNK)):
            rows += chunk
            if progress is not None:
                progress(len(rows), n)
    bad += [wrong for row in rows for wrong in row[0]]
    columns = [list(column) for column in zip(*(row[1:] for row in rows), strict=True)] or [[] for _ in range(7)]
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
    pairs += [(at[i], at[j]) for i, j in _alike([of.look[i] for i in at])]
    return _groups(pairs)


def _traits_of(source: Source, index: int) -> tuple[Any, ...]:
    """(what is wrong, content, likeness, look, why it is plain, size, channels, rate)"""
    name, wrong = source.name(index), []
    try:
        if not isinstance(source, PairSource):
            sample = source[index]
        else:
            sample, missing = source.parts(index)
            wrong = [(f"{name}, {part}", reason) for part, reason in missing.items()]
    except Unreadable as error:
        return ([(name, error.reason)], *[None] * 7)
    kind, main = source.kind, main_of(sample)
    plain = _plain(sample, main, kind)
    seen = None if kind != "image" or plain or not isinstance(main, np.ndarray) else look(main)
    said = None if kind not in SIGNALS | TEXTS or kind == "image" or plain else signature(main)
    return (wrong, content(sample), said, seen, plain, size_of(sample), channels_of(sample, kind), rate_of(sample))


def _plain(sample: Any, main: Any, kind: str) -> str | None:
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


def _alike(looks: Sequence[tuple[int, np.ndarray] | None]) -> list[tuple[int, int]]:
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


def _odd(of: Traits) -> Named:
    """Sizes far from the median (by log ratio, each axis by itself), and rates and channel counts that hardly any other has."""
    wrong: dict[int, str] = {}
    name, kind = of.source.name, of.source.kind
    known = [i for i, size in enumerate(of.size) if size is not None and all(size) and of.plain[i] is None]
    if len(known) >= FEW and kind not in ("table", "pair"):
        axes = Counter(len(of.size[i] or ()) for i in known).most_common(1)[0][0]
        lengths = {i: s for i in known if len(s := of.size[i] or ()) == axes}
        last = {"image": 2, "multispectral": 2, "volume": 3, "field": 3}.get(kind, 1)
        what = ("depth", "height", "width")[-last:] if last > 1 else ("length",)
        for axis in range(min(last, axes)):
            at = (
                0 if last == 1 and kind not in SIGNALS else axes - min(last, axes) + axis
            )  # items are counted by the first axis
            at = 0 if kind == "video" else at
            ratio = np.log2([lengths[i][at] for i in lengths])
            middle = float(np.median(ratio))
            off = np.abs(ratio - middle)
            least = max(np.log2(ODD), SPREAD * 1.4826 * float(np.median(off)))
            for i, far in zip(lengths, off, strict=True):
                if far > least:
                    wrong.setdefault(i, f"its {what[axis]} is {lengths[i][at]:,}, and {2**middle:,.0f} is usual")
    for values, unit in ((of.rate, "per second"), (of.channels if kind != "image" else [], "channels")):
        have = Counter(v for v in values if v is not None)
        if len(have) > 1 and have.total() >= FEW:
            usual = have.most_common(1)[0][0]
            for i, value in enumerate(values):
                if value is not None and have[value] <= RARE * have.total():
                    wrong.setdefault(i, f"it has {value:g} {unit}, and {usual:g} is usual")
    return [(name(i), wrong[i]) for i in sorted(wrong)]


def _balance(source: Source, of: Traits) -> dict[str, Any]:
    if source.labels is None or not source.classes:
        return {}
    readable = np.array([c is not None for c in of.content])
    counts = np.bincount(source.labels[(source.labels >= 0) & readable], minlength=len(source.classes))
    balance = {name: int(n) for name, n in zip(source.classes, counts, strict=True)}
    most = int(counts.max(initial=0))
    uneven = [f"{name}: {n:,} of at most {most:,}" for name, n in balance.items() if n * UNEVEN < most or n < 2]
    return {"balance": balance, "uneven": uneven}


def _label(source: Source, index: int) -> str:
    label = None if source.labels is None else source.labels[index]
    if label is None or not np.isfinite(label) or (source.classes and label < 0):
        return "no label"
    return source.classes[int(label)] if source.classes else f"{label:g}"


def _disagree(source: Source, group: list[int]) -> bool:
    return len({label for i in group if (label := _label(source, i)) != "no label"}) > 1


def _leaks(here: Traits, there: Traits) -> list[tuple[str, str, str]]:
    """Each sample here that is also there, with the first it equals, else the first it looks like."""
    found: dict[int, tuple[int, str]] = {}
    for kind, own, others in (
        ("the same", here.content, there.content),
        ("nearly the same", here.likeness, there.likeness),
    ):
        at = {key: j for j, key in reversed(list(enumerate(others))) if key is not None}
        for i, key in enumerate(own):
            if key is not None and key in at:
                found.setdefault(i, (at[key], kind))
    n = len(here.look)
    for i, j in _alike([*here.look, *there.look]):
        i, j = min(i, j), max(i, j)
        if i < n <= j:
            found.setdefault(i, (j - n, "nearly the same"))
    return [(here.source.name(i), there.source.name(j), how) for i, (j, how) in sorted(found.items())]


def _said(item: Any) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, tuple):
        return f"{item[0]}: {item[1]}" if len(item) == 2 else f"{item[0]} is {item[2]} as {item[1]}"
    return ", ".join(item[:4]) + (f" and {len(item) - 4:,} more" if len(item) > 4 else "")


def _short(where: Any) -> str:
    if not isinstance(where, str | Path):
        return "array"
    path = Path(where).expanduser()
    name = path.resolve().name if path.exists() else str(where)
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name) or "data"


def _write(target: Path, found: Checked) -> None:
    """To a temporary name, then renamed: no half-written file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".part-{target.name}")
    facts = {"clean": not found.problems, "problems": found.problems, **asdict(found)}
    part.write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8", errors="surrogateescape")
    os.replace(part, target)
