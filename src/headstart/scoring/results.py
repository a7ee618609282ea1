"""Scores side by side, and what they mean in a sentence."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import Mistake
from ..forms import Json
from ..probes import VERSION, Figure, Marks

Results = dict[str, Marks]  # row ("raw input", "random encoder", "pre-trained") -> name -> figure
MINE = "pre-trained"


@dataclass(frozen=True)
class Judged:
    """What a run is worth. read: how its vectors were read off. bank, query: labelled samples that were learnt from and that
    judged; pairs have no bank."""

    results: Results
    read: str
    bank: int = 0
    query: int = 0

    def kept(self) -> Json:
        """As JSON has it."""
        results = {row: written(marks) for row, marks in self.results.items()}
        return {"protocol": VERSION, "read": self.read, "bank": self.bank, "query": self.query, "results": results}

    def said(self) -> str:
        """How it was judged, in a sentence without its full stop."""
        judges = f"{self.query:,}"
        if not self.bank:
            return (
                f"Found the other part of a sample among {judges} pairs kept out of training; probe protocol {VERSION}"
            )
        return (
            f"Judged on {judges} samples kept out of training, {self.bank:,} labelled samples to learn from; "
            f"probe protocol {VERSION}"
        )


def columns(results: Results) -> list[str]:
    """The figures of a table."""
    return list(dict.fromkeys(name for marks in results.values() for name in marks))


def cell(marks: Marks, name: str) -> str:
    """A figure as text; nothing where a row has none."""
    if name not in marks:
        return ""
    figure = marks[name]
    return f"{figure.value:.3f}" + ("" if figure.spread is None else f" ± {figure.spread:.3f}")


def chances(results: Results) -> dict[str, str]:
    """What each figure is by chance, as text, of those of which that can be said."""
    known = {name: f.chance for marks in results.values() for name, f in marks.items() if f.chance is not None}
    return {name: f"{value:.3f}" for name, value in known.items()}


def best(results: Results, name: str) -> Figure | None:
    """The best figure of this name."""
    found = [marks[name] for marks in results.values() if name in marks]
    return max(found, key=lambda figure: figure.value if figure.higher else -figure.value, default=None)


def lines(results: Results, indent: str = " " * 10) -> list[str]:
    """The table as text."""
    names, chance = columns(results), chances(results)
    rows = {row: [cell(marks, name) for name in names] for row, marks in results.items()}
    rows |= {"chance": [chance.get(name, "") for name in names]} if chance else {}
    out = [indent + " " * 16 + "".join(f"{name:>18s}" for name in names)]
    return [*out, *(indent + f"{row:16s}" + "".join(f"{text:>18s}" for text in cells) for row, cells in rows.items())]


def bar(results: Results) -> list[str]:
    """Each row on a line of its own, as what is to be beaten."""
    return [
        f"{row:15s} " + "  ".join(f"{name} {cell(marks, name)}" for name in marks) for row, marks in results.items()
    ]


def summary(results: Results) -> str:
    """Whether pre-training helped, figure by figure. A difference counts from two standard errors of the best baseline on."""
    others = {row: marks for row, marks in results.items() if row != MINE}
    said: dict[str, list[str]] = {"beats every baseline": [], "is not clearly better": [], "LOSES": []}
    compared = [name for name in columns(results) if name in results[MINE] and best(others, name) is not None]
    for name in compared:
        rival = best(others, name)
        assert rival is not None
        gain, clear = results[MINE][name].over(rival), 2 * rival.error
        said["beats every baseline" if gain > clear else "LOSES" if gain < -clear else "is not clearly better"].append(
            name
        )
    if len(said["beats every baseline"]) == len(compared):
        return f"pre-training beats {_listed(list(others))} in every measure"
    parts = [f"{what} in {', '.join(names)}" for what, names in said.items() if names]
    advice = "" if said["beats every baseline"] else ": do not bother, or give it more time"
    return "pre-training " + ", ".join(parts) + advice


def written(marks: Mapping[str, float | Figure]) -> Json:
    """Figures as JSON has them, without what is not known; numbers stay."""
    return {
        name: {k: v for k, v in asdict(x).items() if v is not None} if isinstance(x, Figure) else x
        for name, x in marks.items()
    }


def figures(kept: Mapping[str, Any]) -> Marks:
    """The figures in what `written` left, without the plain numbers."""
    return {name: Figure(**x) for name, x in kept.items() if isinstance(x, dict)}


def kept_results(path: Path) -> Results:
    """What a run left in a file; a Mistake if that was another version of headstart."""
    results = {row: figures(marks) for row, marks in json.loads(path.read_text()).get("results", {"": {}}).items()}
    if any(not marks for marks in results.values()):
        raise Mistake(f"{path} was written by another version of headstart: delete it and start the run again")
    return results


def _listed(names: list[str]) -> str:
    return "the " + ", the ".join(names[:-1]) + f" and the {names[-1]}" if len(names) > 1 else f"the {names[0]}"
