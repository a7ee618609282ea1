"""A row of a table as one token per cell: the column's name is the place, the cell's content is the payload.

So tables of different columns share a batch and an encoder, and a hidden cell's column stays known while its content is not
(tokens of name and value: TransTab, Wang & Sun 2022; here the name is hashed into a place instead of looked up).
"""

import datetime
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import nn

from ..errors import Mistake, Unreadable
from ..forms import Cell, Json, Sample
from ..tokens import Tokenizer, Tokens, layout
from .cells import LONGEST_NAME, PERIODS, at_day, bits, day, letters_of, periodic, plain, shortened
from .names import code, place
from .number import WIDTH, Scale, back, forward, gather, measure, said, spread
from .payload import Numbers
from .want import Want
from .words import Words

Row: TypeAlias = dict[str, Cell]

TABLE = ""  # the key under which a row says which table it is from
AXES = 8
CODE = 32  # numbers for a category
FLAGS = ("number", "truth", "category", "text", "date", "missing", "whole", "clock")
CELLS, VOCABULARY, WORDS, SHOWN, RAW = (
    4096,
    256,
    65_536,
    32,
    3072,
)  # cells of a row, words of a column and of all; see raw()


class Column(NamedTuple):
    """What `fit` learnt of a column. table: "" for all tables that have it. form: what most of its cells are."""

    table: str
    name: str
    form: str
    scale: Scale
    vocabulary: tuple[str, ...]


