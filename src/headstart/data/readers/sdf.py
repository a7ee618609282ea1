"""Molecules as connection tables: SD files of many, MOL files of one (CTfile formats, V2000 and V3000)."""

import re
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import Unreadable
from ...extras import need
from ..classes import as_labels, said_of_labels
from ..labels import attribute, pick
from ..source import DataError, Source

SUFFIXES = (".sdf", ".sd", ".mol", ".mdl")
EXTRA = "molecules"
LIMIT = 2**34  # bytes of a file
RECORD = 2**20  # bytes of a molecule
TAGS = 200  # properties that are kept
WORDS = 10_000  # different values of them that are known again
COUNTS = re.compile(rb"[ 0-9]{6}.*V[23]000\s*$")
TAG = re.compile(rb"^>.*?<([^<>\n]{1,200})>", re.M)


def kind(start: bytes, path: Path) -> str | None:
    """Molecules, if the fourth line counts atoms and bonds."""
    lines = start.split(b"\n", 4)
    return "molecule" if len(lines) > 3 and COUNTS.match(lines[3].rstrip(b"\r")) else None


def open(path: Path, label: str | None = None) -> Source:
    """The molecules of a file of at most 16 GiB, as SMILES strings. label: the property to be predicted, by its tag."""
    return Structures(path, label)


def read(path: Path) -> str:
    """The SMILES string of a file of one molecule; Unreadable where it holds another number."""
    try:
        source = Structures(path)
    except DataError as error:
        raise Unreadable("", str(error)) from error
    if len(source) != 1:
        raise Unreadable("", f"the file holds {len(source):,} molecules, not one")
    try:
        return source[0]
    except Unreadable as error:
        raise Unreadable("", error.reason) from error


class Structures:
    """The records of an SD file, read when asked for.

    properties: what the tags hold that are numbers in half of the records at least: [n] float32, NaN where missing.
    """

    kind = "molecule"
    groups: np.ndarray | None = None
    bad: Sequence[Unreadable] = ()

    def __init__(self, path: Path, label: str | None = None):
        self.path = path
        try:
            self.starts, self.ends, tags = _scan(path)
        except OSError as error:
            raise DataError(f"{path} cannot be opened ({error.strerror or error}): check its permissions") from error
        n = len(self.starts)
        if not n:
            raise DataError(f"{path} holds no molecules: an SD file has a line of counts that ends in V2000 or V3000")
        columns = {tag: _column(values, n) for tag, values in tags.items()}
        self.properties = {tag: c for tag, c in columns.items() if 2 * np.isfinite(c).sum() >= n}
        self.labels: np.ndarray | None = None
        self.classes: tuple[str, ...] = ()
        self.why = ""
        named = attribute({tag: tuple(values.values()) for tag, values in tags.items()}, n) if label is None else label
        if named is not None:
            self.labels, self.classes = self._labels(named := pick(named, sorted(tags), path.name), tags, n)
            self.why = f"labels: property {named}, {'by its name' if label is None else 'as asked'}"

    def _labels(self, label: str, tags: dict[str, dict[int, str]], n: int) -> tuple[np.ndarray, tuple[str, ...]]:
        if label in self.properties:
            return self.properties[label], ()
        words = np.array([tags[label].get(i, "") for i in range(n)])
        codes, classes = as_labels(words[words != ""], int((words != "").sum()), self.path.name)
        labels = np.full(n, -1, np.int64)
        labels[words != ""] = codes
        return labels, classes

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> str:
        """The molecule's SMILES; or Unreadable."""
        chem = need("rdkit.Chem", EXTRA, f"reading {self.path.name}")
        size = self.ends[index] - self.starts[index]
        if size > RECORD:
            raise Unreadable(self.name(index), f"the record is longer than {RECORD >> 20} MiB")
        try:
            with self.path.open("rb") as file:
                file.seek(self.starts[index])
                block = file.read(size)
        except OSError as error:
            raise Unreadable(self.name(index), f"the file cannot be opened ({error.strerror or error})") from error
        return self._smiles(chem, block, index)

    def _smiles(self, chem: Any, block: bytes, index: int) -> str:
        text = block.decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\0", " ")
        with need("rdkit.rdBase", EXTRA, f"reading {self.path.name}").BlockLogs():
            try:
                molecule = chem.MolFromMolBlock(text)
                smiles = "" if molecule is None else chem.MolToSmiles(molecule)
            except (RuntimeError, ValueError) as error:
                raise Unreadable(self.name(index), f"RDKit cannot read it ({type(error).__name__})") from error
        if not smiles:
            raise Unreadable(self.name(index), "the record is no valid molecule")
        return smiles

    def name(self, index: int) -> str:
        return f"{self.path.stem}[{index}]"

    def describe(self) -> str:
        known = f" ({', '.join(list(self.properties)[:5])} known)" if self.properties else ""
        return f"{self.path.stem}: {len(self):,} molecules{known}{said_of_labels(self)}"


def _scan(path: Path) -> tuple["array[int]", "array[int]", dict[str, dict[int, str]]]:
    """Where the connection table of each record begins and ends, and what the tags say of which record."""
    if path.stat().st_size > LIMIT:
        raise DataError(f"{path} is larger than {LIMIT >> 30} GiB: divide it")
    starts, ends, words = array("q"), array("q"), dict[str, str]()
    tags: dict[str, dict[int, str]] = {}
    at = begin = 0
    end, seen, tag, proper = -1, False, None, False
    with path.open("rb") as file:
        while line := file.readline(RECORD):
            text = line.strip()
            if text == b"$$$$":
                if seen:
                    starts.append(begin)
                    ends.append(end if end >= 0 else at)
                begin, end, seen, tag, text = at + len(line), -1, False, None, b""
            elif tag is not None:
                if text and (tag in tags or len(tags) < TAGS):
                    word = text[:100].decode("utf-8", errors="replace")
                    tags.setdefault(tag, {})[len(starts)] = words.get(word, word)  # what recurs is kept once
                    if len(words) < WORDS:
                        words.setdefault(word, word)
                tag = None
            elif end >= 0 and text.startswith(b">"):
                found = TAG.match(text)
                tag = found[1].decode("utf-8", errors="replace").strip() if found else None
            elif end < 0 and text == b"M  END":
                end = at + len(line)
            seen, proper = seen or bool(text), proper or COUNTS.match(line) is not None
            at += len(line)
    if seen:
        starts.append(begin)
        ends.append(end if end >= 0 else at)
    return (starts, ends, tags) if proper else (array("q"), array("q"), {})


def _column(values: dict[int, str], n: int) -> np.ndarray:
    out = np.full(n, np.nan, np.float32)
    for i, word in values.items():
        try:
            number = float(word) if i < n else np.nan
        except ValueError:
            continue
        if abs(number) < 1e38:
            out[i] = number
    return out
