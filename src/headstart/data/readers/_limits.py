"""What a file may claim, and what stands where a file should be: asked by every reader before anything large is read.

A header may promise more than the file holds, a few packed bytes may unpack to gigabytes, and a download may have left a page
that says why it failed.
"""

import re
from pathlib import Path

FREE = 2**28  # bytes that any file may unpack to
TIMES = 500  # times its size that a file may unpack to beyond that; deflate makes 1,030 at most, of what is all alike
MARKUP = (
    ".html",
    ".htm",
    ".xhtml",
    ".hocr",
    ".xml",
    ".svg",
    ".txt",
    ".text",
    ".md",
    ".rst",
    ".js",
    ".jsx",
    ".php",
    ".vue",
)
PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*(<!doctype\s+html|<html[\s>]|<\?xml[^>]*>\s*<(error|html)[\s>])", re.IGNORECASE)
# how Python's own format begins: by its number and what is usual behind it, or as letters
PICKLE = re.compile(rb"\x80[\x02-\x05][\x95\]}()cKXq\x8c]|[\]}]q\x00|\((lp|dp|lI|dI)\d*\n|c[\w.]+\n\w+\n[pq(]")
ZEROS = 512  # bytes; no format that is read here begins with so many


def unpacked(size: int, packed: int, what: str = "it") -> str:
    """What is wrong with `packed` bytes that say they are `size` when unpacked; "" where nothing is."""
    if size <= FREE or size <= TIMES * packed:
        return ""
    return (
        f"{what} unpacks from {_said(packed)} to {_said(size)}, as hardly anything but damage does: save it without "
        "compression if that is meant"
    )


def claimed(count: int, each: int, there: int, what: str) -> str:
    """What is wrong with a header that promises `count` things of `each` bytes where so many are there; "" if nothing."""
    if count * each <= (there := max(0, there)):
        return ""
    return f"its header says it has {count:,} {what}, which take {_said(count * each)}, and {_said(there)} are there"


def instead(start: bytes, name: str) -> str:
    """What stands here instead of data, and what to do, by a file's first bytes and its name; "" where nothing is wrong."""
    if start.startswith(b"version https://git-lfs.github.com/spec/"):
        return "it is a pointer of Git LFS, and not the file itself: run git lfs pull"
    if re.match(rb"(\.\./)*(\.git)?/annex/objects/", start):
        return "it is a pointer of git-annex, and not the file itself: run git annex get"
    if PICKLE.match(start):
        return "it is a pickle, which may run anything as it is opened: save it as .npy, .npz or Parquet"
    if Path(name).suffix.lower() not in MARKUP and PAGE.match(start):
        return "it is a web page, perhaps of an error: download the file again"
    if len(start) >= ZEROS and not any(start[:ZEROS]):
        return "it begins with nothing but zeros: copy it again"
    return ""


def instead_of(path: Path) -> str:
    """The same of the file at a path; "" for what cannot be opened, as whoever reads it says so."""
    try:
        with path.open("rb") as file:
            return instead(file.read(ZEROS), path.name)
    except OSError:
        return ""


def _said(size: int) -> str:
    for unit, by in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= by:
            return f"{size / by:,.1f} {unit}"
    return f"{size:,} bytes"
