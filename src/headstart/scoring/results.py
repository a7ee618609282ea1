"""Scores side by side, and what they mean in a sentence that is the same wherever it is said."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from ..damage import Damaged, reading, record, sum_of, unchanged
from ..errors import Mistake
from ..forms import Json
from ..probes import VERSION, Figure, Gain, Marks, gain
from ..writing import write_bytes, write_json

Results = dict[str, Marks]  # row ("raw input", "random encoder", "pre-trained") -> name -> figure
MINE = "pre-trained"
DULL = "the labels may not be in the data, or more of them are needed"
HALVES = "± is half of a 95 % interval, over judges and over draws of the labels learnt from"


@dataclass(frozen=True)
class Judged:
    """What a run is worth. read: how its vectors were read off. bank, query: labelled samples that were learnt from and that
    judged; pairs have no bank. crossed: all of them did both in turns. seen: pre-training saw them, without labels."""

    results: Results
    read: str
    bank: int = 0
    query: int = 0
    crossed: bool = False
    seen: bool = False

    def kept(self) -> Json:
        """As JSON has it."""
        results = {row: written(marks) for row, marks in self.results.items()}
        said = {"worth": summary(self.results), "judged": self.said()} if self.results else {}
        return {
            "protocol": VERSION,
            "read": self.read,
            "bank": self.bank,
            "query": self.query,
            **said,
            "results": results,
        }

    def said(self) -> str:
        """How it was judged, in a sentence without its full stop."""
        judges, end = f"{self.query:,}", f"; {HALVES}; probe protocol {VERSION}"
        where = "which pre-training saw without their labels" if self.seen else "kept out of training"
        if not self.bank:
            return f"Found the other part of a sample among {judges} pairs kept out of training{end}"
        if self.crossed:
            return f"Judged on {judges} labelled samples, {where}, by repeated five-fold cross-validation{end}"
        return f"Judged on {judges} samples {where}, {self.bank:,} labelled samples to learn from{end}"


@dataclass(frozen=True)
class Against:
    """What pre-training gains in one figure over the best of the others, whose row is `rival`."""

    name: str
    mine: Figure
    rival: str
    other: Figure
    gain: Gain

    def said(self) -> str:
        """The numbers, in words."""
        return f"{self.name} {self.mine.value:.3f} against {self.other.value:.3f} of the {self.rival} ({self.gain})"


def columns(results: Results) -> list[str]:
    """The figures of a table."""
    return list(dict.fromkeys(name for marks in results.values() for name in marks))


def cell(marks: Marks, name: str) -> str:
    """A figure as text, with half of its 95 % interval; nothing where a row has none."""
    return f"{marks[name].value:.3f} ± {marks[name].half:.3f}" if name in marks else ""


def chances(results: Results) -> dict[str, str]:
    """What each figure is by chance, as text, of those of which that can be said."""
    known = {name: f.chance for marks in results.values() for name, f in marks.items() if f.chance is not None}
    return {name: f"{value:.3f}" for name, value in known.items()}


def best(results: Results, name: str) -> Figure | None:
    """The best figure of this name."""
    found = [marks[name] for marks in results.values() if name in marks]
    return max(found, key=lambda figure: figure.value if figure.higher else -figure.value, default=None)


def lines(results: Results, indent: str = " " * 10) -> list[str]:
    """The table as text; a rival, whose figures are its own, stands below it."""
    of_all = {row: marks for row, marks in results.items() if not _apart(results, row)}
    names, chance = columns(of_all), chances(of_all)
    rows = {row: [cell(marks, name) for name in names] for row, marks in of_all.items()}
    rows |= {"chance": [chance.get(name, "") for name in names]} if chance else {}
    first = max(16, *(len(row) for row in rows)) if rows else 16
    wide = [max([16, *(len(text) for text in column)]) + 2 for column in zip(names, *rows.values(), strict=True)]
    out = [indent + " " * first + "".join(f"{name:>{w}s}" for name, w in zip(names, wide, strict=True))]
    for row, cells in rows.items():
        out.append(indent + f"{row:{first}s}" + "".join(f"{text:>{w}s}" for text, w in zip(cells, wide, strict=True)))
    return out + [f"{indent}{row}: {own(results[row])}" for row in results if row not in of_all]


def own(marks: Marks) -> str:
    """Figures in a line."""
    return ", ".join(f"{name} {cell(marks, name)}" for name in marks)


def _apart(results: Results, row: str) -> bool:
    """None of this row's figures is one of pre-training's: it is a rival with a measure of its own."""
    return MINE in results and not results[row].keys() & results[MINE].keys()


def bar(results: Results) -> list[str]:
    """Each row on a line of its own, as what is to be beaten."""
    return [f"{row:15s} {own(marks)}" for row, marks in results.items()]


def against(results: Results, mine: str = MINE) -> list[Against]:
    """Each figure of a row beside the best of all others that answer the same: of the same name, or of a rival's own name by the
    same measure from as many labels."""
    own, found = results[mine], []
    for name, figure in own.items():
        others = [
            (row, other)
            for row, marks in results.items()
            for called, other in marks.items()
            if row != mine and (called == name or (called not in own and _alike((called, other), (name, figure))))
        ]
        if others:
            row, rival = min(others, key=lambda pair: figure.over(pair[1]))
            found.append(Against(name, figure, row, rival, gain(figure, rival)))
    return found


def _alike(one: tuple[str, Figure], other: tuple[str, Figure]) -> bool:
    """Two figures that are marked alike, after as many labels."""
    endings = [
        next((end for end in ("-R2", "-AUC", "-balanced", "-mAP") if name.endswith(end)), "")
        for name, _ in (one, other)
    ]
    return one[1].labels is not None and one[1].labels == other[1].labels and endings[0] == endings[1]


def summary(results: Results) -> str:
    """Whether pre-training helped, against whom, by how much and how sure that is. Every difference is held against its own 95 %
    interval, judge by judge."""
    each = against(results)
    if not each:
        return "nothing to compare it with"
    if all(dull(a.mine) and dull(a.other) for a in each):
        said = ", ".join(f"{a.name} {cell(results[MINE], a.name)}, by chance {a.mine.chance:.3f}" for a in each)
        return f"nothing here is told better than by chance, with pre-training or without ({said}): {DULL}"
    better, worse = [a for a in each if a.gain.clear > 0], [a for a in each if a.gain.clear < 0]
    level = [a for a in each if a not in better + worse and a.gain.level]
    open_ = [a for a in each if a not in better + worse + level]
    parts = []
    if better:
        helps = "pre-training helps" if not worse else "pre-training helps in part"
        parts.append(f"{helps}: {_listed(better)}")
    if worse:
        hurts = "it is worse" if better else "pre-training does not help: worse"
        parts.append(f"{hurts} in {_listed(worse)}")
    if level:
        parts.append(f"{'level' if parts else 'pre-training is level with what it has to beat'} in {_listed(level)}")
    if open_:
        n, first = open_[0].gain.n, min(open_, key=lambda a: a.gain.more or np.inf)
        known = f"cannot be told with {n:,} judges{'' if parts else ' whether pre-training helps'}"
        parts.append(f"{known}: {_listed(open_)}; {first.gain.asks} in {first.name}")
    return "; ".join(parts)


def dull(figure: Figure) -> bool:
    """It cannot be told from chance by judges who could tell: a handful says neither that nor the opposite."""
    if figure.chance is None or figure.handful:
        return False
    return figure.over(replace(figure, value=figure.chance)) <= figure.half


def _listed(each: list[Against]) -> str:
    return ", ".join(a.said() for a in each)


def written(marks: Mapping[str, float | Figure]) -> Json:
    """Figures as JSON has them, without what is not known and what each judge moves; numbers stay."""
    return {name: _facts(x) if isinstance(x, Figure) else x for name, x in marks.items()}


def _facts(figure: Figure) -> Json:
    known = {name: value for name, value in vars(figure).items() if name != "moves" and value is not None}
    return known | {"draws": list(figure.draws)}


def figures(kept: Mapping[str, Any]) -> Marks:
    """The figures in what `written` left."""
    return {
        name: Figure(**(x | {"draws": tuple(x.get("draws", ()))})) for name, x in kept.items() if isinstance(x, dict)
    }


def kept_results(path: Path) -> Results:
    """What a run left in a file, with what each judge moves from beside it (.safetensors); a Mistake if another version
    of headstart wrote it."""
    kept = record(path)
    if kept.get("protocol") != VERSION:
        raise Mistake(f"{path} was written by another version of headstart: delete it and start the run again")
    with reading(path):
        results = {row: figures(marks) for row, marks in kept["results"].items()}
    beside, moves = path.with_suffix(".safetensors"), dict[str, np.ndarray]()
    if beside.exists():
        unchanged(beside, kept.get("moves"))
        with reading(beside):
            moves = load(beside.read_bytes())
    return {
        row: {name: _moving(x, moves.get(f"{row}/{name}")) for name, x in marks.items()}
        for row, marks in results.items()
    }


def kept_before(path: Path, say: Callable[[str], None]) -> bool:
    """Whether there is what `kept_results` reads; where it is damaged that is said, for it can be made anew."""
    try:
        return path.exists() and bool(kept_results(path))
    except Damaged as error:
        say(f"damaged   {str(error).partition(': ')[0]}: it is made anew")
        return False


def keep_results(path: Path, results: Results, **facts: object) -> None:
    """What `kept_results` reads: the figures, and beside them what each judge moves them."""
    moves = {
        f"{row}/{name}": np.ascontiguousarray(figure.moves, np.float32)
        for row, marks in results.items()
        for name, figure in marks.items()
        if figure.moves is not None
    }
    beside = path.with_suffix(".safetensors")
    write_bytes(beside, save(moves))
    said = {row: written(marks) for row, marks in results.items()}
    write_json(path, {"protocol": VERSION, "moves": sum_of(beside), **facts, "results": said})


def _moving(figure: Figure, moves: np.ndarray | None) -> Figure:
    return figure if moves is None else replace(figure, moves=moves)
