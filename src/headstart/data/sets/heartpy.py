"""HeartPy's examples: three long recordings of a pulse (PPG), 25 s to 11 minutes, without labels (van Gent et al. 2019).

The second is from a laboratory, the third from a smartwatch in use; its time stamps come in bursts, so its average rate is
taken.
"""

from datetime import datetime
from pathlib import Path

import numpy as np

from ..source import DataError, Source
from ..sources.listed import ListSource
from ._pypi import unpacked


def load(split: str = "all") -> Source:
    """Recordings {"values": [1, 2,483 to 68,476], "channels": ["pulse"], "rate": 100 to 117 Hz}."""
    if split != "all":
        raise DataError(f"heartpy has no split {split}: write heartpy")
    folder = unpacked("heartpy==1.2.7", "heartpy/data")
    files = ["data.csv", "data2.csv", "data3.csv"]
    return ListSource([_recording(folder / name) for name in files], "series", names=files, title="heartpy")


def _recording(path: Path) -> dict[str, object]:
    lines = [line.split(",") for line in path.read_text().split()[1:]] if path.stem == "data2" else _dated(path)
    values = np.array([[line[-1] for line in lines]], np.float32)
    rate = 100.0  # data.csv states none; HeartPy's own example says 100
    if path.stem == "data2":
        rate = 1000 * (len(lines) - 1) / (float(lines[-1][0]) - float(lines[0][0]))
    if path.stem == "data3":
        first, last = (datetime.fromisoformat(lines[i][0]) for i in (0, -1))
        rate = (len(lines) - 1) / (last - first).total_seconds()
    return {"values": values, "channels": ["pulse"], "rate": rate}


def _dated(path: Path) -> list[list[str]]:
    lines = [line.split(",") for line in path.read_text().splitlines() if line.strip()]
    return lines[1:] if path.stem == "data3" else lines
