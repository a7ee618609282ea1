"""How long what is left of a comparison takes: fine-tuned figures, which come last, cost far more than frozen ones."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

Kind = tuple[str, int]  # frozen or fine-tuned, and from how many labels


@dataclass
class Clock:
    """Seconds by kind of figure, as far as they were found. foretold: what a figure takes from a number of labels, by how it was
    found; of those found as much more or less is learnt as it was off."""

    foretold: Mapping[str, Callable[[int], float]] = field(default_factory=dict)
    took: dict[Kind, list[float]] = field(default_factory=lambda: defaultdict(list))

    def spent(self, kind: Kind, seconds: float) -> None:
        self.took[kind].append(seconds)

    def left(self, kinds: Iterable[Kind]) -> float:
        """Seconds for figures of these kinds."""
        return sum(map(self._one, kinds))

    def _one(self, kind: Kind) -> float:
        """The mean of those that were found of this kind; else what was foretold, or the mean of those from other numbers of
        labels; else that of all."""
        how, labels = kind
        if self.took.get(kind):
            return float(np.mean(self.took[kind]))
        alike = [(n, x) for (other, n), each in self.took.items() if other == how for x in each]
        told = self.foretold.get(how)
        if told is not None:
            return told(labels) * (sum(x for _, x in alike) / sum(told(n) for n, _ in alike) if alike else 1.0)
        some = [x for _, x in alike] or [x for each in self.took.values() for x in each]
        return float(np.mean(some)) if some else 0.0
