"""Which recipes there are, where each is found, and which one a kind of data takes by default."""

import importlib
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..recipe import Recipe
from ..words import WordError, unknown

SHELF = "headstart.recipes"
DEFAULT = {"pair": "clip", "table": "gmml"}  # by kind, where it is not mae: docs/defaults.md


def names() -> list[str]:
    """The recipes there are: the files of `recipes/`."""
    return sorted(m.name for m in pkgutil.iter_modules(importlib.import_module(SHELF).__path__))


def find(name: str) -> Callable[..., Recipe]:
    """A recipe by the name of its file, or `pkg.module:function` from outside."""
    if ":" in name:
        module, _, function = name.partition(":")
        if str(Path.cwd()) not in sys.path:  # where a file of the user's own lies; a console script does not look there
            sys.path.insert(0, str(Path.cwd()))
        try:
            return getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise WordError(f"recipe={name} cannot be imported: {error}") from error
    name = spelled(name)
    if name not in names():
        raise unknown_recipe(name)
    return getattr(importlib.import_module(f"{SHELF}.{name}"), name)


def spelled(name: str) -> str:
    """The name of a recipe's file; papers' names are often written with hyphens."""
    return name if ":" in name else name.replace("-", "_")


def unknown_recipe(name: str) -> WordError:
    return WordError(str(unknown(name, names())).replace("word", "recipe", 1).replace("words", "recipes"))


def default_recipe(kind: str) -> str:
    """What `pretrain` takes for a kind of data: measured, docs/defaults.md."""
    return DEFAULT.get(kind, "mae")


def small(function: Callable[..., Recipe]) -> dict[str, Any] | None:
    """What a recipe takes instead of its paper's settings where encoders are narrow and time is short, as its file says."""
    said: dict[str, Any] | None = vars(sys.modules[function.__module__]).get("SMALL")
    return said


def meaningless(function: Callable[..., Recipe]) -> dict[str, str]:
    """Kinds of data on which a recipe would run and learn nothing, and why, as its file says."""
    return dict(vars(sys.modules[function.__module__]).get("MEANINGLESS", {}))
