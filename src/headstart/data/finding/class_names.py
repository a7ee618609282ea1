"""What the numbers in masks are called, by a file beside these: classes.json, as `headstart predict` leaves it, or a list."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

FILES = ("classes.json", "classes.txt", "class_names.txt", "classes.names", "obj.names")
INSIDE = ("labels.json", "labels.txt")  # elsewhere they may say the label of each sample
MOST = 2**20  # bytes of such a file
NUMBERED = re.compile(r"^\s*(\d+)\s*(?:[:;,=\t]|\s)\s*(\S.*?)\s*$")  # 3: road


def class_names(places: Iterable[Path], samples: Path | None = None) -> tuple[dict[int, str], str]:
    """(names by number, a line about the file) of the first folder that has such a file; a line with no names says why not.
    samples: a folder that is not of masks alone."""
    for path in (place / name for place in places for name in (*FILES, *(INSIDE if place != samples else ()))):
        if not path.is_file():
            continue
        try:
            if path.stat().st_size > MOST:
                return {}, f"{path.name} is too long for names of classes, and not used"
            text = path.read_text(encoding="utf-8-sig")
            found = _of_json(json.loads(text)) if path.suffix == ".json" else _of_lines(text.splitlines())
        except (OSError, ValueError, RecursionError) as error:
            return {}, f"{path.name} names no classes ({' '.join(str(error).split())}), and is not used"
        if len(set(found.values())) < len(found):
            return {}, f"{path.name} names several classes alike, and is not used"
        return found, f"called as in {path.name}"
    return {}, ""


def _of_json(said: object) -> dict[int, str]:
    """{"classes": {"0": "sky"}}, {"0": "sky"}, {"sky": 0} or ["sky"]; a ValueError for anything else."""
    if isinstance(said, dict) and isinstance(said.get("classes"), dict | list):
        said = said["classes"]
    if isinstance(said, list) and said and all(isinstance(name, str) for name in said):
        return dict(enumerate(said))
    if isinstance(said, dict) and said and all(isinstance(name, str) for name in said.values()):
        return {int(number): name for number, name in said.items()}
    if isinstance(said, dict) and said and all(type(number) is int for number in said.values()):
        return {number: name for name, number in said.items()}
    raise ValueError("it is neither a list of names nor names by number")


def _of_lines(lines: Iterable[str]) -> dict[int, str]:
    """A name in each line, from 0 on, or a number and a name in each."""
    kept = [line.strip() for line in lines]
    while kept and not kept[-1]:
        kept.pop()
    if not kept or not all(kept):
        raise ValueError("a line is empty")
    apart = [NUMBERED.match(line) for line in kept]
    if all(apart):
        return {int(match[1]): match[2] for match in apart if match is not None}
    return dict(enumerate(kept))
