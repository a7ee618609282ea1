"""Cuneiform: 267 handwritten Hittite signs as graphs of wedges; the 30 signs are the labels (Kriege et al. 2018).

A node is a point of a wedge with its place in space and its role, an edge joins the points of a wedge or neighbouring
wedges. From the TU Dortmund collection, as GraKeL ships it.
"""

from ..source import Source
from . import _grakel


def load(split: str = "all") -> Source:
    return _grakel.load("Cuneiform", split)
