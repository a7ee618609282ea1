"""GunPoint: 50 + 150 paths of a hand [1, 150]; whether it draws a gun or points (Ratanamahatana and Keogh 2004)."""

from ..source import Source
from ._aeon import archived


def load(split: str = "train") -> Source:
    return archived("gun-point", "GunPoint", split)
