"""What is said of the recipes: a line for each, what each works on, and the card of one."""

import inspect
from pathlib import Path
from typing import Any

from ..words import arguments
from .find import DEFAULT, default_recipe, find, names, small
from .measured import evidence, matrix

WORKS, REFUSES, MEANINGLESS, UNKNOWN = "+", "-", "o", "?"
LEGEND = f"{WORKS} works   {REFUSES} refuses, and says why   {MEANINGLESS} runs, but there is nothing to learn"


def listing() -> str:
    """The idea of every recipe."""
    width = max(map(len, names()))
    lines = []
    for name in names():
        idea = _doc(name).split("\n\n")[0].partition(":")[2].partition("(")[0]
        special = ", ".join(kind for kind, chosen in DEFAULT.items() if chosen == name)
        mark = f"  [default for {special}]" if special else "  [default]" if name == default_recipe("") else ""
        lines.append(f"{name:{width}s}  {' '.join(idea.split())}{mark}")
    return "\n".join(lines)


def grid() -> str:
    """Recipes by kinds of data."""
    kinds = list(dict.fromkeys(kind for row in matrix().values() for kind in row["kinds"]))
    if not kinds:
        return ""
    width, tall = max(map(len, names())), max(map(len, kinds))
    head = [" " * width + "  " + " ".join(kind.rjust(tall)[i] for kind in kinds) for i in range(tall)]
    rows = [f"{name:{width}s}  {' '.join(state(name, kind) for kind in kinds)}" for name in names()]
    return "\n".join([*head, *rows, "", LEGEND])


def state(name: str, kind: str) -> str:
    """One cell of the grid."""
    row = matrix().get(name)
    if row is None:
        return UNKNOWN
    return REFUSES if row["kinds"][kind] else MEANINGLESS if kind in row["meaningless"] else WORKS


def card(name: str) -> str:
    """What is hidden, what is predicted, when to use it, on what, its cost, words and evidence."""
    function, said = find(name), [_doc(name), ""]
    row = matrix().get(name)
    if row is not None:
        good = [kind for kind in row["kinds"] if state(name, kind) == WORKS]
        said.append(f"Works on: {', '.join(good) or 'nothing'}.")
        said += _reasons("Means nothing on", row["meaningless"])
        said += _reasons("Refuses", {kind: reason for kind, reason in row["kinds"].items() if reason})
        said.append(f"Cost: {_cost(row['cost'])}.")
    said.append(f"Source: {Path(inspect.getsourcefile(function) or '').name}, in the package's folder recipes/.")
    measured = evidence().get(name)
    said += [f"Evidence: {'; '.join(measured)}."] if measured else ["Evidence: none yet."]
    said += [
        "",
        f"{name}: {inspect.getdoc(function)}",
        "",
        "Words (default of the paper; what pretrain uses at small scale):",
    ]
    settings = small(function) or {}
    for word, parameter in arguments(function).items():
        default = "" if parameter.default is parameter.empty else f" = {parameter.default}"
        said.append(f"  {word}{default}" + (f"; {settings[word]}" if word in settings else ""))
    said += [f"  {word} = {value}" for word, value in settings.items() if "." in word]
    return "\n".join(said)


def _cost(cost: dict[str, Any]) -> str:
    if cost["beside"] is None:
        return "not comparable with mae, which takes no pairs"
    return f"a step takes {cost['beside']:g} times as long as mae's on the same samples ({cost['kind']}, size XS)"


def _reasons(what: str, by_kind: dict[str, str]) -> list[str]:
    """A line for each reason, with the kinds that share it."""
    shared: dict[str, list[str]] = {}
    for kind, reason in by_kind.items():
        shared.setdefault(reason, []).append(kind)
    return [f"{what}: {', '.join(kinds)} ({reason})." for reason, kinds in shared.items()]


def _doc(name: str) -> str:
    return inspect.getdoc(inspect.getmodule(find(name))) or ""
