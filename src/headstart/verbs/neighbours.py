"""`headstart neighbours`: which samples lie nearest to each other, or to those that are asked for."""

import csv
import difflib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..analyses.neighbours import SAME, Near, directions, nearest
from ..data.groups import AUTO
from ..data.source import DataError
from ..encoded import Encoded, Pretrained
from ..errors import shown, so_many
from ..home import expanded
from ..log import Log
from ..recipe import Run
from ..showing.figures import NEAR, Figures
from ..showing.page import document
from ..showing.pages import STYLE
from ..training import device_of
from ..words import WordError
from ..writing import in_bytes, whole, write_text
from .embed import checked, embedded, opened

FORMS = (".csv", ".npz", ".html")
QUERIES, DRAWN = 40, 12  # on a page: queries, and neighbours of each


@dataclass(frozen=True)
class Neighbours:
    """Who is near whom. queries: what was asked about. names: of the data that neighbours were looked for in.

    index: [m, k], places in `names`, nearest first. similarity: [m, k], cosines of standardised vectors. same: the queries that
    have a near-duplicate.
    """

    queries: list[str]
    names: list[str]
    index: np.ndarray
    similarity: np.ndarray
    same: list[str]

    def of(self, query: str) -> list[tuple[str, float]]:
        """(name, similarity) of the neighbours of one query, nearest first."""
        at = self.queries.index(query)
        return [
            (self.names[i], float(s))
            for i, s in zip(self.index[at].tolist(), self.similarity[at].tolist(), strict=True)
        ]


def neighbours(
    run: str | Path,
    where: object,
    of: object = None,
    k: int = 10,
    out: str | Path | None = None,
    log: Log | None = None,
    trust: bool = False,
    label: str | None = None,
    kind: str | None = None,
    group: str = AUTO,
    part: str | None = None,
) -> Neighbours:
    """The k nearest samples of `where` to each of them, never itself; written to `out` (.csv, .npz, or a page to look at, .html).

    of: the name of one sample, or other data, whose nearest in `where` are asked for. trust, label, kind, group, part: as for
    `embed`.
    """
    log, target = log or Log(), checked(out, FORMS)
    if k < 1:
        raise WordError(f"k={k}: ask for at least one neighbour")
    device = device_of(Run())
    encoder, data = opened(run, trust, part, where, "neighbours", label, group)
    found = embedded(encoder, data, log, label, kind, group)
    asked, own = _asked(encoder, found, where, of, log)
    if len(found.z) < 2 and own is not None:
        raise DataError(f"{shown(str(where))} holds one sample, which has no neighbours: give more data")
    bank, query = directions(found.z, asked.z)
    near = nearest(bank, query if own is None else query[own], k, own, device, log.progress("comparing"))
    at = np.arange(len(asked.z)) if own is None else own
    queries = [asked.names[i] for i in at]
    same = near.same().tolist()
    log.say(f"compared  {len(queries):,} with {so_many(len(found.z), 'sample')}, exactly")
    log.say(_duplicates(near, same, queries, found.names))
    if target is not None:
        _write(target, near, queries, asked, at, found)
        log.say(f"wrote     {shown(str(target))}")
    elif len(queries) == 1:
        log.say(
            "\n".join(
                f"{s:9.3f} {shown(found.names[i])}" for i, s in zip(near.index[0], near.similarity[0], strict=True)
            )
        )
    return Neighbours(queries, found.names, near.index, near.similarity, [queries[i] for i in same])


def _asked(
    encoder: Pretrained, found: Encoded, where: object, of: object, log: Log
) -> tuple[Encoded, np.ndarray | None]:
    """(what is asked about, where it stands in `found` if it is of it): all samples, some by name, or other data."""
    if of is None:
        return found, np.arange(len(found.z))
    if not isinstance(of, str | Path):
        return embedded(encoder, of, log), None
    own = _named(found, str(of))
    path = expanded(of)
    if not len(own) and isinstance(where, str | Path) and path.exists():
        own = _inside(found, path, expanded(where))
    if len(own):
        return found, own
    if not path.exists():
        near = difflib.get_close_matches(str(of), found.names, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(map(shown, near))}? " if near else ""
        raise DataError(
            f"of={shown(str(of))} is no path, and no sample that was read is called so: {hint}names are like "
            f"{shown(found.names[0])}"
        )
    return embedded(encoder, path, log), None


def _named(found: Encoded, name: str) -> np.ndarray:
    return np.array([i for i, each in enumerate(found.names) if each == name], np.int64)


def _inside(found: Encoded, path: Path, where: Path) -> np.ndarray:
    """The samples of a file that lies in the data: names are relative to it."""
    if where.is_dir() and path.is_file() and path.resolve().is_relative_to(where.resolve()):
        return _named(found, path.resolve().relative_to(where.resolve()).as_posix())
    return np.zeros(0, np.int64)


def _duplicates(near: Near, same: list[int], queries: list[str], names: list[str]) -> str:
    """In a line: how many have a near-duplicate, and the first."""
    if not same:
        return f"alike     none is nearly the same as another to this encoder (similarity of {SAME} or more)"
    first = same[0]
    return (
        f"alike     {len(same):,} of {len(queries):,} are nearly the same as another to this encoder (similarity of {SAME} or "
        f"more), such as {shown(queries[first])} and {shown(names[near.index[first, 0]])}"
    )


def _write(target: Path, near: Near, queries: list[str], asked: Encoded, at: np.ndarray, found: Encoded) -> None:
    if target.suffix == ".html":
        write_text(target, _page(near, asked, at, found))
        return
    with whole(target) as part:
        if target.suffix == ".npz":
            with part.open("wb") as file:
                asked_of, names = np.array(queries), np.array(found.names)
                np.savez(file, index=near.index, similarity=near.similarity, query=asked_of, name=names)
            return
        with part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as text:
            table = csv.writer(text)
            table.writerow(["name", "rank", "neighbour", "similarity"])
            for query, index, similarity in zip(queries, near.index.tolist(), near.similarity.tolist(), strict=True):
                for rank, (i, s) in enumerate(zip(index, similarity, strict=True), 1):
                    table.writerow([in_bytes(query), rank, in_bytes(found.names[i]), f"{s:.6f}"])


def _page(near: Near, asked: Encoded, at: np.ndarray, found: Encoded) -> str:
    """Queries spread over what was asked, each with its nearest beside it, drawn."""
    some = np.unique(np.linspace(0, len(at) - 1, QUERIES).round().astype(int)).tolist()
    figures = Figures()
    head = (
        f"<h1>Nearest neighbours</h1><p class=note>{len(some)} of {len(at):,} samples, each with the nearest of "
        f"{len(found.z):,}: by cosine similarity of their vectors, standardised. Near is what this encoder takes for alike.</p>"
    )
    parts = [head]
    for i in some:
        query, index = (asked.samples, int(asked.at[at[i]])), found.at[near.index[i, :DRAWN]].tolist()
        parts.append(figures.near(query, found.samples, index, near.similarity[i, :DRAWN].tolist()))
    return document("Nearest neighbours", parts, STYLE + NEAR)
