"""Files that others made: every module here reads one family of formats, and knows its files by their content.

A module has SUFFIXES (lower case, with a dot), kind(start, path) -> str | None (the kind of data in a file that begins with these
4096 bytes), and what it can of read, open, load and is_set, as `Reader` has them. None imports a heavy library before a file
needs it.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache, wraps
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

from ...errors import Mistake, Unreadable
from ...forms import Sample
from ..names import suffix_of
from ..source import Source
from ..sources.table import Table
from . import _plain

T = TypeVar("T")
START = 4096  # bytes that a reader is shown
LAST = ("table", "code", "text")  # almost anything can be taken for these
TURN = {
    kind: i + 1 for i, kind in enumerate(("image", *LAST))
}  # whoever says more goes first: a GeoTIFF is a picture, too


@runtime_checkable
class Read(Protocol):
    """A file as one sample; Unreadable in words."""

    def __call__(self, path: Path, *, kind: str | None = None) -> Sample: ...


@runtime_checkable
class Open(Protocol):
    """A file (or folder) as many samples; DataError in words. label: the column of the labels."""

    def __call__(self, path: Path, *, kind: str | None = None, label: str | None = None) -> Source: ...


@runtime_checkable
class Stretch(Protocol):
    """A part of a file as a sample: from `start` to `stop`, in the unit in which windows of its kind are cut."""

    def __call__(self, path: Path, start: float, stop: float) -> Sample: ...


@dataclass(frozen=True, eq=False)
class Reader:
    """A family of formats, and what its module does with a file; None: that it does not.

    kind: what is in a file that begins with these bytes; None where it does not know it. general: its files may be of any kind,
    so that the user's word decides. labelled: `open` takes a label. load: a table of which many make one source. is_set: whether
    a folder is one thing, which `open` takes. extent, stretch: how long a file is, and a part of it, neither from the whole.
    """

    name: str
    suffixes: tuple[str, ...]
    kind: Callable[[bytes, Path], str | None]
    read: Read | None
    open: Open | None
    load: Callable[[Path], Table] | None
    is_set: Callable[[Path], bool] | None
    general: bool
    labelled: bool
    extent: Callable[[Path], float] | None = None
    stretch: Stretch | None = None


class Claim(NamedTuple):
    """A reader that knows a file, and what it makes of it."""

    reader: Reader
    kind: str


@cache
def by_name(name: str) -> Reader:
    """The reader in the module of this name."""
    has = vars(importlib.import_module(f"{__name__}.{name}"))
    return Reader(
        name,
        tuple(has["SUFFIXES"]),
        has["kind"],
        _taking(has["read"]) if "read" in has else None,
        _taking(has["open"]) if "open" in has else None,
        has.get("load"),
        has.get("is_set"),
        has.get("GENERAL", False),
        "open" in has and "label" in inspect.signature(has["open"]).parameters,
        has.get("extent"),
        has.get("stretch"),
    )


@lru_cache(maxsize=1)
def readers() -> tuple[Reader, ...]:
    """Every reader, by name."""
    return tuple(map(by_name, sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))))


@lru_cache(maxsize=1)
def suffixes() -> frozenset[str]:
    """Every suffix that some reader lists."""
    return frozenset(s for each in (*readers(), by_name("_plain")) for s in each.suffixes)


def claims(path: str | Path, kind: str | None = None) -> list[Claim]:
    """Who knows this file, the most telling first: those of its suffix, and only if none of them does, those of its content.

    kind: only those that make this of it; arrays may be anything, so their reader keeps a say, and any UTF-8 may be text.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(START)
    except OSError:
        return []
    name = path.name.lower()
    near = [each for each in readers() if name.endswith(each.suffixes)]
    far = [each for each in readers() if each not in near]
    plain = by_name("_plain")
    for some in (near, far, [plain]):
        found = _asked(some, start, path)
        if kind is not None:
            found = [Claim(c.reader, kind) if c.kind != kind and c.reader.general else c for c in found]
            found = [c for c in found if c.kind == kind]
        if found:
            return found
    return [Claim(plain, kind)] if kind in ("text", "code") and _plain.is_text(start) else []


def reading(by_suffix: Mapping[str, Reader], kind: str) -> Callable[[Path], Sample]:
    """What the reader of its suffix makes of a path; other files are looked into."""

    def read(path: Path) -> Sample:
        own = by_suffix.get(suffix_of(path.name))
        able = [own.read] if own is not None else [claim.reader.read for claim in claims(path, kind)]
        found = next((each for each in able if each is not None), None)
        if found is None:
            raise Unreadable("", f"its content is no {kind} in a format that is known here")
        return found(path, kind=kind)

    return read


def of_folder(folder: Path) -> Open | None:
    """What opens a folder as a whole: a Zarr store, a set of graphs in several files."""
    return next((each.open for each in readers() if each.is_set is not None and each.is_set(folder)), None)


def _asked(some: Sequence[Reader], start: bytes, path: Path) -> list[Claim]:
    found = []
    for each in some:
        kind = None
        with suppress(Mistake, Unreadable, OSError, ValueError):
            kind = each.kind(start, path)
        if kind is not None:
            found.append(Claim(each, kind))
    return sorted(found, key=lambda c: (c.reader.general, TURN.get(c.kind, 0)))


def _taking(function: Callable[..., T]) -> Callable[..., T]:
    """The same function, which leaves aside what it does not take, and what is None."""
    takes = inspect.signature(function).parameters

    @wraps(function)
    def call(path: Path, **given: str | None) -> T:
        return function(path, **{name: value for name, value in given.items() if name in takes and value is not None})

    return call
