"""Text and source code: a file is one sample."""

from pathlib import Path

from ...errors import Unreadable
from ..encoding import decoded

TEXT = (".txt", ".text", ".md", ".markdown", ".rst", ".tex", ".adoc", ".org")
CODE = (
    *(
        ".py",
        ".pyi",
        ".js",
        ".mjs",
        ".jsx",
        ".tsx",
        ".ts",
        ".c",
        ".h",
        ".cc",
        ".cpp",
        ".cxx",
        ".hpp",
        ".hh",
        ".cu",
        ".java",
    ),
    *(
        ".kt",
        ".scala",
        ".go",
        ".rs",
        ".swift",
        ".cs",
        ".rb",
        ".php",
        ".pl",
        ".pm",
        ".lua",
        ".r",
        ".jl",
        ".hs",
        ".ml",
        ".clj",
    ),
    *(
        ".ex",
        ".exs",
        ".erl",
        ".sh",
        ".bash",
        ".zsh",
        ".ps1",
        ".sql",
        ".css",
        ".scss",
        ".vue",
        ".zig",
        ".nim",
        ".f90",
        ".asm",
    ),
)
SUFFIXES = TEXT + CODE
MOST = 64 * 2**20  # bytes of a file
_CONTROL = frozenset(range(32)) - set(b"\t\n\r\f\v\x1a\x1b") | {127}


def kind(start: bytes, path: Path) -> str | None:
    """Text or code by the suffix, if the file begins like text; without a suffix, code if its first line begins with "#!"."""
    suffix = path.suffix.lower()
    script = start.startswith(b"#!") and not suffix
    if (suffix not in SUFFIXES and not script) or _decoded(start, whole=False) is None:
        return None
    if suffix == ".ts" and _other_ts(start):
        return None
    return "text" if suffix in TEXT else "code"


def read(path: Path) -> str:
    """The file's text: UTF-8 (with or without a mark at the start), UTF-16 with one, else Windows-1252 or Latin-1.

    Line ends become line feeds. Over 64 MiB, or what is no text, is Unreadable.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MOST + 1)
    except OSError as error:
        raise Unreadable("", f"the file cannot be opened ({error.strerror or error})") from error
    if not data:
        raise Unreadable("", "the file is empty")
    if len(data) > MOST:
        raise Unreadable("", f"the file is longer than {MOST // 2**20} MiB: split it")
    text = _decoded(data)
    if text is None:
        raise Unreadable("", "the content is no text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(data: bytes, whole: bool = True) -> str | None:
    """The text in these bytes, or None where they are none. Of a part of a file, the end may be cut in a character."""
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return None  # UTF-32: nobody writes it
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            text = (data if whole else data[: len(data) // 4 * 4 - 2]).decode("utf-16")
        except UnicodeDecodeError:
            return None
        return None if _CONTROL & set(map(ord, text)) else text
    if _CONTROL & set(data):
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not whole and error.start >= len(data) - 3:
            return data[: error.start].decode("utf-8-sig")
    high = sum(b >= 128 for b in data)
    if high > 0.3 * len(data):
        return None
    return decoded(data)[0]


def _other_ts(start: bytes) -> bool:
    """Films (MPEG transport streams) and tables of time series (sktime, UCR) share the suffix of TypeScript."""
    film = len(start) > 188 and start[0] == start[188] == 0x47
    lines = (line.strip() for line in start.split(b"\n"))
    first = next((line for line in lines if line and not line.startswith(b"#")), b"").lower()
    return film or first.startswith(
        (b"@problemname", b"@relation", b"@timestamps", b"@univariate", b"@attribute", b"@data")
    )
