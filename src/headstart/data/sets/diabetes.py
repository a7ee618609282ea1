"""Diabetes: 442 patients with 10 measurements; how far the disease had gone a year later, 25 to 346. From scikit-learn."""

from sklearn import datasets

from ..source import Source
from ._sklearn import table


def load(split: str = "all") -> Source:
    """Efron et al. 2004, section 2 and table 1, in the units of the clinic. The labels are a quantity: no classes."""
    return table(datasets.load_diabetes(scaled=False), "diabetes", split)
