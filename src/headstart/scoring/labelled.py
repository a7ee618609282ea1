"""Labelled samples, divided into those that are learnt from and those that judge."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..data.classes import Labelled as WithLabels
from ..data.classes import listed, taken_apart
from ..data.feeding.asked import behind
from ..data.groups import classes_apart
from ..data.labels import MAY_BE
from ..data.source import DataError, Source
from ..data.sources.table import TableSource, TablesSource
from ..errors import Mistake
from ..probes import DRAWS, Lists, Split
from .features import Indices

LABELS = (100, 600)  # label counts of probes from few labels, as far as a data set has them
BANK, QUERY = 20_000, 10_000  # at most
CROSSED = 6_000  # samples that judge in turns, at most
LEAST = (20, 10)
QUICK = (4_000, 1_000)  # during training
FEW_OF_ROWS = 200  # samples with labels of rows alone: fewer judge in turns
SETS, SET_ROWS = (1_200, 1_000), 64  # samples that are kept as their rows, and rows of each (evenly chosen), at most

RowLabels = Callable[[Source, int], np.ndarray]  # a sample -> [T], a label for each of its rows; -1, or NaN: none
Vectors = Callable[[Source, Indices], np.ndarray]  # [n, D]
RowVectors = Callable[[Source, Indices], list[np.ndarray]]  # [T, D] for each sample


@dataclass(frozen=True)
class Labelled:
    """Labelled samples, some to learn from (`bank`) and some to be judged by (`query`), which no training saw.

    bank_at, query_at: indices of labelled samples in their sources. rows: what is known of rows; None: nothing. crossed: both are
    the same samples, too few to set some of them aside: they are learnt from and judge in turns. several: the same numbers where
    labels are lists of classes, with those whose list nobody else has; None: they are not. note: which classes are left out and
    why, in a line for people.
    """

    bank: Source
    query: Source
    bank_at: np.ndarray
    query_at: np.ndarray
    rows: RowLabels | None = None
    crossed: bool = False
    several: tuple[np.ndarray, np.ndarray] | None = None
    note: str = ""

    @property
    def named(self) -> bool:
        """Samples have labels, not their rows alone."""
        return self.bank.labels is not None

    def labels(self, part: str) -> np.ndarray:
        source, at = (self.bank, self.bank_at) if part == "bank" else (self.query, self.query_at)
        assert source.labels is not None
        return source.labels[at]

    def some(self, seed: int = 1, sizes: tuple[int, int] = QUICK) -> "Labelled":
        """Few of them, for a look during training; or as many as these at most."""
        rng = np.random.default_rng(seed)
        if self.crossed:
            at = np.sort(rng.permutation(self.query_at)[: sizes[1]])
            return replace(self, bank_at=at, query_at=at)
        bank, query = (
            np.sort(rng.permutation(x)[:n]) for x, n in zip((self.bank_at, self.query_at), sizes, strict=True)
        )
        return replace(self, bank_at=bank, query_at=query)

    def split(self, vectors: Vectors) -> Split:
        """The samples as vectors, with their labels."""
        bank = vectors(self.bank, self.bank_at)
        return self.around(bank if self.crossed else np.concatenate([bank, vectors(self.query, self.query_at)]))

    def around(self, x: np.ndarray, draws: int = DRAWS, of: tuple[int, ...] = LABELS) -> Split:
        """What stands for each sample [n, ...], those that are learnt from and then those that judge (once, where both are the
        same), with their labels. of: label counts, as far as there are so many."""
        have, groups = self.labels("bank"), None if self.query.groups is None else self.query.groups[self.query_at]
        if self.crossed:
            made = Split.crossed(x, have, groups=groups)
        else:
            n = len(have)
            y = np.concatenate([have, self.labels("query")])
            if groups is not None:
                groups = np.concatenate([groups.min() - 1 - np.arange(n), groups])
            made = Split(x, y, (((np.arange(n), n + np.arange(len(y) - n)),),), groups=groups)
        return replace(made, counts=counts(have, made.learnt, of), draws=draws)

    def lists(self, vectors: Vectors) -> Lists | None:
        """The samples as vectors, with the classes that each label lists; None where labels are no lists."""
        if self.several is None:
            return None
        every = replace(self, bank_at=self.several[0], query_at=self.several[1])
        names = [name for source in (self.bank, self.query) for name in source.classes]
        parts = taken_apart(names)[0]
        ids = [every.labels("bank"), *([] if self.crossed else [every.labels("query") + len(self.bank.classes)])]
        return Lists(every.split(vectors), parts[np.concatenate(ids)])

    def sets(self, vectors: RowVectors) -> Split:
        """Some of the samples as all of their rows, with their labels: x [n] holds arrays [T, D]."""
        few = self.some(sizes=SETS)
        parts = [(few.bank, few.bank_at), *([] if few.crossed else [(few.query, few.query_at)])]
        found = [_thin(rows) for source, at in parts for rows in vectors(source, at)]
        x = np.empty(len(found), object)
        x[:] = found
        return few.around(x)

    def row_split(self, vectors: RowVectors) -> Split | None:
        """The rows of as many samples as fit, with their labels; None where too few have any."""
        if self.rows is None:
            return None
        bank, have, whose = self._rows(self.bank, self.bank_at, BANK, vectors)
        if self.crossed:
            return _in_turns(bank, have, whose) if len(have) >= sum(LEAST) else None
        query, want, groups = self._rows(self.query, self.query_at, QUERY, vectors)
        if len(have) < LEAST[0] or len(want) < LEAST[1]:
            return None
        split = Split.of(bank, have, query, want, counts(have), groups)
        return replace(split, groups=np.concatenate([-1 - whose, groups]))

    def _rows(
        self, source: Source, at: np.ndarray, most: int, vectors: RowVectors
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(vectors [n, D], labels [n], numbers of their samples [n]) of about `most` labelled rows."""
        assert self.rows is not None
        chosen, said, total = [], [], 0
        for i in np.random.default_rng(0).permutation(at).tolist():
            labels = self.rows(source, i)
            known = int(_known(labels).sum())
            if known and total + known <= most:
                chosen.append(i)
                said.append(labels)
                total += known
        if not chosen:
            return np.zeros((0, 0), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64)
        z = vectors(source, chosen)
        for i, x, labels in zip(chosen, z, said, strict=True):
            if len(x) != len(labels):
                raise Mistake(f"{source.name(i)} has {len(x)} rows and {len(labels)} labels of rows: give one for each")
        every, groups = np.concatenate(said), np.repeat(chosen, [len(labels) for labels in said])
        known_at = _known(every)
        return np.concatenate(z)[known_at], every[known_at], groups[known_at]


