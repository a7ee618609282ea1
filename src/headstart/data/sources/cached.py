"""Samples answered from the cache of what was decoded, where that is faster than decoding them again.

What is kept hangs on the content of a file, never on its name or times: a hash of a picture of 270 kB takes 0.3 ms, decoding it 5
to 27 ms. A sample is kept where making it took at least four times as long as hashing its file and reading it back; where eight
in a row were faster than that, no more of their format are hashed. Arrays, tables and texts are never asked (`Reader.alone`):
they are read as fast as a cache. Kept is what the tokenizer has: 12 kB of a photograph of 3 MB at 64 x 64, 0.9 MB of ten seconds
of stereo, for which mixing and resampling count, too, so that WAV pays as FLAC does.
"""

import hashlib
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from threading import Lock
from typing import NamedTuple, TypeVar

import numpy as np

from ... import __version__
from ...errors import Unreadable, so_many
from ...forms import Json, Sample
from ..cache import Cache, decoded
from ..source import Source, Subset
from .either import Either
from .files import FileSource
from .joined import Joined
from .windows import Windows, nbytes

T = TypeVar("T")
PAYS = 4.0  # times as long as reading back, from which on a sample is kept
TRIED = 8  # samples of a format that do not pay, after which no more are tried
OPENING, BYTE = 1e-4, 1e-9  # seconds that reading back takes: for a file, and for each byte with its checksum
KNOWN, NEW = 1, 2
RACY = 2_000_000_000  # [ns] a file that changed so short ago may change again within one tick of its clock
CODE = ("data", "tokenizers", "checking")  # what decodes, as far as it is ours, besides the files beside these folders


class Piece(NamedTuple):
    """What a sample is made of: a file, who decodes it, and which part of it was asked for."""

    path: Path
    made_by: str
    part: str = ""


def piece(source: Source, index: int) -> Piece | None:
    """The one file that a sample is made of, and of nothing else; None where that is not known."""
    if isinstance(source, Subset):
        return piece(source.source, int(source.indices[index]))
    if isinstance(source, Either):
        kind, inside = source.where(index)
        return piece(source.sources[kind], inside)
    if isinstance(source, Joined):
        at, inside = source.where(index)
        return piece(source.sources[at], inside)
    if isinstance(source, Windows):
        whole = piece(source.source, int(source.recording[index]))
        part = f"{source.place[index]} of {source.counts[source.recording[index]]}, {source.length} each, {source.kind}"
        return None if whole is None else whole._replace(part=f"{whole.part}#{part}")
    if isinstance(source, FileSource):
        name = source.files[index]
        maker = source.made_by(name)
        return None if maker is None else Piece(source.folder / name, f"{maker} {source.kind}")
    return None


