"""Wine: 178 rows of 13 chemical measurements; which of three growers. It comes with scikit-learn."""

from sklearn import datasets

from ..source import Source
from ._sklearn import table


def load(split: str = "all") -> Source:
    """Aeberhard & Forina 1992, UCI repository. Classes: class_0 59, class_1 71, class_2 48."""
    return table(datasets.load_wine(), "wine", split)
