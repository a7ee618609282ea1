"""The King James Bible: 31,102 verses; their labels are the kinds of book they stand in, and a chapter is one group.

From the Debian package bible-kjv-text. Half of what tells the kinds apart is names and subjects, not style.
"""

import re
import struct

from ..source import DataError
from ..sources.listed import ListSource
from ._debian import unpacked
from ._lzw import expand

BOOKS = {
    "law": "Ge Exo Lev Num Deu",
    "history": "Josh Jdgs Ruth 1Sm 2Sm 1Ki 2Ki 1Chr 2Chr Ezra Neh Est",
    "poetry": "Job Psa Prv Eccl SSol",
    "prophets": "Isa Jer Lam Eze Dan Hos Joel Amos Obad Jonah Mic Nahum Hab Zep Hag Zec Mal",
    "gospels and acts": "Mat Mark Luke John Acts",
    "letters": "Rom 1Cor 2Cor Gal Eph Phi Col 1Th 2Th 1Tim 2Tim Titus Phmn Heb Jas 1Pet 2Pet 1Jn 2Jn 3Jn Jude",
    "revelation": "Rev",
}
KIND_OF = {book: name for name, books in BOOKS.items() for book in books.split()}
_OFFSETS = 0x5C  # of the file's windows; before them two numbers, the size of a window and their count


def load(split: str = "all") -> ListSource:
    """Verses without their numbers. Names are as in "Ge1:1"."""
    if split != "all":
        raise DataError(f"bible has no split {split}: write bible")
    notes = unpacked("bible-kjv-text", "usr/share/doc/bible-kjv-text")  # a folder that only this package has
    data = (notes.parents[2] / "lib" / "bible.data").read_bytes()
    if not data.startswith(b"EC02Compressed Data File"):
        raise DataError("the Bible's file has another format than expected: is bible-kjv-text of version 4?")
    windows = struct.unpack(">I", data[_OFFSETS - 4 : _OFFSETS])[0]
    text = expand(data[_OFFSETS + 4 * (windows + 1) :]).decode("latin-1")
    verses = re.findall(r"^(\w*?[A-Za-z])(\d+):(\d+) (.+)$", text, re.MULTILINE)
    unknown = sorted({book for book, *_ in verses} - set(KIND_OF))
    if unknown or not verses:
        raise DataError(f"the Bible's file has {len(verses)} verses, and books of unknown names: {unknown[:5]}")
    chapters = {at: i for i, at in enumerate(dict.fromkeys((book, chapter) for book, chapter, *_ in verses))}
    return ListSource(
        [text.strip() for *_, text in verses],
        "text",
        [KIND_OF[book] for book, *_ in verses],
        names=[f"{book}{chapter}:{verse}" for book, chapter, verse, _ in verses],
        title="bible",
        groups=[chapters[book, chapter] for book, chapter, *_ in verses],
    )
