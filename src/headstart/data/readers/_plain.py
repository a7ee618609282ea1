"""Plain text: what a file called .txt holds when no other reader knows it."""

import codecs
from pathlib import Path

from ...errors import Unreadable

SUFFIXES = (".txt",)
LIMIT = 2**28  # bytes


def kind(start: bytes, path: Path) -> str | None:
    return "text" if path.suffix.lower() == ".txt" else None


def is_text(start: bytes) -> bool:
    """Whether a file that begins with this is UTF-8 without control characters; its last character may be cut off."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return bool(text.strip()) and not any(c < " " and c not in "\t\n\r\f\v\x1b" for c in text)


def read(path: Path) -> str:
    """The text of a UTF-8 file of 256 MiB at most."""
    try:
        if path.stat().st_size > LIMIT:
            raise Unreadable("", f"the text is larger than {LIMIT >> 20} MiB: divide it")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("", "the text is not UTF-8: convert it") from error
    except OSError as error:
        raise Unreadable("", f"the file cannot be opened ({error.strerror})") from error
    if "\0" in text:
        raise Unreadable("", "it holds zeros, which no text has: copy it again")
    return text
