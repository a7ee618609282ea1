"""Data that ships inside a Python package: it is downloaded and unpacked once, never installed or imported.

Wheels are only unpacked. Of a source archive, where there is no wheel, pip asks the build script for the package's name.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

from ._fetched import fetched, place_of, run, untarred


def unpacked(requirement: str, folder: str) -> Path:
    """The `folder` inside the package `requirement` ("aeon==1.5.0"): from the cache, else fetched with pip now."""
    place = place_of(requirement.replace("==", "-"))
    by_hand = f"run `pip download --no-deps {requirement}` where there is a network, and unpack it into {place}"

    def fetch(part: Path) -> Path:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation", requirement]
        try:
            run([*command, "--only-binary", ":all:"], part)
        except subprocess.SubprocessError:  # there is no wheel
            run([*command, "--no-binary", ":all:"], part)
        archive = next(path for path in part.iterdir() if path.is_file())
        if not zipfile.is_zipfile(archive):
            return untarred(archive, part / "whole")
        with zipfile.ZipFile(archive) as file:
            file.extractall(part / "whole")  # refuses to leave the folder
        return part / "whole"

    return fetched(requirement, place, folder, fetch, by_hand)
