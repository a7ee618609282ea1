"""`headstart recipes`: the methods there are, and the card of each."""

import inspect

from ..planning import DEFAULT, SMALL, default_recipe, find, names
from ..words import arguments


def recipes(name: str | None = None) -> str:
    """A line for every recipe; with a name, its paper, mechanism, differences, words and the defaults `pretrain` uses."""
    if name is None:
        lines = []
        for each in names():
            module = inspect.getmodule(find(each))
            first = inspect.getdoc(module).split("(")[0].strip() if module else ""  # type: ignore[union-attr]
            special = ", ".join(kind for kind, chosen in DEFAULT.items() if chosen == each)
            mark = f"  [default for {special}]" if special else "  [default]" if each == default_recipe("") else ""
            lines.append(f"{each:12s} {' '.join(first.partition(':')[2].split())}{mark}")
        return "\n".join([*lines, "", "headstart recipes NAME shows one of them."])
    function = find(name)
    module = inspect.getmodule(function)
    said = [
        inspect.getdoc(module) or "",
        "",
        f"{name}: {inspect.getdoc(function)}",
        "",
        "words (default of the paper; what pretrain uses at small scale):",
    ]
    small = SMALL.get(name, {})
    for word, parameter in arguments(function).items():
        default = "" if parameter.default is parameter.empty else f" = {parameter.default}"
        said.append(f"  {word}{default}" + (f"; {small[word]}" if word in small else ""))
    said += [f"  {word} = {value}" for word, value in small.items() if "." in word]
    return "\n".join(said)
