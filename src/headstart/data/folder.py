"""Folders of files: every real file once, and the folders' names as labels."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from .source import DataError

SPLITS = frozenset({"train", "training", "val", "valid", "validation", "dev", "test", "testing"})


def walk(folder: str | Path) -> Iterator[str]:
    """Relative names of every file under a folder, hidden ones left out.

    Every real file and folder counts once: links are followed, after everything that is no link, unless what
    they lead to was seen. So a cycle ends, and a picture filed under two names is one sample.
    """
    for prefix, entry in listing(folder):
        yield prefix + entry.name


def listing(folder: str | Path, times: dict[str, int] | None = None) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The same files, each as (its folder's relative name with a slash, "" for the root; its entry).

    times: filled with the real path of every folder that was looked into, and when it had last changed [ns].
    """
    root = os.path.realpath(folder)
    folders, seen = [(root, "")], {root}
    linked_folders: list[tuple[str, str]] = []
    linked_files: list[tuple[str, str, str, os.DirEntry[str]]] = []
    while folders or linked_folders:
        if not folders:
            linked_folders.sort()
            name, real = linked_folders.pop(0)
            if real in seen:
                continue
            seen.add(real)
            folders.append((real, name + "/"))
        here, prefix = folders.pop()
        try:
            if times is not None:
                times[here] = os.stat(here).st_mtime_ns  # before the look inside: what comes later changes it again
            entries = os.scandir(here)
        except OSError as error:
            raise DataError(f"{here} cannot be listed ({error.strerror}): check its permissions") from error
        with entries:
            inside = list(entries)
            if here != root and any(entry.name == "run.json" for entry in inside):
                continue  # what an earlier run left behind is not data
            for entry in inside:
                if entry.name.startswith("."):
                    continue
                if entry.is_file(follow_symlinks=False):
                    yield prefix, entry
                elif entry.is_dir(follow_symlinks=False):
                    if entry.path not in seen:
                        seen.add(entry.path)
                        folders.append((entry.path, prefix + entry.name + "/"))
                elif entry.is_dir():
                    linked_folders.append((prefix + entry.name, os.path.realpath(entry.path)))
                elif entry.is_file():
                    linked_files.append((prefix + entry.name, os.path.realpath(entry.path), prefix, entry))
    taken: set[str] = set()
    for _, real, prefix, entry in sorted(linked_files, key=lambda linked: linked[:2]):
        parent, base = os.path.split(real)
        if real not in taken and (parent not in seen or base.startswith(".")):
            taken.add(real)
            yield prefix, entry


def folder_labels(files: Sequence[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The first folder of each name is its label, if two such folders hold files; files in the root get -1.

    Where the first folders are only splits (train, val, test), the folders below them name the classes.
    """
    folders, at = by_folder(files)
    parts = [name.split("/")[:-1] for name in folders]
    first = {p[0].lower() for p in parts if p}
    level = 1 if first and first <= SPLITS else 0
    classes = sorted({p[level] for p in parts if len(p) > level})
    if len(classes) < 2:
        return None, ()
    code = {name: i for i, name in enumerate(classes)}
    codes = np.array([code[p[level]] if len(p) > level else -1 for p in parts], dtype=np.int64)
    return codes[at], tuple(classes)


def by_folder(files: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The folders that hold files, each with a slash at its end ("" for the root), and int64 [n]: which of them each is in."""
    own = getattr(files, "by_folder", None)  # an Index knows
    if own is not None:
        return own()
    number: dict[str, int] = {}
    at = [number.setdefault(name[: name.rfind("/") + 1], len(number)) for name in files]
    return list(number), np.array(at, dtype=np.int64)


def formats(files: Sequence[str]) -> tuple[str, int]:
    """("png 120, jpg 30", folders): what the files are by their suffixes, most frequent first, and how many folders hold them."""
    own = getattr(files, "counts", None)  # an Index knows
    counts = own() if own is not None else Counter(os.path.splitext(name)[1].lower() for name in files)
    most = sorted(counts.items(), key=lambda each: -each[1])
    return ", ".join(f"{suffix.lstrip('.') or 'no suffix'} {count:,}" for suffix, count in most), len(
        by_folder(files)[0]
    )
