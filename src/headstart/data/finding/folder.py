"""A folder that was looked at, opened: its files of one kind, many samples in each, or parts of pairs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import Unreadable
from ..classes import Labelled, Labels
from ..groups import AUTO, FOLDERS, NONE, Groups, hold, of_folders
from ..labels import ONLY, folder_labels, is_form
from ..names import Index, suffix_of
from ..readers import Reader, by_name, claims, dicom, edf, images, makers, reading, recordings, tiff
from ..source import DataError, Source
from ..sources.files import FileSource, Stretches
from ..sources.joined import Joined
from ..sources.listed import ListSource
from ..sources.pair import PairSource
from ..sources.table import Table, TableSource, TablesSource
from . import masks, sidecar, slices
from .matching import open_folder
from .survey import LOOK, Survey, partners, spread, tables_beside
from .tars import open_tar

COLLECTION = re.compile(
    r"^((x|y|images|data|labels?|targets?)([_-]?(train|test|val)\w*)?|(train|test|val)([_-]?(x|y|images|data|labels?|targets?))?)$",
    re.IGNORECASE,
)
SPLIT = re.compile(r"^(.+)_(TRAIN|TEST)$")


def open_survey(found: Survey, kind: str, label: str | None = None, group: str = AUTO) -> Source:
    """The files of one kind as samples, which know their masks; several kinds with equal names as pairs. group: what says which
    hang together."""
    source = _opened(found, kind, label, group)
    if found.masks and isinstance(source, FileSource):
        source.masks = masks.beside(found.folder, found.files, found.masks, source.files)
    return source


def _opened(found: Survey, kind: str, label: str | None, group: str) -> Source:
    folder = found.folder
    if found.shards and kind in found.kinds:
        tars = open_tar(*(folder / name for name in found.shards), title=str(folder))
        return _open_shards(tars, found, label, group)
    if kind == "pair" and kind not in found.kinds:
        of = partners(found) or found.kinds
        pairs = (
            _open_masked(found)
            if found.masks
            else open_folder(folder, {k: list(found.names(k)) for k in of}, found.readers)
        )
        beside = _beside(found, pairs.names, kind)
        pairs.labels, pairs.classes, pairs.why = _chosen_labels(pairs.names, beside, label)[:3]
        hold(pairs, _chosen_groups(pairs.names, beside, group))
        return pairs
    files, readers = found.names(kind), found.readers[kind]
    if kind == "volume" and found.stacks is not None:
        return _open_stacks(found, found.stacks, label, group)
    _no_collections(folder, files, readers)
    beside = _beside(found, files, kind)
    if any(_holds_many(reader, suffix, folder, files) for suffix, reader in _suffixed(found, files, kind)):
        return _open_many(found, kind, files, beside, label, group)
    told = _noted(_chosen_labels(files, beside, label), _numbers(folder, files, readers))
    if kind == "image" and (not readers or by_name("dicom") in readers.values()):
        return _open_pictures(found, files, told, label, beside, group)
    labels, classes, why = told[:3]
    if kind == "image" and set(readers.values()) <= {by_name("images")}:
        maker = makers(readers, by_name("images"))
        source = FileSource(folder, files, images.read, kind, labels, classes, images.smaller, why, made_by=maker)
    else:
        parts, maker = stretches(readers), makers(readers)
        source = FileSource(
            folder, files, reading(readers, kind), kind, labels, classes, None, why, stretches=parts, made_by=maker
        )
    hold(source, _chosen_groups(files, beside, group))
    return source


def _open_shards(tars: Source, found: Survey, label: str | None, group: str) -> Source:
    """Tars with what is said of other files; DataError where a column is asked for."""
    if label not in (None, "folders"):
        raise DataError(f"label={label} names a column, and tars have none: leave it out")
    if group not in (AUTO, NONE):
        raise DataError(
            f"data.group={group}: tars have no columns; give a table that names their samples, groups.csv:patient"
        )
    if isinstance(tars, Labelled):
        tars.why = "; ".join(filter(None, (tars.why, f"{len(found.shards):,} tars are one set", *found.left_out())))
    return tars


def _open_masked(found: Survey) -> PairSource:
    """Samples and the masks of them: called after their folders (images/a.png, masks/a.png), else "image" and "mask"."""
    kind, rows = next((k, r) for k, r in found.kinds.items() if k in masks.KINDS)
    with suppress(DataError):
        every = [*found.names(kind), *(found.files[row] for row in found.masks)]
        return open_folder(found.folder, {kind: every}, found.readers)
    of = {sample: found.files[mask] for mask, sample in reversed(found.masks.items())}
    names, read = list(found.files.take(rows)), reading(found.readers[kind], kind)
    refs: dict[str, list[str | None]] = {kind: [*names], "mask": [of.get(row) for row in rows.tolist()]}
    parts = {part: lambda name: read(found.folder / name) for part in refs}
    return PairSource(names, {kind: kind, "mask": kind}, refs, parts, str(found.folder))


def _numbers(folder: Path, files: Sequence[str], readers: Mapping[str, Reader]) -> list[str]:
    """What the first file (of recordings: a few) says about its numbers, and what is made of it, in a few words."""
    suffix = suffix_of(files[0])
    name = readers[suffix].name if suffix in readers else ""
    if name == "recordings":
        some = np.unique(np.linspace(0, len(files) - 1, recordings.LOOK).astype(int)).tolist()
        return list(filter(None, [recordings.said([folder / files[i] for i in some], len(files))]))
    says = {"dicom": dicom.said, "edf": edf.said, "tiff": tiff.said, "images": images.said}.get(name)
    return [] if says is None else [says(folder / files[0])]


def _open_pictures(
    found: Survey, files: Index, told: Labels, label: str | None, beside: sidecar.Beside, group: str
) -> Source:
    """Pictures some of which are DICOM: those of a patient are kept together."""
    groups = slices.patients(found.folder, files)
    labels, classes, why = (told if label else slices.no_patients(told, groups))[:3]
    able = found.readers["image"]
    source = FileSource(
        found.folder, files, reading(able, "image"), "image", labels, classes, None, why, made_by=makers(able)
    )
    source.labels, source.classes = labels, classes  # not the folders' names, where these are patients
    hold(source, Groups(groups) if groups is not None and group == AUTO else _chosen_groups(files, beside, group))
    return source


def _open_stacks(found: Survey, stacks: slices.Stacks, label: str | None, group: str) -> Source:
    """The volumes that slices make, and after them the files that are one each."""
    folder, beside = found.folder, _beside(found, stacks.names, "volume")
    told = _chosen_labels(stacks.names, beside, label)
    told = _noted(told if label else slices.no_patients(told, stacks.groups), [stacks.why])
    scans = ListSource(stacks, "volume", told.values, told.classes, stacks.names, str(folder), stacks.groups, told.why)
    if group != AUTO or stacks.groups is None:
        hold(scans, _chosen_groups(stacks.names, beside, group))
    rest = found.files.take(np.setdiff1d(found.kinds["volume"], stacks.rows))
    if not len(rest):
        return scans
    joined = Joined(
        [scans, FileSource(folder, rest, reading(found.readers["volume"], "volume"), "volume")], title=str(folder)
    )
    joined.why = scans.why
    return joined


def stretches(readers: Mapping[str, Reader]) -> dict[str, Stretches]:
    """How parts of long files are read, by suffix, where the format allows that."""
    each = {suffix: (reader.extent, reader.stretch) for suffix, reader in readers.items() if suffix}
    return {s: Stretches(long, part) for s, (long, part) in each.items() if long is not None and part is not None}


def _beside(found: Survey, files: Sequence[str], kind: str) -> sidecar.Beside:
    """The tables beside the files, with all that is to be said about what is not read."""
    beside = sidecar.find(found.folder, files, tables_beside(found, kind))
    return replace(beside, remarks=(*beside.remarks, *found.left_out(beside.read)))


def _chosen_labels(files: Sequence[str], beside: sidecar.Beside, label: str | None) -> Labels:
    """The column that `label` names ("folders": the folders); else the tables' own label column, else the folders."""
    if label not in (None, "folders"):
        if not beside.tables:
            said = f" ({'; '.join(beside.remarks)})" if beside.remarks else ""
            raise DataError(
                f"label={label} names a column, and no table beside the files lists them{said}: give label=folders, "
                "or a labels.csv with the columns file and label"
            )
        return _noted(beside.labels(label), beside.remarks)
    folders = folder_labels(files)
    if label is not None:
        return folders
    told = beside.labels()
    if told.values is None:
        return _noted(folders, (told.why, *beside.remarks))
    if (both := _together(told, folders)) is not None:
        return _noted(both, beside.remarks)
    also = (
        f"the names of the folders ({len(folders.classes)}) may be meant: data.label=folders" if folders.classes else ""
    )
    return _noted(told, (also, *beside.remarks))


