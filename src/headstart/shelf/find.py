"""Which recipes there are, where each is found, and which one a kind of data takes by default."""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from ..recipe import Method
from ..words import WordError, unknown
from .files import names_around, neighbours
from .outside import divided, file_of, outside, source_of

SHELF = "headstart.recipes"
AUTO = "auto"  # what stands for the best of the candidates
USUAL = "descriptors"  # measured on a set of each kind: docs/log.md, 2026-11-30, night
DEFAULT = {"pair": "clip", "table": "gmml"}  # by kind, where it is another
BY_ROW = "mae"  # where what will be told is told of each place: descriptors are of samples as wholes

TRIED = ("mae", "simclr", "descriptors")  # beside the default, where there is time to begin several


def names() -> list[str]:
    """The recipes there are: the files of `recipes/`."""
    return sorted(m.name for m in pkgutil.iter_modules(importlib.import_module(SHELF).__path__))


def find(name: str) -> Method:
    """A recipe by the name of its file, `path/to/file.py:function` or `pkg.module:function`; WordError where there is none.

    The function may be left out where a file defines only one recipe, or one of the file's own name.
    """
    place, function = divided(name)
    if function or file_of(name):
        return outside(name)
    place = place.replace("-", "_")  # papers' names are often written with hyphens
    if place not in names():
        raise WordError(str(unknown(place, names())).replace("word", "recipe", 1).replace("words", "recipes"))
    method: Method = getattr(importlib.import_module(f"{SHELF}.{place}"), place)
    return method


def called(method: Method) -> str:
    """The name by which `find` finds a method from any folder."""
    module, name = method.__module__, method.__name__
    if module == f"{SHELF}.{name}":
        return name
    package = neighbours(method)
    return f"{package.original if package else module}:{name}"


def spelled(name: str) -> str:
    """A name as `called` would have it; if nothing is found, as far as that can be told."""
    try:
        return called(find(name))
    except WordError:
        file, function = file_of(name), divided(name)[1]
        return f"{file}:{function}".removesuffix(":") if file else name


def default_recipe(kind: str, masks: bool = False) -> str:
    """What `pretrain` takes for a kind of data: measured, docs/defaults.md, docs/log.md. masks: there are some beside it, a class
    for each place."""
    return BY_ROW if masks and kind not in DEFAULT else DEFAULT.get(kind, USUAL)


def candidates(kind: str) -> tuple[str, ...]:
    """What `pretrain` begins where there is time, the default first; of paired data the default alone."""
    usual = default_recipe(kind)
    if kind == "pair":
        return (usual,)
    others = [name for name in TRIED if name != usual and not (usual == "gmml" and name == "mae")]
    return (usual, *(name for name in others if kind not in meaningless(find(name))))


def small(method: Method) -> Mapping[str, Any] | None:
    """What a recipe takes instead of its own defaults where encoders are narrow and time is short, as its file says (SMALL);
    None where it says nothing."""
    return _said(method, "SMALL")


def meaningless(method: Method) -> Mapping[str, str]:
    """Kinds of data on which a recipe would run and learn nothing, and why, as its file says."""
    return _said(method, "MEANINGLESS") or {}


def ideas(method: Method) -> Mapping[str, Mapping[str, object]]:
    """What a recipe calls its ideas, each with the arguments that take it out, as its file says (IDEAS)."""
    return _said(method, "IDEAS") or {}


def _said(method: Method, name: str) -> Mapping[str, Any] | None:
    said = names_around(method).get(name)
    if said is not None and not isinstance(said, Mapping):
        raise WordError(f"{name} in {source_of(method)} is a {type(said).__name__}: it is a dict")
    return said
