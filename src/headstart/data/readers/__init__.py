"""Files that others made: every module here reads one family of formats, and knows its files by their content.

A module has SUFFIXES (lower case, with a dot), kind(start, path) -> str | None (the kind of data in a file that begins with these
4096 bytes), and what it can of read, open, load and is_set, as `Reader` has them. None imports a heavy library before a file
needs it.
"""

import importlib
import inspect
import pkgutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache, wraps
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

from ...errors import Mistake, Unreadable
from ...forms import Sample
from ..names import suffix_of
from ..source import DataError, Source
from ..sources.table import Table
from . import _plain
from ._limits import instead, instead_of

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
    """A file (or folder) as many samples; DataError in words. label: the column of the labels. group: what in the file says which
    samples hang together."""

    def __call__(
        self, path: Path, *, kind: str | None = None, label: str | None = None, group: str | None = None
    ) -> Source: ...


@runtime_checkable
class Stretch(Protocol):
    """A part of a file as a sample: from `start` to `stop`, in the unit in which windows of its kind are cut."""

    def __call__(self, path: Path, start: float, stop: float) -> Sample: ...


@dataclass(frozen=True, eq=False)
class Reader:
    """A family of formats, and what its module does with a file; None: that it does not.

    kind: what is in a file that begins with these bytes; None where it does not know it. general: its files may be of any kind,
    so that the user's word decides. labelled, grouped: `open` takes a label, a group. load: a table of which many make one
    source. is_set: whether a folder is one thing, which `open` takes. extent, stretch: how long a file is, and a part of it,
    neither from the whole. alone: what `read` gives hangs on the content of the file alone, and may take long: it may be kept.
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
    asked: Callable[[bytes, Path], str | None] | None = None
    alone: bool = False
    grouped: bool = False


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
        _taking(_real(has["read"], _unreadable)) if "read" in has else None,
        _taking(_real(has["open"], _no_data)) if "open" in has else None,
        _real(has["load"], _no_data) if "load" in has else None,
        has.get("is_set"),
        has.get("GENERAL", False),
        "open" in has and "label" in inspect.signature(has["open"]).parameters,
        _real(has["extent"], _unreadable) if "extent" in has else None,
        _real(has["stretch"], _unreadable) if "stretch" in has else None,
        has.get("asked"),
        has.get("ALONE", False),
        "open" in has and "group" in inspect.signature(has["open"]).parameters,
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
    if instead(start, path.name):
        return []
    name = path.name.lower()
    near = [each for each in readers() if name.endswith(each.suffixes)]
    far = [each for each in readers() if each not in near]
    plain = by_name("_plain")
    for some in (near, far, [plain]):
        found = _asked(some, start, path)
        if kind is not None:
            found = [Claim(c.reader, kind) if c.kind != kind and c.reader.general else c for c in found]
            able = [each for each in some if each.asked is not None and each not in [c.reader for c in found]]
            found = [c for c in (*found, *_asked(able, start, path, True)) if c.kind == kind]
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


def makers(by_suffix: Mapping[str, Reader], others: Reader | None = None) -> Callable[[str], str | None]:
    """Who decodes a file, by its name, where what comes out hangs on its content alone. others: who reads other suffixes."""

    def made_by(name: str) -> str | None:
        suffix = suffix_of(name)
        own = by_suffix.get(suffix, others)
        return f"{own.name} {suffix}" if own is not None and own.alone else None

    return made_by


def of_folder(folder: Path) -> Open | None:
    """What opens a folder as a whole: a Zarr store, a set of graphs in several files."""
    return next((each.open for each in readers() if each.is_set is not None and each.is_set(folder)), None)


def _asked(some: Sequence[Reader], start: bytes, path: Path, said: bool = False) -> list[Claim]:
    """What these readers take a file for; said: where the user says what it is."""
    found = []
    for each in some:
        kind, tell = None, each.asked if said and each.asked is not None else each.kind
        with suppress(Mistake, Unreadable, OSError, ValueError, EOFError, zlib.error):
            kind = tell(start, path)
        if kind is not None:
            found.append(Claim(each, kind))
    return sorted(found, key=lambda c: (c.reader.general, TURN.get(c.kind, 0)))


def _unreadable(path: Path, reason: str) -> Exception:
    return Unreadable("", reason)


def _no_data(path: Path, reason: str) -> Exception:
    return DataError(f"{path} cannot be read: {reason}")


def _real(function: Callable[..., T], error: Callable[[Path, str], Exception]) -> Callable[..., T]:
    """The same function of files that are there: where something else stands in their place, it is said, and not read."""

    @wraps(function)
    def call(path: Path, *rest: float, **given: str | int | None) -> T:
        if reason := instead_of(path):
            raise error(path, reason)
        return function(path, *rest, **given)

    return call


def _taking(function: Callable[..., T]) -> Callable[..., T]:
    """The same function, which leaves aside what it does not take, and what is None."""
    takes = inspect.signature(function).parameters

    @wraps(function)
    def call(path: Path, **given: str | None) -> T:
        return function(path, **{name: value for name, value in given.items() if name in takes and value is not None})

    return call
