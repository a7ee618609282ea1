"""What a folder holds: its files by kind, which of them are data and which lie beside it."""

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..labels import SPLITS, is_beside, words
from ..names import Index, suffix_of
from ..readers import LAST, Claim, Reader, by_name, claims, images, instead_of, recordings, suffixes
from ..source import DataError
from . import class_names, lists, masks, sidecar
from .index import index
from .matching import matched
from .slices import Stacks, stacks
from .tars import is_tar, open_tar
from .walk import BIDS

LOOK = 3  # files of each suffix whose content is looked at; the next step is LOOK_ON, where none could be told
LOOK_ON = 64
ONE_BY_ONE = 10_000  # files of no known suffix that are opened: it costs a millisecond on a network disk
NOTED = 100_000  # files of one suffix beyond which none is taken for a note
NOTES = re.compile(
    r"^(read_?me|licen[cs]e|copying|notice|changes|changelog|authors|contributors|citation|credits|requirements|"
    r"checksums?|md5sums?|sha\d+sums?|manifest)\b",
    re.IGNORECASE,
)
TABLES = 16  # that are looked into for labels
NUMBERS = re.compile(rb"[-+0-9.,;:eE\s]*")
HINTS = (
    dict.fromkeys((".heic", ".heif"), ': pip install "headstart[heic]"')
    | dict.fromkeys((".zip", ".tar.gz", ".tgz", ".rar", ".7z", ".tar.bz2", ".tar.xz"), ": unpack them")
    | dict.fromkeys((".xlsx", ".xls", ".ods"), ": save them as .csv")
    | {".mat": ": save them as .npz"}
)
ASIDE = (".json", ".xml", ".yaml", ".yml", ".ini", ".log", ".toml", ".md", ".rst", ".html", ".sh")


@dataclass
class Survey:
    """kinds: the numbers of the files of each kind, the most frequent kind first. readers: by kind and suffix.

    notes: files about the data (README, licences, tables of labels). sure: share of the
    files looked at whose content agrees with the kind. table: labels that lie beside the data.
    """

    folder: Path
    files: Index
    kinds: dict[str, np.ndarray] = field(default_factory=dict)
    readers: dict[str, dict[str, Reader]] = field(default_factory=dict)
    sure: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    strange: Counter[str] = field(default_factory=Counter)  # files that nobody knows, by suffix
    numbers: int = 0  # text files beside other data that hold numbers alone: boxes, points, outlines
    why: list[str] = field(default_factory=list)
    others: tuple[str, ...] = ()  # kinds that are here, too, and are not opened
    masks: dict[int, int] = field(default_factory=dict)  # which files are masks, and of which others
    doubts: list[str] = field(default_factory=list)  # why files that are named as masks are none
    shards: list[str] = field(default_factory=list)  # tars, if they are the data
    stacks: Stacks | None = None  # volumes that slices make, one a file
    recorded: bool = False  # whether tables are recordings, one a file

    def names(self, kind: str) -> Index:
        return self.files.take(self.kinds[kind])

    @property
    def unknown(self) -> int:
        """How many files nobody knows."""
        return self.strange.total()

    def left_out(self, read: Sequence[str] = ()) -> list[str]:
        """What is under the folder and is not read, in sentences. read: files that were, for labels."""
        strange = self.strange - Counter(map(suffix_of, read))
        most = strange.most_common(4)
        lines = [f"{n:,} {s or 'nameless'} files are not read{HINTS.get(s, '')}" for s, n in most]
        if len(strange) > len(most):
            lines.append(
                f"{strange.total() - sum(n for _, n in most):,} files of {len(strange) - len(most)} other sorts are not read"
            )
        rest = {k: sum(name not in read for name in self.names(k)) for k in self.others}
        if listed := ", ".join(f"{n:,} {k}" for k, n in rest.items() if n):
            lines.append(
                f"the other files ({listed}) are taken for notes and not read; data.kind= chooses them instead"
            )
        if self.masks:
            first = self.files[next(iter(self.masks))]
            lines.append(
                f"{len(self.masks):,} files are masks of others (first: {first}), and not learnt from; data.kind=pair reads both"
            )
        if self.numbers:
            lines.append(
                f"{self.numbers:,} text files hold numbers alone, boxes perhaps, and are not read (data.kind=text)"
            )
        return [*self.doubts, *lines, *self.files.aside]

    def listed(self) -> str:
        return ", ".join(f"{len(rows):,} {kind} file{'s' * (len(rows) > 1)}" for kind, rows in self.kinds.items())


