"""One file that holds samples of several parts: a table of paths and texts, or a tar as WebDataset packs them."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ...errors import Unreadable
from ...forms import Sample
from ..classes import Labels, as_column
from ..labels import decide
from ..readers import claims, columnar, reading
from ..source import DataError, Source
from ..sources.pair import PairSource
from .sidecar import SUFFIXES, TEXTS, read_columns
from .tars import open_tar

LOOK = 64


def open_file(path: Path, start: bytes, label: str | None = None, required: bool = False) -> Source | None:
    """A table of paths, or a tar; None for any other file, an error in words where it has to be one of them."""
    name = path.name.lower()
    if start[257:262] == b"ustar":
        return open_tar(path)
    if re.search(r"\.(tgz|tbz2?|txz|tar\.(gz|bz2|xz|zst))$", name):
        raise DataError(
            f"{path} is a compressed tar, in which no sample can be found by itself: unpack it, or give a .tar"
        )
    if path.suffix.lower() in SUFFIXES and (required or _mentions_files(path, start)):
        found = _open_table(path, label)
        if found is not None:
            return found
    if required:
        raise DataError(f"{path} holds no pairs: give a folder of files with equal names, a table of paths, or a tar")
    return None


def _open_table(path: Path, label: str | None = None) -> PairSource | None:
    """A row, a sample: the files that its columns name, inside the table's folder, and its text; None without such columns."""
    columns, remark = read_columns(path)
    root = path.parent
    told = {c: _kind_of_column(root, values) for c, values in columns.items()}
    files = {c: kind for c, kind in told.items() if kind is not None}
    texts = {c: "text" for c in columns if c not in files and c.lower() in TEXTS}
    if not files or len(files) + len(texts) < 2:
        return None
    every = {**files, **texts}
    alone = [k for k in every.values() if list(every.values()).count(k) == 1]
    named = {c: (k if k in alone else c) for c, k in every.items()}

    def reader(kind: str) -> Callable[[str], Sample]:
        read = reading({}, kind)

        def inside(value: str) -> Sample:
            if not _is_inside(root, value):
                raise Unreadable("", f"{value} is not a file inside {root}")
            return read(root / value)

        return inside

    kinds = {named[c]: k for c, k in every.items()}
    refs = {named[c]: [_text_or_none(v) for v in columns[c]] for c in every}
    read = {named[c]: (reader(k) if c in files else _same) for c, k in every.items()}
    rest = [c for c in columns if c not in every or label is not None]
    found = decide(rest, lambda c: as_column(c, columns[c]), str(path), label) if rest else Labels()
    why = "; ".join(filter(None, (found.why, remark)))
    first = named[next(iter(files))]
    names = [r or f"{path.stem}[{i}]" for i, r in enumerate(refs[first])]
    return PairSource(names, kinds, refs, read, str(path), found.values, found.classes, why)


def _same(text: str) -> str:
    return text


def _text_or_none(value: object) -> str | None:
    text = "" if value is None else str(value)
    return text if text.strip() else None


def _mentions_files(path: Path, start: bytes) -> bool:
    """Whether the first rows name files; a table of numbers is not read for that."""
    if path.suffix.lower() == ".parquet":
        start = columnar.words(path, LOOK).encode()
    return re.search(rb"[^\s,;\"]\.[A-Za-z][A-Za-z0-9]{1,7}\b", start) is not None


def _is_inside(root: Path, value: str) -> bool:
    if os.path.isabs(value) or "\0" in value or ".." in re.split(r"[/\\]", value):
        return False
    real, base = os.path.realpath(root / value), os.path.realpath(root)
    return os.path.commonpath([real, base]) == base and os.path.isfile(real)


def _kind_of_column(root: Path, values: Sequence[object]) -> str | None:
    """The kind of the files that at least half of the first values name."""
    some = [v.strip() for v in values[:LOOK] if isinstance(v, str) and v.strip()]
    there = [v for v in some if len(v) < 1024 and _is_inside(root, v)]
    if not there or 2 * len(there) < len(some):
        return None
    told = [c[0].kind for v in there[:8] if (c := claims(root / v))]
    return max(set(told), key=told.count) if told else None
