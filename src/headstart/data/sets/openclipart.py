"""Openclipart: 6,900 colour drawings of every size; the 22 folders they are filed under are the labels."""

from ..images import FolderSource
from ..source import DataError, Source
from ._debian import unpacked


def load(split: str = "all") -> Source:
    if split != "all":
        raise DataError(f"openclipart has no split {split}: write openclipart")
    return FolderSource(unpacked("openclipart-png", "usr/share/openclipart/png"))
