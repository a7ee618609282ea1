"""Every way, from every number of labels, judged by the same split."""

import time
from collections.abc import Iterable, Sequence

import numpy as np

from ..errors import Mistake
from ..log import Log, span
from ..probes import Figure, Split, figure
from ..scoring.labelled import Labelled
from .clock import Clock
from .told import Cell, Compared, judged_by, way_of
from .unfinished import Unfinished
from .ways import TUNED, Way

MEASURES = {"": "accuracy", "-balanced": "balanced accuracy", "-R2": "R2"}


def compared(
    data: Labelled,
    ways: Sequence[Way],
    labels: tuple[int, ...],
    draws: int,
    log: Log,
    before: Unfinished | None = None,
    clock: Clock | None = None,
    later: Sequence[Way] = (),
) -> Compared:
    """Every way, from as many labels, as far as there are so many (all of them, where there are fewer).

    before: what was found already; what is found is put there. clock: what figures take; later: ways that are compared after
    these, for it.
    """
    clock = clock or Clock()
    if min(labels) < 2:
        raise Mistake(f"labels={min(labels)}: nothing is learnt from fewer than two")
    have = data.labels("bank")
    some = data.around(np.zeros((len(have) + (0 if data.crossed else len(data.query_at)), 1), np.float32))
    counts = sorted({min(n, some.learnt) for n in labels})
    classes = 0 if some.quantity else len(np.unique(have))
    few = [n for n in counts if n < 2 * classes]
    counts = [n for n in counts if n not in few] or [some.learnt]
    notes = [data.note] if data.note else []
    notes += [f"labels={n:,} is {some.learnt:,}: no more can be learnt from at once" for n in labels if n > some.learnt]
    notes += [f"labels={n} is left out: {classes} classes need at least {2 * classes}" for n in few]
    cells: list[Cell] = []
    todo = [(way, n) for way in (*ways, *later) for n in counts if before is None or before.get(way, n) is None]
    measure = ""
    for way in ways:
        split: Split | None = None
        for count in counts:
            since, known = time.monotonic(), None if before is None else before.get(way, count)
            if known is None:
                split = split or data.around(way.make(), draws)
                cut = split.some(1) if way.how == TUNED else split
                named, said = next(cut.judged("", way.learner, count))
                took = time.monotonic() - since
                clock.spent((way.how, count), took)
                todo.remove((way, count))
                if before is not None:
                    before.put(way, count, named, said, took)
            else:
                named, said, took = known
            measure = MEASURES[named]
            cells.append(way_of(way, count, said, took))
            left = clock.left((to.how, n) for to, n in todo)
            log.say(
                f"compare   {way.how:10s} {way.name:32s} {count:>7,} labels  {said.value:.3f} ± {said.half:.3f}"
                + ("  (as found before)" if known else f"  ({span(left)} left)" if todo else "")
            )
    return Compared(tuple(cells), measure, judged_by(len(some.judges), data.crossed, draws, measure), tuple(notes))


def together(cells: Iterable[Cell], name: str) -> list[Cell]:
    """Cells of runs that differ by their seed alone, as one way: the mean, whose interval holds what seeds do, too."""
    by: dict[tuple[str, bool, int], list[Cell]] = {}
    for cell in cells:
        by.setdefault((cell.how, cell.beside, cell.labels), []).append(cell)
    out = []
    for (how, beside, labels), same in by.items():
        way = same[0].way.replace(same[0].mine, name) if beside else name
        out.append(Cell(way, how, name, beside, labels, _mean([c.figure for c in same]), sum(c.seconds for c in same)))
    return out


def _mean(figures: list[Figure]) -> Figure:
    first = figures[0]
    if len(figures) == 1:
        return first
    moves = [f.moves for f in figures if f.moves is not None]
    value = float(np.mean([f.value for f in figures]))
    made = figure(
        value, np.mean(np.stack(moves), 0), [f.value for f in figures], chance=first.chance, labels=first.labels
    )
    return Figure(
        value, made.error, first.n, first.chance, first.higher, first.labels, first.units, made.draws, made.moves
    )
