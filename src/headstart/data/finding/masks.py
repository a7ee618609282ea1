"""Pictures and scans that say where something is in others: masks, which are no samples of their own."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...errors import Unreadable, so_many
from ..labels import words
from ..masks import Masks, NamedMasks, some
from ..names import Index
from ..readers import claims
from ..readers._mask import read_mask
from ..source import DataError
from .class_names import class_names

KINDS = ("image", "volume", "multispectral")
WORDS = frozenset(
    """mask masks seg segs segmentation segmentations segmentationclass segmentationobject groundtruth gt annotation annotations
    label labels labelstr labelsts labelmap""".split()  # noqa: SIM905
)
SIDES = frozenset(
    """image images img imgs picture pictures photo photos jpegimages scans volumes input inputs data""".split()  # noqa: SIM905
)
PARTS = ("mask", "seg", "gt", "ground", "annot", "label")
TOLD = re.compile("|".join(PARTS), re.IGNORECASE)  # what any name of these holds
NUMBER = re.compile(r"_\d{4}$")  # nnU-Net's channels: a_0000, a_0001 have the mask a
LOOK = 8  # files that are looked into
FEW, MOST = 8, 0.9  # the commonest numbers of a mask, and the share of it that they fill
DIFFERENT, TIMES = 64, 8  # or: different numbers of a mask, at most, each of which is there so often in the mean


def masks(folder: Path, files: Index, rows: np.ndarray) -> tuple[dict[int, int], str]:
    """(which of these files are masks, and of which file each is; why those that are named so are none): by the names of folders
    or files (masks/a.png, a_mask.png beside images/a.png, a.png), if those looked into hold few different numbers."""
    some = files.take(rows)
    said = {name: _is_said(name) for name in some.folders}
    every = some.blob.lower()  # searched word by word: the expression takes ten times as long over a million names
    if not any(said.values()) and not any(part.encode() in every for part in PARTS):
        return {}, ""
    apart = [(row, name, name[name.rfind("/") + 1 :]) for row, name in zip(rows.tolist(), some, strict=True)]
    asked: dict[int, tuple[str, ...]] = {}
    for row, name, base in apart:
        inside = said[name[: len(name) - len(base)]]
        if inside or TOLD.search(base):
            key, called = _key(base)
            asked |= {row: key} if inside or called else {}
    samples = _Partners((row, name) for row, name, _ in apart if asked and row not in asked)
    found = {}
    for row, name, _ in apart if asked else ():
        if row in asked and (partner := samples.of(name, asked[row])) is not None:
            found[row] = partner
    if 2 * len(found) < len(asked):
        return {}, ""
    doubt = _doubted(folder, files, list(found))
    return ({}, doubt) if doubt else (found, "")


class _Partners:
    """Samples by what they and their masks have in common: the words of their names, and of several the folders."""

    def __init__(self, samples: Iterable[tuple[int, str]]) -> None:
        self.rows: dict[tuple[str, ...], dict[tuple[str, ...], int]] = {}
        for row, name in samples:
            base = name[name.rfind("/") + 1 :]
            for stem in (base, NUMBER.sub("", base.partition(".")[0])):
                self.rows.setdefault(_key(stem)[0], {}).setdefault(_folders(name[: name.rfind("/") + 1]), row)

    def of(self, name: str, key: tuple[str, ...] | None = None) -> int | None:
        """The sample of a mask; None where it is none's, or several are as likely."""
        found = self.rows.get(_key(name[name.rfind("/") + 1 :])[0] if key is None else key, {})
        return found.get(_folders(name[: name.rfind("/") + 1]), next(iter(found.values())) if len(found) == 1 else None)


@lru_cache(maxsize=1024)
def _folders(path: str) -> tuple[str, ...]:
    """The words of folders that do not say which part of a sample lies there: train of train/masks/."""
    return tuple(w for part in path.split("/")[:-1] for w in words(part) if w not in WORDS and w not in SIDES)


