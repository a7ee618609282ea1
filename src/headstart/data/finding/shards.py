"""Tars by a pattern, and where their members lie: looked up once, and kept in our `cache`, not beside the data."""

import hashlib
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..cache import decoded
from ..source import DataError

MEMBERS = 10_000_000  # of a tar
SHARDS = 100_000  # that a pattern may stand for
FORM = b"tar members 1"  # of what is kept
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


class Member(NamedTuple):
    """A file in a tar, and where its content lies."""

    name: str
    offset: int
    size: int


def spelled(pattern: str) -> list[str]:
    """The names that "shard-{000..009}.tar" stands for; none of a text without such a range."""
    found = RANGE.search(pattern)
    if found is None:
        return []
    first, last, width = int(found[1]), int(found[2]), len(found[1])
    if not 0 <= last - first < SHARDS:
        raise DataError(f"{found[0]} in {pattern} should go from a number up to a larger one, such as {{000..009}}")
    each = [f"{pattern[: found.start()]}{i:0{width}d}{pattern[found.end() :]}" for i in range(first, last + 1)]
    every = [name for one in each for name in spelled(one) or [one]]
    if len(every) > SHARDS:
        raise DataError(f"{pattern} stands for more than {SHARDS:,} files: give the folder that they lie in")
    return every


def look_up(path: Path) -> list[Member]:
    """The files in a tar that may be read; links, devices and names that lead out of it are none."""
    key, cache = _key(path), decoded()
    try:
        kept = cache.get(key)
        names = kept["names"].decode("utf-8", "surrogateescape").split("\0")
        return [Member(*each) for each in zip(names, kept["offset"].tolist(), kept["size"].tolist(), strict=True)]
    except KeyError:
        found = list(_looked(path))
    if found and key == _key(path):  # else it was written to meanwhile
        names = "\0".join(each.name for each in found).encode("utf-8", "surrogateescape")
        places = np.array([each[1:] for each in found], np.int64)
        cache.put(key, {"names": names, "offset": places[:, 0], "size": places[:, 1]})
    return found


def _key(path: Path) -> bytes:
    """32 bytes that change when the file does: its content would take as long to read as the members take to find."""
    about = path.stat()
    facts = (about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino, about.st_dev)
    return hashlib.sha256(b"\0".join((FORM, os.fsencode(path.resolve()), repr(facts).encode()))).digest()


def _looked(path: Path) -> Iterator[Member]:
    try:
        with tarfile.open(path, "r:") as tar:
            for count, member in enumerate(tar):
                if count >= MEMBERS:
                    raise DataError(f"{path} holds more than {MEMBERS:,} members: divide it")
                name = member.name.removeprefix("./")
                base = name.rpartition("/")[2]
                plain = member.isreg() and not member.issparse() and not base.startswith(".") and "." in base[1:]
                if plain and not name.startswith("/") and not {"..", "__MACOSX"} & set(name.split("/")):
                    yield Member(name, member.offset_data, member.size)
                tar.members = []  # type: ignore[attr-defined]  # or tarfile keeps them all
    except DataError:
        raise
    except Exception as error:  # tarfile raises anything on damaged headers
        raise DataError(f"{path} is damaged ({error}): copy it again") from error
