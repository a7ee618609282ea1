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
    labels: tuple[float, ...],
    draws: int,
    log: Log,
    before: Unfinished | None = None,
    clock: Clock | None = None,
    later: Sequence[Way] = (),
) -> Compared:
    """Every way, from as many labels (see `counted`).

    before: what was found already; what is found is put there. clock: what figures take; later: ways that are compared after
    these, for it.
    """
    clock = clock or Clock()
    counts, beside = counted(data, labels)
    notes = [*([data.note] if data.note else []), *beside]
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
    return Compared(tuple(cells), measure, judged_by(_vectorless(data), data.crossed, draws, measure), tuple(notes))


def counted(data: Labelled, labels: tuple[float, ...]) -> tuple[list[int], list[str]]:
    """(from how many labels, remarks): numbers as far as there are so many, and shares (0.1) of those that can be learnt from at
    once."""
    some = _vectorless(data)
    if 1 in labels:
        raise Mistake("labels=1: nothing is learnt from fewer than two")
    classes = 0 if some.quantity else len(np.unique(data.labels("bank")))
    least, counts, notes = max(2, 2 * classes), set(), []
    for said in labels:
        n = round(said * some.learnt) if said < 1 else int(said)
        if n > some.learnt:
            notes.append(f"labels={n:,} is {some.learnt:,}: no more can be learnt from at once")
        if (n := min(n, some.learnt)) >= least:
            counts.add(n)
            continue
        share = f" ({n:,} of {some.learnt:,})" if said < 1 else ""
        notes.append(
            f"labels={said:g}{share} is left out: {f'{classes} classes need' if classes else 'it takes'} at least {least}"
        )
    return sorted(counts) or [some.learnt], notes


def _vectorless(data: Labelled) -> Split:
    """Who is learnt from and who judges, before there are vectors."""
    judges = 0 if data.crossed else len(data.query_at)
    return data.around(np.zeros((len(data.labels("bank")) + judges, 1), np.float32))


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
