"""Words by where they go."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from ..nn.encoder import Model
from ..optim import find
from ..recipe import Care, Input, Method
from ..words import GROUPS, WordError, arguments, fit, settings, unknown

SENSE: dict[str, tuple[Callable[[float], bool], str]] = {
    "optim.lr": (lambda x: 0 < x < math.inf, "a learning rate is more than 0, or nothing is learnt, such as 3e-4"),
    "ratio": (
        lambda x: 0 < x < 1,
        "it is the share that is hidden, above 0 (else there is nothing to restore) and below 1",
    ),
    "temperature": (lambda x: 0 < x < math.inf, "it divides, so it is more than 0"),
}  # words of any method that has them


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
    own = groups[""] if function.__module__.startswith("headstart.") else {}  # what words of others mean is theirs
    asked = {**own, "optim.lr": groups["optim"].get("lr")}
    if "lost" in own and asked.get("ratio") == 0:  # places are lost instead
        del asked["ratio"]
    _refuse_senseless(asked)
    return groups


def _refuse_senseless(given: Mapping[str, object]) -> None:
    """A WordError for numbers with which nothing is learnt, or what is learnt is not what was asked for."""
    for name, (right, what) in SENSE.items():
        value = given.get(name)
        if isinstance(value, int | float) and not right(value):
            raise WordError(f"{name}={value}: {what}")
