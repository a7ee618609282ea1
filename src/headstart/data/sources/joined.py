"""Several sources of one kind as one: their samples in a row, their classes under one list of names."""

from collections.abc import Sequence

import numpy as np

from ...errors import Unreadable
from ...forms import Sample
from ..classes import Labelled, said_of_labels
from ..source import DataError, Source

SAID = 3  # remarks of parts that are repeated


class Joined:
    """Sources one after the other. Classes of the same name are one class; samples without labels get -1 (NaN).

    titles: what stands before each source's names ("GunPoint_TEST.ts"). Groups stay apart from source to source.
    """

    def __init__(self, sources: Sequence[Source], titles: Sequence[str] | None = None, title: str = "joined"):
        kinds = sorted({s.kind for s in sources})
        if len(kinds) != 1:
            raise DataError(f"{title} would join {' and '.join(kinds) or 'nothing'}: choose one kind")
        self.sources, self.kind, self.title = list(sources), kinds[0], title
        self.titles = list(titles) if titles is not None else [""] * len(self.sources)
        self.starts = np.concatenate([[0], np.cumsum([len(s) for s in sources])]).astype(np.int64)
        self.labels, self.classes = _merged(self.sources)
        self.why = next((s.why for s in self.sources if isinstance(s, Labelled) and s.labels is not None), "")
        self.groups = _groups(self.sources)
        self.bad: list[Unreadable] = []  # files that could not be opened, and why

    def __len__(self) -> int:
        return int(self.starts[-1])

    def where(self, index: int) -> tuple[int, int]:
        """Which source, and which of its samples."""
        at = int(np.searchsorted(self.starts, index, side="right")) - 1
        return at, index - int(self.starts[at])

    def __getitem__(self, index: int) -> Sample:
        at, inside = self.where(index)
        return self.sources[at][inside]

    def name(self, index: int) -> str:
        at, inside = self.where(index)
        own, title = self.sources[at].name(inside), self.titles[at]
        stem = title.rpartition("/")[2].rpartition(".")[0]
        if not title or own.startswith(title):
            return own
        return title + own[len(stem) :] if stem and own.startswith(stem + "[") else f"{title}: {own}"

    def describe(self) -> str:
        said = f"{len(self):,} {self.kind} samples in {len(self.sources):,} files of {self.title}{said_of_labels(self)}"
        left_out = [f"{len(self.bad):,} more cannot be opened (the first: {self.bad[0]})"] if self.bad else []
        return "; ".join([said, *self.of_parts(), *left_out])

    def of_parts(self) -> list[str]:
        """What the parts say about themselves (numbers that were scaled, columns left out), and how many of them do."""
        own = set(self.why.split("; "))
        told: dict[str, list[int]] = {}
        for at, source in enumerate(self.sources):
            for what in source.why.split("; ") if isinstance(source, Labelled) else ():
                if what and what not in own and not what.startswith("labels: "):
                    told.setdefault(what, []).append(at)
        lines = []
        for what, every in told.items():
            some = f"{len(every):,} of {len(self.sources):,} files, the first: {self.titles[every[0]] or every[0]}"
            lines.append(what if len(every) == len(self.sources) else f"{what} ({some})")
        return lines if len(lines) <= SAID else [*lines[:SAID], f"and {len(lines) - SAID:,} more such remarks"]


def _merged(sources: list[Source]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    if all(s.labels is None for s in sources):
        return None, ()
    floats = [s.labels is not None and s.labels.dtype.kind == "f" for s in sources]
    if any(floats):
        known = [(s.labels if f else np.full(len(s), np.nan)) for s, f in zip(sources, floats, strict=True)]
        return np.concatenate([np.asarray(k, np.float32) for k in known]), ()
    names = list(dict.fromkeys(name for s in sources for name in s.classes))
    code = {name: i for i, name in enumerate(names)}
    labels = []
    for s in sources:
        if s.labels is None:
            labels.append(np.full(len(s), -1, np.int64))
        else:
            table = np.array([*(code[name] for name in s.classes), -1], np.int64)
            labels.append(table[s.labels])  # -1, unknown, is the last of the table
    return np.concatenate(labels), tuple(names)


def _groups(sources: list[Source]) -> np.ndarray | None:
    own = [s.groups for s in sources]
    if all(g is None for g in own):
        return None
    joined, base = [], 0
    for source, groups in zip(sources, own, strict=True):
        here = np.arange(len(source)) if groups is None else np.unique(groups, return_inverse=True)[1]
        joined.append(here + base)
        base += int(here.max(initial=-1)) + 1
    return np.concatenate(joined).astype(np.int64)