def _chosen_groups(files: Sequence[str], beside: sidecar.Beside, group: str) -> Groups:
    """Which files hang together: by the column that is asked for ("folders": the folders), or by what tables say themselves."""
    if group == FOLDERS:
        return of_folders(files)
    if group not in (AUTO, NONE) and not beside.tables:
        remarks = f" ({'; '.join(beside.remarks)})" if beside.remarks else ""
        raise DataError(
            f"data.group={group} names a column, and no table beside the files lists them{remarks}: give data.group=folders, or "
            f"a table with the columns file and {group}"
        )
    return beside.groups(group)


def _together(told: Labels, folders: Labels) -> Labels | None:
    """Labels of which folders and a table have some each (train/n01440764/... and val.txt); those of the folders, where these
    know more and the table's are only the one other column that it has; None where the table's are all there is to say."""
    if told.values is None or folders.values is None or not told.classes:
        return None
    code = {name: i for i, name in enumerate(folders.classes)}
    if set(told.classes) <= code.keys():
        of = np.array([*(code[name] for name in told.classes), -1])[told.values]
        if ((folders.values >= 0) & (of < 0)).any():
            why = f"{folders.why}, and of other files {told.why.removeprefix('labels: ')}"
            return folders._replace(values=np.where(of >= 0, of, folders.values), why=why)
    if told.why.endswith(ONLY) and (folders.values >= 0).sum() > (told.values >= 0).sum():
        return _noted(folders, [f"column {told.name} of a table may be meant: data.label={told.name}"])
    return None


