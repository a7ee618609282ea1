"""Columns as boosted trees like them: numbers as they are, words by their place in the alphabet, what is missing left missing.

Not the raw vector, whose categories are one-hot: on tables with words in them trees do better from columns, and no better
where they are told which ones are categories (docs/log.md).
"""

import datetime
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from ..forms import Cell, Sample
from ..tokenizers.cells import day
from ..tokens import Tokenizer
from . import Vectors, rival

COLUMNS, WORDS = 1_024, 10_000
LARGEST = 1e38  # of a cell: about where float32 ends


@rival("boosted trees", kinds=("table",), learner="trees")
def boosted(samples: Sequence[Sample], tokenizer: Tokenizer) -> Vectors:
    """[n, F], NaN where a cell is missing: a number for each column of numbers, of truths and of words, four for one of
    dates (the day, its month and weekday, the part of the day). A column of several sorts counts as several; of columns the
    1,024 fullest."""
    seen: Counter[tuple[str, type]] = Counter()
    words: dict[str, Counter[str]] = defaultdict(Counter)
    for row in samples:
        for name, cell in row.items():
            if cell is not None:
                seen[name, _sort(cell)] += 1
            if isinstance(cell, str):
                words[name][cell] += 1
    columns = [column for column, _ in seen.most_common(COLUMNS)]
    known = {name: sorted(word for word, _ in counts.most_common(WORDS)) for name, counts in words.items()}
    widths = [4 if sort is datetime.date else 1 for _, sort in columns]

    def vector(row: Sample) -> np.ndarray:
        out = []
        for (name, sort), width in zip(columns, widths, strict=True):
            cell = row.get(name)
            there = cell is not None and _sort(cell) is sort
            out += _numbers(cell, known.get(name, [])) if there else [np.nan] * width
        return np.array(out).clip(-LARGEST, LARGEST).astype(np.float32)

    return lambda asked: np.stack([vector(row) for row in asked])


def _sort(cell: Cell) -> type:
    """str, datetime.date or float: what can stand in one column of numbers."""
    return str if isinstance(cell, str) else datetime.date if isinstance(cell, datetime.date) else float


def _numbers(cell: Cell, known: list[str]) -> list[float]:
    """A word that is not known lies between its neighbours in the alphabet."""
    if isinstance(cell, str):
        at = bisect_left(known, cell)
        return [at if at < len(known) and known[at] == cell else at - 0.5]
    if isinstance(cell, datetime.date):
        when = day(cell)
        return [when, cell.month, cell.weekday(), when % 1]
    assert cell is not None
    return [float(cell)]
