"""Breast cancer Wisconsin: 569 rows of 30 measurements of cell nuclei; malignant or benign. It comes with scikit-learn."""

from sklearn import datasets

from ..source import DataError, ListSource, Source


def load(split: str = "all") -> Source:
    """Wolberg, Street & Mangasarian 1995, UCI repository. Classes: malignant 212, benign 357."""
    if split != "all":
        raise DataError(f"breast_cancer has no split {split}: write breast_cancer")
    data = datasets.load_breast_cancer()
    names = [str(n) for n in data.feature_names]
    rows = [dict(zip(names, row, strict=True)) for row in data.data.tolist()]
    return ListSource(rows, "table", data.target, [str(n) for n in data.target_names], title="breast_cancer")
