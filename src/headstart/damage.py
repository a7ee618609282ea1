"""What headstart left on disk, read back: a file that is damaged is named in a sentence that says what to do."""

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from .errors import Mistake, shown
from .forms import Json

BROKEN = (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, SafetensorError)
ANEW = "delete it, and headstart pretrain with the words of this run makes it anew"
TUNE = "delete the folder, and fine-tune anew"
ADVICE = {
    "run.json": "what the run was to do is known no more, so begin another in its own folder with run.out= (a finished encoder "
    "in this one can still be loaded)",
    "data.json": "delete it, and that no file of the data changed since this run began is checked by 16 of its samples alone",
    "tuned.json": TUNE,
    "figures.json": TUNE,
    "done.json": TUNE,
    "sinks.json": "delete it, and the sinks are told of the run anew",
}  # what to do where a file cannot simply be made anew


class Damaged(Mistake):
    """A file of ours is not as it was written."""

    def __init__(self, path: Path, why: object):
        super().__init__(f"{shown(str(path))} is damaged ({shown(str(why))}): {ADVICE.get(path.name, ANEW)}")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever goes wrong meanwhile, by what stands in the file, is Damaged."""
    try:
        yield
    except Mistake:
        raise
    except KeyError as error:
        raise Damaged(path, f"it does not say {error}") from error
    except BROKEN as error:
        raise Damaged(path, error) from error


def record(path: Path, *needs: str) -> Json:
    """What stands in a JSON file of ours; Damaged where that is no record, or lacks one of `needs`."""
    with reading(path):
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict):
            raise TypeError("it is no record")
        for name in needs:
            found[name]
    return found


def records(path: Path, *needs: str) -> tuple[list[Json], int]:
    """(records, one in a line; how many lines are none). A last line without its end is still being written."""
    found: list[Json] = []
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    lines = [line for line in lines if line.endswith(b"\n")]
    for line in lines:
        try:
            row = json.loads(line)
        except BROKEN:
            continue
        if isinstance(row, dict) and row.keys() >= set(needs):
            found.append(row)
    return found, len(lines) - len(found)


def sum_of(path: Path) -> str:
    """A checksum (CRC-32) of a file, 8 hex digits: against accidents, not against intent."""
    said = 0
    with path.open("rb") as file:
        while piece := file.read(2**22):
            said = zlib.crc32(piece, said)
    return f"{said:08x}"


def unchanged(path: Path, known: str | None) -> None:
    """Damaged where a file is not what its checksum was taken of. None: of an older headstart, which took none."""
    if known is not None and sum_of(path) != known:
        raise Damaged(path, "its checksum is another")