def _noted(labels: Labels, remarks: Sequence[str]) -> Labels:
    return labels._replace(why="; ".join(filter(None, (labels.why, *remarks))))


def _suffixed(found: Survey, files: Index, kind: str) -> Iterator[tuple[str, Reader]]:
    """Each suffix of the files and its reader; of files whose names say nothing, the first one's."""
    for suffix in files.counts():
        reader = found.readers[kind].get(suffix)
        if reader is None:
            claim = next(iter(claims(found.folder / files[int(files.by_suffix(suffix)[0])], kind)), None)
            reader = claim.reader if claim else None
        if reader is not None:
            yield suffix, reader


def _no_collections(folder: Path, files: Index, readers: dict[str, Reader]) -> None:
    """x.npy beside y.npy, and idx files, are sets of samples, of which the user has to give one."""
    arrays = [s for s, r in readers.items() if r.general]
    names = list(files.take(files.by_suffix(".npy"))) if ".npy" in arrays else []
    stems = [n.rpartition("/")[2].rpartition(".")[0] for n in names[:100]]
    idx = [f for f in files if re.search(r"idx\d", f.lower())] if len(files) < 100 else []
    alone = len(names) == 1
    if idx or alone or any(COLLECTION.match(s) for s in stems):
        raise DataError(f"{folder} holds array files: give one of them, such as {folder / sorted(idx or names)[0]}")


def _holds_many(reader: Reader, suffix: str, folder: Path, files: Index) -> bool:
    """Whether files of this suffix hold many samples each."""
    if reader.open is None or reader.asked is not None:
        return False
    if reader.read is None:
        return True
    for name in files.take(spread(files.by_suffix(suffix), LOOK)):
        try:
            reader.read(folder / name)
        except Unreadable:
            continue
        return False
    return True


