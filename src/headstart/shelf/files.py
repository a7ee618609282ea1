"""A Python file that lies anywhere, imported under a name that no other file has, together with the files beside it.

Two methods may both have a `parts.py` beside them, and a run's copy of a method has its own beside the original's. So a file
and its neighbours form a package of their own, named after the file's path and source, and an import in one of them looks there
first, as it would if the file were run as a script.
"""

import builtins
import hashlib
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import resolve_name, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

PREFIX = "headstart_method_"


class Neighbours(Loader):
    """The package that a file and those beside it form.

    main: the file, which may be a copy of `original`; the others lie in `folder`. parent: the package, of those installed, in
    which relative imports look; "" for this one. read: the source of what was imported, as it was executed, by its place.
    """

    def __init__(self, name: str, main: Path, original: Path, folder: Path, parent: str) -> None:
        self.name, self.main, self.original, self.folder, self.parent = name, main, original, folder, parent
        self.read: dict[Path, bytes] = {}

    def package(self) -> ModuleType:
        """The package itself, still empty."""
        made = ModuleType(self.name, f"{self.original} and the files beside it.")
        made.__path__, made.__loader__ = [], self
        return made

    def file(self, parts: Sequence[str]) -> Path | None:
        """Where a module of the package lies."""
        if list(parts) == [self.original.stem]:
            return self.main
        base = self.folder.joinpath(*parts)
        return next((f for f in (base.with_name(f"{base.name}.py"), base / "__init__.py") if f.is_file()), None)

    def moved(self, main: Path, folder: Path) -> bool:
        """Whether all that was imported is the same there; then what is still to be imported is looked for there."""
        for place, text in self.read.items():
            file = main if place.name == self.original.name else folder / place
            if not file.is_file() or file.read_bytes() != text:
                return False
        self.main, self.folder = main, folder
        return True

    def exec_module(self, module: ModuleType) -> None:
        file, names = Path(str(module.__file__)), vars(module)
        text = file.read_bytes()
        self.read[Path(self.original.name) if file == self.main else file.relative_to(self.folder)] = text
        names["__builtins__"] = {
            **vars(builtins),
            "__import__": self.look_up,
        }  # what `import` calls, in these files alone
        exec(compile(text, str(file), "exec", dont_inherit=True), names)

    def look_up(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """`__import__`, which finds what lies beside first, but for Python's own modules and headstart."""
        top = name.partition(".")[0]
        if level and self.parent:
            name, level = resolve_name("." * level + name, self.parent), 0
        elif not level and top not in sys.stdlib_module_names and top != "headstart" and self.file([top]):
            name = f"{self.name}.{name}"
            if not fromlist:  # `import a.b` gives a
                importlib.import_module(name)
                return sys.modules[f"{self.name}.{top}"]
        return builtins.__import__(name, globals, locals, fromlist or (), level)


class _Finder(MetaPathFinder):
    """Finds the modules of such packages."""

    def find_spec(
        self, fullname: str, path: Iterable[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top, *parts = fullname.split(".")
        loader = sys.modules[top].__loader__ if parts and top in sys.modules else None
        file = loader.file(parts) if isinstance(loader, Neighbours) else None
        if file is None:
            return None
        inside = [str(file.parent)] if file.name == "__init__.py" else None
        return spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=inside)


FINDER = _Finder()


def imported(main: Path, original: Path | None = None, folder: Path | None = None, parent: str = "") -> ModuleType:
    """The module of the file `main`, imported again only if it or a file beside it has changed since.

    original: the file that it is a copy of; folder: where the files beside it lie, if they do not. A copy and its original
    are the same module, as long as they are the same. What it raises comes through.
    """
    original, folder = original or main, folder or main.parent
    name = name_of(original, main.read_bytes())
    package = sys.modules.get(name)
    loader = package.__loader__ if package else None
    if not isinstance(loader, Neighbours) or not loader.moved(main, folder):
        forget(name)
        sys.modules[name] = Neighbours(name, main, original, folder, parent).package()
    if FINDER not in sys.meta_path:
        sys.meta_path.insert(0, FINDER)
    try:
        return importlib.import_module(f"{name}.{original.stem}")
    except BaseException:
        forget(name)
        raise


def name_of(original: Path, text: bytes) -> str:
    """Of the package that a file with this source and those beside it form."""
    return PREFIX + hashlib.sha256(os.fsencode(original) + b"\0" + text).hexdigest()[:12]


def forget(name: str) -> None:
    """Drop a package and its modules, so that they are imported anew."""
    for each in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
        del sys.modules[each]


def names_around(function: Callable[..., Any]) -> dict[str, Any]:
    """What is defined in the file of a function; not through sys.modules, where a newer version of the file may stand."""
    around: dict[str, Any] = inspect.unwrap(function).__globals__  # type: ignore[attr-defined]
    return around


def neighbours(function: Callable[..., Any]) -> Neighbours | None:
    """The package that a function's file is part of, if it was imported here."""
    loader = names_around(function).get("__loader__")
    return loader if isinstance(loader, Neighbours) else None
