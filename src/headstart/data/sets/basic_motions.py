"""BasicMotions: 40 + 40 recordings of a watch's accelerometer and gyroscope [6, 100]; four activities, such as badminton."""

from ..source import Source
from ._aeon import archived


def load(split: str = "train") -> Source:
    return archived("basic-motions", "BasicMotions", split)