def _open_many(found: Survey, kind: str, files: Index, beside: sidecar.Beside, label: str | None, group: str) -> Source:
    folder, readers = found.folder, found.readers[kind]
    column = None if label == "folders" else label
    used = [reader for _, reader in _suffixed(found, files, kind)]
    inside = any(r.labelled for r in used)
    if column and not inside and not beside.tables:
        raise DataError(
            f"label={column} names a column, and {kind} files have none: leave it out, or give label=folders"
        )
    if kind == "table" and all(r.load is not None for r in used):
        return _tables(found, files, column, beside.remarks, group)
    sources: list[Source] = []
    taken: list[int] = []
    bad: list[Unreadable] = []
    for i, name in enumerate(files):
        reader = readers.get(suffix_of(name)) or _knows(folder / name, kind)
        if reader is None:
            bad.append(Unreadable(name, f"it is no {kind} file that is known here"))
            continue
        try:
            if reader.open is not None:
                own = column if inside else None
                sources.append(reader.open(folder / name, label=own, kind=kind if reader.general else None))
            else:
                sources.append(FileSource(folder, [name], reading(readers, kind), kind))
            taken.append(i)
        except DataError as error:
            bad.append(Unreadable(name, str(error)))
    if not sources:
        raise DataError(bad[0].reason)
    if len(sources) == 1 and not bad and not beside.remarks and group == AUTO:
        return sources[0]
    titles = [files[i] for i in taken]
    _apart(sources, titles)
    joined = Joined(sources, titles, str(folder))
    joined.bad = bad
    if joined.labels is None or label == "folders":
        of = _chosen_labels(files, beside, label)
        joined.why = of.why
        if of.values is not None:
            joined.labels, joined.classes = np.repeat(of.values[taken], [len(s) for s in sources]), of.classes
    else:
        joined.why = "; ".join(filter(None, (joined.why, *beside.remarks)))
    if group != AUTO or joined.groups is None:
        held = _chosen_groups(list(files), beside, group)
        each = None if held.values is None else np.repeat(held.values[taken], [len(s) for s in sources])
        hold(joined, held._replace(values=each))
    return joined


def _knows(path: Path, kind: str) -> Reader | None:
    return next((claim.reader for claim in claims(path, kind)), None)


def _tables(found: Survey, files: Index, label: str | None, remarks: Sequence[str], group: str) -> Source:
    """The rows of tables of several schemas, in whatever formats, without forms to be filled in (sample_submission.csv)."""
    names = [n for n in files if not is_form(n.rpartition("/")[2].partition(".")[0])] or list(files)
    remarks = [*remarks, *(f"{n} is a form to be filled in, and left out" for n in files if n not in names)]
    tables: list[Table] = []
    bad: list[Unreadable] = []
    for name in names:
        reader = found.readers["table"].get(suffix_of(name)) or _knows(found.folder / name, "table")
        if reader is None or reader.load is None:
            bad.append(Unreadable(name, "it is no table that is known here"))
            continue
        try:
            tables.append(reader.load(found.folder / name))
        except DataError as error:
            bad.append(Unreadable(name, str(error)))
    if not tables:
        raise DataError(bad[0].reason)
    source: TableSource | TablesSource = (
        TableSource(tables[0], label) if len(tables) == 1 else TablesSource(tables, label)
    )
    source.bad = bad
    if group != AUTO:
        source.hold_together(group)
    source.why = "; ".join(filter(None, (source.why, *remarks)))
    return source


def _apart(sources: list[Source], titles: list[str]) -> None:
    """Class 1 of GunPoint is not class 1 of Coffee: where a folder holds several sets of the UCR archive, names say which."""
    sets = [m.group(1) if (m := SPLIT.match(Path(t).stem)) else None for t in titles]
    if len({s for s in sets if s}) > 1:
        for source, name in zip(sources, sets, strict=True):
            if name and source.classes:
                source.classes = tuple(f"{name} {c}" for c in source.classes)
