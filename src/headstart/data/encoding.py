"""Bytes of a text file as text: UTF-8, UTF-16, UTF-32, and what is none of them."""

import codecs
from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

NO_1252 = frozenset(b"\x81\x8d\x8f\x90\x9d")  # bytes that Windows-1252 does not know
BLOCK = 2**20


def encoding_of(blocks: Iterable[bytes]) -> str:
    """The encoding of the bytes in these blocks, by name.

    UTF-8 if all of them are, with or without a mark at the start; UTF-32 by its mark; UTF-16 by its mark, or where zeros stand at
    every second byte only; else Windows-1252, and Latin-1 where that has no such letter.
    """
    parts = iter(blocks)
    start = next(parts, b"")
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if (at := _zeros(start)) is not None:
        return "utf-16-le" if at else "utf-16-be"
    decoder, seen = codecs.getincrementaldecoder("utf-8")(), set[int]()
    block, plain = start, True
    while block:
        if plain:
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                plain = False
        if not plain:
            seen |= set(block) & NO_1252
        block = next(parts, b"")
    if plain:
        try:
            decoder.decode(b"", final=True)
            return "utf-8-sig"
        except UnicodeDecodeError:
            pass
    return "latin-1" if seen else "cp1252"


def decoded(data: bytes) -> tuple[str, str]:
    """The text in these bytes, and its encoding by name."""
    encoding = encoding_of([data])
    return data.decode(encoding, errors="replace").removeprefix("\ufeff"), encoding


def beginning(start: bytes) -> str:
    """The beginning of a file as text, which may end in half a character; UnicodeDecodeError for what is no text."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)) or _zeros(start) is not None:
        return decoded(start[: len(start) // 4 * 4 if encoding_of([start]) == "utf-32" else len(start) // 2 * 2])[0]
    try:
        return start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start >= len(start) - 4:
            return start[: error.start].decode("utf-8-sig")
        if any(byte < 9 or 13 < byte < 32 for byte in start):
            raise
        return decoded(start)[0]


def said(encoding: str) -> str:
    """A remark about an encoding that had to be guessed; "" for UTF-8 and for UTF-16 that says it is."""
    names = {"cp1252": "Windows-1252", "latin-1": "Latin-1", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16"}
    return f"read as {names[encoding]}, as it is not UTF-8" if encoding in names else ""


@runtime_checkable
class _Reads(Protocol):
    def read(self, size: int, /) -> bytes: ...


def blocks(file: _Reads) -> Iterator[bytes]:
    """A file's bytes, a mebibyte at a time."""
    while block := file.read(BLOCK):
        yield block


def _zeros(start: bytes) -> int | None:
    """Where zeros stand in each pair of bytes, 0 or 1: in a quarter of them at least, and at one place only; else None."""
    start = start[: min(len(start), 4096) // 2 * 2]
    count = [start[at::2].count(0) for at in (0, 1)]
    for at in (0, 1):
        if start and not count[1 - at] and 4 * count[at] >= len(start) // 2:
            return at
    return None
