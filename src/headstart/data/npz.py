"""numpy's own files, never unpickled: an array in a .npy, samples and labels by their keys in a .npz."""

from pathlib import Path
from typing import IO, Any

import numpy as np

from .source import PICKLED, ArraySource, DataError, Source, guess_kind


def open_npz(path: Path, kind: str | None) -> Source:
    # opened here because numpy leaves the file of a damaged archive open
    with path.open("rb") as file, load_array(file, path) as archive:
        shapes = {key: _load_key(archive, key, path, header=True) for key in archive.files}
        listed = ", ".join(f"{key} {list(shape)} {dtype}" for key, (shape, dtype) in shapes.items()) or "nothing"
        size = {
            key: int(np.prod(shape, dtype=np.float64))
            for key, (shape, dtype) in shapes.items()
            if len(shape) >= (1 if dtype.kind in "US" else 2) and dtype.kind in "biufUS"
        }
        lower = {key.lower(): key for key in archive.files}
        best = max(size.values(), default=0)
        largest = [key for key, n in size.items() if n == best > 0]
        chosen = next((lower[k] for k in ("x", "images", "data", "arr_0") if k in lower and lower[k] in shapes), None)
        if chosen is None and len(largest) == 1:
            chosen = largest[0]
        if chosen is None:
            raise DataError(f"{path} holds {listed}: save the samples under the key x (and the labels under y)")
        values = _load_key(archive, chosen, path)
        stem = chosen.lower()
        pairs = [("images", "labels"), ("image", "label"), ("data", "labels"), ("x", "y")]
        beside = [stem.replace(a, b, 1) for a, b in pairs if a in stem] + ["y", "labels", "label"]
        n = values.shape[0] if values.ndim else 0
        fits = [lower[k] for k in beside if k in lower and lower[k] != chosen and shapes[lower[k]][0] in ((n,), (n, 1))]
        labels = _load_key(archive, fits[0], path) if fits else None
    if labels is not None and labels.dtype.kind == "f" and not np.array_equal(labels, np.trunc(labels)):
        labels = None  # a quantity to predict, not a class
    return ArraySource(values, kind or guess_kind(values, path.name), labels, title=path.stem)


def load_array(file: IO[bytes] | Path, path: Path, **how: Any) -> Any:
    try:
        return np.load(file, allow_pickle=False, **how)
    except Exception as error:  # a damaged header raises anything from SyntaxError to EOFError
        if "object" in str(error).lower():
            raise DataError(PICKLED.format(title=path)) from error
        raise DataError(f"{path} is damaged ({error}): save or copy it again") from error


def _load_key(archive: Any, key: str, path: Path, header: bool = False) -> Any:
    try:
        if not header:
            return archive[key]
        with archive.zip.open(key + ".npy") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            return shape, dtype
    except Exception as error:
        if "object" in str(error).lower():
            raise DataError(PICKLED.format(title=f"{path} [{key}]")) from error
        raise DataError(f"{path} [{key}] is damaged ({error}): save or copy it again") from error
