"""What was fetched from elsewhere, kept on disk: bounded, private to the user, each file there whole or not at all.

$HEADSTART_REMOTE_GB bounds it (50 GB); what was used longest ago goes first, and nothing goes that a process works with.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from .. import home
from ..errors import Mistake
from ..writing import NotWritten, write_text
from .source import DataError

BOUND, USUAL = "HEADSTART_REMOTE_GB", 50.0
FREE = 0.9  # of the disk's free room, at most
ONCE = 8  # files at a time
INDEX, USED, FILLING = "index.jsonl", "used", "filling"
_held: dict[Path, int] = {}  # locks on what this process works with, until it ends


class File(NamedTuple):
    """A file elsewhere. there: how the server calls it. name: its path here. size: in bytes, None where it is not known. says:
    what changes when the file does."""

    there: str
    name: str
    size: int | None
    says: str


class Mirror:
    """The copy of one address. path: the file or folder."""

    def __init__(self, address: str, name: str, folder: bool):
        self.address = address
        self.home = _root() / hashlib.sha256(address.encode()).hexdigest()[:20]
        self.files = self.home / "files" / name if folder else self.home / "files"
        self.path = self.home / "files" / name

    def fill(self, files: Sequence[File], get: Callable[[File, Path, int], None]) -> tuple[int, int]:
        """Fetch what is not here yet, or changed; take away what is gone there. How many files came, and their bytes."""
        try:
            _private(self.home)
            with _locked(self.home / FILLING), _holding(self.home):
                return self._fill(files, get)
        except NotWritten:
            raise
        except OSError as error:
            raise NotWritten(self.home, error) from error

    def _fill(self, files: Sequence[File], get: Callable[[File, Path, int], None]) -> tuple[int, int]:
        known = _index(self.home)
        missing = [
            f
            for f in files
            if not f.says or known.get(f.name, ("",))[0] != f.says or not (self.files / f.name).is_file()
        ]
        room = _make_room(self, sum(f.size or 0 for f in files), sum(f.size or 0 for f in missing))
        for name in known.keys() - {f.name for f in files}:
            (self.files / name).unlink(missing_ok=True)
            del known[name]
        came = 0
        with (self.home / INDEX).open("a") as index, ThreadPoolExecutor(ONCE) as pool:
            for file, size in pool.map(lambda file: self._fetch(file, get, room), missing):
                index.write(_line(file.name, file.says, size))
                index.flush()
                known[file.name], came = (file.says, size), came + size
                if came > room:
                    pool.shutdown(cancel_futures=True)
                    raise DataError(_too_large(self.address, came, room))
        write_text(self.home / INDEX, "".join(_line(name, *about) for name, about in known.items()))
        return len(missing), came

    def _fetch(self, file: File, get: Callable[[File, Path, int], None], room: int) -> tuple[File, int]:
        target = self.files / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".part-{hashlib.sha256(file.name.encode()).hexdigest()[:16]}")
        try:
            get(file, part, room if file.size is None else file.size)
            size = part.stat().st_size
            if file.size is not None and size != file.size:
                raise DataError(f"{file.there} came with {size:,} of {file.size:,} bytes: start the same command again")
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
        return file, size


def _root() -> Path:
    return home.cache() / "remote"


def _private(place: Path) -> None:
    """A folder of this user's, closed to others."""
    root = _root()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = root.stat()
    if about.st_uid != os.getuid():
        raise Mistake(f"{root} belongs to another user: set HEADSTART_CACHE to a folder of your own")
    if about.st_mode & 0o077:
        root.chmod(0o700)
    place.mkdir(mode=0o700, exist_ok=True)


def _line(name: str, says: str, size: int) -> str:
    return json.dumps([name, says, size]) + "\n"


def _index(place: Path) -> dict[str, tuple[str, int]]:
    """{name: (what the server said of it, bytes)} of what was fetched; what cannot be read of that is fetched again."""
    found: dict[str, tuple[str, int]] = {}
    with suppress(OSError), (place / INDEX).open() as lines:
        for line in lines:
            with suppress(ValueError, TypeError):
                name, says, size = json.loads(line)
                found[str(name)] = str(says), int(size)
    return found


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time; the others wait."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


@contextmanager
def _holding(place: Path) -> Iterator[None]:
    """From here on nobody takes this away while the process lives, unless it could not be filled."""
    new = place not in _held
    if new:
        _held[place] = os.open(place / USED, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(_held[place], fcntl.LOCK_SH)
    try:
        yield
    except BaseException:
        if new:
            os.close(_held.pop(place))
        raise


def _make_room(mine: Mirror, whole: int, missing: int) -> int:
    """The bytes that may come; what was used longest ago goes for them. DataError where it is not enough."""
    bound = home.room(BOUND, USUAL, "fetched data may take, such as 50")
    others = sorted((p for p in _root().iterdir() if p != mine.home and p.is_dir()), key=_last_used)
    sizes = {place: sum(size for _, size in _index(place).values()) for place in others}
    free = FREE * shutil.disk_usage(mine.home).free
    for place in others:
        if whole + sum(sizes.values()) <= bound and missing <= free:
            break
        if _drop(place):
            free += FREE * sizes.pop(place)
    room = min(bound - (whole - missing) - sum(sizes.values()), free)
    if missing > room:
        raise DataError(_too_large(mine.address, missing, max(0, int(room))))
    return int(room)


def _too_large(address: str, size: int, room: int) -> str:
    return (
        f"{address} holds {size / 1e9:,.2f} GB that are not here yet, and {room / 1e9:,.2f} GB may be kept in {_root()}: raise "
        f"{BOUND} (gigabytes), set HEADSTART_CACHE to a larger disk, or give a part of the data"
    )


def _last_used(place: Path) -> float:
    with suppress(OSError):
        return (place / INDEX).stat().st_mtime
    return 0.0


def _drop(place: Path) -> bool:
    """Take a copy away, unless a process works with it."""
    file = os.open(place / USED, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (place / INDEX).unlink(missing_ok=True)  # first: what is half gone is not taken for whole
        shutil.rmtree(place / "files", ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True
