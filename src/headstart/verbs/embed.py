"""`headstart embed`: vectors for any data of the kind an encoder was trained on."""

import csv
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..data.source import DataError
from ..encoded import Encoded, load
from ..log import Log, span
from ..recipe import Run
from ..train import device_of

FORMS = (".npz", ".csv", ".parquet")


def embed(
    run: str | Path, where: object, out: str | Path | None = None, log: Log | None = None, trust: bool = False
) -> Encoded:
    """Embed `where` with the encoder of a run's folder; write names, labels and vectors to `out` (.npz, .csv, .parquet).

    trust: as for `load`, an encoder may be made of parts from outside headstart.
    """
    log = log or Log()
    target = None if out is None else Path(str(out))
    if target is not None and target.suffix not in FORMS:
        raise DataError(f"out={target} should end in one of {', '.join(FORMS)}: the ending chooses the format")
    encoder, began = load(run, device_of(Run()), trust), time.monotonic()
    found = encoder.embed_named(where, log.progress("embedding"), log.progress("reading"))
    for name, reason in found.bad[:3]:
        log.say(f"skipped   {name}: {reason}")
    if len(found.bad) > 3:
        log.say(f"skipped   {len(found.bad) - 3:,} more that cannot be read")
    log.say(f"embedded  {len(found.z):,} samples as vectors of {found.z.shape[1]} in {span(time.monotonic() - began)}")
    if target is not None:
        write(found, target)
        log.say(f"wrote     {target}")
    return found


def write(found: Encoded, target: Path) -> None:
    """To a temporary name, then renamed: no half-written file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".part-{target.name}")
    labels: list[Any] | None = None
    if found.labels is not None and found.classes:
        labels = [found.classes[i] if i >= 0 else "" for i in found.labels]
    elif found.labels is not None:  # quantities
        labels = [float(value) for value in found.labels]
    if target.suffix == ".npz":
        extra = {} if labels is None else {"label": np.array(labels)}
        with part.open("wb") as file:
            np.savez(file, z=found.z, name=np.array(found.names), **extra)  # type: ignore[arg-type]
    elif target.suffix == ".csv":
        with part.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["name", *(["label"] if labels else []), *(f"z{i}" for i in range(found.z.shape[1]))])
            for i, name in enumerate(found.names):
                table.writerow([name, *([labels[i]] if labels else []), *(f"{v:.7g}" for v in found.z[i])])
    else:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise DataError(
                'writing .parquet needs pyarrow: pip install "headstart[tables]", or choose out=z.npz'
            ) from error
        columns = {"name": pa.array(found.names), "z": pa.array(list(found.z), pa.list_(pa.float32()))}
        if labels is not None:
            columns["label"] = pa.array(labels)
        pq.write_table(pa.table(columns), part)
    os.replace(part, target)