def _thin(rows: np.ndarray) -> np.ndarray:
    """At most `SET_ROWS` of [T, D], evenly chosen; of none a row of zeros."""
    if not len(rows):
        return np.zeros((1, rows.shape[1]), np.float32)
    return rows[np.unique(np.linspace(0, len(rows) - 1, SET_ROWS).round().astype(int))].astype(np.float32)


def labelled(
    bank: Source,
    query: Source,
    bank_at: np.ndarray,
    query_at: np.ndarray,
    seed: int = 0,
    rows: RowLabels | None = None,
) -> Labelled | None:
    """Those of the given samples that have labels of classes that both sides have; None where that is too few."""
    if bank.labels is None or query.labels is None:
        return None
    quantity = bank.labels.dtype.kind == "f"
    common = np.intersect1d(bank.labels[bank_at], query.labels[query_at])
    common = common[common >= 0]
    parts = []
    for source, at, most in ((bank, bank_at, BANK), (query, query_at, QUERY)):
        assert source.labels is not None
        at = at[np.isfinite(source.labels[at]) if quantity else np.isin(source.labels[at], common)]
        parts.append(np.sort(np.random.default_rng(seed).permutation(at)[:most]))
    if (len(common) < 2 and not quantity) or len(parts[0]) < LEAST[0] or len(parts[1]) < LEAST[1]:
        return None
    several = None
    if listed(bank.classes):
        several = _some(bank, bank_at, BANK, seed), _some(query, query_at, QUERY, seed)
    return Labelled(bank, query, parts[0], parts[1], rows, several=several)


