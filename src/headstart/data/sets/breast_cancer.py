"""Breast cancer Wisconsin: 569 rows of 30 measurements of cell nuclei; malignant or benign. It comes with scikit-learn."""

from sklearn import datasets

from ..source import Source
from ._sklearn import table


def load(split: str = "all") -> Source:
    """Wolberg, Street & Mangasarian 1995, UCI repository. Classes: malignant 212, benign 357."""
    return table(datasets.load_breast_cancer(), "breast-cancer", split)
