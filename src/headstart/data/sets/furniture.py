"""Furniture: 2,048 points on the surface of each of 820 models of Sweet Home 3D, filed under 12 categories, which are the labels.

From five libraries (Blend Swap CC-0 and CC-BY, Kator Legaz, Reallusion, Scopia) in the Debian package sweethome3d-furniture:
chairs, cupboards, ovens, doors, trees, cars, people. Points are [2048, 3] float32 in centimetres, z up. Models of nearly one
shape (a window with other panes) are one group: 787 in all. The models are OBJ files, sampled once and cached.
"""

import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...errors import Unreadable
from ...home import cache
from ..readers.mesh import obj, surface
from ..source import DataError, Source
from ..sources.listed import ListSource
from ._debian import unpacked

CATALOGUE = "PluginFurnitureCatalog.properties"
BYTES = 64 << 20  # of one model, unpacked; the largest here has 11 MB
ALIKE = 0.025  # sizes and distances between points differ by no more than this, in radii: one shape


def load(split: str = "all") -> Source:
    if split != "all":
        raise DataError(f"furniture has no split {split}: write furniture")
    folder = unpacked("sweethome3d-furniture", "usr/share/sweethome3d/furniture")
    kept = cache() / "sweethome3d-furniture-points-1.npz"
    try:
        with np.load(kept, allow_pickle=False) as file:
            points, categories, names, groups = (file[key] for key in ("points", "categories", "names", "groups"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        points, categories, names = convert(folder)
        groups = alike(points)
        _keep(kept, points=points, categories=categories, names=names, groups=groups)
    return ListSource(list(points), "points", categories, names=names.tolist(), title="furniture", groups=groups)


def convert(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points [n, 2048, 3], categories [n] and names [n] of the models in all libraries (.sh3f) of a folder."""
    points, categories, names = [], [], []
    for library in sorted(folder.glob("*.sh3f")):
        for values, category, name in _models(library):
            points.append(values)
            categories.append(category)
            names.append(f"{library.stem}/{name}")
    if not points:
        raise DataError(f"there are no models in {folder}: delete it and try again")
    return np.stack(points), np.array(categories), np.array(names)


def alike(points: np.ndarray) -> np.ndarray:
    """The group of each cloud of [n, p, 3]: shared with all that have nearly its shape, whatever their size and place.

    Shapes are compared by their extents and by quantiles of the distances between points (D2, Osada et al. 2002).
    """
    seen = np.stack([_distances(cloud.astype(np.float64)) for cloud in points])
    groups = np.arange(len(points))
    for i in range(1, len(points)):
        for j in np.flatnonzero(np.abs(seen[:i] - seen[i]).max(1) < ALIKE):
            groups[groups == groups[i]] = groups[j]
    return groups


def _distances(cloud: np.ndarray) -> np.ndarray:
    cloud = cloud - (cloud.max(0) + cloud.min(0)) / 2
    cloud = cloud / max(float(np.linalg.norm(cloud, axis=1).max()), 1e-9)
    some = cloud[:: max(1, len(cloud) // 256)]
    square = (some**2).sum(1)
    far = np.sqrt((square[:, None] + square - 2 * some @ some.T).clip(0))[np.triu_indices(len(some), 1)]
    return np.concatenate([np.quantile(far, np.linspace(0, 1, 65)[:-1]), np.ptp(cloud, axis=0)])


def _models(library: Path) -> Iterator[tuple[np.ndarray, str, str]]:
    try:
        with zipfile.ZipFile(library) as file:
            said = dict(re.findall(r"^([\w#]+)=(.*?)\s*$", _inside(file, CATALOGUE).decode("latin-1"), re.MULTILINE))
            for number in [key.partition("#")[2] for key in said if key.startswith("model#")]:
                vertices, faces = obj(_inside(file, said[f"model#{number}"].lstrip("/")))
                turn = said.get(f"modelRotation#{number}")
                if turn:
                    vertices = vertices @ np.array(turn.split(), np.float64).reshape(3, 3).T
                upright = np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], 1)
                size = [float(said[f"{side}#{number}"]) for side in ("width", "depth", "height")]
                upright *= np.array(size) / np.maximum(np.ptp(upright, axis=0), 1e-9)
                upright -= (upright.max(0) + upright.min(0)) / 2
                yield surface(upright, faces), said[f"category#{number}"], _plain(said[f"name#{number}"])
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, Unreadable) as error:
        raise DataError(f"{library} is not a library of furniture ({error}): delete it and try again") from error


def _plain(text: str) -> str:
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)


def _inside(file: zipfile.ZipFile, name: str) -> bytes:
    if file.getinfo(name).file_size > BYTES:
        raise ValueError(f"{name} has more than {BYTES >> 20} MiB")
    return file.read(name)


def _keep(path: Path, **arrays: np.ndarray) -> None:
    """Whole or not at all; a cache that cannot be written only costs time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".furniture-", dir=path.parent) as part:
            whole = Path(part) / "whole.npz"
            np.savez(whole, **arrays)  # type: ignore[arg-type]
            whole.replace(path)
    except OSError:
        return
