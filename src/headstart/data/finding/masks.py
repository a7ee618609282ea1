"""Pictures and scans that say where something is in others: masks, which are no samples of their own."""

import re
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np

from ...errors import Unreadable
from ..labels import words
from ..names import Index
from ..readers import claims

KINDS = ("image", "volume", "multispectral")
WORDS = frozenset(
    """mask masks seg segs segmentation segmentations segmentationclass segmentationobject groundtruth gt annotation annotations
    label labels labelstr labelsts labelmap""".split()  # noqa: SIM905
)
PARTS = ("mask", "seg", "gt", "ground", "annot", "label")
TOLD = re.compile("|".join(PARTS), re.IGNORECASE)  # what any name of these holds
NUMBER = re.compile(r"_\d{4}$")  # nnU-Net's channels: a_0000, a_0001 have the mask a
LOOK = 8  # files that are looked into
FEW, MOST = 8, 0.9  # the commonest numbers of a mask, and the share of it that they fill


def masks(folder: Path, files: Index, rows: np.ndarray) -> dict[int, int]:
    """Which of these files are masks, and of which file each is: by the names of folders or files (masks/a.png, a_mask.png beside
    images/a.png, a.png), if those looked into hold few different numbers."""
    some = files.take(rows)
    said = {name: _is_said(name) for name in some.folders}
    every = some.blob.lower()  # searched word by word: the expression takes ten times as long over a million names
    if not any(said.values()) and not any(part.encode() in every for part in PARTS):
        return {}
    apart = [(row, name, name[name.rfind("/") + 1 :]) for row, name in zip(rows.tolist(), some, strict=True)]
    asked: dict[int, tuple[str, ...]] = {}
    for row, name, base in apart:
        inside = said[name[: len(name) - len(base)]]
        if inside or TOLD.search(base):
            key, called = _key(base)
            asked |= {row: key} if inside or called else {}
    samples: dict[tuple[str, ...], int] = {}
    for row, _, base in apart if asked else ():
        if row not in asked:
            samples.setdefault(_key(base)[0], row)
            samples.setdefault(_key(NUMBER.sub("", base.partition(".")[0]))[0], row)
    found = {row: samples[key] for row, key in asked.items() if key in samples}
    if 2 * len(found) < len(asked) or not _look_so(folder, files, list(found)):
        return {}
    return found


def _is_said(folder: str) -> bool:
    return any(set(words(part)) & WORDS or "".join(words(part)) in WORDS for part in folder.split("/"))


def _key(base: str) -> tuple[tuple[str, ...], bool]:
    """What a file and its mask have in common, and whether the name says that it is one."""
    said = words(base.partition(".")[0])
    rest = tuple(word for word in said if word not in WORDS)
    return (rest, True) if rest and rest != said else (said, False)


def _look_so(folder: Path, files: Index, rows: list[int]) -> bool:
    told: list[bool] = []
    for row in [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, LOOK).astype(int))] if rows else []:
        path = folder / files[row]
        read = next((claim.reader.read for claim in claims(path) if claim.reader.read is not None), None)
        with suppress(Unreadable, OSError):
            found = None if read is None else read(path)
            values = found.get("values") if isinstance(found, dict) else found
            if isinstance(values, np.ndarray):
                most = Counter(np.asarray(values).reshape(-1)[:: max(1, values.size // 65_536)].tolist()).most_common(
                    FEW
                )
                told.append(sum(n for _, n in most) >= MOST * len(range(0, values.size, max(1, values.size // 65_536))))
    return bool(told) and 2 * sum(told) > len(told)
