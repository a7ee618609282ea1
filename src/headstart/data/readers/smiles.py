"""Lists of molecules: a SMILES string per line, then perhaps a name."""

import re
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import overload

from ..source import DataError, Source
from ..sources.listed import ListSource

OWN = (".smi", ".smiles", ".ism", ".can")
SUFFIXES = (*OWN, ".txt")
EXTRA = "molecules"
LIMIT = 2**30  # bytes of a file
LONGEST = 10_000  # letters of a line that are read
ENOUGH = 5  # lines that a file of another suffix must have to be taken for molecules

ATOM = r"(?:\[[0-9]{0,3}(?:\*|[A-Za-z][a-z]{0,2})[^\[\]\s]{0,40}\]|Br|Cl|[BCNOPSFI]|[bcnops]|\*)"
TOKEN = rf"(?:{ATOM}|[-=#$:/\\.()]|[0-9]|%[0-9]{{2}}|%\([0-9]{{1,5}}\))"
SMILES = re.compile(rf"{ATOM}{TOKEN}*+")
TELLING = re.compile(r"[=#()\[\]0-9]")
HEADERS = {"smiles", "canonical_smiles", "smi", "structure", "molecule", "#smiles"}


def kind(start: bytes, path: Path) -> str | None:
    """Molecules, if nine in ten first words are; in a file not called so, half must hold a ring, a branch or a bond."""
    try:
        text = start.decode()
    except UnicodeDecodeError as error:
        text = start[: error.start].decode() if error.start > len(start) - 4 else ""
    whole = len(start) < 4096
    words = [line.split(maxsplit=1)[0] for line in text.split("\n")[: None if whole else -1] if line.strip()]
    if words and _header(words[0]):
        words = words[1:]
    if not words or 10 * sum(map(_plausible, words)) < 9 * len(words):
        return None
    if path.suffix.lower() in OWN:
        return "molecule"
    telling = sum(bool(TELLING.search(word)) for word in words)
    return "molecule" if len(words) >= ENOUGH and 2 * telling >= len(words) else None


def open(path: Path) -> Source:
    """The molecules of a file of at most 1 GiB; what follows a string on its line is its name. A line of titles is left out.

    Whether a string is a molecule shows when its tokenizer reads it.
    """
    try:
        if path.stat().st_size > LIMIT:
            raise DataError(f"{path} is larger than {LIMIT >> 30} GiB: divide it")
        lines = _Lines(path)
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror or error}): check its permissions") from error
    if not len(lines):
        raise DataError(f"{path} holds no lines: give a file with a SMILES string on each")
    first = [lines[i] for i in range(min(len(lines), 1000))]
    if 2 * sum(map(_plausible, first)) < len(first):
        raise DataError(f"{path} is no list of SMILES strings: its first line is {first[0][:40]!r}")
    return ListSource(lines, "molecule", names=_Names(lines), title=path.stem)


class _Lines:
    """The strings of a file, read when they are asked for: of each line only its place is kept."""

    def __init__(self, path: Path):
        self.path, self.places, at = path, array("q"), 0
        with path.open("rb") as file:
            while line := file.readline(LONGEST):
                word = line.strip()
                if word and not (at == 0 and _header(_divided(line)[0])):
                    self.places.append(at)
                at += len(line)
                while line and not line.endswith(b"\n"):  # what is behind so many letters is not read
                    line = file.readline(2**20)
                    at += len(line)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> str:
        return self.parts(index)[0]

    def parts(self, index: int) -> tuple[str, str]:
        """The string of a line, and what follows it."""
        with self.path.open("rb") as file:
            file.seek(self.places[index])
            return _divided(file.readline(LONGEST))


class _Names(Sequence[str]):
    """What follows the strings; where nothing does, the file's name and a number."""

    def __init__(self, lines: _Lines):
        self.lines = lines

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        return self.lines.parts(index)[1][:200] or f"{self.lines.path.stem}[{index}]"


def _divided(line: bytes) -> tuple[str, str]:
    """The string and the name in a line."""
    text = line.decode("utf-8-sig", errors="replace").strip()
    word, _, rest = text.partition("\t" if "\t" in text else " ")
    return word.strip(), rest.strip()


def _header(word: str) -> bool:
    return word.lower().strip('"') in HEADERS


def _plausible(word: str) -> bool:
    """Made of the letters of SMILES, with every bracket closed. No chemistry is asked."""
    return len(word) <= LONGEST and word.count("(") == word.count(")") and SMILES.fullmatch(word) is not None
