"""Wine: 178 rows of 13 chemical measurements; which of three growers. It comes with scikit-learn."""

from sklearn import datasets

from ..source import DataError, ListSource, Source


def load(split: str = "all") -> Source:
    """Aeberhard & Forina 1992, UCI repository. Classes: class_0 59, class_1 71, class_2 48."""
    if split != "all":
        raise DataError(f"wine has no split {split}: write wine")
    data = datasets.load_wine()
    names = [str(n) for n in data.feature_names]
    rows = [dict(zip(names, row, strict=True)) for row in data.data.tolist()]
    return ListSource(rows, "table", data.target, [str(n) for n in data.target_names], title="wine")