@dataclass(frozen=True)
class TableTokenizer(Tokenizer):
    """Rows {column: number, str, bool, date, datetime or None}; at most 4,096 cells, names of 256 and texts of 1,000 characters.

    A row may say which table it is from under the key "" (the empty name). That is then a cell like any other, and numbers are
    standardised, and categories known, by table and column; else, and for tables not seen by `fit`, by the column's name alone;
    for names not seen, by one signed logarithm for all numbers. Missing cells (None, NaN) make a row that says so: that a
    value was not taken is worth knowing. `letters`: bytes that are kept of a text that is no word of its column's vocabulary.
    """

    columns: tuple[tuple[str, str, str, Scale, tuple[str, ...]], ...] = ()
    default: Scale = (0.0, 1.0, 0.0, 1.0)
    letters: int = 0

    kind = "table"
    axes = tuple(f"name {i + 1}" for i in range(AXES))
    signal = False

    @classmethod
    def fit(cls, samples: list[Sample], want: Want = Want()) -> "TableTokenizer":
        """Scales and vocabularies of the columns in these rows. want.longest: bytes kept of a text (16, at most 64).

        Half a second per 10,000 rows of ten cells: with many tables, give many rows.
        """
        seen: dict[tuple[str, str], list[Cell]] = defaultdict(list)
        tables: dict[str, set[str]] = defaultdict(set)
        for sample in samples:
            try:
                row = _clean(sample)
            except Unreadable:
                continue
            table = str(row.get(TABLE) or "")
            for name, cell in row.items():
                seen["", name].append(cell)
                tables[name].add(table)
                if table and name != TABLE:
                    seen[table, name].append(cell)
        if not seen:
            raise Mistake("no row of the table can be used: give rows as {column: number, text, date or None}")
        alone = {name for name, of in tables.items() if len(of) == 1}
        columns: list[tuple[str, str, str, Scale, tuple[str, ...]]] = []
        left, text = WORDS, 0
        for (table, name), cells in sorted(seen.items()):
            if table and name in alone:
                continue
            column, longest = _learn(table, name, cells, left)
            left, text = left - len(column.vocabulary), max(text, longest)
            columns.append((*column,))
        numbers = [x for (table, _), cells in seen.items() if not table for x in _numbers(cells)]
        letters = min(text, want.longest or 16, 64)
        return cls(tuple(columns), measure(np.array(numbers), robust=False), letters)

    @property
    def dim(self) -> int:
        return WIDTH + len(FLAGS) + PERIODS + CODE + 8 * self.letters

    def fitted(self, sample: Sample) -> Row:
        """Plain Python cells. Times lose their zone (as UTC) and what is below a second; texts end after 1,000 characters."""
        return _clean(sample)

    def __call__(self, sample: Row) -> Tokens:
        table = str(sample.get(TABLE) or "")
        flags, periods, codes, texts = np.split(
            out := np.zeros((len(sample), self.dim), np.float32)[:, WIDTH:],
            np.cumsum([len(FLAGS), PERIODS, CODE]),
            axis=1,
        )
        z, counts = np.zeros(len(sample)), np.zeros(len(sample), bool)
        for i, (name, cell) in enumerate(sample.items()):
            column = self._of(table, name)
            flags[i, FLAGS.index(_form(cell, self._words(column).number))] = 1
            if isinstance(cell, bool):
                z[i], counts[i] = 2.0 * cell - 1, True
            elif isinstance(cell, str):
                codes[i] = code(cell, CODE)
                if cell not in self._words(column).number:
                    texts[i] = bits(cell, self.letters)
            elif isinstance(cell, datetime.date):
                z[i], counts[i] = forward(day(cell), column.scale), True
                periods[i] = periodic(cell)
                flags[i, FLAGS.index("clock")] = isinstance(cell, datetime.datetime)
            elif cell is not None:
                z[i], counts[i] = forward(cell, column.scale), True
                flags[i, FLAGS.index("whole")] = isinstance(cell, int)
        values = np.concatenate([spread(z) * counts[:, None], out], 1)
        coords = torch.tensor([place(name, AXES) for name in sample], dtype=torch.float32)
        return Tokens(torch.from_numpy(values), coords, layout((len(sample),)), self.kind)

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> Row:
        """The row again. Columns whose names `fit` has not seen cannot be named and are left out; see `kept`."""
        rows = ~tokens.slot
        values, coords = said(tokens.values[rows]), tokens.coords[rows].tolist()
        names = [self._names.get(tuple(at)) for at in coords]
        parts = np.split(values, np.cumsum([WIDTH, len(FLAGS), PERIODS, CODE]), axis=1)
        z = gather(parts[0])
        table, out = "", {}
        for i in sorted(range(len(names)), key=lambda i: names[i] != TABLE):  # the table first: scales hang on it
            name = names[i]
            if name is None:
                continue
            out[name] = self._cell(self._of(table, name), float(z[i]), parts[1][i], parts[3][i], parts[4][i])
            if name == TABLE:
                table = str(out[name] or "")
        return {name: out[name] for name in names if name is not None}

    def _cell(self, column: Column, z: float, flags: np.ndarray, hashed: np.ndarray, texts: np.ndarray) -> Cell:
        form, whole, clock = FLAGS[int(flags[:6].argmax())], flags[6] > 0.5, flags[7] > 0.5
        if form == "truth":
            return z > 0
        if form == "category":
            return self._words(column).nearest(hashed)
        if form == "text":
            return letters_of(texts) if self.letters else None
        if form == "missing":
            return None
        number = back(z, column.scale)
        if form == "date":
            return at_day(number, bool(clock))
        return round(number) if whole else number

    def kept(self, sample: Row) -> Row:
        """What `decode` gives back of a fitted row: all but columns that `fit` has not seen, and the ends of long texts.

        Of a text that is no word of its column's vocabulary the first `letters` bytes come back, or None where `letters` is 0.
        """
        table = str(sample.get(TABLE) or "")
        known = set(self._names.values())
        if table and table not in self._words(self._of("", TABLE)).number:
            sample = {TABLE: shortened(table, self.letters) if self.letters else None} | {
                k: v for k, v in sample.items() if k != TABLE
            }
        return {
            name: (shortened(cell, self.letters) if self.letters else None)
            if isinstance(cell, str) and cell not in self._words(self._of(table, name)).number
            else cell
            for name, cell in sample.items()
            if name in known
        }

    def raw(self, sample: Row) -> np.ndarray:
        """The cells of the columns seen by `fit`, one after another: what a linear model or boosted trees would be given.

        Numbers and dates are standardised, 0 where missing, and followed by a flag for that; dates bring their place in year,
        month, week and day. Categories are one-hot: the 32 commonest words, "another", "missing". Texts are hashed.
        At most 3,072 numbers: later columns are left out.
        """
        table = str(sample.get(TABLE) or "")
        out = np.zeros(sum(width for _, width in self._plan), np.float32)
        start = 0
        for column, width in self._plan:
            here, cell = out[start : start + width], sample.get(column.name)
            start += width
            if cell is None:
                here[-1] = 1
            elif isinstance(cell, str) != (column.form in ("category", "text")):
                here[-2] = 1  # a text among numbers, or a number among texts: another
            elif isinstance(cell, str) and column.form == "category":
                here[min(self._words(column).number.get(cell, SHOWN), width - 2)] = 1
            elif isinstance(cell, str):
                here[:CODE] = code(cell, CODE)
            elif isinstance(cell, datetime.date):
                here[0] = forward(day(cell), self._of(table, column.name).scale)
                if column.form == "date":
                    here[1 : 1 + PERIODS] = periodic(cell)
            else:
                here[0] = 2 * cell - 1 if isinstance(cell, bool) else forward(cell, self._of(table, column.name).scale)
        return out

    def state(self) -> Json:
        return asdict(self)

    @cached_property
    def _known(self) -> dict[tuple[str, str], Column]:
        return {(c[0], c[1]): Column(*c) for c in self.columns}

    @cached_property
    def _names(self) -> dict[tuple[float, ...], str]:
        return {place(name, AXES): name for name in sorted({c[1] for c in self.columns})}

    @cached_property
    def _plan(self) -> list[tuple[Column, int]]:
        """Columns in `raw` and the numbers that each takes there; the last two are for "another" and "missing"."""
        width = {"date": 1 + PERIODS, "text": CODE}
        plan: list[tuple[Column, int]] = []
        left = RAW
        for (table, _), column in self._known.items():
            own = 2 + (min(SHOWN, len(column.vocabulary)) if column.form == "category" else width.get(column.form, 1))
            if not table and own <= left:
                plan.append((column, own))
                left -= own
        return plan

    @cached_property
    def _vocabularies(self) -> dict[tuple[str, str], Words]:
        return {}

    def _words(self, column: Column) -> Words:
        key = (column.table, column.name)
        return self._vocabularies.get(key) or self._vocabularies.setdefault(key, Words.of(column.vocabulary, CODE))

    def _of(self, table: str, name: str) -> Column:
        known = self._known
        return known.get((table, name)) or known.get(("", name)) or Column("", name, "number", self.default, ())


