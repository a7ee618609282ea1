"""Hydrogen's drum kits: 752 single strokes on 14 kits (0.02 to 12 seconds); the instrument is the label.

What was struck is read from the file's name, else from the name that the kit gives the instrument; -1 where neither says.
A kit is a group: strokes of one instrument at several strengths are near copies. Source: the Debian package
hydrogen-drumkits (GPL, CC-BY, CC0; every kit's licence is in its drumkit.xml).
"""

import re
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from ...errors import Unreadable
from ..readers import audio
from ..readers.musicxml import tree_of
from ..source import DataError, Source
from ..sources.files import FileSource
from ._debian import unpacked

CLASSES = ("clap", "crash", "hand drum", "hat", "kick", "percussion", "ride", "rim", "snare", "tom")
# in this order: the first that matches a name in lower case, its words separated by spaces
RULES = (
    ("clap", r"\bclap|handclap|finger ?snap"),
    ("percussion", r"cowbell|cow bell|agogo|clave|maraca|tambourine|wood ?block|water ?glass|whistle|dununba.* bell"),
    ("percussion", r"(sangban|kenkeni).* bell|\bmc cb\b|shake"),
    ("hand drum", r"bongo|conga|cajon|djembe|dununba|sangban|kenkeni"),
    ("rim", r"\brim|snare ?rim|off ?rim|side ?stick|\bstick|\brs\b"),
    ("hat", r"\bhi ?hat|hihat|hhat|\bhat\b|^hat|sabian ?hat|\bhh|\b[co]hh\b|\bho\b"),
    ("ride", r"\bride|crash ?ride|paiste ?ride|paiste ?bell|\brc\b|\brd\d?\b|\bbl\b"),
    ("crash", r"crash|china|splash|\bcra\b|\bcc\b|\bcb\d?\b"),
    ("kick", r"kick|bass ?drum|\bbd\b|hse k\b"),
    ("snare", r"snare|\bsn\d?\b|\bsd\b|\bsr\b"),
    ("tom", r"\btom|floor ?tom|pearl ?tom|\btm\d?\b|\bft\b|\bt[12]\b"),
)


def load(split: str = "all") -> Source:
    if split != "all":
        raise DataError(f"drumkits has no split {split}: write drumkits")
    folder = unpacked("hydrogen-drumkits", "usr/share/hydrogen/data/drumkits")
    files = sorted(
        str(p.relative_to(folder)) for p in folder.glob("*/*") if p.suffix in audio.SUFFIXES and "empty" not in p.name
    )
    if not files:
        raise DataError(f"there are no sounds under {folder}: delete it and try again")
    given = _given(folder)
    found = [instrument(Path(f).stem) or instrument(given.get(f, "")) for f in files]
    labels = np.array([CLASSES.index(name) if name else -1 for name in found], np.int64)
    source = FileSource(folder, files, audio.read, "audio", labels, CLASSES)
    source.groups = np.unique([Path(f).parts[0] for f in files], return_inverse=True)[1].astype(np.int64)
    return source


def instrument(name: str) -> str | None:
    """The class that a name such as "SabianHatOpen-Hard" or "BD_01" speaks of."""
    words = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    words = re.sub(r"[^A-Za-z0-9]+", " ", words).lower()
    return next((label for label, rule in RULES if re.search(rule, words)), None)


def _given(folder: Path) -> dict[str, str]:
    """file -> what its kit calls the instrument."""
    out: dict[str, str] = {}
    for table in sorted(folder.glob("*/drumkit.xml")):
        try:
            kit = tree_of(table.read_bytes())
        except Unreadable:
            continue  # the names of the files are left
        for item in kit.iter():
            if _tag(item) == "instrument":
                title = next((x.text or "" for x in item if _tag(x) == "name"), "")
                for sound in item.iter():
                    if _tag(sound) == "filename" and sound.text:
                        out.setdefault(f"{table.parent.name}/{sound.text}", title)
    return out


def _tag(item: Element) -> str:
    return item.tag.rpartition("}")[2]
