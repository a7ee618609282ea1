"""Samples of several parts: a picture with its caption, a recording with its score; any part may be missing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import Unreadable
from ...forms import Sample
from ..classes import said_of_labels

Ref = Any  # where a part of a sample lies: what the `read` of that part takes
Refs = Mapping[str, Sequence[Ref]]


class PairSource:
    """Samples {part: sample or None}. kinds: {part: its kind}.

    A part that is missing or cannot be read is None; only a sample of which no part is left is Unreadable. `parts` says
    what was wrong. refs: by part, where each sample's part lies (None: nowhere), which `read` of that part takes.
    """

    kind = "pair"
    groups: np.ndarray | None = None
    bad: Sequence[Unreadable] = ()

    def __init__(
        self,
        names: Sequence[str],
        kinds: dict[str, str],
        refs: Refs,
        read: Mapping[str, Callable[[Ref], Sample]],
        title: str,
        labels: np.ndarray | None = None,
        classes: tuple[str, ...] = (),
        why: str = "",
    ):
        self.names, self.kinds, self.refs, self.read, self.title = names, kinds, refs, read, title
        self.labels, self.classes, self.why = labels, classes, why

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Sample]:
        return self.parts(index)[0]

    def parts(self, index: int) -> tuple[dict[str, Sample], dict[str, str]]:
        """A sample, and why parts of it that should be there are not: {part: reason}."""
        sample: dict[str, Sample] = dict.fromkeys(self.kinds)
        wrong: dict[str, str] = {}
        for part in self.kinds:
            ref = self.refs[part][index]
            if ref is None:
                continue
            try:
                sample[part] = self.read[part](ref)
            except Unreadable as error:
                wrong[part] = error.reason
            except MemoryError:
                wrong[part] = "it does not fit in memory"
            except OSError as error:
                wrong[part] = f"the file cannot be opened ({error.strerror or error})"
        if all(value is None for value in sample.values()):
            said = "; ".join(f"{part}: {reason}" for part, reason in wrong.items())
            raise Unreadable(self.names[index], said or "every part is missing")
        return sample, wrong

    def name(self, index: int) -> str:
        return self.names[index]

    def describe(self) -> str:
        have = ", ".join(f"{p} {sum(r is not None for r in self.refs[p]):,}" for p in self.kinds)
        return f"{self.title}: {len(self):,} samples of {len(self.kinds)} parts ({have}){said_of_labels(self)}"


class Part:
    """One part of a source of pairs, as a source of its own; every sample must have it."""

    def __init__(self, pairs: PairSource, part: str):
        self.pairs, self.part, self.kind = pairs, part, pairs.kinds[part]
        self.labels, self.classes, self.why = pairs.labels, pairs.classes, pairs.why
        self.groups, self.bad = pairs.groups, pairs.bad

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        sample, wrong = self.pairs.parts(index)
        if sample[self.part] is None:
            raise Unreadable(self.name(index), wrong.get(self.part, f"its {self.part} is missing"))
        return sample[self.part]

    def name(self, index: int) -> str:
        return self.pairs.name(index)

    def describe(self) -> str:
        return f"{self.pairs.title}: {len(self):,} {self.kind} samples{said_of_labels(self)}"
