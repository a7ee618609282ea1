"""Words by where they go."""

from collections.abc import Mapping
from typing import Any

from ..nn.encoder import Model
from ..optim import find
from ..recipe import Care, Input, Method
from ..words import GROUPS, arguments, fit, settings, unknown


def sort_words(words: Mapping[str, Any], function: Method) -> dict[str, dict[str, Any]]:
    """Words by where they go: the recipe's arguments, its size and steps, or one of the four groups. Unknown ones raise."""
    known = arguments(function)
    bare = ["recipe", "size", "steps", "optim", *known]
    groups: dict[str, dict[str, Any]] = {"": {}, "bare": {}, **{g: {} for g in GROUPS}}
    for name, value in words.items():
        head, _, tail = name.partition(".")
        if tail and head in GROUPS:
            groups[head][tail] = value
        elif name in known:
            groups[""][name] = fit(name, value, known[name].annotation)
        elif name in bare:
            groups["bare"][name] = value
        else:
            records = {
                "data": Input(),
                "model": Model(),
                "optim": find(str(words.get("optim", "adamw")))(),
                "run": Care(),
            }
            every = [*bare, *(f"{group}.{word}" for group, record in records.items() for word in settings(record))]
            raise unknown(name, every)
    if "optim" in groups["bare"]:
        find(str(groups["bare"]["optim"]))  # before anything is read
    return groups