def _form(cell: Cell, words: dict[str, int]) -> str:
    if cell is None:
        return "missing"
    if isinstance(cell, bool):
        return "truth"
    if isinstance(cell, str):
        return "category" if cell in words else "text"
    return "date" if isinstance(cell, datetime.date) else "number"


def _numbers(cells: list[Cell]) -> list[float]:
    return [float(cell) for cell in cells if isinstance(cell, int | float) and not isinstance(cell, bool)]


def _learn(table: str, name: str, cells: list[Cell], left: int) -> tuple[Column, int]:
    """What is to be known of a column, and the bytes of its longest text if its texts are no categories."""
    words = Counter(cell for cell in cells if isinstance(cell, str))
    days = [day(cell) for cell in cells if isinstance(cell, datetime.date)]
    numbers = _numbers(cells)
    truths = sum(isinstance(cell, bool) for cell in cells)
    total = words.total()
    longest = max((len(word.encode()) for word in words), default=0)
    recurs = len(words) <= total / 2 or (total < 16 and longest <= 24) or name == TABLE
    vocabulary: tuple[str, ...] = ()
    if recurs:
        most = WORDS // 4 if name == TABLE else VOCABULARY
        common = sorted(words.items(), key=lambda item: (-item[1], item[0]))[: max(0, min(most, left))]
        vocabulary = tuple(word for word, _ in common)
    counts = {"number": len(numbers), "date": len(days), "truth": truths, "category" if recurs else "text": total}
    form = max(counts, key=lambda key: counts[key])
    rest = max((len(word.encode()) for word in set(words) - set(vocabulary)), default=0)
    scale = measure(np.array(days if form == "date" else numbers, np.float64))
    return Column(table, name, form, scale, vocabulary), rest


def _clean(sample: Sample) -> Row:
    if not isinstance(sample, dict):
        raise Unreadable("", f"a row of a table is {{column: cell}}, not {type(sample).__name__}")
    if len(sample) > CELLS:
        raise Unreadable("", f"the row has {len(sample):,} cells, more than {CELLS:,}")
    row: Row = {}
    for name, cell in sample.items():
        if not isinstance(name, str) or len(name) > LONGEST_NAME:
            raise Unreadable(
                "", f"a column's name is text of at most {LONGEST_NAME} characters, not {str(name)[:40]!r}"
            )
        row[name] = plain(name, cell)
    if all(cell is None for name, cell in row.items() if name != TABLE):
        raise Unreadable("", "every cell of the row is missing")
    if not isinstance(row.get(TABLE), str | None):
        raise Unreadable("", 'the table\'s name, under the key "", is no text')
    return row
