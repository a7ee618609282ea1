"""Recordings as text: CSV and its relatives with a column of time and channels of numbers, one recording a file.

`sources/recorded.py` says which tables these are. Files of a folder are told together: four at least, of which three quarters of
those looked at are recordings of 16 rows or more with channels in common. They are evenly timed, or begin at time 0, or lie in
folders of classes, or beside a table of labels. Fewer files must each be a recording alone.
"""

import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from ...errors import Unreadable
from ...forms import Sample
from ..labels import folder_labels
from ..source import DataError, Source
from ..sources.events import opened
from ..sources.listed import ListSource
from ..sources.recorded import LONG, Recorded, alone, recorded
from . import delimited

SUFFIXES = (*delimited.SUFFIXES, ".txt")
FILES, LEAST = 4, 16  # of a folder; rows of each
LOOK, HEAD = 8, 2000  # files that are looked at, and rows of each
SHARE, COMMON = 0.75, 0.5  # of these files; of the channels
ONE_BY_ONE = 10_000  # files of which each is asked for its names


def kind(start: bytes, path: Path) -> str | None:
    """Series, if it is long and its first rows make a recording; the whole of it is judged as it is opened."""
    if _rows(start, path) < LONG or delimited.kind(start, path) != "table":
        return None
    head = delimited.load(path, HEAD)
    one = recorded(head)
    short = not one.even or one.label is not None
    return None if short else "series"


def asked(start: bytes, path: Path) -> str | None:
    """Series, whatever table it is, as the user says so: whether it can be is seen as it is read."""
    return None if delimited.kind(start, path) is None else "series"


def read(path: Path) -> dict[str, Sample]:
    """{"values": [C, L] float32, "channels", and "rate" in Hz or "time" in seconds}; gaps are NaN."""
    try:
        return recorded(delimited.load(path), asked=True).sample()
    except DataError as error:
        raise Unreadable("", str(error)) from error


def open(path: Path, label: str | None = None, kind: str | None = None) -> Source:
    """One recording; or the rows of the table, if it is none and nobody says that it is one, or a label is asked for."""
    if label is not None and kind == "series":
        raise DataError(
            f"label={label} names a column of {path}, whose rows are moments of one series: leave one word out"
        )
    table = delimited.load(path)
    if kind is None and label is None:
        with suppress(DataError):
            if alone(one := recorded(table)):
                return _source(path, one)
    return opened(table, label) if kind is None else _source(path, recorded(table, asked=True))


def _source(path: Path, one: Recorded) -> Source:
    return ListSource([one.sample()], "series", names=[path.name], title=path.name, why=_said([one], 1))


def together(folder: Path, files: Sequence[str], labelled: bool) -> np.ndarray | None:
    """bool [n]: which of these files are one recording each; None where they are to be read as tables.

    labelled: a table beside them may say which file is of which class. What cannot be read is taken for a recording, and named
    when it is read.
    """
    if len(files) < FILES:
        each = [_alone(folder / name) for name in files]
        return np.array(each) if each and all(each) else None
    looked = [files[i] for i in np.unique(np.linspace(0, len(files) - 1, LOOK).astype(int)).tolist()]
    heads = {name: one for name in looked if (one := _head(folder / name)) is not None}
    core = _in_common(list(heads.values()))
    heads = {name: one for name, one in heads.items() if _has(one, core)}
    if len(heads) < SHARE * len(looked):
        return None
    timed = max(np.mean([one.even for one in heads.values()]), np.mean([one.elapsed for one in heads.values()]))
    if timed < SHARE and not labelled and not folder_labels(files).classes:
        return None
    if len(files) > ONE_BY_ONE:
        return np.ones(len(files), bool)
    known = {line for name, one in heads.items() if (line := _named(folder / name, one))}
    return np.array([_is_like(folder / name, known, core) for name in files])


def said(paths: Sequence[Path], files: int) -> str:
    """How recordings are read, by these of so many files."""
    found = []
    for path in paths:
        with suppress(DataError):
            found.append(recorded(delimited.load(path), asked=True))
    return _said(found, files) if found else ""


def _said(found: Sequence[Recorded], files: int) -> str:
    def either(values: Iterable[str]) -> str:
        most = [value for value, _ in Counter(values).most_common()]
        return " or ".join(most[:3]) + " or other" * (len(most) > 3)

    columns, uneven = either(one.said[0] for one in found), [one for one in found if one.time is not None]
    every = either((uneven[0] if one.time is not None else one).every() for one in found)
    counts = [str(n) for n, _ in Counter(len(one.channels) for one in found).most_common(4)]
    gaps = sum(one.gaps for one in found)
    cells = sum(int((np.isnan(one.values) & np.isfinite(one.values).any(0)).sum()) for one in found)
    rest = list(Counter(part for one in found for part in one.said[1:]))
    parts = [
        f"{columns}, {every}",
        f"{' or '.join(counts)} channel{'s' * (counts != ['1'])}",
        *([f"{gaps:,} gap{'s' * (gaps > 1)} kept missing"] if gaps else []),
        *([f"{cells:,} missing value{'s' * (cells > 1)}"] if cells else []),
        *rest[:4],
        *([f"and {len(rest) - 4} remarks more"] if len(rest) > 4 else []),
    ]
    return "; ".join(parts) + (f" ({len(found)} of {files:,} files looked at)" if files > 1 else "")


def _alone(path: Path) -> bool:
    with suppress(DataError, OSError), path.open("rb") as file:
        return kind(file.read(4096), path) == "series"
    return False


def _head(path: Path) -> Recorded | None:
    """The recording in the first rows of a file."""
    if not _tabular(path):
        return None
    with suppress(DataError):
        table = delimited.load(path, HEAD)
        return recorded(table) if len(table) >= LEAST else None
    return None


def _tabular(path: Path) -> bool:
    """Whether a file is a table by its name, or by its first lines."""
    if path.name.lower().endswith(delimited.SUFFIXES):
        return True
    try:
        with path.open("rb") as file:
            return delimited.kind(file.read(4096), path) is not None
    except OSError:
        return False


def _in_common(some: Sequence[Recorded]) -> set[str]:
    """The channels that half of these recordings have."""
    counts = Counter(name for one in some for name in {name.casefold() for name in one.channels})
    return {name for name, n in counts.items() if n >= COMMON * len(some)}


def _has(one: Recorded, core: set[str]) -> bool:
    own = {name.casefold() for name in one.channels} & core
    return bool(own) and len(own) >= COMMON * len(core)


def _named(path: Path, one: Recorded) -> bytes:
    """The first line of a file, if it holds the names of its columns."""
    line = delimited.first_line(path)
    return line if all(name.partition(" [")[0].encode() in line for name in one.channels) else b""


def _is_like(path: Path, known: Collection[bytes], core: set[str]) -> bool:
    """Whether a file begins with the names of one that is known, or is a recording of about the same channels."""
    try:
        if delimited.first_line(path) in known:
            return True
        if not _tabular(path):
            return False
        table = delimited.load(path, HEAD)
    except DataError:
        return True
    with suppress(DataError):
        return _has(recorded(table), core)
    return False


def _rows(start: bytes, path: Path) -> float:
    """About how many lines a file has that begins with these bytes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if start[:2] == b"\x1f\x8b":
            file.seek(max(0, size - 4))
            size, start = int.from_bytes(file.read(4), "little"), zlib.decompressobj(31).decompress(start, 4096)
        elif start.count(b"\n") < 2:
            start = file.read(2**20)
    return size / max(1, len(start)) * max(start.count(b"\n"), start.count(b"\r"))
