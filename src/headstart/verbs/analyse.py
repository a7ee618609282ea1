"""`headstart analyse`: how the vectors of an encoder lie, beside itself before training, without labels; by depth with them."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..analyses.geometry import alignment, cka, directions_for, lidar, misfits, spectrum, uniformity
from ..data.groups import AUTO
from ..data.source import DataError, Source
from ..encoded import Pretrained, load
from ..errors import shown, so_many
from ..health import measure
from ..log import Log
from ..nn.encoder import Encoder
from ..probes import DRAWS, Figure
from ..probes.linear import fitted
from ..recipe import Run
from ..running.material import probing
from ..scoring.labelled import Labelled
from ..scoring.looks import LOOKS, by_depth, depths, looked_at
from ..scoring.results import HALVES, MINE, cell
from ..tokens import Tokenizer
from ..training import device_of
from .probe import untrained

LEAST, SAMPLES, LOOKED = (
    16,
    1_024,
    256,
)  # samples below which nothing can be said; that are measured; looked at several times
LABELS, SIZES = (
    100,
    (600, 500),
)  # labels a probe by depth learns from; samples they are drawn from, and that judge, at most
MISFITS = 5  # that are named
BEFORE = "untrained"
ROWS = {
    "effective rank": "directions in use (RankMe), more is better",
    "directions": "that hold 90 % of the variance",
    "uniformity": "how evenly vectors fill the sphere, less is better",
    "alignment": "distance between two looks at a sample, less is better",
    "rank by LiDAR": "directions that tell samples apart and not looks at one, more is better",
}


@dataclass(frozen=True)
class Lies:
    """How vectors of an encoder lie. figures: of `ROWS`, None where they cannot be had. cka: by depth, with the untrained
    encoder; of itself none. linear: the linear probe by depth, without labels none."""

    figures: dict[str, float | None]
    cka: list[float] = field(default_factory=list)
    linear: list[Figure] = field(default_factory=list)


@dataclass(frozen=True)
class Analysis:
    """By row ("pre-trained", "untrained"). n: samples. looked: how many of them were looked at several times. depths: blocks
    that rows went through. misfits: names of labelled samples that lie nearer to another class than to theirs, the farthest
    first."""

    rows: dict[str, Lies]
    n: int
    looked: int
    depths: tuple[int, ...]
    misfits: list[str]


def analyse(
    run: str | Path,
    where: object,
    log: Log | None = None,
    label: str | None = None,
    kind: str | None = None,
    group: str = AUTO,
    trust: bool = False,
) -> Analysis:
    """How the vectors of `where` lie for a run's encoder, and for the same encoder before training: all are means of rows, so
    that depths can be compared. label, kind, group, trust: as for `probe`; without labels all else is said."""
    log, folder = log or Log(), Path(run)
    encoder = load(folder, device_of(Run()), trust)
    source, remarks = encoder.prepare(where, label=label, kind=kind, group=group)
    log.say(f"found     {source.describe()}")
    for remark in remarks:
        log.say(f"note      {remark}")
    if len(source) < LEAST:
        raise DataError(
            f"{shown(str(where))} holds {so_many(len(source), 'sample')}: fewer than {LEAST} say nothing; give more"
        )
    try:
        data = probing(where, source, encoder.tokenizer)
    except DataError as error:  # all else is said without labels
        data = None
        log.say(f"note      {error}")
    data = None if data is None else data.some(sizes=SIZES)
    tokenizer, before = encoder.tokenizer, untrained(folder, encoder.module, log, trust)
    each = np.unique(np.linspace(0, len(source) - 1, SAMPLES).astype(int))
    few = np.unique(np.linspace(0, len(source) - 1, LOOKED).astype(int))
    reference = by_depth(before, tokenizer, source, each)
    rows = {}
    for name, module in ((MINE, encoder.module), (BEFORE, before)):
        by = reference if module is before else by_depth(module, tokenizer, source, each)
        alike = [] if module is before else [cka(a, b) for a, b in zip(by, reference, strict=True)]
        figures = _figures(by[-1], looked_at(module, tokenizer, source, few))
        rows[name] = Lies(figures, alike, [] if data is None else _linear(module, tokenizer, data))
    made = Analysis(rows, len(each), len(few), depths(encoder.module), _misfits(encoder, data))
    log.say("\n" + "\n".join(lines(made)))
    return made


def _figures(z: np.ndarray, looks: np.ndarray | None) -> dict[str, float | None]:
    two = None if looks is None else alignment(looks[:, 0], looks[:, 1])
    found = (
        measure(z).effective_rank,
        directions_for(spectrum(z)),
        uniformity(z),
        two,
        None if looks is None else lidar(looks),
    )
    return dict(zip(ROWS, found, strict=True))


def _linear(encoder: Encoder, tokenizer: Tokenizer, data: Labelled) -> list[Figure]:
    """The linear probe of vectors at each depth."""
    parts: list[tuple[Source, np.ndarray]] = [(data.bank, data.bank_at)]
    parts += [] if data.crossed else [(data.query, data.query_at)]
    by = zip(*(by_depth(encoder, tokenizer, source, at) for source, at in parts), strict=True)
    splits = [data.around(np.concatenate(z), DRAWS, (LABELS,)).some(1) for z in by]
    return [next(split.judged("linear", fitted, split.counts[-1]))[1] for split in splits]


def _misfits(encoder: Pretrained, data: Labelled | None) -> list[str]:
    if data is None or data.labels("query").dtype.kind == "f":
        return []
    z = by_depth(encoder.module, encoder.tokenizer, data.query, data.query_at)[-1]
    far = misfits(z, data.labels("query"))
    return [data.query.name(int(data.query_at[i])) for i in np.argsort(-far)[:MISFITS] if far[i] > 0]


def lines(made: Analysis) -> list[str]:
    """As text."""
    mine, before = made.rows[MINE], made.rows[BEFORE]
    out = [f"{'':16s}{MINE:>14s}{BEFORE:>14s}"]
    for name, what in ROWS.items():
        cells = "".join(f"{_short(lies.figures[name]):>14s}" for lies in (mine, before))
        out.append(f"{name:16s}{cells}   {what}")
    out += ["", f"{'blocks':28s}" + "".join(f"{depth:>16d}" for depth in made.depths)]
    for name, lies in ((MINE, mine), (BEFORE, before)):
        if lies.linear:
            title = f"linear-{lies.linear[0].labels}, {name}"
            out.append(f"{title:28s}" + "".join(f"{cell({title: x}, title):>16s}" for x in lies.linear))
    out += [f"{'CKA with ' + BEFORE:28s}" + "".join(f"{value:>16.3f}" for value in mine.cka), ""]
    out.append(f"of {made.n:,} samples, {made.looked:,} of them looked at {LOOKS} times; vectors are means of rows")
    out += [HALVES] if mine.linear else []
    if made.misfits:
        out.append(f"nearer to another class than to theirs: {', '.join(shown(name) for name in made.misfits)}")
    return out


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:d}" if isinstance(value, int) else f"{value:.3f}"
