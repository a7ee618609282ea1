"""What took long to make of a file, kept for the next verb: bounded, private to the user, found out where it is damaged.

An entry is a file with a checksum, there whole or not at all; those used longest ago go first. What cannot be kept is made
again: a cache never stops a verb. $HEADSTART_CACHE_GB bounds it (0: none), and never more than a tenth of the free disk is taken.
"""

import hashlib
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from .. import home
from ..forms import Sample
from .flat import NotFlat, flat, unflat

BOUND = "HEADSTART_CACHE_GB"
USUAL = 4.0  # GB
SHARE = 0.1  # of the disk's free room, at most
LARGE = 64  # entries that fill the cache at least: a larger one is not kept
LEAST = 0.9  # of the bound is left when the oldest go
MAGIC, SUM = b"headstart 1\n", 32
TOUCH, LOST = 3600, 3600  # seconds after which a use is noted, and an unfinished file is nobody's
PART = ".part-"


class Usage(NamedTuple):
    """Entries, and the bytes that they take."""

    entries: int
    size: int


class Cache:
    """Samples by key (32 bytes) in a folder of at most `bound` bytes, safe for several threads and processes.

    trouble: why nothing is kept, in words, once that is known; "" while all is well.
    """

    def __init__(self, folder: Path, bound: float):
        self.folder, self.bound = folder, bound
        self.trouble = "" if bound else f"it is switched off ({BOUND}=0)"
        self.room = -1.0  # bytes that may be taken, known from the first look into the folder on
        self._taken = self._since = 0.0
        self._lock = Lock()
        self._checked = not bound

    def get(self, key: bytes) -> Sample:
        """What was kept; KeyError if there is nothing, or what there is cannot be trusted."""
        if not self._usable():
            raise KeyError
        path = self._path(key)
        try:
            with path.open("rb") as file:
                about = os.fstat(file.fileno())
                content = bytearray(about.st_size)
                read = file.readinto(content)
            if time.time() - about.st_mtime > TOUCH:
                with suppress(OSError):
                    os.utime(path)
        except (OSError, MemoryError) as error:
            raise KeyError from error
        head = len(MAGIC) + SUM
        told, rest = bytes(content[:head]), content[head:]
        if read == len(content) and told == MAGIC + _sum(key, rest):
            with suppress(ValueError):
                return unflat(rest)
        with suppress(OSError):
            path.unlink()
        raise KeyError

    def put(self, key: bytes, sample: Sample) -> int:
        """Keep a sample, whole or not at all; the bytes that it takes, 0 where it is not kept."""
        if not self._usable():
            return 0
        try:
            rest = flat(sample)
        except NotFlat:
            return 0
        part = self.folder / (PART + secrets.token_hex(8))
        size = len(MAGIC) + SUM + len(rest)
        try:
            if not self._make_room(size):
                return 0
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                # not flushed to disk, which would take 7 ms: what a crash leaves fails its checksum
                file.writelines((MAGIC, _sum(key, rest), rest))
            path = self._path(key)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            os.replace(part, path)
        except OSError as error:
            self.trouble = f"{self.folder} cannot be written ({error.strerror or error})"
            with suppress(OSError):
                part.unlink(missing_ok=True)
            return 0
        return size

    def why_not(self) -> str:
        """Why nothing can be kept, as far as it is known; "" while all is well."""
        self._usable()
        return self.trouble

    def usage(self) -> Usage:
        """What is there now."""
        found = list(self._entries())
        return Usage(len(found), sum(size for _, size, _ in found))

    def empty(self) -> Usage:
        """Delete every entry; what was deleted."""
        gone = size = 0
        for _, bytes_, path in list(self._entries()):
            with suppress(OSError):
                os.unlink(path)
                gone, size = gone + 1, size + bytes_
        self.room = -1.0
        return Usage(gone, size)

    def _usable(self) -> bool:
        """Whether the folder is there, this user's, and closed to others; the first call makes it so."""
        with self._lock:
            if not self._checked:
                self._checked = True
                if self.folder.is_relative_to(home.NOWHERE):
                    self.trouble = "this user has no home folder"
                    return False
                try:
                    self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                    about = self.folder.stat()
                    if sys.platform != "win32" and about.st_uid != os.getuid():
                        self.trouble = f"{self.folder} belongs to another user"
                    elif about.st_mode & 0o077:
                        self.folder.chmod(0o700)
                except OSError as error:
                    self.trouble = f"{self.folder} cannot be used ({error.strerror or error})"
        return not self.trouble

    def _path(self, key: bytes) -> Path:
        name = key.hex()
        return self.folder / name[:2] / name[2:]

    def _make_room(self, size: int) -> bool:
        """Whether so many bytes may be added; the entries used longest ago go first. The folder is looked at anew now and then,
        as other processes write to it, too."""
        with self._lock:
            if self.room < 0 or self._taken + size > self.room or self._since > self.room / LARGE:
                self._look()
            if size > self.room / LARGE:
                return False
            if self._taken + size > self.room:
                self._shrink()
            self._taken, self._since = self._taken + size, self._since + size
            return True

    def _look(self) -> None:
        self._taken, self._since = float(self.usage().size), 0.0
        self.room = min(self.bound, SHARE * (shutil.disk_usage(self.folder).free + self._taken))

    def _shrink(self) -> None:
        for _, size, path in sorted(self._entries()):
            if self._taken <= LEAST * self.room:
                break
            with suppress(OSError):  # another process was faster
                os.unlink(path)
            self._taken -= size

    def _entries(self) -> Iterator[tuple[float, int, str]]:
        """(when it was last used, bytes, path) of each; what a process that was killed left behind is deleted."""
        with suppress(OSError), os.scandir(self.folder) as folders:
            for folder in folders:
                with suppress(OSError):
                    if folder.name.startswith(PART) and time.time() - folder.stat().st_mtime > LOST:
                        os.unlink(folder)
                    if len(folder.name) == 2 and folder.is_dir(follow_symlinks=False):
                        yield from _files(folder.path)


def _files(folder: str) -> Iterator[tuple[float, int, str]]:
    with os.scandir(folder) as files:
        for file in files:
            with suppress(OSError):  # gone since
                about = file.stat(follow_symlinks=False)
                yield about.st_mtime, about.st_size, file.path


def _sum(key: bytes, content: bytes | bytearray) -> bytes:
    said = hashlib.sha256(key)
    said.update(content)
    return said.digest()


def decoded() -> Cache:
    """The cache of what was decoded: one for each place and bound that the environment names."""
    return _at(home.cache() / "decoded", home.room(BOUND, USUAL, "decoded samples may take, such as 4; 0 for none"))


@lru_cache(maxsize=8)
def _at(folder: Path, bound: float) -> Cache:
    return Cache(folder, bound)
