"""Tars as WebDataset packs them, read in place: members of one key are one sample."""

import re
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from ...errors import Unreadable
from ...forms import Sample
from ..classes import as_column, labels_of
from ..encoding import decoded
from ..readers import Claim, claims, reading
from ..source import DataError, Source
from ..sources.pair import PairSource, Part
from .matching import numbered

T = TypeVar("T")
Members = Mapping[str, Mapping[str, tuple[int, int]]]  # {key: {suffix: (offset, bytes)}}
MEMBERS = 10_000_000  # of a tar
LIMIT = 2**31  # bytes of one member


def open_tar(path: Path) -> Source:
    """A plain tar, read in place: members "key.suffix" with the same key (up to the name's first dot) are one sample.

    A member .cls is the sample's class. Links, devices and names that lead out of the tar are left out.
    """
    members: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for count, member in enumerate(tar):
                if count >= MEMBERS:
                    raise DataError(f"{path} holds more than {MEMBERS:,} members: divide it")
                name = member.name.removeprefix("./")
                base = name.rpartition("/")[2]
                dot = base.find(".", 1)
                plain = member.isreg() and not member.issparse() and not base.startswith(".")
                if not plain or dot < 0 or name.startswith("/") or ".." in name.split("/"):
                    continue
                key, suffix = name[: len(name) - len(base) + dot], base[dot:].lower()
                if re.fullmatch(r"[.\w-]{2,24}", suffix):
                    members.setdefault(key, {})[suffix] = (member.offset_data, member.size)
                tar.members = []  # type: ignore[attr-defined]  # or tarfile keeps them all
    except DataError:
        raise
    except Exception as error:  # tarfile raises anything on damaged headers
        raise DataError(f"{path} is damaged ({error}): copy it again") from error
    suffixes = sorted({s for found in members.values() for s in found})
    known = {s: claim for s in suffixes if (claim := _claim_of_member(path, members, s)) is not None}
    if not known:
        listed = ", ".join(suffixes[:8]) or "nothing"
        raise DataError(f"{path} holds {listed}, and none of it is data that is known here: unpack it and look inside")
    keys = sorted(key for key, found in members.items() if known.keys() & found.keys())
    kinds: dict[str, str] = {}
    refs: dict[str, list[tuple[str, int, int] | None]] = {}
    for kind in sorted({c.kind for c in known.values()}):
        own = [s for s in known if known[s].kind == kind]
        while own:  # suffixes that never meet in one sample (.jpg and .png) are one part
            together = [own.pop(0)]
            for s in list(own):
                if not any(s in found and any(t in found for t in together) for found in members.values()):
                    together.append(s)
                    own.remove(s)
            part = next(p for p in numbered(kind) if p not in kinds)
            kinds[part] = kind
            refs[part] = [next(((s, *members[k][s]) for s in together if s in members[k]), None) for k in keys]

    def reader(kind: str) -> Callable[[tuple[str, int, int]], Sample]:
        read = reading({s: c.reader for s, c in known.items() if c.kind == kind}, kind)
        return lambda ref: _read_member(path, *ref, read)

    labels, classes = _classes(path, members, keys)
    source = PairSource(
        keys,
        kinds,
        refs,
        {p: reader(k) for p, k in kinds.items()},
        path.name,
        labels,
        classes,
        "labels: members .cls" if classes else "",
    )
    return source if len(kinds) > 1 else Part(source, next(iter(kinds)))


def _classes(path: Path, members: Members, keys: Sequence[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    at = [members[k].get(".cls") for k in keys]
    if not any(at):
        return None, ()
    with path.open("rb") as file:
        told = []
        for place in at:
            if place is None or place[1] > 256:
                told.append("")
            else:
                file.seek(place[0])
                told.append(decoded(file.read(place[1]))[0].strip())
    return labels_of(as_column(".cls", told), str(path))


def _claim_of_member(path: Path, members: Members, suffix: str) -> Claim | None:
    tried = 0
    for found in members.values():
        if suffix in found and tried < 8:
            tried += 1
            try:
                told = _read_member(path, suffix, *found[suffix], claims)
            except (Unreadable, OSError):
                continue
            readable = [c for c in told if c.reader.read is not None]
            if readable:
                return readable[0]
    return None


def _read_member(path: Path, suffix: str, offset: int, size: int, read: Callable[[Path], T]) -> T:
    """What `read` makes of a member, laid into a file of its own."""
    if size > LIMIT:
        raise Unreadable("", f"it is larger than {LIMIT >> 30} GiB")
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(size)
    if len(content) < size:
        raise Unreadable("", "the tar ends inside it: copy it again")
    with tempfile.TemporaryDirectory(prefix="headstart-") as place:
        one = Path(place) / f"member{suffix}"
        one.write_bytes(content)
        return read(one)
