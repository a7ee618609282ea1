"""Diabetes: 442 patients with 10 measurements; how far the disease had gone a year later, 25 to 346. From scikit-learn."""

import numpy as np
from sklearn import datasets

from ..source import DataError, ListSource, Source


def load(split: str = "all") -> Source:
    """Efron et al. 2004, section 2 and table 1, in the units of the clinic. The labels are a quantity: no classes."""
    if split != "all":
        raise DataError(f"diabetes has no split {split}: write diabetes")
    data = datasets.load_diabetes(scaled=False)
    rows = [dict(zip(data.feature_names, row, strict=True)) for row in data.data.tolist()]
    source = ListSource(rows, "table", title="diabetes")
    source.labels = data.target.astype(np.float32)  # whole numbers, which ListSource would take for classes
    return source