def survey(folder: Path, kind: str | None = None) -> Survey:
    """Look at the suffixes of all files, and at the content of a few of each. kind: what files are taken for, if they may."""
    found = Survey(folder, index(folder))
    rows: dict[str, list[np.ndarray]] = {}
    noted = _notes(found.files, kind)
    found.notes = list(found.files.take(noted))
    votes: dict[str, list[int]] = {}
    nameless = []
    for suffix, every in found.files.by_suffixes().items():
        at = every[~noted[every]]
        if suffix not in suffixes() and (suffix not in images.OTHER_SUFFIXES or not suffix):
            nameless.append(at)  # the name says nothing
        elif len(at):
            told = _told(found, spread(at, LOOK), kind)
            if not any(told):
                told = _told(found, spread(at, LOOK_ON), kind)
            most = Counter(c for c in told if c).most_common(1)
            if len({c.kind for c in told if c}) > 1 and len(at) <= ONE_BY_ONE:  # one suffix, several kinds
                for one, claim in zip(at, _told(found, at, kind), strict=True):
                    _count(found, rows, votes, claim, "", np.array([one]), [claim])
                continue
            picture = Claim(by_name("images"), "image") if suffix in images.SUFFIXES and not kind else None
            _count(found, rows, votes, most[0][0] if most else picture, suffix, at, told)
    at = np.sort(np.concatenate(nameless)) if nameless else np.zeros(0, np.int64)
    if len(at) <= ONE_BY_ONE:
        for one, claim in zip(at, _told(found, at, kind), strict=True):
            _count(found, rows, votes, claim, "", np.array([one]), [claim])
    else:
        told = _told(found, spread(at, LOOK_ON), kind)
        ((most_said, said),) = Counter(told).most_common(1)
        _count(found, rows, votes, most_said if 2 * said >= len(told) else None, "", at, told)
    if kind is None and len(rows) > 1 and "text" in rows and _only_numbers(found, np.concatenate(rows["text"])):
        found.numbers = sum(map(len, rows.pop("text")))
    _stack(found, rows, kind)
    _shard(found, rows, kind)
    if kind is None and not found.shards:
        _record(found, rows, votes)
    for one in masks.KINDS if kind is None else ():
        every = np.sort(np.concatenate(rows[one])) if one in rows else np.zeros(0, np.int64)
        of, doubt = masks.masks(folder, found.files, every)
        if doubt:
            found.doubts.append(doubt)
        if of:
            found.masks |= of
            rows[one] = [left for r in rows[one] if len(left := np.setdiff1d(r, list(of)))]
    found.kinds = {k: np.sort(np.concatenate(r)) for k, r in sorted(rows.items(), key=lambda kr: -sum(map(len, kr[1])))}
    found.sure = {k: sum(v) / len(v) for k, v in votes.items()}
    for one in found.kinds if found.shards else ():
        found.sure[one] = 1.0
    if found.stacks is not None:
        found.sure.setdefault("volume", 1.0)
    return found


def _shard(found: Survey, rows: dict[str, list[np.ndarray]], kind: str | None) -> None:
    """Tars beside nothing else but tables, as WebDataset and img2dataset lay them, are the data."""
    at = found.files.by_suffix(".tar")
    if not len(at) or rows.keys() - set(LAST) or not is_tar(found.folder / found.files[int(at[0])]):
        return
    with suppress(DataError):
        of = open_tar(found.folder / found.files[int(at[0])]).kind
        if kind in (None, of):
            found.shards = list(found.files.take(at))
            found.strange = found.strange - Counter({".tar": len(at)})
            found.notes += [name for r in rows.values() for name in found.files.take(np.concatenate(r))]
            rows.clear()
            rows[of] = [at]
            found.readers[of] = {}


