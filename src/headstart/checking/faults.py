"""What is wrong with samples, judged by their traits: odd ones, uneven classes, one sample under two labels, leaks."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..data.source import Source
from ..forms import Json
from ..outliers import CLIPPED, DOUBT, Column, between
from .traits import SIGNALS, Named, Traits, pairs_alike

FEW = 8  # samples from which on one can be odd
ODD = 4.0  # times larger or smaller than the median, and SPREAD times the usual distance from it
SPREAD = 6.0
RARE = 0.1  # share up to which another rate or channel count is odd
UNEVEN = 50  # times that the largest class may be larger than the smallest


def odd(of: Traits) -> Named:
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


def far(of: Traits, usual: Sequence[Column], done: str) -> Named:
    """Samples with values far outside what is usual in their channel, and what is made of these; `done`: of sentinels."""
    wrong: Named = []
    for i, ends in enumerate(of.ends):
        for (channel, _, each), (low, n, high, m) in zip(usual, ends if ends is not None else (), strict=False):
            for value, times in ((low, n), (high, m)):
                value = float(np.float32(value))
                if value in each.missing or value in each.doubtful or not each.low <= value <= each.high:
                    what = done if value in each.missing else DOUBT if value in each.doubtful else CLIPPED
                    often = "once" if times == 1 else f"{times:,.0f} times"
                    wrong.append((of.source.name(i), f"{channel} is {value:.7g} {often}, and {between(each)}: {what}"))
    return wrong


def balance(source: Source, of: Traits) -> Json:
    """Samples of each class, and the classes that have far fewer than the largest; nothing where there are no classes."""
    if source.labels is None or not source.classes:
        return {}
    readable = np.array([c is not None for c in of.content])
    counts = np.bincount(source.labels[(source.labels >= 0) & readable], minlength=len(source.classes))
    balance = {name: int(n) for name, n in zip(source.classes, counts, strict=True)}
    most = int(counts.max(initial=0))
    uneven = [f"{name}: {n:,} of at most {most:,}" for name, n in balance.items() if n * UNEVEN < most or n < 2]
    return {"balance": balance, "uneven": uneven}


def label_of(source: Source, index: int) -> str:
    """The label of a sample, as people read it."""
    label = None if source.labels is None else source.labels[index]
    if label is None or not np.isfinite(label) or (source.classes and label < 0):
        return "no label"
    return source.classes[int(label)] if source.classes else f"{label:g}"


def disagree(source: Source, group: list[int]) -> bool:
    """Whether labelled samples of a group have different labels."""
    return len({label for i in group if (label := label_of(source, i)) != "no label"}) > 1


def parted(source: Source, group: list[int]) -> bool:
    """Whether samples of a group are among several that never are divided."""
    return source.groups is not None and len(np.unique(source.groups[group])) > 1


def leaks(here: Traits, there: Traits) -> list[tuple[str, str, str]]:
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
    for i, j in pairs_alike([*here.look, *there.look]):
        i, j = min(i, j), max(i, j)
        if i < n <= j:
            found.setdefault(i, (j - n, "nearly the same"))
    return [(here.source.name(i), there.source.name(j), how) for i, (j, how) in sorted(found.items())]
