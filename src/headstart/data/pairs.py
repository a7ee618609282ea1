"""Samples of several parts: a picture with its caption, a recording with its score; any part may be missing.

They come from files of equal names, from a table of paths, or from a tar as WebDataset packs them.
"""

import os
import re
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import Unreadable
from .folder import folder_labels
from .index import suffix_of
from .readers import Claim, claims, reading
from .sidecar import LABELS, SUFFIXES, column_labels, read_columns
from .source import DataError, Source, said_of_labels

TEXTS = ("caption", "captions", "text", "description", "title", "prompt", "sentence", "report", "transcript")
MEMBERS = 10_000_000  # of a tar
LIMIT = 2**31  # bytes of one member
LOOK = 64
Refs = Mapping[str, Sequence[Any]]


class PairSource:
    """Samples {part: sample or None}. kinds: {part: its kind}.

    A part that is missing or cannot be read is None; only a sample of which no part is left is Unreadable. `parts` says
    what was wrong. refs: by part, where each sample's part lies (None: nowhere), which `read` of that part takes.
    """

    kind = "pair"
    groups: np.ndarray | None = None

    def __init__(
        self,
        names: Sequence[str],
        kinds: dict[str, str],
        refs: Refs,
        read: Mapping[str, Callable[[Any], Any]],
        title: str,
        labels: np.ndarray | None = None,
        classes: tuple[str, ...] = (),
    ):
        self.names, self.kinds, self.refs, self.read, self.title = names, kinds, refs, read, title
        self.labels, self.classes = labels, classes

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.parts(index)[0]

    def parts(self, index: int) -> tuple[dict[str, Any], dict[str, str]]:
        """A sample, and why parts of it that should be there are not: {part: reason}."""
        sample: dict[str, Any] = dict.fromkeys(self.kinds)
        wrong: dict[str, str] = {}
        for part in self.kinds:
            ref = self.refs[part][index]
            if ref is None:
                continue
            try:
                sample[part] = self.read[part](ref)
            except Unreadable as error:
                wrong[part] = error.reason
            except MemoryError:
                wrong[part] = "it does not fit in memory"
            except OSError as error:
                wrong[part] = f"the file cannot be opened ({error.strerror or error})"
        if all(value is None for value in sample.values()):
            said = "; ".join(f"{part}: {reason}" for part, reason in wrong.items())
            raise Unreadable(self.names[index], said or "every part is missing")
        return sample, wrong

    def name(self, index: int) -> str:
        return self.names[index]

    def describe(self) -> str:
        have = ", ".join(f"{p} {sum(r is not None for r in self.refs[p]):,}" for p in self.kinds)
        return f"{self.title}: {len(self):,} samples of {len(self.kinds)} parts ({have}){said_of_labels(self)}"


class Part:
    """One part of a source of pairs, as a source of its own; every sample must have it."""

    def __init__(self, pairs: PairSource, part: str):
        self.pairs, self.part, self.kind = pairs, part, pairs.kinds[part]
        self.labels, self.classes, self.groups = pairs.labels, pairs.classes, pairs.groups

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Any:
        sample, wrong = self.pairs.parts(index)
        if sample[self.part] is None:
            raise Unreadable(self.name(index), wrong.get(self.part, f"its {self.part} is missing"))
        return sample[self.part]

    def name(self, index: int) -> str:
        return self.pairs.name(index)

    def describe(self) -> str:
        return f"{self.pairs.title}: {len(self):,} {self.kind} samples{said_of_labels(self)}"


# files of equal names


def matched(files: Mapping[str, Sequence[str]], least: float = 0.5) -> dict[str, dict[str, str]] | None:
    """{key: {part: file}} of files whose names agree but for their suffix, or for it and one folder; None if few do.

    files: by part. a.png beside a.txt have the key "a"; so have images/a.png and captions/a.txt, if no other part has files in
    either folder. least: share of the most frequent part's files that must have a partner.
    """
    if len(files) < 2:
        return None
    for drop in (None, 0, 1, 2):
        if drop is not None and not _folders_apart(files, drop):
            continue
        found: dict[str, dict[str, str]] = {}
        for part, names in files.items():
            for name in names:
                parts = found.setdefault(_key(name, drop), {})
                parts[next(p for p in _numbered(part) if p not in parts)] = name
        both = sum(len({p.partition("_")[0] for p in parts}) > 1 for parts in found.values())
        if both and both >= least * max(len(names) for names in files.values()):
            return dict(sorted(found.items()))
    return None


