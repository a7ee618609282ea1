"""The files that a run was begun on, in `data.json`: on resume, what has changed is refused by name, what is gone is stood for.

A file is known by its size and the time it changed; where these differ, its content decides.
"""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ..damage import reading, record
from ..data.finding.walk import walk
from ..errors import Unreadable, shown, so_many
from ..forms import Json
from ..home import expanded
from ..log import Log
from ..reading import reader_of
from ..recipe import Input, Run
from ..words import WordError
from ..writing import write_json
from .material import Material, divided, fingerprint
from .vanished import Vanished, enough

FILE = "data.json"
WHOLE = 2**22  # bytes up to which all of a file is compared; of a larger one `PIECES`, evenly spread
PIECES, PIECE = 64, 2**16
NAMED = 3
Facts = tuple[int, int, str]  # of a file: size, time at which it changed [ns], content


def write_down(folder: Path, where: object, material: Material) -> None:
    """Write down what the files at `where` are, and where samples are named by files, which samples there are."""
    place = _place(where)
    if place is None:
        return
    data = material.everything
    names = [data.name(i) for i in range(len(data))]
    there = set(walk(place)) if place.is_dir() else {""}
    of = {next((head for head in _heads(name) if head in there), "") for name in names}
    by_file = "" not in of and len(set(names)) == len(names)
    files = sorted(of if by_file else there)
    with ThreadPoolExecutor(2) as pool:
        facts = dict(zip(files, pool.map(lambda file: _facts(place / file), files), strict=True))
    samples = {"names": names, "classes": data.classes} | {
        what: None if values is None else values.tolist()
        for what, values in (("labels", data.labels), ("groups", data.groups))
    }
    write_json(folder / FILE, {"files": facts, "samples": samples if by_file else None})


def gone_on_with(folder: Path, where: object, material: Material, kept: Json, log: Log) -> Material:
    """What the run in `folder` was begun on, as far as it is there still; kept: its run.json. A WordError where data is other."""
    files, samples = _known(folder / FILE)
    place = _place(where)
    if place is not None and (changed := _changed(place, files)):
        raise WordError(
            f"{so_many(len(changed), 'file')} of {shown(str(place))} changed since this run began ({_some(changed)}): put "
            "back what was there, or give a run on what is there now its own folder with run.out="
        )
    if fingerprint(material) == kept["fingerprint"]:
        return material
    names = [material.everything.name(i) for i in range(len(material.everything))]
    if samples is None or not set(names) < set(samples["names"]):
        new = sorted(set(names) - set(samples["names"])) if samples else []
        more = f" ({_some(new)})" if new else ""
        raise WordError(
            f"{shown(str(folder))} was begun on other data than {shown(str(kept['plan']['where']))} holds now{more}: "
            "give this run its own run.out="
        )
    return _without(material, names, samples, where, kept["plan"], log)


def _without(material: Material, names: list[str], samples: Json, where: object, plan: Json, log: Log) -> Material:
    """Divided as it was when all samples were there; others stand for those that are gone."""
    at = {name: i for i, name in enumerate(names)}
    gone = [i for i, name in enumerate(samples["names"]) if name not in at]
    said = [samples["names"][i] for i in gone]
    enough(len(gone), len(samples["names"]), said[0])
    everything = material.everything.placed(np.array([at.get(name, 0) for name in samples["names"]]))
    labels, groups, everything.classes = samples["labels"], samples["groups"], tuple(samples["classes"])
    of = np.int64 if everything.classes else np.float32
    everything.labels = None if labels is None else np.array(labels, of)
    everything.groups = None if groups is None else np.array(groups, np.int64)
    run = Run(**plan["run"])
    back = divided(where, everything, reader_of(plan["tokenizer"]), Input(**plan["input"]), run)
    missing = Vanished(back, run.seed, log.say)
    missing.lost_at |= set(gone)
    missing.follow()
    everything.missing = missing
    listed = {error.where for error in everything.bad}
    everything.bad += [Unreadable(name, "it was there when the run began") for name in said if name not in listed]
    log.say(
        f"vanished  {so_many(len(gone), 'sample')} of the {len(at) + len(gone):,} of this run can be read no more "
        f"({_some(said)}): others stand for them"
    )
    return back


def _known(path: Path) -> tuple[dict[str, Facts], Json | None]:
    """(facts of files, samples) as they were written down; nothing of a run of an older headstart."""
    if not path.exists():
        return {}, None
    found = record(path, "files", "samples")
    with reading(path):
        files = {
            str(file): (int(size), int(time), str(content)) for file, (size, time, content) in found["files"].items()
        }
        samples = found["samples"]
        if samples is not None:
            len(samples["names"]), samples["labels"], samples["groups"], tuple(samples["classes"])
    return files, samples


def _place(where: object) -> Path | None:
    """The file or folder that the data is; None of arrays and named sets."""
    place = expanded(where) if isinstance(where, str | Path) else None
    return place if place is not None and place.exists() else None


def _heads(name: str) -> Iterable[str]:
    """What of a sample's name may be the file that it is in: a.wav#3, b.npz[17], c.h5:events."""
    return name, name.rpartition("#")[0], name.rpartition("[")[0], name.partition(":")[0]


def _changed(place: Path, files: dict[str, Facts]) -> list[str]:
    """Those that are there with another content; what is gone is no change."""
    found = []
    for file, (size, time, content) in files.items():
        path = place / file
        try:
            about = path.stat()
            same_time = (about.st_size, about.st_mtime_ns) == (size, time)
            same = same_time or (about.st_size == size and _content(path, size) == content)
        except OSError:
            continue
        if not same:
            found.append(file or place.name)
    return found


def _facts(path: Path) -> Facts:
    about = path.stat()
    return about.st_size, about.st_mtime_ns, _content(path, about.st_size)


def _content(path: Path, size: int) -> str:
    said = hashlib.blake2b(digest_size=8)
    with path.open("rb") as file:
        if size <= WHOLE:
            said.update(file.read())
        else:
            for start in np.linspace(0, size - PIECE, PIECES).astype(np.int64).tolist():
                file.seek(start)
                said.update(file.read(PIECE))
    return said.hexdigest()


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(map(shown, names[:NAMED])) + more
