"""`headstart embed`: vectors for any data of the kind an encoder was trained on."""

import csv
import difflib
import os
import shlex
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..data.groups import AUTO
from ..data.open import open_source
from ..data.source import DataError
from ..data.sources.pair import PairSource, Part
from ..encoded import Encoded, Pretrained, load
from ..errors import Mistake, shown, so_many
from ..extras import need
from ..home import expanded
from ..log import Log, span
from ..outputs import BY
from ..recipe import Run
from ..training import device_of
from ..words import WordError
from ..writing import in_bytes, try_place, utf8, whole

FORMS = (".npz", ".csv", ".parquet")
Labels = list[str] | list[float] | None


def embed(
    run: str | Path,
    where: object,
    out: str | Path | None = None,
    log: Log | None = None,
    trust: bool = False,
    label: str | None = None,
    kind: str | None = None,
    group: str = AUTO,
    part: str | None = None,
) -> Encoded:
    """Embed `where` with the encoder of a run's folder; write names, labels and vectors to `out` (.npz, .csv, .parquet).

    trust: as for `load`, an encoder may be made of parts from outside headstart. label, kind, group: as for `Pretrained.prepare`.
    part: whose encoder of a run on pairs is asked, such as "image"; of data that is pairs that part alone is embedded.
    """
    log = log or Log()
    target = checked(out, FORMS)
    encoder, where = opened(run, trust, part, where, "embed", label, group)
    found = embedded(encoder, where, log, label, kind, group)
    if target is not None:
        write(found, target)
        log.say(f"wrote     {target}")
    return found


def checked(out: str | Path | None, forms: tuple[str, ...]) -> Path | None:
    """Where to write, before anything is done for it: a DataError if its ending says no format that there is, and NotWritten if
    nothing can be written there."""
    target = None if out is None else expanded(str(out))
    if target is None:
        return None
    if target.suffix not in forms:
        raise DataError(f"out={target} should end in one of {', '.join(forms)}: the ending chooses the format")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise Mistake(
            f"out={target} is one file, which several processes would write: run one, or embed into a folder, out=vectors/"
        )
    if target.suffix == ".parquet":
        need("pyarrow.parquet", "tables", "writing .parquet")
    try_place(target)
    return target


def opened(
    run: str | Path,
    trust: bool,
    part: str | None,
    where: object,
    verb: str,
    label: str | None = None,
    group: str = AUTO,
) -> tuple[Pretrained, object]:
    """(the encoder of a run's folder, or of one part of a run on pairs; the data, of pairs that part alone). WordError says which
    parts there are, and what to type for one."""
    folder, device = expanded(str(run)), device_of(Run())
    parts = [] if (folder / "encoder.json").exists() else sorted(p.parent.name for p in folder.glob("*/encoder.json"))
    if part is None and parts:
        data = shlex.quote(str(where)) if isinstance(where, str | Path) else "DATA"
        raise WordError(
            f"{folder} is a run on pairs, with an encoder for each part ({', '.join(parts)}), and one at a time is asked: "
            f"headstart {verb} {shlex.quote(str(folder))} {data} part={parts[0]}"
        )
    if part is None:
        return load(folder, device, trust), where
    if not parts:
        raise WordError(f"part={part}: {folder} is no run on pairs, which has an encoder for each part; leave it out")
    if part not in parts:
        near = difflib.get_close_matches(part, parts, n=1)
        raise WordError(
            f"part={part}: {f'did you mean {near[0]}? ' if near else ''}the parts of {folder} are {', '.join(parts)}"
        )
    return load(folder / part, device, trust), part_of(where, part, label, group)


def part_of(where: object, part: str, label: str | None = None, group: str = AUTO) -> object:
    """This part of data that is pairs; other data as it is."""
    with suppress(DataError):
        pairs = open_source(where, "pair", label, group) if isinstance(where, str | Path) else where
        if isinstance(pairs, PairSource) and part in pairs.kinds:
            return Part(pairs, part)
    return where


def embedded(
    encoder: Pretrained,
    where: object,
    log: Log,
    label: str | None = None,
    kind: str | None = None,
    group: str = AUTO,
) -> Encoded:
    """Vectors of `where`; how it differs from what the encoder knows, and what of it cannot be read, is said."""
    if isinstance(where, Part):
        label, group = None, AUTO  # it was opened with them
    began = time.monotonic()
    found = encoder.embed_named(where, log.progress("embedding"), log.progress("reading"), label, kind, group)
    for remark in found.remarks:
        log.say(f"note      {remark}")
    for name, reason in found.bad[:3]:
        log.say(f"skipped   {shown(name)}: {reason}")
    if len(found.bad) > 3:
        log.say(f"skipped   {len(found.bad) - 3:,} more that cannot be read")
    log.say(
        f"embedded  {so_many(len(found.z), 'sample')} as vectors of {found.z.shape[1]} in {span(time.monotonic() - began)}"
    )
    return found


def write(found: Encoded, target: Path) -> None:
    """Whole or not at all. Names that are no UTF-8 stand in a .csv in the bytes that they have on disk, in a .npz as Python has
    them (os.fsencode gives the bytes), and in a .parquet, which is UTF-8, with these bytes written out as \\xe9."""
    form = {".npz": _npz, ".csv": _csv, ".parquet": parquet}[target.suffix]
    with whole(target) as part:
        form(found, said_of(found), part)


def said_of(found: Encoded) -> Labels:
    """Its labels as names, or as quantities; None where there are none."""
    if found.labels is None:
        return None
    if found.classes:
        return [found.classes[i] if i >= 0 else "" for i in found.labels]
    return [float(value) for value in found.labels]


def _npz(found: Encoded, labels: Labels, part: Path) -> None:
    extra = {} if labels is None else {"label": np.array(labels)}
    with part.open("wb") as file:
        np.savez(file, z=found.z, name=np.array(found.names), **extra)  # type: ignore[arg-type]


def _csv(found: Encoded, labels: Labels, part: Path) -> None:
    with part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        table = csv.writer(file)
        table.writerow(["name", *(["label"] if labels else []), *(f"z{i}" for i in range(found.z.shape[1]))])
        for i, name in enumerate(found.names):
            said = [name, *([str(labels[i])] if labels else [])]
            table.writerow([*map(in_bytes, said), *(f"{v:.7g}" for v in found.z[i])])


def parquet(found: Encoded, labels: Labels, part: Path, about: Mapping[str, str] = BY) -> None:
    """Columns name, z (a list of float32) and label. about: what the file says of itself."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"name": pa.array(map(utf8, found.names)), "z": pa.array(list(found.z), pa.list_(pa.float32()))}
    if labels is not None:
        columns["label"] = pa.array([utf8(x) if isinstance(x, str) else x for x in labels])
    with part.open("wb") as file:  # pyarrow takes no path that is no UTF-8
        pq.write_table(pa.table(columns).replace_schema_metadata(dict(about)), file)
