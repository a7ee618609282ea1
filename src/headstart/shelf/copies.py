"""The source of a method beside its run: `recipe.py`, and `recipe/` for the files that it imported from beside it."""

from pathlib import Path

from ..checkpoint import write_bytes
from ..recipe import Method
from ..words import WordError
from .files import neighbours
from .find import find
from .outside import chosen, divided, file_of, loaded, source_of

COPY, BESIDE = "recipe.py", "recipe"


def keep(method: Method, folder: Path) -> None:
    """Put the source of a method into a run's folder, as it was executed."""
    package, file = neighbours(method), source_of(method)
    for place, text in (package.beside() if package else {}).items():
        write_bytes(folder / BESIDE / place, text)
    if file is not None:
        write_bytes(folder / COPY, package.read[package.main] if package else file.read_bytes())


def kept(name: str, folder: Path) -> tuple[Method, str]:
    """(method, what to say): the method of the run in `folder`, which was called `name`.

    A user's own is taken from the run's copy where the original is gone or has changed since. The package's own are not: which
    version of them a run had is written in run.json.
    """
    place, function = divided(name)
    copy = folder / COPY
    if not function or not copy.is_file():
        return find(name), ""
    file = file_of(name)
    if file is not None:
        there = {copy: file} | {
            p: file.parent / p.relative_to(folder / BESIDE) for p in (folder / BESIDE).rglob("*.py")
        }
        now = _compared(there)
        if not now:
            return find(name), ""
        parent, stem = "", file.stem
    else:
        try:
            method = find(name)
            now = _compared({copy: source_of(method) or copy})
            if not now:
                return method, ""
        except WordError:
            now = f"{place} cannot be imported here"
        parent, _, stem = place.rpartition(".")
    module = loaded(copy.resolve(), name, (folder / BESIDE).resolve(), stem, parent)
    return chosen(module, copy, function, name), f"{now}; this run's own copy is taken, {copy}"


def _compared(files: dict[Path, Path]) -> str:
    """What became of originals, by their copies; "" if nothing."""
    gone = [str(original) for original in files.values() if not original.is_file()]
    if gone:
        return f"{gone[0]} is gone"
    changed = [str(original) for copy, original in files.items() if original.read_bytes() != copy.read_bytes()]
    return f"{changed[0]} has changed since" if changed else ""
