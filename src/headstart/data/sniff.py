"""What is at a path, in words: the kind of data, how much, of which shapes, and where its labels may be."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import Mistake, Unreadable, shown, so_many
from ..forms import Sample
from ..home import expanded
from ..outliers import CLIPPED, DOUBT, MISSING, Column, by_channel, by_name, noted
from . import remote
from .classes import Labelled, labels_of
from .finding import shards, sidecar
from .finding.folder import open_survey
from .finding.survey import Survey, one_kind, survey, tables_beside
from .labels import folder_labels
from .open import open_source
from .readers import claims, of_folder
from .source import DataError, Source
from .sources.array import ArraySource
from .sources.either import Either
from .sources.files import FileSource, begun
from .sources.joined import Joined
from .sources.pair import PairSource
from .sources.recorded import recorded
from .sources.table import TableSource, TablesSource

LOOK, AT_HAND = 16, 256  # samples that are read; of arrays
MEASURED = frozenset({"multispectral", "volume", "series", "field"})  # kinds whose channels have a usual range
# what a sample's size is judged by, where it has several arrays; the last axis is the length, the first the channels
MAIN = ("wave", "values", "frames", "bands", "nodes", "state", "onset", "words", "code", "bytes", "page")


@dataclass(frozen=True)
class Candidate:
    """Labels that there may be. where: "folders", "column species", "sidecar labels.csv, column age", or "in the file".

    classes: how many; 0 for quantities. known: share of the samples that have one.
    """

    where: str
    classes: int
    known: float

    def __str__(self) -> str:
        what = f"{so_many(self.classes, 'class')}" if self.classes else "a quantity"
        return f"{self.where}: {what}, known for {100 * self.known:.0f} %"


@dataclass(frozen=True)
class Found:
    """kind: "" where the user has to choose. sure: 0..1. shapes, channels, rates: those of a few samples, most frequent first.

    parts: what else is there, and how many files. labels: the first is what `open_source` takes. why: sentences.
    """

    path: str
    kind: str
    sure: float
    count: int
    shapes: tuple[tuple[int, ...], ...] = ()
    channels: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()
    labels: tuple[Candidate, ...] = ()
    parts: Mapping[str, int] | None = None
    why: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For people."""
        what = f"{self.kind}, {100 * self.sure:.0f} % sure" if self.kind else "several kinds of data: choose one"
        out = [f"found     {what}", f"path      {self.path}", f"count     {self.count:,}"]
        if self.shapes:
            out.append(f"shapes    {', '.join('x'.join(map(str, s)) or '1' for s in self.shapes[:4])}")
        if self.channels:
            out.append(f"channels  {' or '.join(map(str, self.channels[:4]))}")
        if self.rates:
            out.append(f"rates     {', '.join(f'{r:g} per second' for r in self.rates[:4])}")
        out += [f"labels    {c}" for c in self.labels] or ["labels    none found"]
        if self.parts:
            out.append(f"beside    {', '.join(f'{n:,} {kind}' for kind, n in self.parts.items())}")
        return [shown(line) for line in [*out, *(f"because   {reason}" for reason in self.why)]]


def sniff(where: object) -> Found:
    """Find out what is at `where` (a path, an array, the name of a set), reading no more than a few samples."""
    if remote.is_address(where) and not shards.spelled(str(where)):
        there = remote.fetched(str(where))
        found = sniff(there.path)
        return replace(found, why=(*found.why, *filter(None, [there.said])))
    path = expanded(where) if isinstance(where, str | Path) else None
    if path is None or not path.exists():
        source = open_source(where)
        title = str(where) if isinstance(where, str) else type(where).__name__
        return _of(source, title, 1.0 if path else 0.7, _in_source(source), {}, [source.describe()])
    if path.is_dir() and of_folder(path) is None:
        return _folder(path)
    source = open_source(path)
    told = claims(path) if path.is_file() else []
    kinds = list(dict.fromkeys(c.kind for c in told))
    why = [source.describe()]
    if len(kinds) > 1 and source.kind in kinds:
        why.append(f"it may also be read as {' or '.join(k for k in kinds if k != source.kind)}: data.kind= chooses")
    guessed = bool(told) and told[0].reader.general
    if guessed:
        why.append("arrays do not say what they hold: the kind is judged by the shape, and data.kind= overrides it")
        shape = source.shape if isinstance(source, ArraySource) else ()
        if source.kind == "series" and len(shape) == 2 and shape[1] <= 16 and shape[0] >= 8 * shape[1]:
            why.append(
                f"{shape[0]}x{shape[1]} may be points (data.kind=points), or time first: then swap the last two axes"
            )
    sure = 0.7 if guessed else 1 / max(1, len(kinds))
    if isinstance(source, TableSource) and path.is_file():
        with suppress(DataError):
            one, sure = recorded(source.table), 0.7
            why.append(f"{one.said[0]}, {one.every()}, rises: data.kind=series reads the rows as one recording")
    if told and told[0].reader.open is None:
        why.append("the file is one sample: a recording, which is cut into windows if it is long")
    return _of(source, str(path), sure, _in_source(source), {}, why)


