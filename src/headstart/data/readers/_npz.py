"""numpy's own files, never unpickled: an array in a .npy, samples and labels by their keys in a .npz."""

import math
from collections.abc import Callable, Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..cells import Column
from ..classes import as_column
from ..groups import AUTO, Grouped, Groups, decide, hold
from ..labels import beside_array, masks_beside
from ..masks import fractions, of_array
from ..source import DataError, Source
from ..sources.array import PICKLED, ArraySource, Values, source_of
from ..sources.listed import ListSource
from ._limits import claimed, unpacked

Shapes = Mapping[str, tuple[tuple[int, ...], np.dtype]]


def open_npz(path: Path, kind: str | None, group: str = AUTO) -> Source:
    # opened here because numpy leaves the file of a damaged archive open
    with path.open("rb") as file, load_array(file, path) as archive:
        shapes = headers(archive, path)
        chosen = main_array(shapes, str(path))
        values = _load_key(archive, chosen, path)
        labels, why = beside(chosen, shapes, lambda key: _load_key(archive, key, path))
        groups = together(chosen, shapes, lambda key: _load_key(archive, key, path), str(path), group)
        masks = masks_of(chosen, shapes, lambda key: _load_key(archive, key, path))
    return grouped(with_masks(values, kind, labels, path.stem, why, masks), groups)


def masks_of(chosen: str, shapes: Shapes, load: Callable[[str], Values]) -> tuple[Values, str, str] | None:
    """(masks, name, why they cannot be used or "") of the samples under the key `chosen`, which lie in the same group; None where
    there are none."""
    before = chosen[: chosen.rfind("/") + 1]
    near = {key[len(before) :]: shape for key, (shape, _) in shapes.items() if key.startswith(before)}
    name = masks_beside(chosen[len(before) :], near)
    if name is None or not near[name][0]:
        return None
    values = load(before + name)
    return values, name, fractions(np.ma.getdata(values[0]))


def with_masks(
    values: Values,
    kind: str | None,
    labels: np.ndarray | None,
    title: str,
    why: str,
    masks: tuple[Values, str, str] | None,
) -> Source:
    """`source_of`, which knows its masks; in place of what was said of them as labels. They may say that these are series, and
    that time is the second axis."""
    if masks is None:
        return source_of(values, kind, labels, title, why)
    given, name, wrong = masks
    if wrong:
        rest = [said for said in why.split("; ") if not said.startswith(f"not {name},")]
        why = "; ".join(filter(None, [*rest, f"not {name} as masks, as of the first {wrong.replace('; ', ', ')}"]))
        return source_of(values, kind, labels, title, why)
    if len(given.shape) == 2 and len(values.shape) in (2, 3):
        kind = kind or "series"
    turned = given.shape == values.shape[:2] != (values.shape[0], values.shape[-1]) and len(values.shape) == 3
    if kind == "series" and turned and isinstance(values, np.ndarray):
        values = np.moveaxis(values, 2, 1)
    source = source_of(values, kind, labels, title, why)
    each = kind == "series" and len(given.shape) > 2  # of every channel: no class of a row
    if isinstance(source, ArraySource | ListSource) and not each:
        source.masks = of_array(given, name)
        if source.labels is None:
            rest = [said for said in why.split("; ") if said and not said.startswith(f"not {name},")]
            source.why = "; ".join([f"{source.masks.why}, for task=segmentation", *rest])
    return source


def beside(chosen: str, shapes: Shapes, load: Callable[[str], np.ndarray]) -> tuple[np.ndarray | None, str]:
    """The labels of the samples under the key `chosen`, which lie in the same group, and a line about them."""
    before, near = _near(chosen, shapes)
    return beside_array(chosen[len(before) :], near, lambda name: load(before + name))


def together(chosen: str, shapes: Shapes, load: Callable[[str], np.ndarray], title: str, asked: str) -> Groups:
    """What the arrays beside the samples say of which hang together: one that is named for it, or the one asked for."""
    before, near = _near(chosen, shapes)
    own = chosen[len(before) :]
    n = near[own][:1]
    able = [name for name, shape in near.items() if name != own and shape in (n, (*n, 1))]

    def column(name: str) -> Column:
        return as_column(name, load(before + name).reshape(-1).tolist())

    return decide([*able, *([own] if asked == AUTO else [])], column, title, asked, what="array")


def grouped(source: Source, groups: Groups) -> Source:
    """The source, of which these hang together."""
    if groups.why and isinstance(source, Grouped):
        hold(source, groups)
    return source


def _near(chosen: str, shapes: Shapes) -> tuple[str, dict[str, tuple[int, ...]]]:
    """The group that an array lies in, with its slash, and what is in it, by name."""
    before = chosen[: chosen.rfind("/") + 1]
    inside = {key[len(before) :]: shape for key, (shape, _) in shapes.items() if key.startswith(before)}
    return before, {name: shape for name, shape in inside.items() if "/" not in name}


def main_array(shapes: Shapes, title: str) -> str:
    """The key of the samples, by name and else by size; DataError in words. Of paths ("train/x") the last part counts."""
    listed = ", ".join(f"{key} {list(shape)} {dtype}" for key, (shape, dtype) in shapes.items()) or "nothing"
    size = {
        key: int(np.prod(shape, dtype=np.float64))
        for key, (shape, dtype) in shapes.items()
        if len(shape) >= (1 if dtype.kind in "US" else 2) and dtype.kind in "biufUS"
    }
    lower = {key.rpartition("/")[2].lower(): key for key in reversed(list(shapes))}
    best = max(size.values(), default=0)
    largest = [key for key, n in size.items() if n == best > 0]
    named = [lower[k] for k in ("x", "images", "data", "arr_0") if k in lower]
    chosen = next((key for key in named if key in size), None)  # x may be a coordinate, and no array of samples
    if chosen is None and len(largest) == 1:
        chosen = largest[0]
    if chosen is None and named:
        chosen = named[0]
    if chosen is None:
        raise DataError(f"{title} holds {listed}: save the samples under the key x (and the labels under y)")
    return chosen


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


def read_header(file: BufferedIOBase) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of the .npy that begins here."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _load_key(archive: Any, key: str, path: Path, header: bool = False) -> Any:
    try:
        if not header:
            info = archive.zip.getinfo(f"{key}.npy")
            if reason := unpacked(info.file_size, info.compress_size, f"{path} [{key}]"):
                raise DataError(reason)
            return archive[key]
        with archive.zip.open(key + ".npy") as file:
            shape, dtype = read_header(file)
        there = archive.zip.getinfo(key + ".npy").file_size
        if reason := claimed(math.prod(shape), dtype.itemsize, there, "values"):
            raise DataError(f"{path} [{key}] is damaged: {reason}")
        return shape, dtype
    except DataError:
        raise
    except Exception as error:
        if "object" in str(error).lower():
            raise DataError(PICKLED.format(title=f"{path} [{key}]")) from error
        raise DataError(f"{path} [{key}] is damaged ({error}): save or copy it again") from error
