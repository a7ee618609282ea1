"""MUTAG: 188 nitroaromatic compounds as graphs; the label says which are mutagenic (Debnath et al. 1991).

Nodes are atoms (one of 7 elements), edges bonds (one of 4 types), without hydrogen. 125 of 188 are mutagenic. From the
TU Dortmund collection, as GraKeL ships it.
"""

from ..source import Source
from . import _grakel


def load(split: str = "all") -> Source:
    return _grakel.load("MUTAG", split)