def size_of(sample: Sample) -> tuple[int, ...]:
    """The shape that a sample's size is judged by: of its main array, or how many items it has."""
    if isinstance(sample, np.ndarray):
        return sample.shape
    if isinstance(sample, dict):
        main = main_of(sample)
        return main.shape if isinstance(main, np.ndarray) else (len(main if isinstance(main, Sequence) else sample),)
    return (len(sample),) if isinstance(sample, str | Sequence) else ()


def main_of(sample: Sample) -> Sample:
    """The array (or list) that holds most of a sample; the sample itself where it is one."""
    if not isinstance(sample, dict):
        return sample
    for name in MAIN:
        if isinstance(sample.get(name), np.ndarray | list):
            return sample[name]
    return max((v for v in sample.values() if isinstance(v, np.ndarray)), key=lambda a: a.size, default=sample)


def outlying(samples: Sequence[Sample], kind: str) -> tuple[list[Column], str]:
    """What is usual in every channel or column of these samples, and what is made of a sentinel in them."""
    if kind == "table":
        return by_name([row for row in samples if isinstance(row, dict)]), DOUBT
    done = CLIPPED if kind == "field" else MISSING
    return by_channel([x for x in map(main_of, samples) if isinstance(x, np.ndarray)] if kind in MEASURED else []), done


def rate_of(sample: Sample) -> float | None:
    """Samples (frames) per second, where the sample says so."""
    value = next((sample[k] for k in ("rate", "fps") if k in sample), None) if isinstance(sample, dict) else None
    return float(value) if isinstance(value, int | float | np.number) and np.isfinite(value) else None


def channels_of(sample: Sample, kind: str) -> int | None:
    """The first axis of kinds that have channels there; the second of video."""
    main = main_of(sample)
    if not isinstance(main, np.ndarray) or main.ndim < 2:
        return None
    if kind in ("image", "multispectral", "audio", "series", "field") or (kind == "volume" and main.ndim == 4):
        return int(main.shape[0])
    return int(main.shape[1]) if kind == "video" and main.ndim == 4 else None


def _folder(path: Path) -> Found:
    found = survey(path)
    parts = {k: len(rows) for k, rows in found.kinds.items()}
    beside = {"notes and tables about the files": len(found.notes), "files of no known kind": found.unknown}
    try:
        kind = one_kind(found, None)
    except DataError as error:
        if len(found.kinds) < 2:
            raise
        rest = {k: n for k, n in (parts | beside).items() if n}
        return Found(str(path), "", 0.0, len(found.files), parts=rest, why=(str(error),))
    source = open_survey(found, kind)
    taken = found.kinds if kind == "pair" else (kind,)
    rest = {k: n for k, n in (parts | beside).items() if n and k not in taken}
    sure = min(found.sure.get(k, 0.0) for k in taken)
    why = [*_because(found, taken), *found.why]
    if kind == "pair":
        why.append("their names agree but for suffix or folder, so that each name is one sample of several parts")
    if isinstance(source, Labelled) and source.why:
        why.append(source.why)
    why += source.of_parts() if isinstance(source, Joined) else []
    why += [f"{error.where} cannot be opened: {error.reason}" for error in source.bad[:3]]
    labels = _in_source(source) if kind == "pair" or found.shards else _candidates(found, kind, source)
    return _of(source, str(path), sure, labels, rest, why)


