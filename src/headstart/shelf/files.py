"""A Python file that lies anywhere, imported under a name that no other file has, together with the files beside it.

Two methods may both have a `parts.py` beside them, and a run's copy of a method has its own beside the original's. So a file
and its neighbours form a package of their own, named after the file's path, and an import in one of them looks there first,
as it would if the file were run as a script.
"""

import builtins
import hashlib
import importlib
import inspect
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
    """The package that a file and those beside it form. main: the file, of which `stem` is the module's name.

    folder: where the others lie. parent: the package, of those installed, in which relative imports look; "" for this one.
    read: the source of every file that was imported, as it was executed.
    """

    def __init__(self, main: Path, folder: Path, stem: str, parent: str) -> None:
        self.name, self.main, self.folder, self.stem, self.parent = name_of(main), main, folder, stem, parent
        self.read: dict[Path, bytes] = {}

    def package(self) -> ModuleType:
        """The package itself, still empty."""
        made = ModuleType(self.name, f"{self.main} and the files beside it.")
        made.__path__, made.__loader__ = [], self
        return made

    def file(self, parts: Sequence[str]) -> Path | None:
        """Where a module of the package lies."""
        if list(parts) == [self.stem]:
            return self.main
        base = self.folder.joinpath(*parts)
        return next((f for f in (base.with_name(f"{base.name}.py"), base / "__init__.py") if f.is_file()), None)

    def beside(self) -> dict[Path, bytes]:
        """The sources that the main file imported, by their place in the folder."""
        return {file.relative_to(self.folder): text for file, text in self.read.items() if file != self.main}

    def changed(self) -> bool:
        """Whether a file is no longer what was executed."""
        return any(not file.is_file() or file.read_bytes() != text for file, text in self.read.items())

    def exec_module(self, module: ModuleType) -> None:
        file, names = Path(str(module.__file__)), vars(module)
        self.read[file] = file.read_bytes()
        names["__builtins__"] = {
            **vars(builtins),
            "__import__": self.look_up,
        }  # what `import` calls, in these files alone
        exec(compile(self.read[file], str(file), "exec", dont_inherit=True), names)

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


def imported(main: Path, folder: Path | None = None, stem: str = "", parent: str = "") -> ModuleType:
    """The module of the file `main`, imported again only if it or a file beside it has changed since.

    folder: where the files beside it lie, if they do not; stem: its name among them. What it raises comes through.
    """
    package = sys.modules.get(name_of(main))
    loader = package.__loader__ if package else None
    if not isinstance(loader, Neighbours) or loader.changed():
        loader = Neighbours(main, folder or main.parent, stem or main.stem, parent)
        forget(loader.name)
        sys.modules[loader.name] = loader.package()
    if FINDER not in sys.meta_path:
        sys.meta_path.insert(0, FINDER)
    try:
        return importlib.import_module(f"{loader.name}.{loader.stem}")
    except BaseException:
        forget(loader.name)
        raise


def name_of(main: Path) -> str:
    """Of the package that a file and those beside it form."""
    return PREFIX + hashlib.sha256(str(main).encode()).hexdigest()[:12]


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
