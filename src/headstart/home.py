"""Home folders: what "~" stands for, and what a process does that has none (a container started under a bare number)."""

import getpass
import math
import os
import tempfile
from pathlib import Path

from .errors import Mistake

NOWHERE = "/nonexistent"  # the home of those who have none: nothing can be kept there, and caches do without


def settle() -> None:
    """Where the user of this process has no home folder or no name, give it both: libraries ask for them at import."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = _own_folder()
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"user-{os.getuid()}"


def _own_folder() -> str:
    """A folder for temporary things that is this user's alone, the same one each time."""
    try:
        folder = Path(tempfile.gettempdir()) / f"headstart-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        mine = folder.lstat().st_uid == os.getuid() and not folder.is_symlink()
        return str(folder) if mine else tempfile.mkdtemp(prefix="headstart-")
    except OSError:
        return NOWHERE


def expanded(where: str | Path) -> Path:
    """A path with a leading "~" or "~user" written out; where there is no such user or home, it is a name like others."""
    return Path(os.path.expanduser(where))


def cache() -> Path:
    """Where headstart keeps what it can make again: $HEADSTART_CACHE, else headstart in $XDG_CACHE_HOME, else in ~/.cache."""
    own, shared = os.environ.get("HEADSTART_CACHE"), os.environ.get("XDG_CACHE_HOME", "")
    if own:
        return Path(own)
    return (Path(shared) if os.path.isabs(shared) else Path.home() / ".cache") / "headstart"


def room(name: str, usual: float, what: str) -> float:
    """Bytes that something of ours may take on disk: gigabytes in the environment's `name`, `usual` where it says nothing. what:
    of the sentence, a Mistake, where it says no such number."""
    told = os.environ.get(name, "").strip()
    try:
        asked = float(told) if told else usual
    except ValueError:
        asked = math.nan
    if not 0 <= asked < math.inf:
        raise Mistake(f"{name} is {told!r}: give the gigabytes that {what}")
    return asked * 1e9
