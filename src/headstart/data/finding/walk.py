"""Folders of files: every real file once."""

import os
from collections.abc import Iterator
from pathlib import Path

from ..source import DataError


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
