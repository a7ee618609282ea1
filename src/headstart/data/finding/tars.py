"""Tars as WebDataset packs them, read in place: members of one key are one sample."""

import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ...errors import Unreadable
from ...forms import Sample
from ..classes import Labels, as_column, labels_of
from ..encoding import decoded
from ..labels import folder_labels, telling
from ..readers import Claim, claims, reading
from ..source import DataError, Source
from ..sources.pair import PairSource, Part
from .matching import numbered
from .shards import look_up

T = TypeVar("T")
Members = Mapping[str, Mapping[str, tuple[int, int, int]]]  # {key: {suffix: (number of the tar, offset, bytes)}}
LIMIT = 2**31  # bytes of one member
SORTS = 64  # suffixes that samples may have; more are parts of names
SUFFIX = re.compile(r"[.\w-]{2,24}")
LETTERS = re.compile(r"(\.[a-z_][\w-]*)+$", re.IGNORECASE)
SMALL = 2**16  # bytes of a member that may hold a label
TOLD = 64  # members .json without one, after which no others are looked into


def is_tar(path: Path) -> bool:
    """Whether a file is a plain tar, by its content."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(512)[257:262] == b"ustar"
    return False


def open_tar(*paths: Path, title: str = "") -> Source:
    """Plain tars, read in place, as one set: members "key.suffix" with the same key (up to the name's first dot) are one sample.

    A member .cls is the sample's class; else what .json members say of one; else the folders inside. Where names have dots of
    their own ("Track 1.0 (Clean).mp3") suffixes begin at the last ones that letters follow. Links, devices and names that lead
    out of the tar are left out.
    """
    called = _called(paths)
    every = [(i, member) for i, path in enumerate(paths) for member in look_up(path)]
    parts = [_first_dot(member.name) for _, member in every]
    dotted = len({suffix for _, suffix in parts}) > SORTS or not all(SUFFIX.fullmatch(suffix) for _, suffix in parts)
    members: dict[str, dict[str, tuple[int, int, int]]] = {}
    for (i, (name, offset, size)), part in zip(every, parts, strict=True):
        key, suffix = _last_dots(name) if dotted else part
        if suffix:
            key = f"{called[i]}/{key}" if len(paths) > 1 else key
            members.setdefault(key, {})[suffix.lower()] = (i, offset, size)
    suffixes = sorted({s for found in members.values() for s in found})
    known = {s: claim for s in suffixes if (claim := _claim_of_member(paths, members, s)) is not None}
    if not known:
        listed = ", ".join(suffixes[:8]) or "nothing"
        raise DataError(
            f"{paths[0]} holds {listed}, and none of it is data that is known here: unpack it and look inside"
        )
    keys = sorted(key for key, found in members.items() if known.keys() & found.keys())
    kinds: dict[str, str] = {}
    refs: dict[str, list[tuple[str, int, int, int] | None]] = {}
    for kind in sorted({c.kind for c in known.values()}):
        own = [s for s in known if known[s].kind == kind]
        while own:  # suffixes that never meet in one sample (.jpg and .png) are one part
            together = [own.pop(0)]
            for s in list(own):
                if not any(s in found and any(t in found for t in together) for found in members.values()):
                    together.append(s)
                    own.remove(s)
            name = next(p for p in numbered(kind) if p not in kinds)
            kinds[name] = kind
            refs[name] = [next(((s, *members[k][s]) for s in together if s in members[k]), None) for k in keys]

    def reader(kind: str) -> Callable[[tuple[str, int, int, int]], Sample]:
        read = reading({s: c.reader for s, c in known.items() if c.kind == kind}, kind)
        return lambda ref: _read_member(paths, *ref, read)

    labels = _labels(paths, members, keys)
    if dotted:
        labels = labels._replace(
            why="; ".join(filter(None, (labels.why, "names have dots of their own, and end at the last")))
        )
    read = {p: reader(k) for p, k in kinds.items()}
    source = PairSource(keys, kinds, refs, read, title or paths[0].name, labels.values, labels.classes, labels.why)
    return source if len(kinds) > 1 else Part(source, next(iter(kinds)))


def open_pattern(pattern: str, paths: Sequence[Path]) -> Source:
    """The tars that a pattern stands for, as one set; DataError where one is missing, or is none."""
    if gone := [path for path in paths if not path.exists()]:
        raise DataError(
            f"{pattern} stands for {len(paths):,} files, and {gone[0]} is not there ({len(gone):,} missing)"
        )
    if other := [path for path in paths if not is_tar(path)]:
        raise DataError(
            f"{pattern} stands for tars, and {other[0]} is none: give the folder, or unpack what is compressed"
        )
    return open_tar(*paths, title=pattern)


def _called(paths: Sequence[Path]) -> list[str]:
    """A name for each tar, without a slash: its own, and where two have the same that of the folders, too."""
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    common = os.path.commonpath([path.parent for path in paths])
    return [str(path.relative_to(common)).replace("/", "-") for path in paths]


def _first_dot(name: str) -> tuple[str, str]:
    dot = name.find(".", name.rfind("/") + 2)
    return name[:dot], name[dot:]


def _last_dots(name: str) -> tuple[str, str]:
    found = LETTERS.search(name, name.rfind("/") + 2)
    return (name[: found.start()], found.group()) if found else (name, "")


def _labels(paths: Sequence[Path], members: Members, keys: Sequence[str]) -> Labels:
    """Of members .cls, of what members .json say, or of the folders inside."""
    for suffix, of in ((".cls", str), (".json", _told)):
        cells: list[object] = []
        for key in keys:
            place = members[key].get(suffix)
            text = "" if place is None or place[2] > SMALL else _read_text(paths, place)
            cells.append(of(text) if text else None)
            if suffix == ".json" and len(cells) == TOLD and not any(cells):
                break
        if any(cell is not None and cell != "" for cell in cells) and len(cells) == len(keys):
            title = ", ".join(path.name for path in paths[:2])
            with suppress(DataError):
                return Labels(*labels_of(as_column(suffix, cells), title), f"labels: members {suffix}")
    inside = [key.partition("/")[2] for key in keys] if len(paths) > 1 else keys  # without the tar
    return folder_labels(inside)


def _told(text: str) -> object:
    """What an object says under a name of labels; None if it says none."""
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
        if isinstance(found, dict) and (names := telling(list(found))):
            return found[names[0]] if isinstance(found[names[0]], str | int | float) else None
    return None


def _read_text(paths: Sequence[Path], place: tuple[int, int, int]) -> str:
    with paths[place[0]].open("rb") as file:
        file.seek(place[1])
        return decoded(file.read(place[2]))[0].strip()


def _claim_of_member(paths: Sequence[Path], members: Members, suffix: str) -> Claim | None:
    tried = 0
    for found in members.values():
        if suffix in found and tried < 8:
            tried += 1
            try:
                told = _read_member(paths, suffix, *found[suffix], claims)
            except (Unreadable, OSError):
                continue
            readable = [c for c in told if c.reader.read is not None]
            if readable:
                return readable[0]
    return None


def _read_member(
    paths: Sequence[Path], suffix: str, number: int, offset: int, size: int, read: Callable[[Path], T]
) -> T:
    """What `read` makes of a member, laid into a file of its own."""
    if size > LIMIT:
        raise Unreadable("", f"it is larger than {LIMIT >> 30} GiB")
    with paths[number].open("rb") as file:
        file.seek(offset)
        content = file.read(size)
    if len(content) < size:
        raise Unreadable("", "the tar ends inside it: copy it again")
    with tempfile.TemporaryDirectory(prefix="headstart-") as place:
        one = Path(place) / f"member{suffix}"
        one.write_bytes(content)
        return read(one)
