"""Scans as scanners export them, a DICOM file a slice: those of a series are one volume, and patients are kept together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import Unreadable
from ...forms import Sample
from ..classes import Labels
from ..names import Index
from ..readers import dicom, images
from ..readers.dicom import Slice

FEW = 8  # volumes in a folder that may be all of one patient's, where nothing but the folders tells patients apart


@dataclass(frozen=True)
class Stacks:
    """The volumes that the slices under a folder make, read when asked for.

    rows: the numbers of the files that are slices, left-out ones included. names: of the volumes, their folders where each has
    its own. groups: int64 [n], of patients. why: what was done, in a line.
    """

    volumes: list[list[Slice]]
    rows: np.ndarray
    names: list[str]
    groups: np.ndarray | None
    why: str

    def __len__(self) -> int:
        return len(self.volumes)

    def __getitem__(self, index: int) -> Sample:
        try:
            return dicom.volume(self.volumes[index])
        except Unreadable as error:
            raise Unreadable(self.names[index], error.reason) from error


def stacks(folder: Path, files: Index, rows: np.ndarray, whatever: bool = False) -> Stacks | None:
    """The volumes among these files; None where most slices stand alone, as X-rays do. whatever: X-rays may be slices, too."""
    found = {row: one for row in rows.tolist() if (one := _slice(folder, files[row])) is not None}
    able = {row: one for row, one in found.items() if whatever or one.scan}
    volumes = [v for v in dicom.volumes(one for one in able.values() if not one.scout) if len(v) > 1]
    stacked = sum(map(len, volumes))
    if not volumes or 2 * stacked < sum(not one.scout for one in able.values()):
        return None
    order = "position" if all(one.height is not None for v in volumes for one in v) else "position or number"
    why = (
        f"{stacked:,} DICOM slices are stacked into {len(volumes):,} volumes by {order}, one for each series; "
        "data.kind=image takes them one by one"
    )
    if len(able) > stacked:
        why += f"; {len(able) - stacked:,} more, of no series or to plan a scan by, are left out"
    if numbers := dicom.said(volumes[0][0].path):
        why += f"; {numbers}"
    names = _names(folder, volumes)
    patients = _patients(folder, [v[0] for v in volumes])
    return Stacks(volumes, np.array(list(able), np.int64), names, patients, why)


def patients(folder: Path, files: Sequence[str]) -> np.ndarray | None:
    """int64 [n]: pictures of one patient share a number; None where no file tells, or each is of another."""
    found = [_slice(folder, name) for name in files]
    there = [one for one in found if one is not None]
    told = _patients(folder, there) if there else None
    if told is None:
        return None
    groups = np.full(len(found), -1, np.int64)
    groups[[i for i, one in enumerate(found) if one is not None]] = told
    alone = groups < 0
    groups[alone] = told.max() + 1 + np.arange(int(alone.sum()))
    return groups


def no_patients(labels: Labels, groups: np.ndarray | None) -> Labels:
    """The same labels, but none where each class is one patient: the folders are called after them."""
    if groups is None or labels.values is None or not labels.classes or labels.name is not None:
        return labels
    of = [np.unique(groups[labels.values == code]) for code in range(len(labels.classes))]
    if any(len(g) > 1 for g in of):
        return labels
    rest = labels.why.partition("; ")[2]  # what else was to be said
    why = "the folders hold a patient each, and name no classes (data.label=folders takes them all the same)"
    return Labels(why="; ".join(filter(None, (why, rest))))


def _slice(folder: Path, name: str) -> Slice | None:
    return None if name.lower().endswith(images.SUFFIXES) else dicom.slice_of(folder / name)


def _patients(folder: Path, every: Sequence[Slice]) -> np.ndarray | None:
    """By PatientID if there are several; else by study, by folder where folders hold few series, by series."""
    inside = [one.path.relative_to(folder).parent.as_posix() for one in every]
    series: dict[str, set[str]] = {}
    for where, one in zip(inside, every, strict=True):
        series.setdefault(where, set()).add(one.series)
    small = max(map(len, series.values())) <= FEW
    ways = (
        [one.patient for one in every],
        [one.study for one in every],
        inside if small else [],
        [s.series for s in every],
    )
    for keys in ways:
        if len({key for key in keys if key}) > 1:
            whole = [key or f"/{where}" for key, where in zip(keys, inside, strict=True)]
            groups = np.unique(whole, return_inverse=True)[1].astype(np.int64)
            return groups if len(np.unique(groups)) < len(groups) else None
    return None


def _names(folder: Path, volumes: list[list[Slice]]) -> list[str]:
    inside = [v[0].path.relative_to(folder).parent.as_posix().removeprefix(".") for v in volumes]
    names = []
    for where, volume in zip(inside, volumes, strict=True):
        own = inside.count(where) == 1 and where
        names.append(where if own else f"{where}/{volume[0].series or 'series'}".lstrip("/"))
    seen: dict[str, int] = {}
    for i, name in enumerate(names):  # several points in time of one series
        seen[name] = seen.get(name, 0) + 1
        if names.count(name) > 1 or seen[name] > 1:
            names[i] = f"{name}#{seen[name]}"
    return names
