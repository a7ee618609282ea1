"""Samples that can be read no more, while a run goes on: others stand for them, and it is said."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..data.feeding.order import shuffled
from ..data.feeding.prepare import Prepared
from ..data.source import DataError, Subset
from ..errors import Unreadable, so_many
from ..writing import NotWritten
from .material import Material

MOST = 0.1  # of the samples: with more of them gone, a run waits until they are back
SAID = 3  # samples that are named in a line each


class Vanished:
    """What stands for a sample is a function of the seed and of which are lost, so that a resumed run goes on as it would have.

    A sample that judges is stood for by one that judges, one that is learnt from by one that is learnt from, and of the same
    class. say: is told of each sample in a line. listed: the file that they are added to, if any.
    """

    def __init__(self, material: Material, seed: int, say: Callable[[str], None], listed: Path | None = None):
        self.everything, self.seed, self.say, self.listed = material.everything, seed, say, listed
        self.lost_at: set[int] = set()
        self.labels = None if self.everything.labels is None else self.everything.labels.copy()
        self.side = _sides(material)

    def instead(self, index: int) -> int:
        """The sample itself; of a lost one the first that is there of its side, in an order of its own."""
        if index not in self.lost_at:
            return index
        among = np.flatnonzero(self.side == self.side[index])
        for place in range(len(among)):
            other = int(among[shuffled(np.array([place]), len(among), self.seed * 1_000_003 + index)[0]])
            if other not in self.lost_at:
                return other
        raise DataError(f"{self.everything.name(index)} can be read no more, nor any like it: {BACK}")

    def lost(self, index: int, error: Unreadable) -> None:
        """Note one that was there when the run began; a DataError where too many are gone."""
        self.lost_at.add(index)
        enough(len(self.lost_at), len(self.everything), str(error))
        self.everything.bad.append(error)
        if self.listed is not None:
            _add(self.listed, error)
        if len(self.lost_at) <= SAID:
            more = "; more of them are listed in bad_files.jsonl alone" if len(self.lost_at) == SAID else ""
            self.say(f"vanished  {error}: from now on another sample stands for it{more}")
        self.follow()

    def follow(self) -> None:
        """What is to be told of a judge is told of the one that stands for it: quantities are hardly ever the same."""
        labels = self.everything.labels
        if labels is not None and self.labels is not None and labels.dtype.kind == "f":
            for index in self.lost_at:
                labels[index] = self.labels[self.instead(index)]


BACK = "bring them back as they were, and the same command goes on"


def enough(gone: int, of: int, last: str) -> None:
    """A DataError where more than a tenth of the samples are gone."""
    if gone > MOST * of:
        raise DataError(
            f"{gone:,} of the {so_many(of, 'sample')} of this run can be read no more (such as {last}): {BACK}"
        )


def watched(material: Material, seed: int, say: Callable[[str], None], listed: Path | None = None) -> None:
    """From now on others stand for what can be read no more. listed: a file for all that is left out."""
    everything = material.everything
    if listed is not None:
        everything.write_bad(listed)
    if isinstance(everything.missing, Vanished):
        everything.missing.say, everything.missing.listed = say, listed
    else:
        everything.missing = Vanished(material, seed, say, listed)


def _sides(material: Material) -> np.ndarray:
    """int64 [n]: equal for samples that may stand for each other."""
    everything: Prepared = material.everything
    learnt = np.ones(len(everything), np.int64)
    if isinstance(material.training, Subset):
        learnt[:] = 0
        learnt[material.training.indices] = 1
    labels = everything.labels
    if labels is None:
        return learnt
    of = np.isfinite(labels).astype(np.int64) if labels.dtype.kind == "f" else labels + 1
    return 2 * of + learnt


def _add(path: Path, error: Unreadable) -> None:
    try:
        with path.open("a") as file:
            file.write(json.dumps({"path": error.where, "reason": error.reason}) + "\n")
    except OSError as failed:
        raise NotWritten(path, failed) from failed