def _because(found: Survey, kinds: Iterable[str]) -> list[str]:
    out = []
    for kind in kinds:
        files = found.names(kind)
        endings = ", ".join(f"{n:,} {s or 'without a suffix'}" for s, n in list(files.counts().items())[:6])
        agree = found.sure.get(kind, 0.0)
        out.append(
            f"{len(files):,} files are taken for {kind} ({endings}); {100 * agree:.0f} % of those looked into are"
        )
    return out


def _candidates(found: Survey, kind: str, source: Source) -> list[Candidate]:
    files, out = found.names(kind), []
    if len(source) == len(files):
        beside = sidecar.find(found.folder, files, tables_beside(found, kind))
        for table in beside.tables:
            for column in table.candidates():
                with suppress(Mistake):
                    told = table.labels(column)
                    out.append(_candidate(f"sidecar {table.name}, column {column}", told.values, told.classes))
        folders = folder_labels(files)
        if folders.values is not None:
            first = beside.labels().values
            out.insert(0 if first is None else len(out), _candidate("folders", folders.values, folders.classes))
        return out
    if not isinstance(source, Joined):
        return _in_source(source)
    folders = folder_labels(source.titles)
    if folders.values is not None:
        each = _candidate("folders", np.repeat(folders.values, [len(s) for s in source.sources]), folders.classes)
        return [*([] if source.why == folders.why else _in_source(source)), each]
    return _in_source(source)


def _in_source(source: Source) -> list[Candidate]:
    """The labels of an opened source, and the columns of a table that could be others."""
    out = []
    chosen = source.label if isinstance(source, TableSource | TablesSource) else None
    if source.labels is not None:
        out.append(_candidate(f"column {chosen}" if chosen else "in the file", source.labels, source.classes))
    if isinstance(source, TableSource):
        for name in source.candidates:
            if name != chosen:
                with suppress(Mistake):
                    out.append(_candidate(f"column {name}", *labels_of(source.table.column(name), source.describe())))
    return out


def _candidate(where: str, labels: np.ndarray | None, classes: tuple[str, ...]) -> Candidate:
    if labels is None:
        return Candidate(where, 0, 0.0)
    known = np.isfinite(labels) if labels.dtype.kind == "f" else labels >= 0
    return Candidate(where, len(classes), float(known.mean()))


def _of(
    source: Source, title: str, sure: float, labels: list[Candidate], parts: Mapping[str, int], why: list[str]
) -> Found:
    shapes: Counter[tuple[int, ...]] = Counter()
    channels: Counter[int] = Counter()
    rates: Counter[float] = Counter()
    bad: list[str] = []
    seen: list[Sample] = []
    kinds = source.kinds if isinstance(source, PairSource | Either) else {}
    every = np.unique(np.linspace(0, len(source) - 1, LOOK).astype(int)).tolist() if len(source) else []
    for i in every:
        try:
            sample = begun(source, i)
            long = source.extent(i) if isinstance(source, FileSource) else None
        except Unreadable as error:
            bad.append(str(error))
            continue
        seen.append(sample)
        for part, value in sample.items() if source.kind == "pair" else [("", sample)]:
            if value is not None:
                kind = kinds.get(part, part) if part else source.kind
                rate = rate_of(value)
                shapes[size_of(value) if not long or not rate else (*size_of(value)[:-1], round(long * rate))] += 1
                if (count := channels_of(value, kind)) is not None:
                    channels[count] += 1
                if rate is not None:
                    rates[rate] += 1
    if bad:
        why = [*why, f"{len(bad)} of the {len(every)} samples looked at cannot be read, such as {bad[0]}"]
        sure *= 1 - len(bad) / len(every) / 2

    if isinstance(source, ArraySource) and source.kind in MEASURED:
        seen = [source[i] for i in np.unique(np.linspace(0, len(source) - 1, AT_HAND).astype(int)).tolist()]
    why = [*why, *noted(*outlying(seen, source.kind))]
    return Found(
        title,
        source.kind,
        round(sure, 3),
        len(source),
        tuple(size for size, _ in shapes.most_common()),
        tuple(count for count, _ in channels.most_common()),
        tuple(rate for rate, _ in rates.most_common()),
        tuple(labels),
        parts,
        tuple(why),
    )
