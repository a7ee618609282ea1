"""Data that ships as a Debian package: downloaded and unpacked once, without root."""

import shutil
from pathlib import Path

from ..source import DataError
from ._fetched import fetched, place_of, run


def unpacked(package: str, folder: str) -> Path:
    """The `folder` that a package installs: from this machine, else from the cache, else fetched now."""
    installed = Path("/", folder)
    if installed.is_dir():
        return installed
    place = place_of(package)
    by_hand = f"on Debian or Ubuntu run `apt-get install {package}`, or unpack it with `dpkg-deb -x` into {place}"

    def fetch(part: Path) -> Path:
        missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
        if missing:
            raise DataError(
                f"this set comes in the Debian package {package}, and there is no {missing[0]} here: {by_hand}"
            )
        run(["apt-get", "download", package], part)
        archive = next(part.glob("*.deb"))
        run(["dpkg-deb", "-x", str(archive), str(part / "whole")], part)
        return part / "whole"

    return fetched(package, place, folder, fetch, by_hand)
