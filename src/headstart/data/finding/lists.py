"""Lists of labels that are no tables: "path label" in every line of a text file, and JSON that maps files to labels."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..encoding import decoded
from ..source import DataError

SUFFIXES = (".txt", ".lst", ".list", ".json")
LIMIT = 2**28  # bytes of a list, which is read at once
WITHIN = ("labels", "annotations", "images", "samples", "data", "items")  # where the list stands inside an object
LOOK = 50  # lines that are looked at
SPACED = re.compile(r"(.*\S)\s+(\S+)")

Columns = dict[str, list[object]]


def read(path: Path) -> Columns | None:
    """A list by columns, the first of which may name files; None of another file, DataError where its labels are of no use."""
    try:
        if path.stat().st_size > LIMIT:
            raise DataError(f"{path} is larger than {LIMIT >> 20} MiB: save its labels as a table")
        text = decoded(path.read_bytes())[0]
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror or error}): check its permissions") from error
    return _of_json(text) if path.suffix.lower() == ".json" else _of_lines(text)


def _of_lines(text: str) -> Columns | None:
    """By tabs, by commas, or by the last space of each line; most lines have the same number of cells, two or more."""
    lines = [line for line in text.splitlines() if line.strip()]
    for cut in (lambda line: line.split("\t"), lambda line: line.split(","), _spaced):
        widths = Counter(len(cut(line)) for line in lines[:LOOK])
        width, most = widths.most_common(1)[0] if widths else (0, 0)
        if width > 1 and len(lines) > 1 and 10 * most >= 9 * sum(widths.values()):
            rows = [cells for line in lines if len(cells := cut(line)) == width]
            names = ("file", "label", *(f"column {i + 1}" for i in range(2, width)))
            return {name: [row[i].strip() for row in rows] for i, name in enumerate(names)}
    return None


def _spaced(line: str) -> list[str]:
    found = SPACED.fullmatch(line.strip())
    return list(found.groups()) if found else [line]


def _of_json(text: str) -> Columns | None:
    """{file: label}, {file: {...}}, [[file, label], ...] or [{...}, ...], at the top or inside an object; COCO's pictures."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, dict) and {"images", "annotations"} <= found.keys():
        return _of_coco(found)
    if isinstance(found, dict) and (inside := [found[n] for n in WITHIN if isinstance(found.get(n), list | dict)]):
        found = inside[0]
    if isinstance(found, dict):
        pairs = found.items()
        found = [{"file": name, **of} if isinstance(of, dict) else {"file": name, "label": of} for name, of in pairs]
    if isinstance(found, list) and found and all(isinstance(x, list) and len(x) == 2 for x in found):
        found = [{"file": name, "label": of} for name, of in found]
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        return None
    return _columns(found)


def _of_coco(found: Mapping[str, object]) -> Columns | None:
    """A picture and its category, if most have one alone; several a picture are boxes or outlines, and no label of it."""
    images, notes = _objects(found["images"]), _objects(found["annotations"])
    name = {str(c.get("id")): str(c.get("name", c.get("id"))) for c in _objects(found.get("categories", []))}
    of: dict[str, set[str]] = {}
    for note in notes:
        if "category_id" in note:
            category = str(note["category_id"])
            of.setdefault(str(note.get("image_id")), set()).add(name.get(category, category))
    boxes = sum(bool(note.get("bbox") or note.get("segmentation")) for note in notes)
    if 2 * boxes > len(notes) or 2 * sum(len(each) == 1 for each in of.values()) < len(images):
        raise DataError(f"it holds {len(notes):,} boxes or outlines in {len(images):,} pictures, which are not read")
    known = {image: next(iter(said)) for image, said in of.items() if len(said) == 1}
    return _columns([{"file": i.get("file_name"), "label": known.get(str(i.get("id")))} for i in images])


def _objects(found: object) -> list[dict[str, object]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _columns(rows: Sequence[Mapping[str, object]]) -> Columns | None:
    names: Iterable[str] = dict.fromkeys(name for row in rows for name in row)
    found: Columns = {
        name: [None if isinstance(cell := row.get(name), list | dict) else cell for row in rows]
        for name in names
        if not all(isinstance(row.get(name), list | dict | None) for row in rows)
    }
    return found if len(found) > 1 else None
