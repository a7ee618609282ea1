"""Plain text: what a file called .txt holds when no other reader knows it."""

from pathlib import Path

from ...errors import Unreadable

SUFFIXES = (".txt",)
EXTRA = ""
LIMIT = 2**28  # bytes


def kind(start: bytes, path: Path) -> str | None:
    return "text" if path.suffix.lower() == ".txt" else None


def read(path: Path) -> str:
    """The text of a UTF-8 file of 256 MiB at most."""
    try:
        if path.stat().st_size > LIMIT:
            raise Unreadable("", f"the text is larger than {LIMIT >> 20} MiB: divide it")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("", "the text is not UTF-8: convert it") from error
    except OSError as error:
        raise Unreadable("", f"the file cannot be opened ({error.strerror})") from error
