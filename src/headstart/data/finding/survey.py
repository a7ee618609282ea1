"""What a folder holds: its files by kind, which of them are data and which lie beside it."""

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..labels import is_beside
from ..names import Index
from ..readers import LAST, Claim, Reader, by_name, claims, images, suffixes
from ..source import DataError
from . import sidecar
from .index import index
from .matching import matched
from .slices import Stacks, stacks

LOOK = 3  # files of each suffix whose content is looked at; the next step is LOOK_ON, where none could be told
LOOK_ON = 64
ONE_BY_ONE = 10_000  # files of no known suffix that are opened: it costs a millisecond on a network disk
NOTED = 100_000  # files of one suffix beyond which none is taken for a note
NOTES = re.compile(
    r"^(read_?me|licen[cs]e|copying|notice|changes|changelog|authors|contributors|citation|credits|requirements|"
    r"checksums?|md5sums?|sha\d+sums?|manifest)\b",
    re.IGNORECASE,
)
NUMBERS = re.compile(rb"[-+0-9.,;:eE\s]*")
HINTS = dict.fromkeys((".heic", ".heif"), ': pip install "headstart[heic]"')
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
    stacks: Stacks | None = None  # volumes that slices make, one a file

    def names(self, kind: str) -> Index:
        return self.files.take(self.kinds[kind])

    @property
    def unknown(self) -> int:
        """How many files nobody knows."""
        return self.strange.total()

    @property
    def left_out(self) -> list[str]:
        """What is under the folder and is not read, in sentences."""
        most = self.strange.most_common(4)
        lines = [f"{n:,} {s or 'nameless'} files are not read{HINTS.get(s, '')}" for s, n in most]
        if len(self.strange) > len(most):
            lines.append(
                f"{self.unknown - sum(n for _, n in most):,} files of {len(self.strange) - len(most)} other sorts are not read"
            )
        if self.numbers:
            lines.append(
                f"{self.numbers:,} text files hold numbers alone, boxes perhaps, and are not read (data.kind=text)"
            )
        return [*lines, *self.files.aside]

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
    found.kinds = {k: np.sort(np.concatenate(r)) for k, r in sorted(rows.items(), key=lambda kr: -sum(map(len, kr[1])))}
    found.sure = {k: sum(v) / len(v) for k, v in votes.items()}
    if found.stacks is not None:
        found.sure.setdefault("volume", 1.0)
    return found


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
        raise DataError(
            f"there are no images or .txt files, nor any other data that is known here, among the {n:,} files under "
            f"{folder}: give another folder (or data.kind=text, if they are texts){_also(found)}"
        )
    counts = {k: len(rows) for k, rows in kinds.items()}
    if len(counts) == 1:
        return next(iter(counts))
    if matched({k: list(found.names(k)) for k in partners(found)}) is not None:
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


def _also(found: Survey) -> str:
    return f"; {'; '.join(found.left_out)}" if found.left_out else ""


def _told(found: Survey, at: np.ndarray, kind: str | None) -> list[Claim | None]:
    """Who knows each of these files best."""
    return [_first(claims(found.folder / name, kind)) for name in found.files.take(at)]


def _first(found: list[Claim]) -> Claim | None:
    return found[0] if found else None


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


def _notes(files: Index) -> np.ndarray:
    """bool [n]: files about the data. Where nothing else is there, they are the data."""
    notes = np.zeros(len(files), bool)
    text = ("", ".txt", ".md", ".rst", ".html", ".pdf", *sidecar.SUFFIXES)
    for suffix, at in files.by_suffixes().items():
        if suffix in text and len(at) <= NOTED:
            for i in at.tolist():
                stem = files[i].rpartition("/")[2].partition(".")[0]
                table = suffix in sidecar.SUFFIXES and is_beside(stem)
                notes[i] = table or NOTES.match(stem) is not None
    return notes if not notes.all() else np.zeros(len(files), bool)


def partners(found: Survey) -> list[str]:
    """The kinds that may be parts of pairs."""
    return [k for k in found.kinds if not _only_aside(found, k)]


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
    """Tables that may list the files: those with a telling name first, then others in the folder itself."""
    others = found.names("table") if kind != "table" and "table" in found.kinds else []
    names = [*found.notes, *(n for n in others if "/" not in n)]
    return [n for n in names if Path(n).suffix.lower() in sidecar.SUFFIXES][:16]
