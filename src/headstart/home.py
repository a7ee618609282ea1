"""Home folders: what "~" stands for, and what a process does that has none (a container started under a bare number)."""

import getpass
import os
import tempfile
from pathlib import Path

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
