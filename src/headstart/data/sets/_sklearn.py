"""Tables that come with scikit-learn."""

from typing import Any

import numpy as np

from ..source import DataError, Source
from ..sources.listed import ListSource


def table(data: Any, title: str, split: str) -> Source:
    """The rows of a set as scikit-learn gives it; without names of classes its target is a quantity."""
    if split != "all":
        raise DataError(f"{title} has no split {split}: write {title}")
    names = [str(name) for name in data.feature_names]
    rows = [dict(zip(names, row, strict=True)) for row in data.data.tolist()]
    if "target_names" in data:
        return ListSource(rows, "table", data.target, [str(name) for name in data.target_names], title=title)
    source = ListSource(rows, "table", title=title)
    source.labels = data.target.astype(np.float32)  # whole numbers, which ListSource would take for classes
    return source
