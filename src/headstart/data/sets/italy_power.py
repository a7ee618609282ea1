"""ItalyPowerDemand: 67 + 1,029 days of Italy's hourly power demand [1, 24]; winter or summer half-year (Keogh et al. 2006)."""

from ..source import Source
from ._aeon import archived


def load(split: str = "train") -> Source:
    return archived("italy-power", "ItalyPowerDemand", split)
