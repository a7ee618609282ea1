"""Methods that are not in the package: `path/to/file.py:function`, and `pkg.module:function` of what is installed."""

import importlib
import inspect
import os
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType

from ..home import expanded
from ..recipe import Method
from ..words import WordError
from .files import PREFIX, imported, names_around

ASKED = "a recipe is called with (data, size, ...)"


def divided(name: str) -> tuple[str, str]:
    """(file or module, function, "" if it is left out)."""
    head, colon, tail = name.rpartition(":")
    return (head, tail) if colon and tail.isidentifier() else (name, "")


def file_of(name: str) -> Path | None:
    """The file that a name speaks of, whether it is there or not; None for a module, or a name of the package's own.

    `file:function` means the file file.py of the current folder, where there is one.
    """
    place, function = divided(name)
    if place.endswith(".py") or "/" in place or os.sep in place:
        return expanded(place).resolve()
    here = Path.cwd() / f"{place}.py"
    return here.resolve() if function and here.is_file() else None


def foreign(name: str) -> bool:
    """Whether a name speaks of code that is not headstart's own."""
    return bool(divided(name)[1]) or file_of(name) is not None


def outside(name: str) -> Method:
    """The method of this name; every way in which it cannot be had is a WordError that says what to do."""
    file, function = file_of(name), divided(name)[1]
    return _from_file(file, name, function) if file else _from_module(divided(name)[0], name, function)


def chosen(module: ModuleType, file: Path, function: str, name: str) -> Method:
    """The recipe of this name in a module that came from `file`; without a name the only one, or that of the file's name."""
    there = _recipes_in(module)
    if not function:
        if not there:
            raise WordError(
                f"recipe={name}: {file} defines no recipe, a function whose first arguments are data and size"
            )
        if len(there) > 1 and file.stem not in there:
            both = f"it defines {', '.join(there)}"
            raise WordError(f"recipe={name}: say which recipe of {file}, as in {file.name}:{there[0]}; {both}")
        function = file.stem if file.stem in there else there[0]
    method = getattr(module, function, None)
    if method is None:
        has = f"its recipes are {', '.join(there)}" if there else f"it defines no recipe: {ASKED}"
        raise WordError(f"recipe={name}: there is no function {function} in {file}; {has}")
    if not inspect.isfunction(method):
        raise WordError(f"recipe={name}: {function} in {file} is a {type(method).__name__}, not a function")
    if method.__module__ != module.__name__:
        raise WordError(f"recipe={name}: {file} imports {function}; name the file that defines it, {source_of(method)}")
    wrong = _misfit(method)
    if wrong:
        raise WordError(f"recipe={name}: {function}{inspect.signature(method)} in {file} {wrong}")
    return method


def _recipes_in(module: ModuleType) -> list[str]:
    """The recipes that a module defines."""
    own = {n: f for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__}
    return [name for name, f in own.items() if not name.startswith("_") and _first_two(f) == ["data", "size"]]


def failed(error: BaseException, name: str, folder: Path | None = None) -> WordError:
    """A sentence for what was raised while a method was imported: what, and in which line of whose file."""
    if isinstance(error, SyntaxError) and error.filename:
        place = f"line {error.lineno} of {error.filename}: {error.msg}"
        return WordError(f"recipe={name} cannot be imported: {place}")
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if folder is not None and Path(f.filename).is_relative_to(folder)]
    place = f"line {own[-1].lineno} of {own[-1].filename}: " if own else ""
    return WordError(f"recipe={name} cannot be imported: {place}{type(error).__name__}: {error}")


def _from_file(file: Path, name: str, function: str) -> Method:
    if not file.is_file():
        near = sorted(p.name for p in file.parent.glob("*.py")) if file.parent.is_dir() else []
        some = f"; in that folder there is {', '.join(near[:8])}" if near else ""
        raise WordError(f"recipe={name}: there is no file {file}{some}")
    if file.suffix != ".py":
        raise WordError(f"recipe={name}: {file} is no .py file")
    return chosen(loaded(file, name), file, function, name)


def loaded(
    main: Path, name: str, original: Path | None = None, folder: Path | None = None, parent: str = ""
) -> ModuleType:
    """`files.imported`, with a sentence for whatever it raises."""
    try:
        return imported(main, original, folder, parent)
    except (Exception, SystemExit) as error:
        said = str(failed(error, name, main.parent))
        raise WordError(re.sub(rf"{PREFIX}\w+\.", "", said)) from error


def _from_module(place: str, name: str, function: str) -> Method:
    if str(Path.cwd()) not in sys.path:  # a package may lie here; a console script does not look
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(place)
    except (Exception, SystemExit) as error:
        raise failed(error, name, Path.cwd()) from error
    return chosen(module, Path(module.__file__ or place), function, name)


def _misfit(method: Method) -> str:
    """What is wrong with the arguments of a recipe, "" if nothing."""
    parameters = inspect.signature(method).parameters.values()
    if _first_two(method) != ["data", "size"]:
        return f"is no recipe: {ASKED}"
    loose = [p.name for p in parameters if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY)]
    return f"cannot be told {', '.join(loose)} by name: write out the words that it takes" if loose else ""


def source_of(method: Method) -> Path | None:
    """The file that a method was read from."""
    file = names_around(method).get("__file__")
    return Path(file) if file else None


def _first_two(method: Method) -> list[str]:
    return list(inspect.signature(method).parameters)[:2]
