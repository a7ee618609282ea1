"""Who works in the folder of a run: one process at a time, and `.lock` says which."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import Mistake, shown
from ..forms import Json
from ..log import Log
from ..words import WordError
from ..writing import PART, NotWritten, write_text

LOCK, BEGUN = ".lock", ".begun"


@contextmanager
def held(folder: Path, log: Log, finished: bool = False) -> Iterator[None]:
    """The folder, made if need be, is this process's own meanwhile; a Mistake that says who works in it, if somebody does.

    What a process left behind that is no more is taken over. A finished run is only read, by as many as like, unless `finished`
    says that this one will be written to, too.
    """
    if (folder / "probe.json").exists() and not finished:
        yield
        return
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    lock = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _taken(lock, log)
    except OSError as error:
        raise NotWritten(lock, error) from error
    try:
        for left in folder.glob(f"{PART}*"):  # of a process that was killed while it wrote
            left.unlink()
        yield
    finally:
        with suppress(OSError):
            lock.unlink()
        os.close(file)
        with suppress(OSError):  # what the run did not come to fill
            for place in made:
                place.rmdir()


def spare(folder: Path, what: str) -> None:
    """A WordError where a folder that is to be taken for `what` holds anything but what headstart began there."""
    there = {p.name for p in folder.iterdir()} if folder.exists() else set()
    others = sorted(name for name in there - {LOCK} if not name.startswith(PART))
    if others and BEGUN not in there:
        raise WordError(
            f"{shown(str(folder))} holds other things ({shown(', '.join(others[:3]))}), and none of them would be replaced: "
            f"give the {what} a folder of its own with run.out="
        )


def claimed(folder: Path) -> None:
    """From now on what is in the folder is headstart's, also where it is killed before it has written what it does there."""
    write_text(folder / BEGUN, "headstart works here, and may replace what it finds\n")


def _taken(lock: Path, log: Log) -> int:
    """The open file of a lock that nobody else holds, with this process's name in it.

    The system's own lock on the file (flock) ends with its process, however that ends, so that two never take over at once.
    """
    while True:
        file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            locked = _flocked(file, lock)
            if _there(file, lock):
                _claim(file, lock, locked, log)
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # its holder gave it back just now, so it is a file without a name


def _flocked(file: int, lock: Path) -> bool:
    """Whether the system could lock the file; a Mistake where another process has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _busy(lock, _holder(file)) from None
    except OSError:  # a disk without such locks: who holds it is known by what it says alone
        return False
    return True


def _there(file: int, lock: Path) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(file), lock.stat())
    except FileNotFoundError:
        return False


def _claim(file: int, lock: Path, locked: bool, log: Log) -> None:
    """Write this process into a lock, unless what it says speaks against that."""
    before, here = _holder(file), socket.gethostname()
    if before and before["host"] != here:
        raise Mistake(
            f"{lock.parent} was taken by {_said(before)}, and from {here} it cannot be seen whether that still runs: "
            f"if it does not, delete {lock}; else give this run its own folder with run.out="
        )
    if before and not locked and _runs(before["process"]):
        raise _busy(lock, before)
    if before:
        log.say(f"lock      {_said(before)} is gone; its run is taken over")
    now = {"process": os.getpid(), "host": here, "since": time.strftime("%Y-%m-%d %H:%M:%S")}
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps(now).encode(), 0)


def _busy(lock: Path, holder: Json) -> Mistake:
    return Mistake(
        f"{lock.parent} is being worked in by {_said(holder)}: wait until that has ended, "
        "or give this run its own folder with run.out="
    )


def _holder(file: int) -> Json:
    """What a lock says; nothing where it is not written yet, or not by us."""
    try:
        said = json.loads(os.pread(file, 4096, 0))
    except ValueError:
        return {}
    return said if isinstance(said, dict) and {"process", "host", "since"} <= said.keys() else {}


def _said(holder: Json) -> str:
    if not holder:
        return "another process"
    return f"process {holder['process']} on {holder['host']} since {holder['since']}"


def _runs(process: int) -> bool:
    """Whether there is a process of this number here, other than this one."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's
        return True
    return process != os.getpid()
