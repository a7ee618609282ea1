"""What a folder holds: its files by kind, which of them are data and which lie beside it, and how it is opened."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import Unreadable
from . import images, pairs, sidecar
from .files import FileSource
from .folder import folder_labels
from .index import Index, index, suffix_of
from .joined import Joined
from .readers import LAST, Claim, accepted, claims, reading, suffixes
from .source import DataError, Source
from .table import TableSource, TablesSource

LOOK = 3  # files of each suffix whose content is looked at; the next step is LOOK_ON, where none could be told
LOOK_ON = 64
ONE_BY_ONE = 10_000  # files of no known suffix that are opened: it costs a millisecond on a network disk
NOTED = 100_000  # files of one suffix beyond which none is taken for a note
NOTES = re.compile(
    r"^(read_?me|licen[cs]e|copying|notice|changes|changelog|authors|contributors|citation|credits|requirements|"
    r"checksums?|md5sums?|sha\d+sums?|manifest)\b",
    re.IGNORECASE,
)
ASIDE = (".json", ".xml", ".yaml", ".yml", ".ini", ".log", ".toml", ".md", ".rst", ".html", ".sh")
COLLECTION = re.compile(
    r"^((x|y|images|data|labels?|targets?)([_-]?(train|test|val)\w*)?|(train|test|val)([_-]?(x|y|images|data|labels?|targets?))?)$",
    re.IGNORECASE,
)
SPLIT = re.compile(r"^(.+)_(TRAIN|TEST)$")


@dataclass
class Survey:
    """kinds: the numbers of the files of each kind, the most frequent kind first. readers: by kind and suffix.

    notes: files about the data (README, licences, tables of labels); unknown: those that nobody knows. sure: share of the
    files looked at whose content agrees with the kind. table: labels that lie beside the data.
    """

    folder: Path
    files: Index
    kinds: dict[str, np.ndarray] = field(default_factory=dict)
    readers: dict[str, dict[str, ModuleType]] = field(default_factory=dict)
    sure: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unknown: int = 0
    why: list[str] = field(default_factory=list)

    def names(self, kind: str) -> Index:
        return self.files.take(self.kinds[kind])

    def listed(self) -> str:
        return ", ".join(f"{len(rows):,} {kind} file{'s' * (len(rows) > 1)}" for kind, rows in self.kinds.items())


def survey(folder: Path, kind: str | None = None) -> Survey:
    """Look at the suffixes of all files, and at the content of a few of each. kind: what files are taken for, if they may."""
    found = Survey(folder, index(folder))
    rows: dict[str, list[np.ndarray]] = {}
    noted = _notes(found.files)
    found.notes = list(found.files.take(noted))
    votes: dict[str, list[int]] = {}
    nameless = []
    for suffix, every in found.files.by_suffixes().items():
        at = every[~noted[every]]
        if suffix not in suffixes() and (suffix not in images.OTHER_SUFFIXES or not suffix):
            nameless.append(at)  # the name says nothing
        elif len(at):
            told = _told(found, _spread(at, LOOK), kind)
            if not any(told):
                told = _told(found, _spread(at, LOOK_ON), kind)
            most = Counter(c for c in told if c).most_common(1)
            if len({c.kind for c in told if c}) > 1 and len(at) <= ONE_BY_ONE:  # one suffix, several kinds
                for one, claim in zip(at, _told(found, at, kind), strict=True):
                    _count(found, rows, votes, claim, "", np.array([one]), [claim])
                continue
            picture = Claim(_images(), "image") if suffix in images.SUFFIXES and not kind else None
            _count(found, rows, votes, most[0][0] if most else picture, suffix, at, told)
    at = np.sort(np.concatenate(nameless)) if nameless else np.zeros(0, np.int64)
    if len(at) <= ONE_BY_ONE:
        for one, claim in zip(at, _told(found, at, kind), strict=True):
            _count(found, rows, votes, claim, "", np.array([one]), [claim])
    else:
        told = _told(found, _spread(at, LOOK_ON), kind)
        ((most_said, said),) = Counter(told).most_common(1)
        _count(found, rows, votes, most_said if 2 * said >= len(told) else None, "", at, told)
    found.kinds = {k: np.sort(np.concatenate(r)) for k, r in sorted(rows.items(), key=lambda kr: -sum(map(len, kr[1])))}
    found.sure = {k: sum(v) / len(v) for k, v in votes.items()}
    return found


def choose(found: Survey, kind: str | None) -> str:
    """The kind that the folder is opened as; DataError that lists what there is where the user has to choose."""
    folder, n, kinds = found.folder, len(found.files), found.kinds
    if kind == "pair":
        return kind
    if kind is not None:
        if kind not in kinds:
            what = {"image": "images", "text": ".txt files"}.get(kind, f"{kind} files")
            every = survey(folder)
            holds = f"; it holds {every.listed()}" if every.kinds else ""
            raise DataError(f"there are no {what} among the {n:,} files under {folder}{holds}: give another folder")
        return kind
    if not kinds:
        raise DataError(
            f"there are no images or .txt files, nor any other data that is known here, among the {n:,} files under "
            f"{folder}: give another folder (or data.kind=text, if they are texts)"
        )
    counts = {k: len(rows) for k, rows in kinds.items()}
    if len(counts) == 1:
        return next(iter(counts))
    if pairs.matched({k: list(found.names(k)) for k in _partners(found)}) is not None:
        return "pair"
    strong = {k: c for k, c in counts.items() if k not in LAST and not _only_aside(found, k)}
    first, most = max((strong or counts).items(), key=lambda kc: kc[1])
    others = sum(counts.values()) - most
    texts = counts.get("text", 0) * (first != "text")
    alone = len(strong) == 1 and texts <= 10 * most and 2 * (others - texts) <= most
    nearly = others <= (0.02 if strong.keys() - {first} else 0.1) * most
    if alone or nearly:
        rest = ", ".join(f"{c:,} {k}" for k, c in counts.items() if k != first)
        found.why.append(f"the other files ({rest}) are taken for notes; data.kind= chooses them instead")
        return first
    words = " or ".join(f"data.kind={k}" for k in counts)
    raise DataError(f"{folder} holds several kinds of data: {found.listed()}. Choose one: {words}")


def open_survey(found: Survey, kind: str, label: str | None = None) -> Source:
    """The files of one kind as samples; several kinds with equal names as pairs."""
    folder = found.folder
    if kind == "pair":
        return pairs.open_folder(
            folder, {k: list(found.names(k)) for k in _partners(found) or found.kinds}, found.readers
        )
    files, readers = found.names(kind), found.readers[kind]
    _no_collections(folder, files, readers)
    beside = sidecar.find(folder, files, tables_beside(found, kind)) if found.notes or "table" in found.kinds else None
    if any(_holds_many(reader, suffix, folder, files) for suffix, reader in _suffixed(found, files, kind)):
        return _open_many(found, kind, files, label)
    labels, classes = chosen_labels(files, beside, label)
    if kind == "image" and set(readers.values()) <= {_images()}:
        pictures = images.FolderSource(folder, files)
        pictures.labels, pictures.classes = labels, classes
        return pictures
    source = FileSource(folder, files, reading(readers, kind), kind, labels, classes)
    source.labels, source.classes = labels, classes
    return source


def chosen_labels(
    files: Sequence[str], beside: sidecar.Sidecar | None, label: str | None
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The column that `label` names ("folders": the folders); else the table's own label column, else the folders."""
    if label not in (None, "folders"):
        if beside is None:
            raise DataError(
                f"label={label} names a column, and no table beside the files lists them: give label=folders, "
                "or a labels.csv with the columns file and label"
            )
        return beside.labels(str(label))
    column = beside.chosen() if beside is not None and label is None else None
    return beside.labels(column) if beside is not None and column else folder_labels(files)


