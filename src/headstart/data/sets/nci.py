"""The first 4,999 molecules of the NCI collection, as RDKit ships them; the label is the polar surface area in square angstrom.

The area (TPSA, Ertl et al. 2000) was computed with the Daylight tools, for each of the same SMILES strings. There are 4,900
different strings and none tells handedness; RDKit refuses 8. One in five is in the split "test", by a hash of its string,
so that equal strings stay together.
"""

import zlib
from pathlib import Path

import numpy as np

from ..source import DataError, Source
from ..sources.listed import ListSource
from ._pypi import unpacked


def load(split: str = "train") -> Source:
    """The split "train", "test" or "all"."""
    return ListSource(*_rows(split), title="nci")


def _rows(split: str) -> tuple[list[str], str, np.ndarray]:
    if split not in ("train", "test", "all"):
        raise DataError(f"nci has no split {split}: write nci:train, nci:test or nci:all")
    folder = unpacked("rdkit==2026.9.1", "rdkit/Data/NCI")
    strings, areas = read(folder)
    test = np.array([zlib.crc32(s.encode()) % 5 == 0 for s in strings])
    chosen = np.flatnonzero(np.ones_like(test) if split == "all" else test == (split == "test"))
    return [strings[i] for i in chosen], "molecule", areas[chosen]


def read(folder: Path) -> tuple[list[str], np.ndarray]:
    """The strings and their areas; both files must list the same molecules in the same order."""
    try:
        strings = [line.split("\t")[0] for line in (folder / "first_5K.smi").read_text().splitlines() if line]
        rows = [line.rpartition(",") for line in (folder / "first_5k.tpsa.csv").read_text().splitlines()]
        table = [(smiles, float(area)) for smiles, _, area in rows if not (smiles or area).startswith("#")]
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} does not hold the NCI molecules ({error}): delete it and try again") from error
    if strings != [smiles for smiles, _ in table]:
        raise DataError(f"{folder} lists other molecules than areas: delete it and try again")
    return strings, np.array([area for _, area in table], np.float32)