class Remembered:
    """What is made of the files of a source, sample by sample: from the cache, or made and kept where that pays.

    settings: all that decides what is made of a file, but for the code. size: bytes that went to the cache.
    """

    def __init__(self, source: Source, settings: str, cache: Cache | None = None):
        self.source, self.settings = source, settings
        self.cache = decoded() if cache is None else cache
        self.size = 0
        self._each = bytearray(len(source))  # by sample: KNOWN where it was in the cache before, NEW where it is now
        self.asked = False  # whether there is anything to decode
        self._slow: Counter[str] = Counter()  # by who decodes: how many did not pay, less those that did
        self._lock = Lock()

    def of(self, index: int) -> Piece | None:
        """The file of a sample, where its like is worth looking for in the cache."""
        found = piece(self.source, index)
        self.asked |= found is not None
        if self.cache.trouble:
            return None
        return None if found is None or self._slow[found.made_by] >= TRIED else found

    def __call__(self, index: int, make: Callable[[], T]) -> T:
        """What `make` makes of a sample, or what it made before of the same content."""
        found = self.of(index)
        if found is None:
            return make()
        began = time.thread_time()
        key = self.key([found])
        hashing = time.thread_time() - began
        if key is None:
            return make()
        try:
            value: T = self.cache.get(key)
        except KeyError:
            pass
        else:
            with self._lock:
                self._each[index] = self._each[index] or KNOWN
                self._slow[found.made_by] = 0
            return value
        began = time.thread_time()
        value = make()
        took = time.thread_time() - began
        pays = took > PAYS * (hashing + OPENING + BYTE * nbytes(value))
        with self._lock:
            self._slow[found.made_by] += -TRIED if pays else 1
        if pays and self.key([found]) == key:  # else the file changed as it was read
            size = self.cache.put(key, value)
            with self._lock:
                self._each[index], self.size = NEW if size else 0, self.size + size
        return value

    def key(self, pieces: Iterable[Piece | None]) -> bytes | None:
        """32 bytes that are equal where the same is made of the same content; None where that is not known or kept."""
        if self.cache.trouble:
            return None
        said: list[Json] = [{"code": code(), "settings": self.settings}]
        for each in pieces:
            content = None if each is None else content_of(each.path)
            if each is None or content is None:
                return None
            said.append({"made by": each.made_by, "part": each.part, "content": content})
        return hashlib.sha256(json.dumps(said).encode()).digest()

    @property
    def known(self) -> int:
        """How many samples came from the cache, where another verb had put them."""
        return self._each.count(KNOWN)

    @property
    def kept(self) -> int:
        """How many samples went to the cache."""
        return self._each.count(NEW)

    def said(self) -> str:
        """What came from the cache and what went there, or why it is not used, in words; "" where nothing took long to decode."""
        where = f"in {self.cache.folder} (headstart doctor)"
        if self.known:
            return f"{self.known:,} of {len(self.source):,} samples as they were decoded before, kept {where}"
        if self.kept:
            return f"kept {so_many(self.kept, 'decoded sample')} ({self.size / 1e6:,.0f} MB) for the next verb {where}"
        if self.asked and self.cache.trouble and self.cache.bound:
            return f"what was decoded is not kept, so the next verb decodes again: {self.cache.trouble}"
        return ""


class Kept:
    """The samples of a source as a tokenizer has them (`fitted`), from the cache where they are there.

    smaller: the same source as its readers decode it for the tokenizer. fitted: a sample by number, in the tokenizer's form.
    """

    def __init__(self, source: Source, smaller: Source, fitted: Callable[[int], Sample], settings: str):
        self.source, self.smaller, self.fitted = source, smaller, fitted
        self.kind, self.labels, self.classes = source.kind, source.labels, source.classes
        self.remembered = Remembered(source, settings)

    @property
    def groups(self) -> np.ndarray | None:
        return self.source.groups

    @property
    def bad(self) -> Sequence[Unreadable]:
        return self.source.bad

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        if self.remembered.of(index) is None:
            return self.smaller[index]
        return self.remembered(index, lambda: self.fitted(index))

    def name(self, index: int) -> str:
        return self.source.name(index)

    def describe(self) -> str:
        return self.source.describe()


def content_of(path: Path) -> str | None:
    """A hash of what is in a file, None where it cannot be read.

    The last thousand are known while a process lives, as windows of a file ask again, by what nobody can set back: the time at
    which a file's own facts changed. Files that changed just now, and systems that note no such time, are hashed again.
    """
    try:
        about = path.stat()
        facts = (about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino, about.st_dev)
        racy = sys.platform == "win32" or max(about.st_mtime_ns, about.st_ctime_ns) > time.time_ns() - RACY
        return _hashed.__wrapped__(path, facts) if racy else _hashed(path, facts)
    except OSError:
        return None


@lru_cache(maxsize=1024)
def _hashed(path: Path, facts: tuple[int, ...]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=1)
def code() -> str:
    """A hash of what decodes: our code, and the versions of the libraries that we ask for."""
    said = hashlib.sha256(f"{__version__} {np.__version__}".encode())
    root = Path(__file__).parents[2]
    for path in sorted([*root.glob("*.py"), *(each for folder in CODE for each in (root / folder).rglob("*.py"))]):
        with suppress(OSError):  # gone since
            said.update(path.read_bytes())
    said.update("\n".join(_libraries()).encode())
    return said.hexdigest()


def _libraries() -> list[str]:
    """Name and version of each package that this one names and that is there."""
    try:
        asked = metadata.requires("headstart") or []
    except metadata.PackageNotFoundError:
        asked = []
    found = []
    for name in sorted({re.split(r"[^\w.-]", each)[0] for each in asked}):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return found
