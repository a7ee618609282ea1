"""OSULeaf: 200 + 242 outlines of leaves as series [1, 427]; six species (Gandhi 2002)."""

from ..source import Source
from ._aeon import archived


def load(split: str = "train") -> Source:
    return archived("osu-leaf", "OSULeaf", split)
