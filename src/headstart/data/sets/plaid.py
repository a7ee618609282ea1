"""PLAID: 537 + 537 electric currents of appliances as they start [1, 100 to 1,344]; eleven appliances (Gao et al. 2014)."""

from ..source import Source
from ._aeon import SKTIME, archived


def load(split: str = "train") -> Source:
    return archived("plaid", "PLAID", split, SKTIME)
