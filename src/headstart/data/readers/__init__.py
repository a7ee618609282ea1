"""Files that others made: every module here reads one family of formats, and knows its files by their content.

A reader has SUFFIXES (lower case, with a dot), EXTRA (what to install, "" for nothing), kind(start, path) -> str | None (the
kind of data in a file that begins with these 4096 bytes), and read(path) where a file is one sample, open(path, ...) where
it holds many, load(path) -> Table where many such files make one source, is_set(folder) where a folder may be one thing,
which `open` takes. None imports a heavy library before a file needs it.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ...errors import Mistake, Unreadable
from ..names import suffix_of
from . import _plain

START = 4096  # bytes that a reader is shown
LAST = ("table", "code", "text")  # almost anything can be taken for these
TURN = {
    kind: i + 1 for i, kind in enumerate(("image", *LAST))
}  # whoever says more goes first: a GeoTIFF is a picture, too


class Claim(NamedTuple):
    """A reader that knows a file, and what it makes of it."""

    reader: ModuleType
    kind: str


@lru_cache(maxsize=1)
def readers() -> tuple[ModuleType, ...]:
    """Every reader, by name."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    return tuple(m for m in (importlib.import_module(f"{__name__}.{name}") for name in names) if hasattr(m, "kind"))


@lru_cache(maxsize=1)
def suffixes() -> frozenset[str]:
    """Every suffix that some reader lists."""
    return frozenset(s for reader in (*readers(), _plain) for s in reader.SUFFIXES)


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
    near = [reader for reader in readers() if name.endswith(tuple(reader.SUFFIXES))]
    far = [reader for reader in readers() if reader not in near]
    for some in (near, far, (_plain,)):
        found = _asked(some, start, path)
        if kind is not None:
            found = [Claim(c.reader, kind) if c.kind != kind and _general(c.reader) else c for c in found]
            found = [c for c in found if c.kind == kind]
        if found:
            return found
    return [Claim(_plain, kind)] if kind in ("text", "code") and _plain.is_text(start) else []


def reading(readers: dict[str, ModuleType], kind: str) -> Callable[[Path], Any]:
    """What the reader of its suffix makes of a path; other files are looked into."""

    def read(path: Path) -> Any:
        reader = readers.get(suffix_of(path.name))
        if reader is None:
            found = [c.reader for c in claims(path, kind) if hasattr(c.reader, "read")]
            if not found:
                raise Unreadable("", f"its content is no {kind} in a format that is known here")
            reader = found[0]
        return reader.read(path, **accepted(reader.read, kind=kind))

    return read


def accepted(function: Any, **given: Any) -> dict[str, Any]:
    """Those of the arguments that the function takes, None left out."""
    parameters = inspect.signature(function).parameters
    every = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return {k: v for k, v in given.items() if v is not None and (k in parameters or every)}


def of_folder(folder: Path) -> ModuleType | None:
    """The reader that opens a folder as a whole (a Zarr store, a set of graphs in several files); such have is_set(folder)."""
    return next((reader for reader in readers() if hasattr(reader, "is_set") and reader.is_set(folder)), None)


def _asked(some: Sequence[ModuleType], start: bytes, path: Path) -> list[Claim]:
    found = []
    for reader in some:
        kind = None
        with suppress(Mistake, Unreadable, OSError, ValueError):
            kind = reader.kind(start, path)
        if kind is not None:
            found.append(Claim(reader, kind))
    return sorted(found, key=lambda c: (_general(c.reader), TURN.get(c.kind, 0)))


def _general(reader: ModuleType) -> bool:
    return bool(getattr(reader, "GENERAL", False))