def _told(found: Survey, at: np.ndarray, kind: str | None) -> list[Claim | None]:
    """Who knows each of these files best."""
    return [_first(claims(found.folder / name, kind)) for name in found.files.take(at)]


def _first(found: list[Claim]) -> Claim | None:
    return found[0] if found else None


def _spread(at: np.ndarray, count: int) -> np.ndarray:
    return at[np.unique(np.linspace(0, len(at) - 1, count).astype(int))]


def _images() -> ModuleType:
    from .readers import images as reader

    return reader


def _count(
    found: Survey,
    rows: dict[str, list[np.ndarray]],
    votes: dict[str, list[int]],
    claim: Claim | None,
    suffix: str,
    at: np.ndarray,
    told: Sequence[Claim | None],
) -> None:
    if claim is None:
        found.unknown += len(at)
        return
    rows.setdefault(claim.kind, []).append(at)
    votes.setdefault(claim.kind, []).extend(c is not None and c.kind == claim.kind for c in told)
    if suffix:
        found.readers.setdefault(claim.kind, {})[suffix] = claim.reader
    else:
        found.readers.setdefault(claim.kind, {})


def _notes(files: Index) -> np.ndarray:
    """bool [n]: files about the data. Where nothing else is there, they are the data."""
    notes = np.zeros(len(files), bool)
    text = ("", ".txt", ".md", ".rst", ".html", ".pdf", *sidecar.SUFFIXES)
    for suffix, at in files.by_suffixes().items():
        if suffix in text and len(at) <= NOTED:
            for i in at.tolist():
                stem = files[i].rpartition("/")[2].partition(".")[0].lower()
                table = suffix in sidecar.SUFFIXES and stem in sidecar.NAMES
                notes[i] = table or NOTES.match(stem) is not None
    return notes if not notes.all() else np.zeros(len(files), bool)


def _partners(found: Survey) -> list[str]:
    """The kinds that may be parts of pairs."""
    return [k for k in found.kinds if not _only_aside(found, k)]


def _only_aside(found: Survey, kind: str) -> bool:
    readers = found.readers[kind]
    return bool(readers) and all(s in ASIDE for s in readers) and len(found.kinds) > 1


