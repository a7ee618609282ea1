"""Fortunes: 12,000 quotations, jokes and riddles of the program `fortune`; the file each stands in is its label.

From the Debian package fortunes (1:1.99.1), files of at least 100. Many fit into several files, so nobody gets all of them right.
"""

import re

from ..source import DataError
from ..sources.listed import ListSource
from ._debian import unpacked

FEWEST = 100


def load(split: str = "all") -> ListSource:
    """Texts as they are printed; the same text in two files is taken from the first."""
    if split != "all":
        raise DataError(f"fortunes has no split {split}: write fortunes")
    folder = unpacked("fortunes", "usr/share/games/fortunes")
    texts: dict[str, str] = {}
    counts: dict[str, int] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix or not file.is_file():
            continue
        every = re.split(r"^%+\n", file.read_text(encoding="utf-8", errors="replace"), flags=re.MULTILINE)
        found = [text.strip("\n") for text in every if text.strip()]
        if len(found) >= FEWEST:
            for text in found:
                counts[file.name] = counts.get(file.name, 0) + (text not in texts)
                texts.setdefault(text, file.name)
    if not texts:
        raise DataError(f"no file of fortunes is in {folder}: delete it and try again")
    seen: dict[str, int] = dict.fromkeys(counts, -1)
    names = []
    for label in texts.values():
        seen[label] += 1
        names.append(f"{label}[{seen[label]}]")
    return ListSource(list(texts), "text", list(texts.values()), names=names, title="fortunes")
