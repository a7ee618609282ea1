"""Whether a file that is to be written anew was written by headstart: nobody else's is ever replaced."""

import json
import zipfile
from contextlib import suppress
from pathlib import Path

from .errors import Mistake, shown

PAGE = "<meta name=generator content=headstart>"  # in every page
BY = {"by": "headstart"}  # in what a Parquet file says of itself
LOOK = 2**16  # bytes at an end of a file in which these stand
TABLES = (
    "name,z0,",
    "name,label,z0,",
    "name,predicted",
    "name,label,predicted",
    "name,channel,step,value",
    "name,rank,neighbour,similarity",
    "name,score,share,nearest,distance",
)
ARRAYS = ("z.npy", "predicted", "similarity.npy")  # what stands in an archive beside the names
RECORDS = ({"clean", "problems"}, {"cells", "judged"})  # of check, and of compare


def spare(path: Path) -> None:
    """A Mistake where a file of this name is there that headstart did not write."""
    if path.is_file() and not _ours(path):
        raise Mistake(
            f"{shown(str(path))} is there already, and headstart did not write it: choose another name, or delete it"
        )


def _ours(path: Path) -> bool:
    """What it looks like by content, whatever it is called; an empty file is nothing that could be lost."""
    with path.open("rb") as file:
        first = file.read(LOOK)
        file.seek(max(0, path.stat().st_size - LOOK))
        last = file.read()
    if not first or PAGE.encode() in first or first.startswith(tuple(line.encode() for line in TABLES)):
        return True
    if first.startswith(b"PAR1"):
        return BY["by"].encode() in last
    with suppress(OSError, zipfile.BadZipFile):
        names = zipfile.ZipFile(path).namelist()
        return "name.npy" in names and any(name.startswith(ARRAYS) for name in names)
    with suppress(OSError, ValueError, RecursionError):
        said = json.loads(path.read_text(encoding="utf-8", errors="replace")) if first.startswith(b"{") else None
        return isinstance(said, dict) and any(record <= said.keys() for record in RECORDS)
    return False
