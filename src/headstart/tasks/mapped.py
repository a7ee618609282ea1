"""Maps of classes in files: one archive, or a folder with a file for each sample."""

import io
import json
from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from ..data.source import DataError
from ..forms import Json
from ..writing import utf8, whole, write_bytes, write_json
from .predicting import Predicted

CLASSES = "classes.json"


def archive(found: Predicted, part: Path) -> None:
    """name, classes, number (of each class in a map), share; predicted [n, ...], or predicted/NAME where sizes differ."""
    assert found.maps is not None
    one = len({each.shape for each in found.maps}) == 1
    maps = {"predicted": np.stack(found.maps)} if one else {
        f"predicted/{utf8(name)}": each for name, each in zip(_apart(found.names), found.maps, strict=True)
    }  # fmt: skip
    with part.open("wb") as file:
        np.savez(
            file,
            name=np.array([utf8(name) for name in found.names]),
            classes=np.array(found.classes),
            number=np.array(found.numbers),
            share=found.said,
            **maps,  # type: ignore[arg-type]
        )


def ready(place: Path) -> None:
    """A DataError where a folder holds what this did not write: masks of somebody's own, perhaps."""
    if place.exists() and not place.is_dir():
        raise DataError(f"out={place} is a file: give a folder for the maps, or a name that ends in .npz or .csv")
    there = sorted(p.name for p in place.iterdir()) if place.exists() else []
    if there and not _is_ours(place):
        raise DataError(f"out={place} holds other files ({', '.join(there[:3])}): give the maps a folder of their own")


def files(found: Predicted, place: Path) -> None:
    """A PNG of the numbers for each picture, a .npy for anything else; classes.json first, which says what the numbers mean."""
    assert found.maps is not None
    ready(place)
    means = {str(number): name for number, name in zip(found.numbers, found.classes, strict=True)}
    write_json(place / CLASSES, {"by": "headstart predict", "classes": means})
    for name, each in zip(_apart(found.names), found.maps, strict=True):
        if each.ndim == 2 and each.dtype in (np.uint8, np.uint16):
            write_bytes(_inside(place, f"{name}.png"), _png(each))
        else:
            with whole(_inside(place, f"{name}.npy")) as part, part.open("wb") as file:
                np.save(file, each)


def _is_ours(place: Path) -> bool:
    try:
        said: Json = json.loads((place / CLASSES).read_text())
        return said.get("by") == "headstart predict"
    except (OSError, ValueError, AttributeError):
        return False


def _apart(names: list[str]) -> list[str]:
    """Names without the suffixes of files, but where two would become one."""
    short = [
        str(PurePosixPath(name).with_suffix("")) if "." in PurePosixPath(name).name[1:] else name for name in names
    ]
    often = Counter(short)
    return [name if often[stem] > 1 else stem for name, stem in zip(names, short, strict=True)]


def _inside(place: Path, name: str) -> Path:
    """A file below a folder, whatever its name says."""
    return place.joinpath(*(part for part in PurePosixPath(name).parts if part not in ("/", "..")))


def _png(numbers: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(numbers).save(held, "PNG")
    return held.getvalue()
