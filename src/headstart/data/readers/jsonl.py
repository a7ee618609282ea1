"""Tables as JSON: an object per line, or one list of objects. Objects inside objects become columns with dots in their names."""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..cells import Growing, infer_values
from ..encoding import beginning, blocks, encoding_of, said
from ..source import DataError, Source
from ..sources.events import event_columns, opened
from ..sources.table import CELLS, COLUMNS, Columns

SUFFIXES = (".jsonl", ".ndjson", ".json")
FILE, WHOLE = 2**33, 2**28  # bytes of a file of lines, and of one that must be read at once
LINE, DEPTH, CELL = 2**24, 4, 10_000  # characters of a line, objects inside objects, characters of a cell
CHUNK, BAD = 10_000, 1000
SPACE = re.compile(r"[\ufeff \t\r\n]*")
PROSE = ("text", "content", "document", "body", "code")  # a long text under such a name is what the file is about


def kind(start: bytes, path: Path) -> str | None:
    """ "events" or "table" for lines of objects; None for other JSON, and for texts with a few words about them."""
    try:
        text = beginning(start).lstrip()
        if text.startswith("[") and path.suffix.lower() == ".json":
            first, _ = json.JSONDecoder().raw_decode(text[1:].lstrip())
        else:
            first = json.loads(text.splitlines()[0])
    except (ValueError, IndexError, RecursionError):
        return None
    if not isinstance(first, dict) or not first:
        return None
    if path.suffix.lower() not in SUFFIXES and len(text.splitlines()) < 2:
        return None
    if any(isinstance(first.get(name), str) and len(first[name]) > 100 for name in PROSE):
        return None
    row = _flat(first)
    if not row or (path.suffix.lower() == ".json" and not text.startswith("[") and "\n" not in text.rstrip()):
        return None  # one object is no table
    return "events" if event_columns(tuple(row)) else "table"


def open(path: Path, label: str | None = None, kind: str | None = None) -> Source:
    """The rows of one file; or the records of its patients, if it is a list of events. `label` names the label column.

    kind: "table", "events" or "series" (a line per time step), where the names of the columns mislead.
    """
    return opened(load(path), label, kind)


def load(path: Path) -> Columns:
    """The table in a file of lines of at most 8 GiB, or in one list of at most 256 MiB.

    Lines that are no object are left out and listed. Lists become their JSON text. Types are judged by the first 10,000 rows
    that have the column; a later value that does not fit is kept as text.
    """
    path, rows = Path(path), 0
    growing: dict[str, Growing] = {}
    bad: list[tuple[int, str]] = []
    bad_lines = 0
    try:
        with path.open("rb") as file:
            encoding = encoding_of(blocks(file))
        items = _items(path, encoding)
        while some := list(itertools.islice(items, CHUNK)):
            good = []
            for number, item in some:
                if isinstance(item, dict):
                    good.append(_flat(item))
                else:
                    bad_lines += 1
                    bad += [(number, str(item))] * (len(bad) < BAD)
            for name in dict.fromkeys(name for row in good for name in row):
                if name not in growing:
                    if len(growing) == COLUMNS:
                        raise DataError(f"{path} has more than {COLUMNS:,} different keys: it is no table")
                    growing[name] = Growing(name, infer_values([row.get(name) for row in good]), rows)
            for name, column in growing.items():
                column.add([row.get(name) for row in good])
            rows += len(good)
            if rows * len(growing) > CELLS:
                raise DataError(f"{path} holds more than {CELLS:,} cells: divide it, or save it as Parquet")
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path} cannot be read ({error}): give UTF-8 with one JSON object per line") from error
    if bad_lines > rows:
        raise DataError(f"{path}: {bad_lines:,} lines are no JSON object, {rows:,} are: it is no table ({bad[0][1]})")
    return Columns(path.stem, [g.done() for g in growing.values()], bad, bad_lines, remark=said(encoding))


def _items(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """(line, object), or (line, what is wrong with it)."""
    size = path.stat().st_size
    if size > FILE:
        raise DataError(f"{path} is larger than {FILE >> 30} GiB: divide it, or save it as Parquet")
    with path.open(encoding=encoding) as file:
        if path.suffix.lower() == ".json" and _is_list(path):
            if size > WHOLE:
                raise DataError(f"{path} is larger than {WHOLE >> 20} MiB: write one object per line (.jsonl)")
            try:
                for number, item in enumerate(_listed(file.read()), 1):
                    yield number, item if isinstance(item, dict) else "no object"
            except ValueError as error:
                raise DataError(f"{path} is no JSON ({error}): write it again") from error
            return
        for number in itertools.count(1):
            line = file.readline(LINE)
            if not line:
                return
            if len(line) >= LINE:
                raise DataError(f"{path} has a line of more than {LINE:,} characters: it is no table")
            if not line.strip():
                continue
            try:
                item = json.loads(line)
            except (ValueError, RecursionError) as error:
                item = str(error)
            yield number, item if isinstance(item, dict | str) else "no object"


def _listed(text: str) -> Iterator[object]:
    """The items of a list, one after another: all of them at once take thirty times the room of their text."""

    def behind(at: int) -> int:
        found = SPACE.match(text, at)
        return at if found is None else found.end()

    decode, at = json.JSONDecoder().raw_decode, behind(behind(0) + 1)
    while text[at : at + 1] != "]":
        item, at = decode(text, at)
        yield item
        at = behind(at)
        if text[at : at + 1] == ",":
            at = behind(at + 1)
        elif text[at : at + 1] != "]":
            raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
    if behind(at + 1) < len(text):
        raise json.JSONDecodeError("Extra data", text, at + 1)


def _is_list(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def _flat(item: dict[str, Any], before: str = "", depth: int = 1) -> dict[str, object]:
    """{"a": {"b": 1}} as {"a.b": 1}; deeper than four objects, and lists, as their JSON text."""
    out: dict[str, object] = {}
    for key, value in item.items():
        name = (before + key)[:200] or "column 1"
        if isinstance(value, dict) and value and depth < DEPTH:
            out |= _flat(value, before + key + ".", depth + 1)
        elif isinstance(value, dict | list):
            out[name] = json.dumps(value, ensure_ascii=False)[:CELL] if value else None
        else:
            out[name] = value[:CELL] if isinstance(value, str) else value
        if len(out) > COLUMNS:
            break
    return out
