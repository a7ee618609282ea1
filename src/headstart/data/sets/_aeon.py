"""Sets of the UCR and UEA time series archives that ship inside aeon and sktime, each with its published split.

Dau et al. 2019, "The UCR Time Series Archive"; Bagnall et al. 2018, "The UEA multivariate time series classification archive".
"""

from ..readers import ts
from ..source import DataError, Source
from ._pypi import unpacked

AEON, SKTIME = "aeon==1.6.0", "sktime==1.2.0"


def archived(name: str, folder: str, split: str, package: str = AEON) -> Source:
    """The train or test series of a set; `name` is what users call it, `folder` what the archive does."""
    if split not in ("train", "test"):
        raise DataError(f"{name} has no split {split}: write {name}:train or {name}:test")
    where = unpacked(package, f"{package.partition('=')[0]}/datasets/data/{folder}")
    source = ts.open(where / f"{folder}_{split.upper()}.ts")
    source.title = f"{name}:{split}"  # type: ignore[attr-defined]
    return source