def open_folder(
    folder: Path, files: Mapping[str, Sequence[str]], readers: Mapping[str, dict[str, ModuleType]]
) -> PairSource:
    """Files of two or more kinds with equal names; or of one kind in folders of their own (images/a.png and masks/a.png)."""
    found = matched(files, 0.0) if len(files) > 1 else None
    kinds = {part: part for part in files}
    if found is None and len(files) == 1:
        ((kind, names),) = files.items()
        by: dict[str, list[str]] = {}
        for name in names:
            by.setdefault(name.partition("/")[0], []).append(name)
        found, kinds = matched(by, 0.0), dict.fromkeys(by, kind)
    if found is None:
        raise DataError(
            f"the files under {folder} have no names in common: call what belongs together a.png and a.txt, "
            "or images/a.png and captions/a.txt"
        )
    parts = sorted({p for parts in found.values() for p in parts})
    every = {p: kinds.get(p) or kinds[p.rpartition("_")[0]] for p in parts}
    refs = {p: [found[key].get(p) for key in found] for p in parts}

    def reader(kind: str) -> Callable[[str], Any]:
        read = reading(readers.get(kind, {}), kind)
        return lambda name: read(folder / name)

    keys = list(found)
    labels, classes = folder_labels(keys)
    return PairSource(keys, every, refs, {p: reader(k) for p, k in every.items()}, str(folder), labels, classes)


def _key(name: str, drop: int | None) -> str:
    stem = name.removesuffix(name[len(name) - len(suffix_of(name)) :])
    if drop is None:
        return stem
    parts = stem.split("/")
    return "/".join(parts[:drop] + parts[drop + 1 :]) if drop < len(parts) - 1 else stem


def _folders_apart(files: Mapping[str, Sequence[str]], level: int) -> bool:
    """Every file lies at least this deep, and no folder at this level holds files of two parts."""
    seen: set[str] = set()
    for names in files.values():
        here = set()
        for name in names:
            parts = name.split("/")
            if len(parts) <= level + 1:
                return False
            here.add(parts[level])
        if seen & here:
            return False
        seen |= here
    return True


def _numbered(part: str) -> Sequence[str]:
    return (part, *(f"{part}_{i}" for i in range(2, 1000)))


# one file


def open_file(path: Path, start: bytes, label: str | None = None, required: bool = False) -> Source | None:
    """A table of paths, or a tar; None for any other file, an error in words where it has to be one of them."""
    name = path.name.lower()
    if start[257:262] == b"ustar":
        return open_tar(path)
    if re.search(r"\.(tgz|tbz2?|txz|tar\.(gz|bz2|xz|zst))$", name):
        raise DataError(
            f"{path} is a compressed tar, in which no sample can be found by itself: unpack it, or give a .tar"
        )
    if path.suffix.lower() in SUFFIXES and (required or _mentions_files(path, start)):
        found = open_table(path, label)
        if found is not None:
            return found
    if required:
        raise DataError(f"{path} holds no pairs: give a folder of files with equal names, a table of paths, or a tar")
    return None


def open_table(path: Path, label: str | None = None) -> PairSource | None:
    """A row, a sample: the files that its columns name, inside the table's folder, and its text; None without such columns."""
    columns = read_columns(path)
    root = path.parent
    told = {c: _kind_of_column(root, values) for c, values in columns.items()}
    files = {c: kind for c, kind in told.items() if kind is not None}
    texts = {c: "text" for c in columns if c not in files and c.lower() in TEXTS}
    if not files or len(files) + len(texts) < 2:
        return None
    every = {**files, **texts}
    alone = [k for k in every.values() if list(every.values()).count(k) == 1]
    named = {c: (k if k in alone else c) for c, k in every.items()}

    def reader(kind: str) -> Callable[[str], Any]:
        read = reading({}, kind)

        def inside(value: str) -> Any:
            if not _is_inside(root, value):
                raise Unreadable("", f"{value} is not a file inside {root}")
            return read(root / value)

        return inside

    kinds = {named[c]: k for c, k in every.items()}
    refs = {named[c]: [_text_or_none(v) for v in columns[c]] for c in every}
    read = {named[c]: (reader(k) if c in files else _same) for c, k in every.items()}
    column = label or next((c for c in columns if c.lower() in LABELS and c not in every), None)
    if column is not None and column not in columns:
        raise DataError(f"{path} has no column {column}: choose label= among {', '.join(columns)}")
    labels, classes = (None, ()) if column is None else column_labels(columns[column], f"{path}, column {column}")
    first = named[next(iter(files))]
    names = [r or f"{path.stem}[{i}]" for i, r in enumerate(refs[first])]
    return PairSource(names, kinds, refs, read, str(path), labels, classes)


def _same(text: str) -> str:
    return text


def _text_or_none(value: Any) -> str | None:
    text = "" if value is None else str(value)
    return text if text.strip() else None


def _mentions_files(path: Path, start: bytes) -> bool:
    """Whether the first rows name files; a table of numbers is not read for that."""
    if path.suffix.lower() == ".parquet":
        return True
    return re.search(rb"[^\s,;\"]\.[A-Za-z][A-Za-z0-9]{1,7}\b", start) is not None


