"""Named sets of real data: a file here is a name on the command line, and "name:split" asks for a split."""

import difflib
import importlib
import pkgutil

from ..source import DataError, Source


def names() -> list[str]:
    return sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load(name: str) -> Source:
    """The set called `name`, or one split of it as in "fashion-mnist:test"; fetched if not here yet."""
    base, _, split = name.partition(":")
    if base not in names():
        near = difflib.get_close_matches(base.lower().replace("_", "-"), names(), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? " if near else ""
        raise DataError(f"there is no set called {base}: {hint}The sets are {', '.join(names())}")
    module = importlib.import_module(f"{__name__}.{base.replace('-', '_')}")
    return module.load(split) if split else module.load()
