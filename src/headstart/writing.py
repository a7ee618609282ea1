"""Files that are complete or absent, never half, and readable by whom the umask says; a sentence where that fails."""

import errno
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE

from .errors import Mistake, shown
from .outputs import spare

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PART = ".part-"  # how names of unfinished files begin


class NotWritten(OSError, Mistake):
    """The disk did not take a file. reason: why, in the system's words."""

    def __init__(self, path: Path, error: OSError):
        known = error if isinstance(error, NotWritten) else None
        self.full: bool = known.full if known else error.errno in FULL
        self.reason: str = known.reason if known else error.strerror or str(error)
        advice = "make room there" if self.full else "choose a place that can be written"
        super().__init__(f"{path} cannot be written ({self.reason}): {advice}, and start the same command again")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to. At the end it is flushed to disk and renamed: a reader sees the old file or
    the new one. If anything fails, nothing is left behind; NotWritten if it was the disk."""
    part = path.with_name(PART + secrets.token_hex(4))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        mode = S_IMODE(part.stat().st_mode)  # 0666 less the umask, which some writers do not ask
        yield part
        part.chmod(mode)
        sync(part)
        os.replace(part, path)
        sync(path.parent)
    except OSError as error:
        raise NotWritten(path, error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def try_place(path: Path) -> None:
    """NotWritten where no file could be written to `path`, as a small one beside it tells, which is gone again, and a Mistake
    where one is there that is not ours; folders that are not there yet are not made."""
    spare(path)
    place = path.parent
    while not place.exists() and place != place.parent:
        place = place.parent
    part = place / (PART + secrets.token_hex(4))
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        part.touch()
        part.unlink()
    except OSError as error:
        raise NotWritten(path, error) from error


def try_folder(path: Path) -> None:
    """As `try_place`, of a folder to be: a Mistake where it, or what it should lie in, is a file."""
    place = next(p for p in (path, *path.parents) if p.exists())
    if not place.is_dir():
        raise Mistake(f"{place} is a file, and {path} has to be a folder: choose another name")
    try_place(path / PART)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_bytes(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    with whole(path) as part:
        part.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Likewise for text, in UTF-8."""
    write_bytes(path, utf8(text).encode())


def write_json(path: Path, value: object) -> None:
    """Likewise for what JSON can say, in ASCII."""
    write_bytes(path, json.dumps(value, indent=1).encode())


def utf8(text: str) -> str:
    """The text as UTF-8 can hold it: bytes in a file's name that are no UTF-8 are written out, as \\xe9."""
    return re.sub("[\ud800-\udfff]", lambda found: shown(found[0]), text)


def in_bytes(text: str) -> str:
    """The text as errors="surrogateescape" can write it: a file's name becomes the bytes that it has on disk."""
    return re.sub("[\ud800-\udc7f\udd00-\udfff]", lambda found: shown(found[0]), text)
