"""Folders of files: every real file once, and the folders' names as labels."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from .source import DataError, Unreadable

SPLITS = frozenset({"train", "training", "val", "valid", "validation", "dev", "test", "testing"})


class TextFolder:
    """Every .txt file under a folder is one text; folders name the labels as they do for images."""

    kind = "text"

    def __init__(self, folder: str | Path, files: Sequence[str] | None = None):
        self.folder = Path(folder)
        every = walk(folder) if files is None else files
        self.files = sorted(name for name in every if name.lower().endswith(".txt"))
        if not self.files:
            raise DataError(f"no .txt files under {folder}: give a folder that holds them")
        self.labels, self.classes = folder_labels(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> str:
        try:
            return (self.folder / self.files[index]).read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise Unreadable(self.name(index), "the text is not UTF-8: convert it") from error
        except OSError as error:
            raise Unreadable(self.name(index), f"the file cannot be opened ({error.strerror})") from error

    def name(self, index: int) -> str:
        return self.files[index]

    def describe(self) -> str:
        return f"{len(self):,} text files in {len({os.path.dirname(f) for f in self.files}):,} folders"


def walk(folder: str | Path) -> Iterator[str]:
    """Relative names of every file under a folder, hidden ones left out.

    Every real file and folder counts once: links are followed, after everything that is no link, unless what
    they lead to was seen. So a cycle ends, and a picture filed under two names is one sample.
    """
    root = os.path.realpath(folder)
    folders, seen = [(root, "")], {root}
    linked_folders: list[tuple[str, str]] = []
    linked_files: list[tuple[str, str]] = []
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
            entries = os.scandir(here)
        except OSError as error:
            raise DataError(f"{here} cannot be listed ({error.strerror}): check its permissions") from error
        with entries:
            inside = list(entries)
            if here != root and any(entry.name == "run.json" for entry in inside):
                continue  # what an earlier run left behind is not data
            for entry in inside:
                name = prefix + entry.name
                if entry.name.startswith("."):
                    continue
                if entry.is_file(follow_symlinks=False):
                    yield name
                elif entry.is_dir(follow_symlinks=False):
                    if entry.path not in seen:
                        seen.add(entry.path)
                        folders.append((entry.path, name + "/"))
                elif entry.is_dir():
                    linked_folders.append((name, os.path.realpath(entry.path)))
                elif entry.is_file():
                    linked_files.append((name, os.path.realpath(entry.path)))
    taken: set[str] = set()
    for name, real in sorted(linked_files):
        parent, base = os.path.split(real)
        if real not in taken and (parent not in seen or base.startswith(".")):
            taken.add(real)
            yield name


def folder_labels(files: Sequence[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The first folder of each name is its label, if two such folders hold files; files in the root get -1.

    Where the first folders are only splits (train, val, test), the folders below them name the classes.
    """
    parts = [name.split("/")[:-1] for name in files]
    first = {p[0].lower() for p in parts if p}
    level = 1 if first and first <= SPLITS else 0
    classes = sorted({p[level] for p in parts if len(p) > level})
    if len(classes) < 2:
        return None, ()
    code = {name: i for i, name in enumerate(classes)}
    return np.array([code[p[level]] if len(p) > level else -1 for p in parts], dtype=np.int64), tuple(classes)
