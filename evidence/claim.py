"""What a check says: figures, each with the bound it must keep and with what is measured where the idea is missing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One number that was measured.

    what: what was measured. above, below: it must lie strictly between these; at least one is given. baseline: the same
    figure without the method's idea, or of an untrained or trivial comparison. said: what the baseline is, or any remark.
    """

    what: str
    value: float
    above: float | None = None
    below: float | None = None
    baseline: float | None = None
    said: str = ""

    def __post_init__(self) -> None:
        if self.above is None and self.below is None:
            raise ValueError(f"the figure {self.what!r} has no bound: give above=, below= or both")

    @property
    def holds(self) -> bool:
        return self.kept_by(self.value)

    @property
    def telling(self) -> bool:
        """The baseline breaks the bound: the figure would not hold without the idea."""
        return self.baseline is not None and not self.kept_by(self.baseline)

    def kept_by(self, value: float) -> bool:
        """The value lies within the bound; NaN never does."""
        return bool((self.above is None or value > self.above) and (self.below is None or value < self.below))

    def __str__(self) -> str:
        """One line: `accuracy: 0.82 (above 0.5; baseline 0.1, pairs shuffled)`."""
        bounds = [f"{name} {x:g}" for name, x in (("above", self.above), ("below", self.below)) if x is not None]
        told = [] if self.baseline is None else [f"baseline {self.baseline:.3g}"]
        told += [self.said] if self.said else []
        parts = [" and ".join(bounds), *([", ".join(told)] if told else [])]
        return f"{self.what}: {self.value:.3g} ({'; '.join(parts)})"


@dataclass(frozen=True)
class Claim:
    """What a paper is taken at its word for; the first figure is the main one."""

    figures: tuple[Figure, ...]

    def __post_init__(self) -> None:
        if not self.figures:
            raise ValueError("a claim without figures claims nothing: give at least one")

    @property
    def holds(self) -> bool:
        return all(figure.holds for figure in self.figures)

    @property
    def telling(self) -> bool:
        """Without the idea at least one figure would not hold."""
        return any(figure.telling for figure in self.figures)