def _of_samples(folder: Path, names: Sequence[str], masks: Mapping[str, str], where: str, alone: bool) -> Masks:
    """The masks of samples in files: the file in `folder` by the sample's name. What classes are called stands in a folder of
    masks, or in one that this is in. alone: nothing but masks is in `folder`."""
    inside = {parent for name in masks.values() for parent in (folder / name).parents if parent.is_relative_to(folder)}
    numbers, said = class_names(sorted(inside, key=lambda place: (-len(place.parts), place)), None if alone else folder)

    def read(index: int) -> np.ndarray | None:
        mask = masks.get(names[index])
        return None if mask is None else read_mask(folder / mask)

    why = f"masks: {so_many(len(masks), 'file')} in {where}{f', {said}' if said else ''}"
    return NamedMasks(read, why, numbers) if numbers else Masks(read, why)


def beside(folder: Path, files: Index, found: Mapping[int, int], names: Sequence[str]) -> Masks:
    """The masks that `masks` found; of several of one sample the first."""
    of: dict[str, str] = {}
    for mask, sample in sorted(found.items(), key=lambda each: files[each[0]]):
        of.setdefault(files[sample], files[mask])
    where = sorted({name.rpartition("/")[0] or "." for name in of.values()})
    more = f", of {len(found) - len(of):,} others the samples have one already" if len(found) > len(of) else ""
    return _of_samples(folder, names, of, f"{', '.join(where[:3])}{' ...' * (len(where) > 3)}{more}", False)


def in_folder(place: Path, names: Sequence[str]) -> Masks:
    """The masks in a folder of their own, of the samples with these names; DataError where the names have nothing in common."""
    files = sorted(
        p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file() and not p.name.startswith(".")
    )
    partners = _Partners(enumerate(names))
    of: dict[str, str] = {}
    for name in files:
        if (row := partners.of(name)) is not None:
            of.setdefault(names[row], name)
    if not of:
        raise DataError(
            f"data.label={place}: none of its {len(files):,} files is called as a sample is ({names[0]}): call the mask of "
            "a.jpg a.png or a_mask.png"
        )
    return _of_samples(place, names, of, str(place), True)


def _is_said(folder: str) -> bool:
    return any(set(words(part)) & WORDS or "".join(words(part)) in WORDS for part in folder.split("/"))


def _key(base: str) -> tuple[tuple[str, ...], bool]:
    """What a file and its mask have in common, and whether the name says that it is one."""
    said = words(base.partition(".")[0])
    rest = tuple(word for word in said if word not in WORDS)
    return (rest, True) if rest and rest != said else (said, False)


def _doubted(folder: Path, files: Index, rows: list[int]) -> str:
    """Why these do not look like masks, and what to do; "" where most do."""
    told: list[bool] = []
    doubt = "none of them can be read"
    for row in [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, LOOK).astype(int))] if rows else []:
        path = folder / files[row]
        read = next((claim.reader.read for claim in claims(path) if claim.reader.read is not None), None)
        with suppress(Unreadable, OSError):
            found = None if read is None else read(path)
            values = found.get("values") if isinstance(found, dict) else found
            if isinstance(values, np.ndarray):
                values = np.asarray(values).reshape(-1)[:: max(1, values.size // 65_536)]
                counted = Counter(values.tolist())
                few = len(counted) <= DIFFERENT and TIMES * len(counted) <= len(values)
                told.append(few or sum(n for _, n in counted.most_common(FEW)) >= MOST * len(values))
                if not told[-1]:
                    doubt = f"{files[row]} holds {len(counted):,} different numbers ({some(np.array(sorted(counted)))})"
    if not rows or 2 * sum(told) > len(told):
        return ""
    return (
        f"not masks: {len(rows):,} files named so are taken for samples, as {doubt}, and a mask the number of a class "
        "for every point: save masks as PNG, as JPEG changes numbers"
    )
