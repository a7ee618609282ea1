"""Proteins with two classes each, collected by AAanalysis (Breimann et al. 2024) and shipped in its package, version 1.1.0.

capsid: 7,654 proteins of viruses, is it part of the capsid (VIRALpro, Galiez et al. 2016). tail: 6,500, of the tail.
soluble: 17,343, does it dissolve when made in E. coli (SOLpro, Magnan et al. 2009). disulfide: 2,518, has it a disulfide
bridge (Dipro, Cheng et al. 2006).
The package's set of cell locations is left out: its sequences have lost six of the twenty letters.
"""

import csv
import re

import numpy as np

from ..source import DataError
from ..sources.listed import ListSource
from ._pypi import unpacked

SPLITS = {
    "capsid": ("other", "capsid"),
    "tail": ("other", "tail"),
    "soluble": ("insoluble", "soluble"),
    "disulfide": ("no bridge", "bridge"),
}
SHARED = 12  # residues in a row that two proteins have in common if they are taken to be related


def load(split: str = "capsid") -> ListSource:
    """Each sequence once. Groups: proteins that share twelve residues in a row, directly or through others, are relatives, so
    that a probe is not asked about the family it has learnt."""
    if split not in SPLITS:
        raise DataError(
            f"proteins has no split {split}: write one of {', '.join('proteins:' + name for name in SPLITS)}"
        )
    folder = unpacked("aaanalysis==1.1.0", "aaanalysis/_data/benchmarks")
    found: dict[str, tuple[str, str]] = {}
    with (folder / f"SEQ_{split.upper()}.tsv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            sequence = row["sequence"].upper()
            if re.fullmatch("[A-Z]+", sequence):  # a few of disulfide have "!" in them
                found.setdefault(sequence, (row["entry"], SPLITS[split][int(row["label"])]))
    return ListSource(
        list(found),
        "protein",
        [label for _, label in found.values()],
        names=[name for name, _ in found.values()],
        title=f"proteins:{split}",
        groups=relatives(list(found)),
    )


def relatives(sequences: list[str], shared: int = SHARED) -> np.ndarray:
    """[n]: a number that sequences have in common if they share `shared` residues in a row, directly or through others."""
    root = list(range(len(sequences)))

    def top(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    owner: dict[int, int] = {}
    for i, sequence in enumerate(sequences):
        for at in range(max(0, len(sequence) - shared + 1)):
            other = owner.setdefault(hash(sequence[at : at + shared]), i)
            if other != i:
                root[top(i)] = top(other)
    return np.array([top(i) for i in range(len(sequences))], np.int64)
