"""ArrowHead: 36 + 175 outlines of stone arrowheads as series [1, 251]; three kinds of arrowhead (Ye and Keogh 2009)."""

from ..source import Source
from ._aeon import archived


def load(split: str = "train") -> Source:
    return archived("arrow-head", "ArrowHead", split)
