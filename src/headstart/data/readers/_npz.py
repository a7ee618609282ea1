"""numpy's own files, never unpickled: an array in a .npy, samples and labels by their keys in a .npz."""

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..labels import archive_keys
from ..source import DataError, Source
from ..sources.array import PICKLED, source_of

Shapes = Mapping[str, tuple[tuple[int, ...], np.dtype]]


def open_npz(path: Path, kind: str | None) -> Source:
    # opened here because numpy leaves the file of a damaged archive open
    with path.open("rb") as file, load_array(file, path) as archive:
        shapes = headers(archive, path)
        chosen, beside = choose(shapes, str(path))
        values = _load_key(archive, chosen, path)
        labels = None if beside is None else _load_key(archive, beside, path)
    return source_of(values, kind, labels, path.stem)


def choose(shapes: Shapes, title: str) -> tuple[str, str | None]:
    """The keys of the samples and of their labels (None: there are none), by name and else by size; DataError in words.

    Keys may be paths ("train/x"): their last part counts, and the labels lie beside the samples.
    """
    listed = ", ".join(f"{key} {list(shape)} {dtype}" for key, (shape, dtype) in shapes.items()) or "nothing"
    size = {
        key: int(np.prod(shape, dtype=np.float64))
        for key, (shape, dtype) in shapes.items()
        if len(shape) >= (1 if dtype.kind in "US" else 2) and dtype.kind in "biufUS"
    }
    lower = {key.rpartition("/")[2].lower(): key for key in reversed(list(shapes))}
    best = max(size.values(), default=0)
    largest = [key for key, n in size.items() if n == best > 0]
    chosen = next((lower[k] for k in ("x", "images", "data", "arr_0") if k in lower), None)
    if chosen is None and len(largest) == 1:
        chosen = largest[0]
    if chosen is None:
        raise DataError(f"{title} holds {listed}: save the samples under the key x (and the labels under y)")
    folder, _, stem = chosen.lower().rpartition("/")
    shape = shapes[chosen][0]
    n = shape[0] if shape else 0
    near = {key.rpartition("/")[2].lower(): key for key in shapes if key.lower().rpartition("/")[0] == folder}
    fits = [
        near[k] for k in archive_keys(stem) if k in near and near[k] != chosen and shapes[near[k]][0] in ((n,), (n, 1))
    ]
    return chosen, fits[0] if fits else None


def headers(archive: Any, path: Path) -> Shapes:
    """Shape and dtype of every array in an open .npz."""
    return {key: _load_key(archive, key, path, header=True) for key in archive.files}


def load_array(file: IO[bytes] | Path, path: Path, **how: Any) -> Any:
    try:
        return np.load(file, allow_pickle=False, **how)
    except Exception as error:  # a damaged header raises anything from SyntaxError to EOFError
        if "object" in str(error).lower():
            raise DataError(PICKLED.format(title=path)) from error
        raise DataError(f"{path} is damaged ({error}): save or copy it again") from error


def read_header(file: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of the .npy that begins here."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _load_key(archive: Any, key: str, path: Path, header: bool = False) -> Any:
    try:
        if not header:
            return archive[key]
        with archive.zip.open(key + ".npy") as file:
            return read_header(file)
    except Exception as error:
        if "object" in str(error).lower():
            raise DataError(PICKLED.format(title=f"{path} [{key}]")) from error
        raise DataError(f"{path} [{key}] is damaged ({error}): save or copy it again") from error
