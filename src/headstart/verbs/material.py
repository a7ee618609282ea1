"""What there is to learn from, and what is set aside to be judged by."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.loader import as_array
from ..data.prepare import Prepared
from ..data.sets import names as set_names
from ..data.source import DataError, Source, Subset, open_source
from ..log import Log
from ..plan import read_in
from ..probes.score import Labelled, labelled
from ..recipe import Input, Run

HELD_MOST = 10_000  # samples kept out of training, at most


@dataclass(frozen=True)
class Material:
    """everything: all readable samples. training: those that are learnt from. probe: labelled ones, if there are any."""

    everything: Prepared
    training: Source
    probe: Labelled | None
    said: str


def gather(where: Any, source: Source, given: Input, run: Run, log: Log) -> Material:
    """Read the samples and divide them; the same call divides them in the same way."""
    everything = read_in(source, given, progress=log.progress("reading"))
    if everything.bad:
        first = everything.bad[0]
        log.say(
            f"skipped   {len(everything.bad):,} that cannot be read, listed in bad_files.jsonl; the first is {first}"
        )
    splits = _splits(where, given, everything)
    if splits is not None:
        bank, query = splits
        probe = labelled(bank, query, np.arange(len(bank)), np.arange(len(query)), run.seed)
        return Material(everything, everything, probe, f"judged on the set's own test split, {len(query):,} samples")
    if everything.labels is None:
        hint = "no labels were found, so nothing is probed; a folder for each class, or labels in the file, would do"
        return Material(everything, everything, None, hint)
    known = np.flatnonzero(everything.labels >= 0)
    count = min(HELD_MOST, round(given.held * len(known)))
    held = np.sort(np.random.default_rng(run.seed).permutation(known)[:count])
    rest = np.setdiff1d(np.arange(len(everything)), held)
    probe = labelled(everything, everything, np.intersect1d(known, rest), held, run.seed)
    if probe is None:
        return Material(everything, everything, None, "too few labels to probe with, so all samples train")
    said = f"labels ({len(everything.classes)} classes) only probe; {len(held):,} samples are kept out of training to judge it"
    return Material(everything, Subset(everything, rest), probe, said + " (data.held)")


def _splits(where: Any, given: Input, everything: Prepared) -> tuple[Source, Source] | None:
    """(bank, query) of a named set with a test split of its own."""
    if not isinstance(where, str) or where not in set_names() or Path(where).exists():
        return None
    channels = len(everything[0]) if everything.kind == "image" else None
    try:
        query = read_in(open_source(f"{where}:test"), given, channels)
    except DataError:
        return None
    try:
        bank = open_source(f"{where}:train")
    except DataError:
        return everything, query
    return (everything if bank.describe() == everything.source.describe() else read_in(bank, given, channels)), query


def fingerprint(material: Material) -> str:
    """Short proof that data is the same as before: how many samples, their names, and the content of a few."""
    data = material.everything
    said = hashlib.sha256(f"{data.kind} {len(data)} {len(material.training)}".encode())
    for i in range(len(data)):
        said.update(data.name(i).encode())
    for i in np.unique(np.linspace(0, len(data) - 1, 16).astype(int)):
        said.update(as_array(data[int(i)]).tobytes())
    return said.hexdigest()[:16]
