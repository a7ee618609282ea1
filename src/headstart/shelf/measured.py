"""What the package's recipes work on and what was measured of each, as `python -m evidence` wrote it down."""

import json
from functools import cache
from pathlib import Path

from ..forms import Json

RECIPES = Path(__file__).parents[1] / "recipes"


def matrix() -> Json:
    """{recipe: {"kinds": {kind: "" where it works, else its reason}, "meaningless": {kind: reason}, "cost": {...}}}."""
    return _kept("matrix.json")


def evidence() -> dict[str, list[str]]:
    """{recipe: what was measured of it, a sentence for each figure}."""
    return _kept("evidence.json")


@cache
def _kept(name: str) -> Json:
    path = RECIPES / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
