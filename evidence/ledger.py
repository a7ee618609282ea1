"""What was measured, one row per slug in `ledger.json`, and whether the code is still the code that was measured."""

import ast
import datetime
import fcntl
import hashlib
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import headstart

from .claim import Claim, Figure

HOME = Path(__file__).resolve().parent  # checks, ledger.json, records.json
RECIPES = HOME.parent / "src" / "headstart" / "recipes"
Row = dict[str, Any]


def name_of(slug: str) -> str:
    """The file name, without suffix, of a slug's check and recipe."""
    return slug.replace("-", "_")


def slug_of(name: str) -> str:
    return name.replace("_", "-")


def check_of(slug: str) -> Path:
    return HOME / f"{name_of(slug)}.py"


def checks() -> list[str]:
    """The slugs that have a check: the files here that define `check`."""
    return sorted(
        slug_of(path.stem) for path in HOME.glob("*.py") if "\ndef check(" in path.read_text(encoding="utf-8")
    )


def recipes() -> list[str]:
    """The names of the recipes there are."""
    return sorted(path.stem for path in RECIPES.glob("[!_]*.py"))


# is it still what was measured


def hash_of(slug: str) -> str:
    """16 hex digits for what the code of the recipe, if there is one, and of the check does; wording does not matter.

    Nor does `SMALL` in the recipe's file: what `pretrain` takes at small scale is nothing that a check reads.
    """
    code = [code_of(RECIPES / f"{name_of(slug)}.py", without="SMALL"), code_of(check_of(slug))]
    return hashlib.sha256(repr(code).encode()).hexdigest()[:16]


def code_of(path: Path, without: str = "") -> Any:
    """What a file does, apart from one name that it sets; its text where that is no Python, nothing where there is none."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text
    tree.body = [node for node in tree.body if without not in _sets(node)]
    return plain(tree)


def _sets(node: ast.stmt) -> list[str]:
    """The names that a line sets."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def plain(node: Any) -> Any:
    """A syntax tree as nested tuples without docstrings, places and empty fields.

    `ast.dump` would do, but writes empty fields in some versions of Python and not in others.
    """
    if isinstance(node, list):
        return tuple(plain(item) for item in node)
    if not isinstance(node, ast.AST):
        return node
    fields = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, []) and name != "ctx"]
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        doc = ast.get_docstring(node, clean=False) is not None
        fields = [(name, value[1:] if name == "body" and doc else value) for name, value in fields]
    return type(node).__name__, *((name, plain(value)) for name, value in fields)


def stale(slug: str) -> bool:
    """There is no row, or the code has changed since."""
    row = rows().get(slug)
    return row is None or row["hash"] != hash_of(slug)


# rows


def rows() -> dict[str, Row]:
    """Every row, by slug."""
    path = HOME / "ledger.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def figures(row: Row) -> tuple[Figure, ...]:
    """The figures of a row again."""
    said = [{name: value for name, value in figure.items() if name != "holds"} for figure in row["figures"]]
    return tuple(Figure(**figure) for figure in said)


def row_of(claim: Claim, seconds: float, code: str) -> Row:
    """A row as it is written down. code: the hash of what was run."""
    claim = Claim(tuple(_short(figure) for figure in claim.figures))
    made = [asdict(figure) | {"holds": figure.holds} for figure in claim.figures]
    return {
        "holds": claim.holds,
        "figures": [{name: value for name, value in figure.items() if value not in (None, "")} for figure in made],
        "seconds": round(seconds, 1),
        "hash": code,
        "headstart": headstart.__version__,
        "torch": version("torch"),
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
    }


def write(slug: str, row: Row) -> None:
    """Put a row into the ledger, whoever else is writing to it."""
    with _alone():
        every = dict(sorted((rows() | {slug: row}).items()))
        put(HOME / "ledger.json", json.dumps(every, indent=1, ensure_ascii=False) + "\n")


def put(path: Path, text: str) -> None:
    """A file, there whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _short(figure: Figure) -> Figure:
    """With six digits, as plain floats."""
    baseline = None if figure.baseline is None else float(f"{figure.baseline:.6g}")
    return replace(figure, value=float(f"{figure.value:.6g}"), baseline=baseline)


@contextmanager
def _alone() -> Iterator[None]:
    """No other process is here at the same time."""
    folder = os.open(HOME, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
