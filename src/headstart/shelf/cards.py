"""What is said of the recipes: a line for each, what each works on, and the card of one."""

import inspect
from collections.abc import Mapping

from ..forms import Json
from ..recipe import Method
from ..words import arguments
from .files import names_around
from .find import DEFAULT, SHELF, called, default_recipe, find, meaningless, names, small
from .measured import evidence, matrix
from .outside import source_of

WORKS, REFUSES, MEANINGLESS, UNKNOWN = "+", "-", "o", "?"
LEGEND = f"{WORKS} works   {REFUSES} refuses, and says why   {MEANINGLESS} runs, but there is nothing to learn"


def listing() -> str:
    """The idea of every recipe."""
    width = max(map(len, names()))
    lines = []
    for name in names():
        idea = _doc(find(name)).split("\n\n")[0].partition(":")[2].partition("(")[0]
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


def card(method: Method) -> str:
    """What is hidden, what is predicted, when to use it, on what, its cost, words and evidence."""
    name, own, said = called(method), method.__module__.startswith(f"{SHELF}."), [_doc(method), ""]
    row = matrix().get(name)
    if row is not None:
        good = [kind for kind in row["kinds"] if state(name, kind) == WORKS]
        said.append(f"Works on: {', '.join(good) or 'nothing'}.")
        said += _reasons("Means nothing on", meaningless(method))
        said += _reasons("Refuses", {kind: reason for kind, reason in row["kinds"].items() if reason})
        said.append(f"Cost: {_cost(row['cost'])}.")
    else:
        said += _reasons("Means nothing on", meaningless(method))
    file = source_of(method)
    said.append(f"Source: {file.name}, in the package's folder recipes/." if own and file else f"Source: {file}.")
    measured = evidence().get(name)
    said += [f"Evidence: {'; '.join(measured)}."] if measured else ["Evidence: none yet."]
    said += [
        "",
        f"{method.__name__}: {inspect.getdoc(method)}",
        "",
        "Words (default of the paper; what pretrain uses at small scale):",
    ]
    settings = small(method) or {}
    for word, parameter in arguments(method).items():
        default = "" if parameter.default is parameter.empty else f" = {parameter.default}"
        said.append(f"  {word}{default}" + (f"; {settings[word]}" if word in settings else ""))
    said += [f"  {word} = {value}" for word, value in settings.items() if "." in word]
    return "\n".join(said)


def _cost(cost: Json) -> str:
    if cost["beside"] is None:
        return "not comparable with mae, which takes no pairs"
    return f"a step takes {cost['beside']:g} times as long as mae's on the same samples ({cost['kind']}, size XS)"


def _reasons(what: str, by_kind: Mapping[str, str]) -> list[str]:
    """A line for each reason, with the kinds that share it."""
    shared: dict[str, list[str]] = {}
    for kind, reason in by_kind.items():
        shared.setdefault(reason, []).append(kind)
    return [f"{what}: {', '.join(kinds)} ({reason})." for reason, kinds in shared.items()]


def _doc(method: Method) -> str:
    """The docstring of a method's file."""
    return inspect.cleandoc(names_around(method).get("__doc__") or "")
