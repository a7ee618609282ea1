"""Data that ships as a Debian package: downloaded and unpacked once, without root."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ..source import DataError


def unpacked(package: str, folder: str) -> Path:
    """The `folder` that a package installs: from this machine, else from the cache, else fetched now.

    The cache is $HEADSTART_CACHE, or .cache/headstart in the home folder; a package appears in it whole or
    not at all.
    """
    installed = Path("/", folder)
    if installed.is_dir():
        return installed
    cache = Path(os.environ.get("HEADSTART_CACHE") or Path.home() / ".cache" / "headstart")
    place = cache / package
    if not (place / folder).is_dir():
        _fetch(package, place)
    if not (place / folder).is_dir():
        raise DataError(f"the package {package} has no {folder}: delete {place} and try again")
    return place / folder


def _fetch(package: str, place: Path) -> None:
    by_hand = f"on Debian or Ubuntu run `apt-get install {package}`, or unpack it with `dpkg-deb -x` into {place}"
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise DataError(f"this set comes in the Debian package {package}, and there is no {missing[0]} here: {by_hand}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{package}-", dir=place.parent) as part:
            os.chmod(part, 0o755)  # apt drops its rights while downloading
            _run(["apt-get", "download", package], part)
            archive = next(Path(part).glob("*.deb"))
            whole = Path(part) / "whole"
            _run(["dpkg-deb", "-x", str(archive), str(whole)], part)
            try:
                whole.rename(place)
            except OSError:
                if not place.is_dir():  # another process was faster
                    raise
    except subprocess.SubprocessError as error:
        said = str(getattr(error, "stderr", None) or error).strip().splitlines() or ["no reason given"]
        raise DataError(f"the Debian package {package} could not be fetched ({said[-1]}): {by_hand}") from error
    except (OSError, StopIteration) as error:
        raise DataError(
            f"the Debian package {package} cannot be kept under {place.parent} ({error}): free some disk, or "
            "set HEADSTART_CACHE to a folder that can be written"
        ) from error


def _run(command: list[str], folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=1800)
