"""What a check says: figures, each with the bound it must keep, measured with all ideas of a method and with each taken out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

TRAINING = "training"  # what is taken out beside the ideas: the encoder as it is before its first step


@dataclass(frozen=True)
class Figure:
    """One number that was measured once.

    what: what was measured. above, below: it must lie strictly between these; at least one is given. said: any remark.
    """

    what: str
    value: float
    above: float | None = None
    below: float | None = None
    said: str = ""

    def __post_init__(self) -> None:
        if self.above is None and self.below is None:
            raise ValueError(f"the figure {self.what!r} has no bound: give above=, below= or both")


@dataclass(frozen=True)
class Measured:
    """A figure over several seeds of weights, order and data.

    worst: with all ideas, that of the seeds which is nearest to breaking the bound, or furthest beyond. without: for everything
    that was taken out, the best of the seeds.
    """

    what: str
    worst: float
    above: float | None = None
    below: float | None = None
    without: Mapping[str, float] = field(default_factory=dict)
    said: str = ""

    def margin(self, value: float) -> float:
        """How far a value is inside the bound; NaN is infinitely far outside."""
        low = math.inf if self.above is None else value - self.above
        high = math.inf if self.below is None else self.below - value
        return -math.inf if math.isnan(value) else min(low, high)

    def keeps(self, value: float) -> bool:
        return self.margin(value) > 0

    @property
    def holds(self) -> bool:
        return self.keeps(self.worst)

    @property
    def broken_by(self) -> tuple[str, ...]:
        """What, taken out, breaks the bound with every seed."""
        return tuple(name for name, best in self.without.items() if not self.keeps(best))

    @property
    def bound(self) -> str:
        """`above 0.5`."""
        return " and ".join(f"{n} {x:g}" for n, x in (("above", self.above), ("below", self.below)) if x is not None)

    def __str__(self) -> str:
        """One line: `accuracy: 0.82 (above 0.5; without pairs 0.1)`."""
        missed = [f"without {name} {self.without[name]:.3g}" for name in self.broken_by]
        return (
            f"{self.what}: {self.worst:.3g} ({'; '.join([self.bound, *missed, *([self.said] if self.said else [])])})"
        )


@dataclass(frozen=True)
class Claim:
    """What a paper is taken at its word for; the first figure is the main one.

    ideas: what the recipe declares. not_shown: ideas that nothing here shows, and gains that the paper has and this scale lacks,
    each with the reason. other: settings that are not those that ship, in words.
    """

    figures: tuple[Measured, ...]
    ideas: tuple[str, ...]
    not_shown: Mapping[str, str] = field(default_factory=dict)
    other: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.figures or not self.ideas:
            raise ValueError("a claim without figures or without ideas claims nothing: give at least one of each")

    @property
    def missed(self) -> tuple[str, ...]:
        """Ideas whose absence nothing notices, and that are not said to be like that."""
        noticed = {name for figure in self.figures for name in figure.broken_by}
        return tuple(idea for idea in self.ideas if idea not in noticed and idea not in self.not_shown)

    @property
    def idle(self) -> tuple[str, ...]:
        """Figures that nothing breaks: they would hold whatever was done."""
        return tuple(figure.what for figure in self.figures if not figure.broken_by)

    @property
    def holds(self) -> bool:
        """Every figure keeps its bound and is broken by something, and every idea breaks one."""
        return all(figure.holds for figure in self.figures) and not self.missed and not self.idle

    @property
    def verdict(self) -> str:
        """`holds`, `DOES NOT HOLD`, or `not shown` where no idea at all is."""
        if not self.holds:
            return "DOES NOT HOLD"
        return "not shown" if set(self.not_shown) >= set(self.ideas) else "holds"


def over_seeds(
    whole: Sequence[Sequence[Figure]], without: Mapping[str, Sequence[Sequence[Figure]]]
) -> tuple[Measured, ...]:
    """Figures of several seeds as one: the worst with everything, the best without each thing that was taken out."""
    names = [figure.what for figure in whole[0]]
    for figures in whole:
        if [figure.what for figure in figures] != names or len(set(names)) < len(names):
            raise ValueError(f"every seed must give the same figures, each with a name of its own, not {names}")
    found = []
    for number, first in enumerate(whole[0]):
        empty = Measured(first.what, math.nan, first.above, first.below, said=first.said)
        lacking = {
            name: [figure.value for figures in each for figure in figures if figure.what == first.what]
            for name, each in without.items()
        }
        best = {name: max(values, key=empty.margin) for name, values in lacking.items() if values}
        worst = min((figures[number].value for figures in whole), key=empty.margin)
        found.append(Measured(first.what, worst, first.above, first.below, best, first.said))
    return tuple(found)
