"""Labelled graphs that ship inside the package GraKeL, in the layout of the TU Dortmund collection (Morris et al. 2020)."""

from ..readers import graphs
from ..source import DataError, Source
from ._pypi import unpacked


def load(name: str, split: str) -> Source:
    if split != "all":
        raise DataError(f"{name.lower()} has no split {split}: write {name.lower()}")
    return graphs.open(unpacked("grakel==0.1.11", f"grakel/tests/data/{name}"))
