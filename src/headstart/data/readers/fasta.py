"""Sequences: FASTA files, and flat files of Swiss-Prot and EMBL. A file holds many samples.

Nucleotide sequences are text here: their letters are read as bytes.
"""

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from ..source import DataError
from ..sources.listed import ListSource

SUFFIXES = (".fasta", ".fa", ".faa", ".fas", ".fna", ".ffn", ".frn", ".pep", ".afa", ".a3m", ".sw", ".swiss", ".embl")
MOST = 1 << 29  # bytes of a file
SEQUENCES = 2_000_000
START = 4096  # bytes by which the kind is decided
_LINE = re.compile(rb"[A-Za-z*.\-\s]*")
_NUCLEOTIDES = frozenset("ACGTUN")
_CODES = _NUCLEOTIDES | set("RYKMSWBDHV")  # IUPAC codes of several nucleotides


def kind(start: bytes, path: Path) -> str | None:
    """Protein, or text for nucleotides, of a file that begins with a header and letters, or with an entry of a flat file."""
    if re.match(rb"ID   \S+ .*\b(AA|BP)\.\s*?\n", start):
        return "protein" if b" AA." in start.partition(b"\n")[0] else "text"
    lines = start.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    lines = [line for line in lines[:-1] or lines if not line.startswith(b";")]
    first = list(takewhile(_no_header, lines[1:]))
    letters = b"".join(first)
    if not lines or not re.match(rb">[ \t]*\S", lines[0]) or not letters.strip() or not _LINE.fullmatch(letters):
        return None
    return _kind([letters.decode("ascii")])


def open(path: Path, labelled: bool = True) -> ListSource:
    """All sequences of a file, without gaps (FASTA of an alignment has them) and stop signs at the end.

    Names are the headers' first words. Entries of flat files are labelled by the first word of their lineage (Eukaryota,
    Bacteria, ...) if there are two or more. At most 512 MiB and two million sequences.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MOST:
            raise DataError(f"{path} is longer than {MOST // 2**20} MiB: split it")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror or error})") from error
    if b"\0" in data:
        raise DataError(f"{path} is no text, so no file of sequences")
    text = data.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    flat = text.startswith("ID   ")
    entries = _flat(text) if flat else _fasta(text)
    names: list[str] = []
    sequences: list[str] = []
    origins: list[str] = []
    for name, sequence, origin in entries:
        if not sequence:
            continue
        if len(names) == SEQUENCES:
            raise DataError(f"{path} holds more than {SEQUENCES:,} sequences: split it")
        names.append(name)
        sequences.append(sequence)
        origins.append(origin)
    if not any(re.fullmatch(r"[A-Za-z*]+", sequence) for sequence in sequences):
        raise DataError(
            f"{path} holds no sequences: give FASTA ('>name' and lines of letters) or a Swiss-Prot flat file"
        )
    known = labelled and flat and len(set(origins) - {""}) > 1
    found = kind(data[:START], path) or _kind(sequences)
    title = path.name if found == "protein" else f"{path.name} (nucleotides, read as text)"
    return ListSource(sequences, found, [o or "unknown" for o in origins] if known else None, names=names, title=title)


def _fasta(text: str) -> Iterator[tuple[str, str, str]]:
    for record in re.split(r"^>", text, flags=re.MULTILINE)[1:]:
        header, _, body = record.partition("\n")
        body = re.sub(r"^;.*$", "", body, flags=re.MULTILINE)
        sequence = re.sub(r"[\s.\-]+", "", body).rstrip("*")
        yield (header.split() or ["unnamed"])[0], sequence, ""


def _flat(text: str) -> Iterator[tuple[str, str, str]]:
    """Swiss-Prot and EMBL: ID, OC and the sequence between SQ and //."""
    for entry in re.split(r"^//", text, flags=re.MULTILINE):
        name = re.search(r"^ID   (\S+)", entry, re.MULTILINE)
        body = re.search(r"^SQ   .*\n((?:[ \t].*\n?)*)", entry, re.MULTILINE)
        if name and body:
            lineage = re.search(r"^OC   ([^;.\n]+)", entry, re.MULTILINE)
            yield name[1], re.sub(r"[\s\d]+", "", body[1]), lineage[1].strip() if lineage else ""


def _no_header(line: bytes) -> bool:
    return not line.startswith(b">")


def _kind(sequences: list[str]) -> str:
    """Text if nearly all letters are nucleotides and all are codes of them."""
    letters = re.sub(r"[^A-Z]", "", "".join(s[:10_000] for s in sequences[:1_000]).upper())
    plain = sum(letters.count(c) for c in _NUCLEOTIDES)
    nucleotides = len(letters) >= 8 and plain >= 0.9 * len(letters) and set(letters) <= _CODES
    return "text" if nucleotides else "protein"
