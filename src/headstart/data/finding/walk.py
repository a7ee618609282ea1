"""Folders of files: every real file once."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from ..source import DataError


def walk(folder: str | Path) -> Iterator[str]:
    """Relative names of every file under a folder, hidden ones and what systems leave behind (Thumbs.db) left out.

    Every real file and folder counts once: links are followed, after everything that is no link, unless what
    they lead to was seen. So a cycle ends, and a picture filed under two names is one sample.
    """
    for prefix, entry in listing(folder):
        yield prefix + entry.name


RUNS = "folders of earlier runs are left out"
NOWHERE = "links lead nowhere"
MADE = "folders that systems and tools make for themselves are left out"
DERIVED = "folders of derivatives beside a BIDS set are left out: give one of them to read it"
SYSTEM = frozenset(
    ("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__pycache__")
)
CLUTTER = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))
BIDS, BESIDE_BIDS = "dataset_description.json", frozenset(("derivatives", "sourcedata", "code"))
RUN = 2**24  # bytes: a larger run.json is none of ours


def listing(
    folder: str | Path, times: dict[str, int] | None = None, aside: dict[str, list[str]] | None = None
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The same files, each as (its folder's relative name with a slash, "" for the root; its entry).

    times: filled with the real path of every folder that was looked into, and when it had last changed [ns]. aside: filled with
    what was left out, by why.
    """
    left: dict[str, list[str]] = {} if aside is None else aside
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
            if here != root and any(entry.name == "run.json" and _is_run(entry.path) for entry in inside):
                left.setdefault(RUNS, []).append(prefix.rstrip("/"))
                continue
            bids = here == root and any(entry.name == BIDS for entry in inside)
            for entry in inside:
                if entry.name.startswith(".") or entry.name.lower() in CLUTTER:
                    continue
                if entry.name in SYSTEM or (bids and entry.name in BESIDE_BIDS):
                    left.setdefault(MADE if entry.name in SYSTEM else DERIVED, []).append(prefix + entry.name)
                    continue
                if entry.is_file(follow_symlinks=False):
                    yield prefix, entry
                elif entry.is_dir(follow_symlinks=False):
                    if entry.path not in seen:
                        seen.add(entry.path)
                        folders.append((entry.path, prefix + entry.name + "/"))
                elif os.path.isdir(entry.path):
                    linked_folders.append((prefix + entry.name, os.path.realpath(entry.path)))
                elif os.path.isfile(entry.path):
                    linked_files.append((prefix + entry.name, os.path.realpath(entry.path), prefix, entry))
                elif entry.is_symlink():
                    left.setdefault(NOWHERE, []).append(prefix + entry.name)
    taken: set[str] = set()
    for _, real, prefix, entry in sorted(linked_files, key=lambda linked: linked[:2]):
        parent, base = os.path.split(real)
        if real not in taken and (parent not in seen or base.startswith(".")):
            taken.add(real)
            yield prefix, entry


def _is_run(path: str) -> bool:
    """Whether a run.json was written by a run of ours: other tools call theirs so, too, and lay it beside data."""
    try:
        if os.path.getsize(path) > RUN:
            return False
        with open(path, encoding="utf-8") as file:
            said = json.load(file)
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(said, dict) and isinstance(said.get("plan"), dict) and "recipe" in said["plan"]
