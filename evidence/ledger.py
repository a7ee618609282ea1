"""What was measured, one row per slug in `ledger.json`, and whether the code is still the code that was measured."""

import datetime
import fcntl
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import headstart

from . import closure
from .claim import Claim, Measured

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
    """The slugs that have a check: the files here that define `check(trial)`."""
    return sorted(
        slug_of(path.stem) for path in HOME.glob("*.py") if "\ndef check(trial" in path.read_text(encoding="utf-8")
    )


def recipes() -> list[str]:
    """The names of the recipes there are."""
    return sorted(path.stem for path in RECIPES.glob("[!_]*.py"))


# is it still what was measured


def hash_of(slug: str) -> str:
    """16 hex digits for what the recipe, its check, and everything that these rest on do; wording does not matter."""
    name = name_of(slug)
    recipe = f"headstart.recipes.{name}"
    return closure.hash_of(
        [
            (f"evidence.{name}", "check"),
            (f"evidence.{name}", "TRAINED"),
            (f"evidence.{name}", "NOT_SHOWN"),
            (recipe, name),
            (recipe, "SMALL"),
            (recipe, "IDEAS"),
        ]
    )


def stale(slug: str) -> bool:
    """There is no row, or the code has changed since."""
    row = rows().get(slug)
    return row is None or row["hash"] != hash_of(slug)


# rows


def rows() -> dict[str, Row]:
    """Every row, by slug."""
    path = HOME / "ledger.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def claim_of(row: Row) -> Claim:
    """The claim of a row again."""
    figures = tuple(Measured(**figure) for figure in row["figures"])
    return Claim(figures, tuple(row["ideas"]), row.get("not shown", {}), tuple(row.get("other settings", ())))


def row_of(claim: Claim, seconds: float, code: str) -> Row:
    """A row as it is written down. code: the hash of what was run."""
    figures = [
        asdict(figure)
        | {"worst": _short(figure.worst), "without": {name: _short(x) for name, x in figure.without.items()}}
        for figure in claim.figures
    ]
    row = {
        "verdict": claim.verdict,
        "ideas": list(claim.ideas),
        "not shown": dict(claim.not_shown),
        "other settings": list(claim.other),
        "figures": [{name: value for name, value in figure.items() if value not in (None, "")} for figure in figures],
        "seconds": round(seconds, 1),
        "hash": code,
        "headstart": headstart.__version__,
        "torch": version("torch"),
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
    }
    return {name: value for name, value in row.items() if value not in ([], {})}


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


def _short(x: float) -> float:
    """With six digits, as a plain float."""
    return float(f"{x:.6g}")


@contextmanager
def _alone() -> Iterator[None]:
    """No other process is here at the same time."""
    folder = os.open(HOME, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
