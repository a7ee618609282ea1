"""`headstart outliers`: the samples that are most unusual to an encoder, among themselves or against normal data."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..analyses.unusual import NEIGHBOURS, Unusual, unusual
from ..data.groups import AUTO
from ..data.source import DataError
from ..encoded import Encoded
from ..errors import shown, so_many
from ..log import Log
from ..recipe import Run
from ..showing.figures import NEAR, Figures
from ..showing.page import document, said
from ..showing.pages import STYLE
from ..training import device_of
from ..words import WordError
from ..writing import in_bytes, whole, write_text
from .embed import checked, embedded, opened, part_of

FORMS = (".csv", ".html")
FIRST, BESIDE = 5, 4  # that are said; neighbours that are drawn beside each
LEAST, FEW = (
    10,
    100,
)  # samples below which nobody can say what is usual; normal ones below which it is said that they are few


@dataclass(frozen=True)
class Outliers:
    """Samples by how unusual they are, the most unusual first.

    score: 1 is usual. share: of the samples (of the normal ones, where these are given), how many score at least as high.
    nearest: the name of the nearest sample to each."""

    names: list[str]
    score: np.ndarray
    share: np.ndarray
    nearest: list[str]


def outliers(
    run: str | Path,
    where: object,
    against: object = None,
    out: str | Path | None = None,
    most: int = 50,
    log: Log | None = None,
    trust: bool = False,
    label: str | None = None,
    kind: str | None = None,
    group: str = AUTO,
    part: str | None = None,
) -> Outliers:
    """Score every sample of `where` and write all of them to `out` (.csv), or the `most` most unusual as a page (.html).

    against: normal data, against which samples are scored, instead of against each other. trust, label, kind, group,
    part: as for `embed`.
    """
    log, target = log or Log(), checked(out, FORMS)
    if most < 1:
        raise WordError(f"most={most}: ask for at least one sample")
    device = device_of(Run())
    encoder, data = opened(run, trust, part, where, "outliers", label, group)
    # normal data first: where it is too little, nothing else is read
    normal = (
        embedded(encoder, data, log, label, kind, group)
        if against is None
        else embedded(encoder, against if part is None else part_of(against, part), log, None, kind)
    )
    if len(normal.z) < LEAST:
        what = str(where if against is None else against)
        raise DataError(
            f"{what} holds {so_many(len(normal.z), 'sample')}: what is usual can be said from {LEAST} on; give more data"
        )
    found = normal if against is None else embedded(encoder, data, log, label, kind, group)
    k = min(NEIGHBOURS, len(normal.z) // 2)
    made = unusual(found.z, None if against is None else normal.z, k, device, log.progress("comparing"))
    order = np.argsort(-made.score, kind="stable")
    for line in _lines(made, order, found, normal, against is not None, k):
        log.say(line)
    if target is not None:
        if target.suffix == ".html":
            write_text(target, _page(made, order[:most], found, normal, _meaning(against is not None, k)))
        else:
            _csv(target, made, order, found, normal)
        log.say(f"wrote     {shown(str(target))}")
    nearest = [normal.names[i] for i in made.index[order, 0]]
    return Outliers([found.names[i] for i in order], made.score[order], made.share[order], nearest)


def _meaning(normal: bool, k: int) -> str:
    """What a score says."""
    among = "of the normal samples" if normal else "of all samples"
    return (
        f"score: how much sparser it is around a sample than around its {k} nearest{' normal samples' if normal else ''} (local "
        f"outlier factor, 1 is usual); share: {among}, how many score as high or higher. A high score is unusual to this "
        "encoder, not wrong"
    )


def _lines(made: Unusual, order: np.ndarray, found: Encoded, normal: Encoded, against: bool, k: int) -> list[str]:
    out = [f"meaning   {_meaning(against, k)}"]
    for i in order[:FIRST].tolist():
        out.append(
            f"unusual   {made.score[i]:.2f} (share {made.share[i]:.2%})  {shown(found.names[i])}, nearest is "
            f"{shown(normal.names[made.index[i, 0]])}"
        )
    if against:
        beyond, usual = int((made.share == 0).sum()), len(order) / (len(normal.z) + 1)
        out.append(
            f"beyond    {beyond:,} of {len(order):,} score higher than any normal sample; of as many normal ones about "
            f"{usual:.2g} would, by chance"
        )
        if len(normal.z) < FEW:
            out.append(
                f"few       {len(normal.z):,} normal samples tell no share below {1 / len(normal.z):.1%}, and little of what is "
                f"usual in a place: from {FEW} on more can be said"
            )
    return out


def _csv(target: Path, made: Unusual, order: np.ndarray, found: Encoded, normal: Encoded) -> None:
    with whole(target) as part, part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as text:
        table = csv.writer(text)
        table.writerow(["name", "score", "share", "nearest", "distance"])
        for i in order.tolist():
            near = normal.names[made.index[i, 0]]
            numbers = [f"{made.score[i]:.6f}", f"{made.share[i]:.6f}"]
            table.writerow([in_bytes(found.names[i]), *numbers, in_bytes(near), f"{made.distance[i, 0]:.6f}"])


def _page(made: Unusual, some: np.ndarray, found: Encoded, normal: Encoded, meaning: str) -> str:
    """The most unusual, each with what is nearest to it."""
    figures = Figures()
    parts = [f"<h1>Unusual samples</h1><p>{len(some):,} of {len(found.z):,}, the most unusual first.</p>"]
    parts.append(f"<p class=note>{said(meaning)}. After each sample stand the nearest to it, with their distances.</p>")
    for i in some.tolist():
        score = [f"score {made.score[i]:.2f}", f"share {made.share[i]:.2%}"]
        query, index = (found.samples, int(found.at[i])), normal.at[made.index[i, :BESIDE]].tolist()
        parts.append(figures.near(query, normal.samples, index, made.distance[i, :BESIDE].tolist(), score))
    return document("Unusual samples", parts, STYLE + NEAR)
