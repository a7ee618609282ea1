"""`headstart predict`: what a fine-tuned encoder says of new data, sample by sample."""

import csv
import time
from pathlib import Path

import numpy as np

from ..data.groups import AUTO
from ..data.source import DataError
from ..encoded import load
from ..errors import shown, so_many
from ..home import expanded
from ..log import Log, span
from ..outputs import BY
from ..probes import Figure
from ..recipe import Run
from ..running.folder import title
from ..running.tuned import learnt_from
from ..seen import few_of
from ..tasks import mapped
from ..tasks.forecasts import Forecast
from ..tasks.judging import judged, said_of
from ..tasks.predicting import Predicted
from ..training import device_of
from ..writing import in_bytes, utf8, whole
from .embed import FORMS, checked

Column = list[str] | list[float] | list[int]


def predict(
    run: str | Path,
    where: object,
    out: str | Path | None = None,
    log: Log | None = None,
    trust: bool = False,
    label: str | None = None,
    kind: str | None = None,
    group: str = AUTO,
) -> Predicted:
    """Say the class or the quantity of each sample of `where`, by the fine-tuned encoder in a folder; write them to `out` (.npz,
    .csv, .parquet): names, what is likeliest, the probability of every class. Of an encoder tuned to forecasting: what comes
    after the end of each series, a row for each name, channel and step (in .npz `predicted` [n, horizon, channels]).

    Of a segmentation a .npz holds a map of classes for each sample, at its own size, a folder (out=masks/) a PNG of each and
    classes.json, and a table the share of every class.

    Where the data has labels of its own, what is said is compared with them. trust, label, kind, group: as for `embed`.
    """
    log = log or Log()
    folder = out is not None and (str(out).endswith("/") or expanded(str(out)).is_dir() or not Path(str(out)).suffix)
    target = expanded(str(out)) if folder else checked(out, FORMS)
    encoder, began = load(run, device_of(Run()), trust), time.monotonic()
    if target is not None and folder:
        if encoder.tuned is None or not encoder.tuned.task.rows:
            raise DataError(
                f"out={target} should end in one of {', '.join(FORMS)}: a folder is for the maps of a segmentation alone"
            )
        mapped.ready(target)
    found = encoder.predict(where, log.progress("predicting"), log.progress("reading"), label, kind, group)
    for remark in found.remarks:
        log.say(f"note      {remark}")
    for name, reason in found.bad[:3]:
        log.say(f"skipped   {shown(name)}: {reason}")
    if len(found.bad) > 3:
        log.say(f"skipped   {len(found.bad) - 3:,} more that cannot be read")
    assert encoder.tuned is not None
    of = "a map of " * (found.maps is not None)
    what = f"{of}{so_many(len(found.classes), 'class')}" if found.classes else encoder.tuned.task.quantity
    log.say(f"predicted {what} for {so_many(len(found), 'sample')} in {span(time.monotonic() - began)}")
    if isinstance(found, Forecast):
        return _foretold(found, target, log)
    marks: dict[str, Figure] = judged(encoder.tuned.task, found)
    if marks and learnt_from(Path(run), title(where)):
        log.say("judged    not: it was tuned to the labels of this very data, so that these say nothing of it")
        marks = {}
    for name, mark in marks.items():
        log.say(f"judged    {said_of(name, mark)} that have labels of their own")
    if target is not None:
        write(found, target)
        log.say(f"wrote     {target}")
    return found


def _foretold(found: Forecast, target: Path | None, log: Log) -> Forecast:
    apart = "" if found.every is None else f"; steps are {found.every:.4g} s apart"
    log.say(f"channels  {few_of(found.channels)}, after the last value of each recording{apart}")
    if target is not None:
        write(found, target)
        order = ": predicted is [n, horizon, channels]" if target.suffix == ".npz" else ""
        log.say(f"wrote     {target}{order}")
    return found


def write(found: Predicted, target: Path) -> None:
    """Whole or not at all, a folder file by file; names that are no UTF-8 stand there as `embed` has them."""
    if found.maps is not None and (target.is_dir() or target.suffix not in FORMS):
        mapped.files(found, target)
        return
    npz = _npz if found.maps is None else mapped.archive
    form = {".npz": npz, ".csv": _csv, ".parquet": _parquet}[target.suffix]
    with whole(target) as part:
        form(found, part)


def _steps(found: Forecast) -> dict[str, Column]:
    """A row for each series, channel and step ahead, from 1; none of channels that a series lacks."""
    at, channel, step = np.nonzero(~np.isnan(found.said).transpose(0, 2, 1))
    names, channels = ([xs[i] for i in each] for xs, each in ((found.names, at), (found.channels, channel)))
    return {
        "name": names,
        "channel": channels,
        "step": (step + 1).tolist(),
        "value": found.said[at, step, channel].tolist(),
    }


def _columns(found: Predicted) -> dict[str, Column]:
    """What stands in a table, by the names of its columns."""
    if isinstance(found, Forecast):
        return _steps(found)
    labels: dict[str, Column] = {} if found.labels is None else {"label": found.labels}
    before = "p_" if found.maps is None else "share_"
    each = {f"{before}{c}": found.said[:, k].tolist() for k, c in enumerate(found.classes)}
    return {"name": found.names, **labels, "predicted": found.best, **each}


def _npz(found: Predicted, part: Path) -> None:
    own = {} if found.labels is None else {"label": np.array(found.labels)}
    shares = {"p": found.said, "classes": np.array(found.classes)} if found.classes else {}
    with part.open("wb") as file:
        if isinstance(found, Forecast):
            np.savez(file, name=np.array(found.names), predicted=found.said, channel=np.array(found.channels))
            return
        np.savez(file, name=np.array(found.names), predicted=np.array(found.best), **shares, **own)  # type: ignore[arg-type]


def _csv(found: Predicted, part: Path) -> None:
    columns = _columns(found)
    with part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        table = csv.writer(file)
        table.writerow(map(in_bytes, columns))
        for row in zip(*columns.values(), strict=True):
            table.writerow(in_bytes(cell) if isinstance(cell, str) else f"{cell:.7g}" for cell in row)


def _parquet(found: Predicted, part: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        utf8(name): pa.array([utf8(cell) if isinstance(cell, str) else cell for cell in column])
        for name, column in _columns(found).items()
    }
    with part.open("wb") as file:  # pyarrow takes no path that is no UTF-8
        pq.write_table(pa.table(columns).replace_schema_metadata(BY), file)