def _some(source: Source, at: np.ndarray, most: int, seed: int) -> np.ndarray:
    """At most so many of the given samples that have a label."""
    assert source.labels is not None
    return np.sort(np.random.default_rng(seed).permutation(at[_known(source.labels[at])])[:most])


def in_turns(source: Source, at: np.ndarray, seed: int = 0, rows: RowLabels | None = None) -> Labelled | None:
    """Those of the given samples that have labels, of classes that at least two have which do not hang together, to be learnt
    from and to judge in turns; None where that is too few."""
    if source.labels is None:
        return None
    quantity = source.labels.dtype.kind == "f"
    several = (2 * (_some(source, at, CROSSED, seed),)) if listed(source.classes) else None
    if quantity:
        at = at[np.isfinite(source.labels[at])]
    else:
        groups = None if source.groups is None else source.groups[at]
        at = at[np.isin(source.labels[at], classes_apart(source.labels[at], groups))]
    at = np.sort(np.random.default_rng(seed).permutation(at)[:CROSSED])
    if len(at) < LEAST[0] or (not quantity and len(np.unique(source.labels[at])) < 2):
        return None
    return Labelled(source, source, at, at, rows, crossed=True, several=several) if _many(source, at) else None


def by_rows(source: Source, rows: RowLabels, share: float) -> Labelled | None:
    """Samples of which nothing is known but labels of their rows: this share of them judges, of few all do in turns; None where
    there are fewer than two."""
    at = np.arange(len(source))
    whose = at if source.groups is None else source.groups
    each = np.random.default_rng(0).permutation(np.unique(whose))
    if len(each) < 2:
        return None
    if len(each) < FEW_OF_ROWS:
        return Labelled(source, source, at, at, rows, crossed=True)
    judges = np.isin(whose, each[: round(share * len(each))])
    return Labelled(source, source, at[~judges], at[judges], rows)


def _many(source: Source, at: np.ndarray) -> bool:
    """Whether there are several that hang together with no other."""
    return source.groups is None or len(np.unique(source.groups[at])) > 1


def _in_turns(x: np.ndarray, y: np.ndarray, groups: np.ndarray | None) -> Split:
    made = Split.crossed(x, y, groups=groups)
    return replace(made, counts=counts(y, made.learnt))


def counts(labels: np.ndarray, most: int | None = None, of: tuple[int, ...] = LABELS) -> tuple[int, ...]:
    """Label counts for a probe from few: those of these that are at least two per class, and no more than there are (`most`)."""
    classes, most = 0 if labels.dtype.kind == "f" else len(np.unique(labels)), most or len(labels)
    return tuple(c for c in of if 2 * classes <= c <= most) or (most,)


def _known(labels: np.ndarray) -> np.ndarray:
    return np.isfinite(labels) if labels.dtype.kind == "f" else labels >= 0


def refused(source: Source) -> str:
    """What was taken for no labels, and why, as a source's `why` has it: " (not y, whose ...)", or nothing."""
    return "".join(f" ({line})" for line in _why(source) if line.startswith("not "))


def _why(source: Source) -> list[str]:
    inner = behind(source, np.arange(1))[0]
    return inner.why.split("; ") if isinstance(inner, WithLabels) else []


def unlabelled(where: object, source: Source) -> DataError:
    """What to do about data that needs labels: to name the column that may hold them, where there is one."""
    none = f"{where} has no labels{refused(source)}"
    if may := next((line for line in _why(source) if line.startswith(MAY_BE)), ""):
        return DataError(f"{none} that are plainly such: {may}")
    inner = behind(source, np.arange(1))[0]
    if isinstance(inner, TableSource | TablesSource):
        columns = inner.table.names if isinstance(inner, TableSource) else inner.tables[0].names
        return DataError(f"{none}: say which column holds them, with data.label=; there are {', '.join(columns[:20])}")
    return DataError(
        f"{none}: put the files of each class in a folder of its name, give an .npz with x and "
        "y, an idx file with its labels beside it, or say where they are: data.label=labels.csv:species"
    )
