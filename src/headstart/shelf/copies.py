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
    read = dict(package.read) if package else {}
    main = read.pop(Path(package.original.name)) if package else file.read_bytes() if file else b""
    for place, text in read.items():
        write_bytes(folder / BESIDE / place, text)
    write_bytes(folder / COPY, main)


def kept(name: str, folder: Path) -> tuple[Method, str]:
    """(method, what to say): the method of the run in `folder`, which was called `name`.

    A user's own is taken from the run's copy where the original is gone or has changed since. The package's own are not: which
    version of them a run had is written in run.json.
    """
    place, function = divided(name)
    copy, beside = folder.resolve() / COPY, folder.resolve() / BESIDE
    if not function or not copy.is_file():
        return find(name), ""
    file, parent = file_of(name), place.rpartition(".")[0]
    if file is not None:
        now = _compared({copy: file} | {p: file.parent / p.relative_to(beside) for p in beside.rglob("*.py")})
    else:
        try:
            now = _compared({copy: source_of(find(name)) or copy})
        except WordError:
            now = f"{place} cannot be imported here"
    if not now:
        return find(name), ""
    original = Path(*place.split(".")).with_suffix(".py") if file is None else file
    module = loaded(copy, name, original, beside, parent if file is None else "")
    return chosen(module, copy, function, name), f"{now}; this run's own copy is taken, {copy}"


def _compared(files: dict[Path, Path]) -> str:
    """What became of originals, by their copies; "" if nothing."""
    gone = [str(original) for original in files.values() if not original.is_file()]
    if gone:
        return f"{gone[0]} is gone"
    changed = [str(original) for copy, original in files.items() if original.read_bytes() != copy.read_bytes()]
    return f"{changed[0]} has changed since" if changed else ""
