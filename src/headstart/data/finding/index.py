"""Every file under a folder, listed once: a million names in tens of megabytes, and remembered for the next start."""

import hashlib
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from ...home import cache
from ..names import Index, suffix_of
from .walk import listing

FORMAT = "headstart index 3"
WORTH = 2_000  # files: fewer are listed faster than a list is kept
RACY = 2_000_000_000  # [ns] some file systems keep times in steps of two seconds


def index(folder: str | Path, refresh: bool = False) -> Index:
    """Every real file under a folder once, hidden files and the folders of runs left out (`walk.listing`).

    The list is kept in the cache (`home.cache`) and taken from there while no
    folder has changed. A file that is rewritten in place keeps its folder's time, so sizes may be older than the
    files; `refresh` lists everything anew. Raises DataError where a folder cannot be listed.
    """
    root = os.path.realpath(folder)
    manifest = _manifest(root)
    kept = None if refresh else _read(manifest, root)
    if kept is not None:
        return kept
    times: dict[str, int] = {}
    began = time.time_ns()
    found = _list(root, times)
    # a folder that changed just before it was listed may change again within the same tick: that list is not kept
    if len(found) >= WORTH and max(times.values()) < began - RACY:
        _write(manifest, root, found, times)
    return found


def _list(root: str, times: dict[str, int]) -> Index:
    names: list[str] = []
    columns: tuple[list[int], ...] = ([], [], [])
    folders: dict[str, int] = {}
    suffixes: dict[str, int] = {}
    aside: dict[str, list[str]] = {}
    for prefix, entry in listing(root, times, aside):
        try:
            size = entry.stat().st_size
        except OSError:  # gone since
            continue
        names.append(prefix + entry.name)
        columns[0].append(folders.setdefault(prefix, len(folders)))
        columns[1].append(suffixes.setdefault(suffix_of(entry.name), len(suffixes)))
        columns[2].append(size)
    order = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)
    folder, suffix = (np.array(c, np.int32)[order] for c in columns[:2])
    parts = [os.fsencode(names[i][names[i].rfind("/") + 1 :]) for i in order.tolist()]
    del names
    length = np.fromiter(map(len, parts), np.int32, len(parts))
    start = np.cumsum(length, dtype=np.int64) - length
    sizes = np.array(columns[2], np.int64)[order]
    said = tuple(f"{len(names):,} {why} (first: {min(names)})" for why, names in aside.items())
    return Index(b"".join(parts), start, length, list(folders), folder, list(suffixes), suffix, sizes, said)


def _manifest(root: str) -> Path:
    return cache() / "index" / f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:32]}.npz"


def _read(manifest: Path, root: str) -> Index | None:
    """What was kept, if it is whole, of this folder, and no folder has changed since."""
    try:
        # opened here because numpy leaves the file of a damaged archive open
        with manifest.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if str(file["format"]) != FORMAT or _text(file["root"]) != [root]:
                return None
            watched, times = _text(file["watched"]), file["times"].tolist()
            if any(os.stat(w).st_mtime_ns != t for w, t in zip(watched, times, strict=True)):
                return None
            names = ("start", "length", "folder", "suffix", "sizes")
            start, length, folder, suffix, sizes = (file[name] for name in names)
            blob, folders, suffixes = file["blob"].tobytes(), _text(file["folders"]), _text(file["suffixes"])
            aside = tuple(_text(file["aside"]))
    except Exception:  # a damaged archive raises anything; the folder itself is still there
        return None
    n = len(start)
    fits = (
        {len(length), len(folder), len(suffix), len(sizes)} == {n}
        and all(a.min() >= 0 for a in (start, length, folder, suffix) if n)
        and (not n or (folder.max() < len(folders) and suffix.max() < len(suffixes)))
        and (not n or (start + length).max() <= len(blob))
    )
    return Index(blob, start, length, folders, folder, suffixes, suffix, sizes, aside) if fits else None


def _write(manifest: Path, root: str, found: Index, times: dict[str, int]) -> None:
    """Whole or not at all; a cache that cannot be written only costs time at the next start."""
    part = None
    try:
        manifest.parent.mkdir(parents=True, exist_ok=True)
        fd, part = tempfile.mkstemp(dir=manifest.parent, prefix=".part-")
        with os.fdopen(fd, "wb") as file:
            np.savez(
                file,
                format=np.array(FORMAT),
                root=_packed([root]),
                watched=_packed(list(times)),
                times=np.array(list(times.values()), np.int64),
                blob=np.frombuffer(found.blob, np.uint8),
                folders=_packed(found.folders),
                suffixes=_packed(found.suffixes),
                start=found.start,
                length=found.length,
                folder=found.folder,
                suffix=found.suffix,
                sizes=found.sizes,
                aside=_packed(list(found.aside)),
            )
        os.replace(part, manifest)
    except OSError:
        if part is not None:
            with suppress(OSError):
                os.unlink(part)


def _packed(texts: list[str]) -> np.ndarray:
    """Names as bytes with a zero after each: what no name can hold."""
    return np.frombuffer(b"".join(os.fsencode(t) + b"\0" for t in texts), np.uint8)


def _text(packed: np.ndarray) -> list[str]:
    return [os.fsdecode(t) for t in packed.tobytes().split(b"\0")[:-1]]
