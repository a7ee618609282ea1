"""Samples of several kinds in one source, each of one kind alone: photographs and scans that do not belong together."""

from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import Unreadable
from ...forms import Sample
from ..source import Source


class Either:
    """The samples of several sources, one source after another, as pairs of which every part but one is missing.

    So one encoder learns from kinds that were never recorded together. parts: {part: source}; labels are not taken over, as
    what one source calls 0 the other may not know.
    """

    kind = "pair"
    labels: np.ndarray | None = None
    groups: np.ndarray | None = None
    bad: Sequence[Unreadable] = ()
    classes: tuple[str, ...] = ()

    def __init__(self, parts: Mapping[str, Source], title: str = "either"):
        self.sources, self.title = dict(parts), title
        self.kinds = {part: source.kind for part, source in parts.items()}
        self.starts = np.concatenate([[0], np.cumsum([len(source) for source in parts.values()])])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def where(self, index: int) -> tuple[str, int]:
        """Which part a sample is, and its number in that source."""
        at = int(np.searchsorted(self.starts, index, side="right")) - 1
        return list(self.sources)[at], index - int(self.starts[at])

    def __getitem__(self, index: int) -> dict[str, Sample]:
        part, inside = self.where(index)
        return dict.fromkeys(self.sources) | {part: self.sources[part][inside]}

    def name(self, index: int) -> str:
        part, inside = self.where(index)
        return self.sources[part].name(inside)

    def describe(self) -> str:
        have = ", ".join(f"{len(source):,} {source.kind}" for source in self.sources.values())
        return f"{self.title}: {len(self):,} samples of one kind each ({have})"