def tables_beside(found: Survey, kind: str) -> list[str]:
    """Tables in the folder itself that may list the files: those with a telling name first."""
    names = [*found.notes, *(list(found.names("table")) if kind != "table" and "table" in found.kinds else [])]
    return [n for n in names if "/" not in n and Path(n).suffix.lower() in sidecar.SUFFIXES][:16]


def _suffixed(found: Survey, files: Index, kind: str) -> Iterator[tuple[str, ModuleType]]:
    """Each suffix of the files and its reader; of files whose names say nothing, the first one's."""
    for suffix in files.counts():
        reader = found.readers[kind].get(suffix)
        if reader is None:
            claim = _first(claims(found.folder / files[int(files.by_suffix(suffix)[0])], kind))
            reader = claim.reader if claim else None
        if reader is not None:
            yield suffix, reader


def _no_collections(folder: Path, files: Index, readers: dict[str, ModuleType]) -> None:
    """x.npy beside y.npy, and idx files, are sets of samples, of which the user has to give one."""
    arrays = [s for s, r in readers.items() if getattr(r, "GENERAL", False)]
    names = list(files.take(files.by_suffix(".npy"))) if ".npy" in arrays else []
    stems = [n.rpartition("/")[2].rpartition(".")[0] for n in names[:100]]
    idx = [f for f in files if re.search(r"idx\d", f.lower())] if len(files) < 100 else []
    alone = len(names) == 1
    if idx or alone or any(COLLECTION.match(s) for s in stems):
        raise DataError(f"{folder} holds array files: give one of them, such as {folder / sorted(idx or names)[0]}")


def _holds_many(reader: ModuleType, suffix: str, folder: Path, files: Index) -> bool:
    """Whether files of this suffix hold many samples each."""
    if not hasattr(reader, "open"):
        return False
    if not hasattr(reader, "read"):
        return True
    for name in files.take(_spread(files.by_suffix(suffix), LOOK)):
        try:
            reader.read(folder / name)
        except Unreadable:
            continue
        return False
    return True


def _open_many(found: Survey, kind: str, files: Index, label: str | None) -> Source:
    folder, readers = found.folder, found.readers[kind]
    column = None if label == "folders" else label
    used = [reader for _, reader in _suffixed(found, files, kind)]
    if column and not any("label" in accepted(r.open, label=column) for r in used if hasattr(r, "open")):
        raise DataError(
            f"label={column} names a column, and {kind} files have none: leave it out, or give label=folders"
        )
    if kind == "table" and all(hasattr(r, "load") for r in used):
        return _tables(found, files, column)
    sources: list[Any] = []
    titles: list[str] = []
    bad: list[tuple[str, str]] = []
    for name in files:
        reader = readers.get(suffix_of(name)) or _reader(folder / name, kind)
        if reader is None:
            bad.append((name, f"it is no {kind} file that is known here"))
            continue
        try:
            if hasattr(reader, "open"):
                sources.append(
                    reader.open(folder / name, **accepted(reader.open, label=column, kind=_asked(reader, kind)))
                )
            else:
                sources.append(FileSource(folder, [name], reading(readers, kind), kind))
            titles.append(name)
        except DataError as error:
            bad.append((name, str(error)))
    if not sources:
        raise DataError(bad[0][1])
    if len(sources) == 1 and not bad:
        return sources[0]
    _apart(sources, titles)
    joined = Joined(sources, titles, str(folder))
    joined.bad = bad
    if joined.labels is None or label == "folders":
        labels, classes = folder_labels(titles)
        if labels is not None:
            joined.labels, joined.classes = np.repeat(labels, [len(s) for s in sources]), classes
    return joined


def _reader(path: Path, kind: str) -> Any:
    return next((claim.reader for claim in claims(path, kind)), None)


def _tables(found: Survey, files: Index, label: str | None) -> Source:
    """The rows of tables of several schemas, in whatever formats."""
    tables: list[Any] = []
    bad: list[tuple[str, str]] = []
    for name in files:
        reader = found.readers["table"].get(suffix_of(name)) or _reader(found.folder / name, "table")
        if reader is None:
            bad.append((name, "it is no table that is known here"))
            continue
        try:
            tables.append(reader.load(found.folder / name))
        except DataError as error:
            bad.append((name, str(error)))
    if not tables:
        raise DataError(bad[0][1])
    source = TableSource(tables[0], label) if len(tables) == 1 else TablesSource(tables, label)
    source.bad = bad  # type: ignore[union-attr]
    return source


def _asked(reader: ModuleType, kind: str) -> str | None:
    return kind if getattr(reader, "GENERAL", False) else None


def _apart(sources: list[Source], titles: list[str]) -> None:
    """Class 1 of GunPoint is not class 1 of Coffee: where a folder holds several sets of the UCR archive, names say which."""
    sets = [m.group(1) if (m := SPLIT.match(Path(t).stem)) else None for t in titles]
    if len({s for s in sets if s}) > 1:
        for source, name in zip(sources, sets, strict=True):
            if name and source.classes:
                source.classes = tuple(f"{name} {c}" for c in source.classes)
