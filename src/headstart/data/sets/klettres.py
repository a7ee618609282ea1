"""KLettres: 1,836 spoken letters and syllables (0.2 to 6 seconds) in 20 languages and dialects, from KDE's alphabet game.

The language is the label. Volunteers recorded one language each, so voice and room are likely to tell it, too.
Split "letters": the letters whose names are Latin and occur in at least ten languages; the letter is the label and the
language the group, so that letters are judged in voices never heard. Source: the Debian package klettres-data (GPL-2+).
"""

from collections import defaultdict
from pathlib import Path

import numpy as np

from ..readers import audio
from ..readers.musicxml import tree_of
from ..source import DataError, Source
from ..sources.files import FileSource
from ._debian import unpacked

SPLITS = ("all", "letters")
LANGUAGES = 10  # that a letter must occur in


def load(split: str = "all") -> Source:
    if split not in SPLITS:
        raise DataError(f"klettres has no split {split}: write klettres or klettres:letters")
    folder = unpacked("klettres-data", "usr/share/klettres")
    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*.ogg"))
    if not files:
        raise DataError(f"there are no sounds under {folder}: delete it and try again")
    languages = [Path(f).parts[0] for f in files]
    if split == "all":
        classes, labels = np.unique(languages, return_inverse=True)
        return FileSource(folder, files, audio.read, "audio", labels.astype(np.int64), tuple(map(str, classes)))
    letters = _letters(folder)
    spoken = defaultdict(set)
    for file, letter in letters.items():
        spoken[letter].add(Path(file).parts[0])
    kept = [f for f in files if f in letters and len(spoken[letters[f]]) >= LANGUAGES]
    if not kept:
        raise DataError(f"no sounds.xml under {folder} says which letters are spoken: delete it and try again")
    classes, labels = np.unique([letters[f] for f in kept], return_inverse=True)
    source = FileSource(folder, kept, audio.read, "audio", labels.astype(np.int64), tuple(map(str, classes)))
    source.groups = np.unique([Path(f).parts[0] for f in kept], return_inverse=True)[1].astype(np.int64)
    return source


def _letters(folder: Path) -> dict[str, str]:
    """file -> the lower-case Latin letter it says, from each language's sounds.xml."""
    out: dict[str, str] = {}
    for table in sorted(folder.glob("*/sounds.xml")):
        for sound in tree_of(table.read_bytes()).iter("sound"):
            name = str(sound.get("name")).strip().lower()
            if len(name) == 1 and "a" <= name <= "z":
                out[str(sound.get("file"))] = name
    return out
