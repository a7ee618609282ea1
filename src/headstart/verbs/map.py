"""`headstart map`: samples in two dimensions as an encoder sees them, on a page to look at."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..analyses.mapping import LEAST, clusters, mapped
from ..data.groups import AUTO
from ..data.source import DataError
from ..errors import shown, so_many
from ..log import Log
from ..showing.page import document, said
from ..showing.scatter import STYLE, by_group, by_label, lively, scatter
from ..words import WordError
from ..writing import write_text
from .embed import checked, embedded, opened

MOST = 5000  # samples on a map, unless a word says otherwise: about half a minute


@dataclass(frozen=True)
class Mapped:
    """names: of the samples on the map. at: [n, 2], within -1 to 1. trust: its trustworthiness.

    groups: [n], the class of each, -1 where unknown; without labels its cluster; of quantities none."""

    names: list[str]
    at: np.ndarray
    trust: float | None
    groups: np.ndarray | None


def map(
    run: str | Path,
    where: object,
    out: str | Path | None = None,
    most: int = MOST,
    seed: int = 0,
    log: Log | None = None,
    trust: bool = False,
    label: str | None = None,
    kind: str | None = None,
    group: str = AUTO,
    part: str | None = None,
) -> Mapped:
    """Place the samples of `where` on a map, and write the page (.html) to `out`. Of more than `most`, so many drawn by lot.

    seed: equal ones give equal maps. trust, label, kind, group, part: as for `embed`.
    """
    log, target = log or Log(), checked(out, (".html",))
    if most < LEAST:
        raise WordError(f"most={most}: a map of fewer than {LEAST} samples says nothing")
    encoder, data = opened(run, trust, part, where, "map", label, group)
    found = embedded(encoder, data, log, label, kind, group)
    if len(found.z) < LEAST:
        raise DataError(
            f"{shown(str(where))} holds {so_many(len(found.z), 'sample')}: a map of fewer than {LEAST} says nothing"
        )
    some = np.sort(np.random.default_rng(seed).permutation(len(found.z))[:most])
    what = (
        f"{len(some):,} of {len(found.z):,} samples, drawn by lot"
        if len(some) < len(found.z)
        else f"all {len(some):,} samples"
    )
    log.say(f"mapping   {what}")
    z, at = found.z[some], found.at[some]
    made = mapped(z, seed)
    colours = by_label(found.samples, at)
    groups = clusters(z, seed) if colours is None else None
    if groups is not None:
        by = f"coloured by {int(groups.max()) + 1} clusters (k-means), as no labels were found: they are no classes"
        colours = by_group(groups)
    else:
        by = "coloured by label, which the map was not told"
        groups = found.labels[some].astype(np.int64) if found.labels is not None and found.classes else None
    assert colours is not None
    log.say(f"map       {made.said()}")
    log.say(f"colours   {by}")
    if target is not None:
        title = f"Map of {where if isinstance(where, str | Path) else type(where).__name__}"
        note = f"<p class=note>{said(f'{what}, {by}. {made.said()}.')}</p>"
        parts = [
            f"<h1>{said(title)}</h1>{note}",
            scatter(made.at, found.samples, at, colours),
            lively(found.samples, at),
        ]
        write_text(target, document(title, parts, STYLE + "body{max-width:64rem}"))
        log.say(f"wrote     {shown(str(target))}: open it in a browser")
    return Mapped([found.names[i] for i in some], made.at, made.trust, groups)