def _stack(found: Survey, rows: dict[str, list[np.ndarray]], kind: str | None) -> None:
    """Slices of scans, one a DICOM file, become files of volumes, unless pictures are asked for or each has a partner."""
    if kind not in (None, "volume"):
        return
    every = np.concatenate(rows.get("image", [np.zeros(0, np.int64)])) if kind is None else np.arange(len(found.files))
    suffixes = {
        s for s in found.files.take(every).counts() if s not in images.SUFFIXES and s not in images.OTHER_SUFFIXES
    }
    able = [found.files.by_suffix(s) for s in suffixes] or [np.zeros(0, np.int64)]
    every = np.intersect1d(every, np.concatenate(able))
    others = {k: list(found.files.take(np.concatenate(r))) for k, r in rows.items() if k != "image"}
    if not len(every) or (others and matched({**others, "image": list(found.files.take(every))}) is not None):
        return
    found.stacks = stacks(found.folder, found.files, every, whatever=kind == "volume")
    if found.stacks is None:
        return
    slices = found.stacks.rows
    if kind is None:
        rest = [left for r in rows.pop("image") if len(left := np.setdiff1d(r, slices))]
        rows |= {"image": rest} if rest else {}
    else:
        found.strange.subtract(found.files.take(slices).counts())
        found.strange = +found.strange
    rows.setdefault("volume", []).append(slices)
    found.readers.setdefault("volume", {}).update({s: by_name("dicom") for s in found.files.take(slices).counts() if s})


def _record(found: Survey, rows: dict[str, list[np.ndarray]], votes: dict[str, list[int]]) -> None:
    """Tables as text that are a recording each, told together, become series, if nothing but tables and texts is there."""
    if not rows.keys() <= set(LAST):
        return
    labelled = any(suffix_of(name) in sidecar.SUFFIXES for name in found.notes)
    for kind in ("table", "text"):
        every = np.sort(np.concatenate(rows.get(kind, [np.zeros(0, np.int64)])))
        every = every if len(every) <= NOTED else every[:0]
        plain = [s in recordings.SUFFIXES or s not in suffixes() for s in map(suffix_of, found.files.take(every))]
        able = every[np.array(plain, bool)]
        told = recordings.together(found.folder, found.files.take(able), labelled) if len(able) else None
        if told is None or 2 * (len(every) - told.sum()) > told.sum():
            continue
        taken, rows[kind] = able[told], [np.setdiff1d(every, able[told])]
        if not len(rows[kind][0]):
            del rows[kind]
        rows["series"], votes["series"], found.recorded = [taken], told.tolist(), True
        found.readers["series"] = dict.fromkeys(filter(None, found.files.take(taken).counts()), by_name("recordings"))
        found.why.append(
            "their rows are moments of one recording a file: data.kind=table reads them as samples of their own"
        )
        return


def one_kind(found: Survey, kind: str | None) -> str:
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
        for name in found.files.take(spread(np.arange(n), LOOK)) if n else ():
            if reason := instead_of(folder / name):
                raise DataError(f"none of the {n:,} files under {folder} can be read. Of {name}: {reason}")
        raise DataError(
            f"there are no images or .txt files, nor any other data that is known here, among the {n:,} files under "
            f"{folder}: give another folder (or data.kind=text, if they are texts){_also(found)}"
        )
    counts = {k: len(rows) for k, rows in kinds.items()}
    if counts.keys() == {"table"} and not found.shards:
        _no_table_of_strangers(found)
    if len(counts) == 1:
        return next(iter(counts))
    if matched({k: list(found.names(k)) for k in partners(found)}) is not None:
        return "pair"
    strong = {k: c for k, c in counts.items() if k not in LAST and not _only_aside(found, k)}
    if counts.get("text", 0) > max(strong.values(), default=0) and _many_each(found, "text"):
        strong["text"] = counts["text"]  # sequences are no notes
    first, most = max((strong or counts).items(), key=lambda kc: kc[1])
    others = sum(counts.values()) - most
    texts = counts.get("text", 0) * (first != "text")
    alone = len(strong) == 1 and texts <= 10 * most and 2 * (others - texts) <= most
    nearly = others <= (0.02 if strong.keys() - {first} else 0.1) * most
    if alone or nearly:
        found.others = tuple(k for k in counts if k != first)
        return first
    words = " or ".join(f"data.kind={k}" for k in counts)
    raise DataError(f"{folder} holds several kinds of data: {found.listed()}. Choose one: {words}")


def _no_table_of_strangers(found: Survey) -> None:
    """DataError where small tables list files that nobody reads: it is these that are the data."""
    known = np.concatenate([*found.kinds.values()])
    rest = np.setdiff1d(np.arange(len(found.files)), known)
    if not TABLES * 100 > found.unknown > 2 * len(known):
        return
    listed = sidecar.find(found.folder, list(found.files.take(rest)), list(found.files.take(known))[:TABLES]).tables
    if listed:
        raise DataError(
            f"{listed[0].name} lists {int((listed[0].at >= 0).sum()):,} files beside it that are not read{_also(found)}; "
            "data.kind=table takes the table alone"
        )


def _also(found: Survey) -> str:
    left = found.left_out()
    return f"; {'; '.join(left)}" if left else ""


