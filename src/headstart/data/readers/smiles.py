"""Lists of molecules: a SMILES string per line, then perhaps a name."""

import re
from pathlib import Path

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
    strings: list[str] = []
    names: list[str] = []
    try:
        if path.stat().st_size > LIMIT:
            raise DataError(f"{path} is larger than {LIMIT >> 30} GiB: divide it")
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for i, line in enumerate(file):
                word, _, rest = line[:LONGEST].strip().partition("\t" if "\t" in line[:LONGEST].strip() else " ")
                if not word or (i == 0 and _header(word)):
                    continue
                strings.append(word.strip())
                names.append(rest.strip()[:200] or f"{path.stem}[{len(names)}]")
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror or error}): check its permissions") from error
    if not strings:
        raise DataError(f"{path} holds no lines: give a file with a SMILES string on each")
    if 2 * sum(_plausible(word) for word in strings[:1000]) < min(len(strings), 1000):
        raise DataError(f"{path} is no list of SMILES strings: its first line is {strings[0][:40]!r}")
    return ListSource(strings, "molecule", names=names, title=path.stem)


def _header(word: str) -> bool:
    return word.lower().strip('"') in HEADERS


def _plausible(word: str) -> bool:
    """Made of the letters of SMILES, with every bracket closed. No chemistry is asked."""
    return len(word) <= LONGEST and word.count("(") == word.count(")") and SMILES.fullmatch(word) is not None
