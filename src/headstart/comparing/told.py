"""What a comparison says: figures by way and number of labels, and in a sentence from where to where pre-training is worth it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..forms import Json
from ..probes import Figure, Gain, Split, gain
from ..scoring.results import DULL, HALVES, dull, figures, written
from .ways import FROZEN, SCRATCH, TUNED, Way

POINTS = 100  # of a share, as people say it


@dataclass(frozen=True)
class Cell:
    """One way from one number of labels. seconds: what it took, all draws together."""

    way: str
    how: str
    mine: str
    beside: bool
    labels: int
    figure: Figure
    seconds: float


@dataclass(frozen=True)
class Compared:
    """What `compare` returns. measure: what all figures are, such as "balanced accuracy". judged: how, in a sentence. told: the
    verdict, where it was written down."""

    cells: tuple[Cell, ...]
    measure: str
    judged: str
    notes: tuple[str, ...] = ()
    told: str = ""

    @property
    def counts(self) -> list[int]:
        return sorted({cell.labels for cell in self.cells})

    def at(self, labels: int) -> list[Cell]:
        return [cell for cell in self.cells if cell.labels == labels]

    @property
    def verdict(self) -> str:
        """Sentences: for each number of labels whether pre-training is worth it, and what the encoder adds to the raw input."""
        return self.told or ". ".join(
            [*_grouped([_worth(self.at(n), n, self.measure) for n in self.counts]), *_adds(self)]
        )

    def lines(self) -> list[str]:
        """The table as text: a column for each number of labels."""
        counts = self.counts
        names = list(dict.fromkeys((cell.how, cell.way) for cell in self.cells))
        first = max(len(way) for _, way in names) + 14
        out = [" " * first + "".join(f"{f'{n:,} labels':>18s}" for n in counts) + f"{'seconds':>10s}"]
        for how, way in names:
            mine = {cell.labels: cell for cell in self.cells if (cell.how, cell.way) == (how, way)}
            texts = [_said(mine[n].figure) if n in mine else "" for n in counts]
            seconds = sum(cell.seconds for cell in mine.values())
            out.append(f"{how:12s}{way:{first - 12}s}" + "".join(f"{text:>18s}" for text in texts) + f"{seconds:10.0f}")
        chance = next((c.figure.chance for c in self.cells if c.figure.chance is not None), None)
        if chance is not None:
            out.append(f"{'':12s}{'chance':{first - 12}s}" + "".join(f"{chance:>18.3f}" for _ in counts))
        return out

    def kept(self) -> Json:
        """As JSON has it."""
        cells = [
            {
                "way": c.way, "how": c.how, "pre-trained": c.mine, "beside": c.beside, "labels": c.labels,
                "seconds": round(c.seconds, 1),
                **written({"figure": c.figure}),
            }
            for c in self.cells
        ]  # fmt: skip
        return {
            "measure": self.measure,
            "judged": self.judged,
            "verdict": self.verdict,
            "notes": list(self.notes),
            "cells": cells,
        }


def read(kept: Json) -> Compared:
    """What `Compared.kept` wrote; its verdict, which needs what each judge moves, is that text."""
    cells = [
        Cell(c["way"], c["how"], c["pre-trained"], bool(c["beside"]), c["labels"], figures(c)["figure"], c["seconds"])
        for c in kept["cells"]
    ]
    return Compared(tuple(cells), kept["measure"], kept["judged"], tuple(kept["notes"]), kept["verdict"])


def _said(figure: Figure) -> str:
    return f"{figure.value:.3f} ± {figure.half:.3f}"


def judged_by(split: Split, crossed: bool, draws: int, measure: str) -> str:
    """How a comparison was judged, in a sentence without its full stop."""
    turns = (
        "in turns (cross-validation), fine-tuned ways in one round of it"
        if crossed
        else f"{draws} draws of the labels learnt from"
    )
    samples = units = len(split.judges)
    if split.groups is not None:
        units = len(np.unique(split.groups[split.judges]))
    of = f"{units:,} judges" + (
        f" ({samples:,} samples, of which those of one group are one judge)" if units < samples else ""
    )
    return f"{measure} by {of}, {turns}; {HALVES}, paired where differences are said"


@dataclass(frozen=True)
class _Worth:
    """With so many labels: the best way with pre-training against the best without."""

    labels: int
    sign: int  # 1: worth it, -1: worse, 0: level, 2: cannot be told
    said: str


def _best(cells: Sequence[Cell]) -> Cell:
    return max(cells, key=lambda cell: cell.figure.value)


def _worth(cells: list[Cell], labels: int, measure: str) -> _Worth:
    """The best way with pre-training against the best of all others; a tuned one against from scratch as well."""
    if all(dull(c.figure) for c in cells):
        chance = next(c.figure.chance for c in cells)
        best = _best(cells)
        said = f"best {best.figure.value:.3f} ± {best.figure.half:.3f}, by chance {chance:.3f}"
        return _Worth(labels, 0, f"cannot be judged: nothing is told better than by chance ({said}); {DULL}")
    own = [c for c in cells if c.mine and not c.beside]
    mine, other = _best(own), _best([c for c in cells if not c.mine])
    won = _best_of(len(own), gain(mine.figure, other.figure))
    said = f"{_named(mine)} {mine.figure.value:.3f} against {other.figure.value:.3f} {_of(other)}"
    scratch = [c for c in cells if c.how == TUNED and c.way == SCRATCH]
    if mine.how == TUNED and scratch and scratch[0] is not other:
        said += f", {scratch[0].figure.value:.3f} {SCRATCH} ({_points(gain(mine.figure, scratch[0].figure), measure)})"
    if won.clear > 0:
        return _Worth(labels, 1, f"is worth {_points(won, measure)}: {said}")
    if won.clear < 0:
        return _Worth(labels, -1, f"is not worth it, {_points(won, measure)}: {said}")
    if won.level:
        return _Worth(labels, 0, f"is not worth it, level: {said}")
    return _Worth(
        labels, 2, f"cannot be told to help with {won.n:,} judges ({_points(won, measure)}): {said}; {won.asks}"
    )


def _best_of(ways: int, won: Gain) -> Gain:
    """As unsure as the best of so many ways is (Bonferroni): who tries often enough wins by luck."""
    from scipy.stats import norm

    wider = float(norm.ppf(1 - 0.025 / ways) / norm.ppf(0.975))
    return replace(won, half=won.half * wider, drawn=won.drawn * wider)


def _named(cell: Cell) -> str:
    return f"{cell.how} {cell.way}" if cell.how == TUNED else f"{cell.way} with a linear model"


def _of(cell: Cell) -> str:
    return cell.way if cell.way == SCRATCH else f"of the {cell.way}"


def _points(won: Gain, measure: str) -> str:
    if measure == "R2":
        return f"{won.value:+.3f} ± {won.half:.3f}"
    return f"{POINTS * won.value:+.1f} ± {POINTS * won.half:.1f} points"


def _grouped(each: list[_Worth]) -> list[str]:
    """One sentence for each number of labels; from where on it is never worth it any more is said once."""
    out = [f"With {one.labels:,} labels pre-training {one.said}" for one in each]
    tail = [one.labels for one in each]
    while tail and next(one for one in each if one.labels == tail[-1]).sign in (0, -1):
        tail.pop()
    ended = [one for one in each if one.labels not in tail]
    if tail and ended and any(one.sign == 1 for one in each):
        out.append(f"From {ended[0].labels:,} labels on it is not worth it")
    return out


def _adds(compared: Compared) -> list[str]:
    """What an encoder's vectors say that the raw input does not."""
    out = []
    most = compared.at(compared.counts[-1])
    plain = [c for c in most if c.how == FROZEN and not c.mine]
    for both in [c for c in most if c.beside]:
        raw = next((c for c in plain if both.way == f"{c.way} + {both.mine}"), None)
        if raw is None:
            continue
        won = gain(both.figure, raw.figure)
        what = {1: "adds to", -1: "takes from"}.get(
            won.clear, "adds nothing to" if won.level else "cannot be told to add to"
        )
        out.append(f"With {both.labels:,} labels {both.mine} {what} the {raw.way} ({_points(won, compared.measure)})")
    return out


def way_of(way: Way, labels: int, figure: Figure, seconds: float) -> Cell:
    return Cell(way.name, way.how, way.mine, way.beside, labels, figure, round(seconds, 1))