def _is_inside(root: Path, value: str) -> bool:
    if os.path.isabs(value) or "\0" in value or ".." in re.split(r"[/\\]", value):
        return False
    real, base = os.path.realpath(root / value), os.path.realpath(root)
    return os.path.commonpath([real, base]) == base and os.path.isfile(real)


def _kind_of_column(root: Path, values: Sequence[Any]) -> str | None:
    """The kind of the files that at least half of the first values name."""
    some = [v.strip() for v in values[:LOOK] if isinstance(v, str) and v.strip()]
    there = [v for v in some if len(v) < 1024 and _is_inside(root, v)]
    if not there or 2 * len(there) < len(some):
        return None
    told = [c[0].kind for v in there[:8] if (c := claims(root / v))]
    return max(set(told), key=told.count) if told else None


# tar


def open_tar(path: Path) -> Source:
    """A plain tar, read in place: members "key.suffix" with the same key (up to the name's first dot) are one sample.

    A member .cls is the sample's class. Links, devices and names that lead out of the tar are left out.
    """
    members: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for count, member in enumerate(tar):
                if count >= MEMBERS:
                    raise DataError(f"{path} holds more than {MEMBERS:,} members: divide it")
                name = member.name.removeprefix("./")
                base = name.rpartition("/")[2]
                dot = base.find(".", 1)
                plain = member.isreg() and not member.issparse() and not base.startswith(".")
                if not plain or dot < 0 or name.startswith("/") or ".." in name.split("/"):
                    continue
                key, suffix = name[: len(name) - len(base) + dot], base[dot:].lower()
                if re.fullmatch(r"[.\w-]{2,24}", suffix):
                    members.setdefault(key, {})[suffix] = (member.offset_data, member.size)
                tar.members = []  # type: ignore[attr-defined]  # or tarfile keeps them all
    except DataError:
        raise
    except Exception as error:  # tarfile raises anything on damaged headers
        raise DataError(f"{path} is damaged ({error}): copy it again") from error
    suffixes = sorted({s for found in members.values() for s in found})
    known = {s: claim for s in suffixes if (claim := _claim_of_member(path, members, s)) is not None}
    if not known:
        listed = ", ".join(suffixes[:8]) or "nothing"
        raise DataError(f"{path} holds {listed}, and none of it is data that is known here: unpack it and look inside")
    keys = sorted(key for key, found in members.items() if known.keys() & found.keys())
    kinds: dict[str, str] = {}
    refs: dict[str, list[Any]] = {}
    for kind in sorted({c.kind for c in known.values()}):
        own = [s for s in known if known[s].kind == kind]
        while own:  # suffixes that never meet in one sample (.jpg and .png) are one part
            together = [own.pop(0)]
            for s in list(own):
                if not any(s in found and any(t in found for t in together) for found in members.values()):
                    together.append(s)
                    own.remove(s)
            part = next(p for p in _numbered(kind) if p not in kinds)
            kinds[part] = kind
            refs[part] = [next(((s, *members[k][s]) for s in together if s in members[k]), None) for k in keys]

    def reader(kind: str) -> Callable[[tuple[str, int, int]], Any]:
        read = reading({s: c.reader for s, c in known.items() if c.kind == kind}, kind)
        return lambda ref: _read_member(path, *ref, read)

    labels, classes = _classes(path, members, keys)
    source = PairSource(keys, kinds, refs, {p: reader(k) for p, k in kinds.items()}, path.name, labels, classes)
    return source if len(kinds) > 1 else Part(source, next(iter(kinds)))


def _classes(path: Path, members: Mapping[str, Any], keys: Sequence[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    at = [members[k].get(".cls") for k in keys]
    if not any(at):
        return None, ()
    with path.open("rb") as file:
        told = []
        for place in at:
            if place is None or place[1] > 256:
                told.append("")
            else:
                file.seek(place[0])
                told.append(file.read(place[1]).decode("utf-8", "replace").strip())
    return column_labels(told, f"{path}, .cls")


def _claim_of_member(path: Path, members: Mapping[str, Mapping[str, tuple[int, int]]], suffix: str) -> Claim | None:
    tried = 0
    for found in members.values():
        if suffix in found and tried < 8:
            tried += 1
            try:
                told = _read_member(path, suffix, *found[suffix], claims)
            except (Unreadable, OSError):
                continue
            readable = [c for c in told if hasattr(c.reader, "read")]
            if readable:
                return readable[0]
    return None


def _read_member(path: Path, suffix: str, offset: int, size: int, read: Callable[[Path], Any]) -> Any:
    """What `read` makes of a member, laid into a file of its own."""
    if size > LIMIT:
        raise Unreadable("", f"it is larger than {LIMIT >> 30} GiB")
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(size)
    if len(content) < size:
        raise Unreadable("", "the tar ends inside it: copy it again")
    with tempfile.TemporaryDirectory(prefix="headstart-") as place:
        one = Path(place) / f"member{suffix}"
        one.write_bytes(content)
        return read(one)
