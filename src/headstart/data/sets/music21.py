"""The scores that come with music21: 1,965 pieces and movements as notes; the composer is the label.

Folders with at least 15 scores name the classes: Bach's chorales (413), Beethoven's (26) and Mozart's (16) quartets,
Monteverdi's madrigals (49), Palestrina's masses (1,318), and the trecento as a school (103); the others are labelled -1. A work
(a mass, a quartet, a cantata) is a group: its movements share themes. Read are the scores in MusicXML and **kern; tunes in
ABC, which are one voice, are left out. Source: the package music21 9.3.0 (Cuthbert & Ariza 2010), of which no code is run.
"""

import re
from collections import Counter
from pathlib import Path

import numpy as np

from ...forms import Sample
from ..readers import kern, musicxml
from ..source import DataError, Source
from ..sources.files import FileSource
from ._pypi import unpacked

FEWEST = 15  # scores of a class
LEFT_OUT = ("demos", "theoryExercises", "_metadataCache")
READERS = {".krn": kern, ".mxl": musicxml, ".xml": musicxml, ".musicxml": musicxml}


def load(split: str = "all") -> Source:
    if split != "all":
        raise DataError(f"music21 has no split {split}: write music21")
    folder = unpacked("music21==9.3.0", "music21/corpus")
    paths = (p.relative_to(folder) for p in folder.glob("*/**/*") if p.suffix in READERS)
    files = sorted(str(p) for p in paths if p.parts[0] not in LEFT_OUT)
    if not files:
        raise DataError(f"there are no scores under {folder}: delete it and try again")
    composers = [Path(f).parts[0] for f in files]
    many = sorted(name for name, count in Counter(composers).items() if count >= FEWEST)
    labels = np.array([many.index(name) if name in many else -1 for name in composers], np.int64)
    source = FileSource(folder, files, read, "music", labels, tuple(many))
    source.groups = np.unique([_work(folder, Path(f)) for f in files], return_inverse=True)[1].astype(np.int64)
    return source


def read(path: Path) -> dict[str, Sample]:
    """The notes of a score, by the reader of its suffix.

    All on program 0 with velocity 64: what a file says of instruments and loudness betrays who typed it, not who wrote it.
    """
    notes = READERS[path.suffix].read(path)
    return notes | {"program": np.zeros_like(notes["program"]), "velocity": np.full_like(notes["velocity"], 64)}


def _work(folder: Path, file: Path) -> str:
    """What a score is part of: its mass (named in the file), its folder, or its catalogue number."""
    if file.suffix == ".krn":
        with (folder / file).open("rb") as score:
            named = re.search(rb"^!!!OPR: *(.+?)\r?$", score.read(2048), re.MULTILINE)
        if named and file.parts[0] == "palestrina":
            return f"{file.parts[0]}/{named.group(1).decode('latin-1')}"
    if len(file.parts) > 2:
        return "/".join(file.parts[:2])
    number = re.match(r"bwv\d+|madrigal\.\d+\.\d+|PMFC_\d+[_-]\d+|opus\d+(no\d+)?", file.stem)
    return f"{file.parts[0]}/{number.group() if number else file.stem}"
