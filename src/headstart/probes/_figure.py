"""A number that judges, with who judged it, and how much it is above another."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ._marking import drawn_error, half_width, standard_error, together

HANDFUL = 10  # judges by fewer than which nothing is told
LEVEL = 0.02  # a difference that is surely smaller than this is none


@dataclass(frozen=True)
class Figure:
    """One number. error: its standard error, over judges and over draws of what was learnt from. n: how many judged it. chance:
    what it is without knowing anything, by the same measure. higher: more is better. labels: how many were learnt from.

    units: how many of the judges are independent (recordings, not their windows). moves: [units], what each of them moves the
    value. draws: the value by each draw of what was learnt from.
    """

    value: float
    error: float
    n: int
    chance: float | None = None
    higher: bool = True
    labels: int | None = None
    units: int = 0
    draws: tuple[float, ...] = ()
    moves: np.ndarray | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not np.isfinite([self.value, self.error]).all():
            raise ValueError(f"a figure and its standard error are finite, not {self.value} and {self.error}")

    @property
    def half(self) -> float:
        """Half of its 95 % interval."""
        return half_width(self.error, self.units or self.n)

    @property
    def handful(self) -> bool:
        """So few independent judges that nothing is told."""
        return (self.units or self.n) < HANDFUL

    def over(self, other: "Figure") -> float:
        """How much better it is than another."""
        return self.value - other.value if self.higher else other.value - self.value


@dataclass(frozen=True)
class Gain:
    """How much better one figure is than another. half: half of the 95 % interval, paired where the same judges judged both. n:
    independent judges: recordings and patients, not their windows. drawn: what half would be by draws of labels alone."""

    value: float
    half: float
    n: int
    drawn: float = 0.0

    @property
    def clear(self) -> int:
        """1: better, -1: worse, 0: neither can be said; never by a handful of judges."""
        return int(np.sign(self.value)) * (abs(self.value) > self.half and self.n >= HANDFUL)

    @property
    def level(self) -> bool:
        """The two are alike for all that matters."""
        return abs(self.value) + self.half < LEVEL

    @property
    def more(self) -> int | None:
        """About how many more judges would tell the two apart, if the difference is what it seems to be, or show that they are
        level, whichever needs fewer. None: no number of them would, for draws of labels alone differ too much."""
        away = abs(self.value)
        narrow = 0.95 * max(away, LEVEL - away)  # half an interval that leaves out 0, or lies within the level
        if narrow <= self.drawn:
            return None
        return max(1, round(self.n * ((self.half**2 - self.drawn**2) / (narrow**2 - self.drawn**2) - 1)))

    @property
    def asks(self) -> str:
        """What would settle it, in words."""
        if self.more is None:
            return "more judges would not tell: draws of labels differ by too much"
        ten = 10 ** max(0, len(str(self.more)) - 2)
        told = "tell the two apart" if 2 * abs(self.value) >= LEVEL else "show that the two are level"
        return f"about {-(-self.more // ten) * ten:,} more judges would {told}"  # two digits, upwards

    def __str__(self) -> str:
        low, high = self.value - self.half, self.value + self.half
        return f"{self.value:+.3f}, {low:+.3f} to {high:+.3f}"


def figure(
    value: float,
    moves: np.ndarray,
    draws: Sequence[float] | np.ndarray = (),
    groups: np.ndarray | None = None,
    chance: float | None = None,
    labels: int | None = None,
) -> Figure:
    """Of what each judge moves a value, [m] (`_marking`). groups: [m], judges of one number hang together. draws: the value by
    each draw of what was learnt from; the mean of the answers has been marked."""
    each, by_draw = together(moves, groups), np.asarray(draws, np.float64)
    error = standard_error(each, by_draw)
    return Figure(value, error, len(moves), chance, True, labels, len(each), tuple(by_draw.tolist()), each)


def gain(mine: Figure, other: Figure) -> Gain:
    """How much better `mine` is than `other`, judge by judge where both know theirs, draw by draw likewise."""
    value, n = mine.over(other), min(mine.units or mine.n, other.units or other.n)
    if mine.moves is None or other.moves is None or len(mine.moves) != len(other.moves):
        drawn = float(np.hypot(drawn_error(np.array(mine.draws)), drawn_error(np.array(other.draws))))
        return Gain(value, half_width(float(np.hypot(mine.error, other.error)), n), n, half_width(drawn, n))
    a, b = (np.array(x.draws) for x in (mine, other))
    draws = (
        a - b if len(a) == len(b) else np.concatenate([a - a.mean(), b - b.mean()]) if len(a) and len(b) else [*a, *b]
    )
    error = standard_error(mine.moves - other.moves, np.asarray(draws))
    return Gain(
        value, half_width(error, len(mine.moves)), n, half_width(drawn_error(np.asarray(draws)), len(mine.moves))
    )
