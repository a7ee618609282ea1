"""What goes wrong in words: mistakes a user can mend, and single samples that cannot be read."""

import unicodedata

UNSHOWN = {"Cc", "Cs", "Zl", "Zp"}  # control characters, bytes that are no UTF-8, ends of lines


class Mistake(ValueError):
    """The user's mistake; the message is a sentence that says what to do, and the command line prints nothing else."""


class Unreadable(Exception):
    """One sample cannot be read; the others can."""

    def __init__(self, where: str, reason: str):
        super().__init__(f"{shown(where)}: {reason}" if where else reason)
        self.where = where
        self.reason = reason


def shown(text: str, keep: str = "") -> str:
    """A file's name, or a message with some in it, as one line that any terminal takes: what moves the cursor is written out as
    \\n, and a byte that is no UTF-8 as \\xe9. keep: characters that stay."""
    return "".join(c if c in keep or unicodedata.category(c) not in UNSHOWN else _spelled(c) for c in text)


def so_many(count: int, what: str) -> str:
    """How many of what, said once for one: 1 class, 3 classes, 1,200 samples."""
    return f"{count:,} {what if count == 1 else what + ('es' if what.endswith('ss') else 's')}"


def _spelled(character: str) -> str:
    code = ord(character)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else character.encode("unicode_escape").decode()