def _told(found: Survey, at: np.ndarray, kind: str | None) -> list[Claim | None]:
    """Who knows each of these files best."""
    each = (claims(found.folder / name, kind) for name in found.files.take(at))
    return [next((c for c in claimed if kind is not None or c.reader.name != "recordings"), None) for claimed in each]


def spread(at: np.ndarray, count: int) -> np.ndarray:
    return at[np.unique(np.linspace(0, len(at) - 1, count).astype(int))]


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
        found.strange.update(found.files.take(at).counts())
        return
    rows.setdefault(claim.kind, []).append(at)
    votes.setdefault(claim.kind, []).extend(c is not None and c.kind == claim.kind for c in told)
    if suffix:
        found.readers.setdefault(claim.kind, {})[suffix] = claim.reader
    else:
        found.readers.setdefault(claim.kind, {})


def _notes(files: Index, kind: str | None) -> np.ndarray:
    """bool [n]: files about the data. Where nothing else is there, they are the data."""
    notes = np.zeros(len(files), bool)
    bids = kind is None and BIDS in files.take(files.by_suffix(".json"))
    text = ("", ".txt", ".md", ".rst", ".html", ".pdf", *sidecar.SUFFIXES)
    for suffix, at in files.by_suffixes().items():
        if suffix in text and len(at) <= NOTED:
            for i in at.tolist():
                stem = files[i].rpartition("/")[2].partition(".")[0]
                table = suffix in sidecar.SUFFIXES and (is_beside(stem) or (bids and suffix == ".tsv"))
                notes[i] = table or NOTES.match(stem) is not None
    return notes if not notes.all() else np.zeros(len(files), bool)


def partners(found: Survey) -> list[str]:
    """The kinds that may be parts of pairs."""
    return [k for k in found.kinds if not _only_aside(found, k) and not _many_each(found, k)]


def _many_each(found: Survey, kind: str) -> bool:
    """Whether files of this kind hold many samples each and are never one: sequences, molecules."""
    name = found.names(kind)[0]
    reader = found.readers[kind].get(suffix_of(name)) or next(
        (c.reader for c in claims(found.folder / name, kind)), None
    )
    return reader is not None and reader.read is None and reader.open is not None


def _only_numbers(found: Survey, at: np.ndarray) -> bool:
    """Whether nine in ten of these texts that say anything hold numbers alone, as YOLO's boxes beside pictures do."""
    told = []
    for name in found.files.take(spread(at, LOOK_ON)):
        with suppress(OSError), (found.folder / name).open("rb") as file:
            start = file.read(4096)
            told += [NUMBERS.fullmatch(start) is not None] * bool(start.strip())
    return bool(told) and 10 * sum(told) >= 9 * len(told)


def _only_aside(found: Survey, kind: str) -> bool:
    readers = found.readers[kind]
    return bool(readers) and all(s in ASIDE for s in readers) and len(found.kinds) > 1


def tables_beside(found: Survey, kind: str) -> list[str]:
    """Tables that may list the files: those with a telling name first, then others in the folder itself, others below it, and
    lists (train.txt, labels.json)."""
    others = found.names("table") if kind != "table" and "table" in found.kinds else []
    near = sorted(others, key=lambda name: name.count("/"))
    names = [n for n in [*found.notes, *near] if Path(n).suffix.lower() in sidecar.SUFFIXES]
    every = [*names[:TABLES], *_lists(found, kind)]
    if found.masks:  # {"0": "sky"} is about their numbers, and no table of samples 0, 1, ...
        return [name for name in every if name.rpartition("/")[2] not in class_names.FILES]
    return every


def _lists(found: Survey, kind: str) -> list[str]:
    """Files that may list others: all of a suffix if they are few, else those with a telling name."""
    taken = list(found.kinds) if kind == "pair" else [kind]
    own = np.concatenate([np.zeros(0, np.int64), *(found.kinds[k] for k in taken if k in found.kinds)])
    out: list[str] = []
    for suffix in lists.SUFFIXES:
        at = found.files.by_suffix(suffix)
        at = np.setdiff1d(at, own) if len(at) else at  # which sorts all of the folder's files
        names = found.files.take(at)
        for name in names if len(at) <= NOTED else ():
            stem = name.rpartition("/")[2].partition(".")[0]
            if (
                len(at) <= TABLES
                or is_beside(stem)
                or (words(stem) and set(words(stem)) <= SPLITS | {"list", "labels"})
            ):
                out.append(name)
    return out[:TABLES]
