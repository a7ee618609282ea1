"""Arrays in files: .npy, .npz and idx; HDF5 and Zarr, which stay on disk. Nothing is unpickled.

`open` takes the first axis as the samples, and chooses keys as `_npz.main_array` does. `read` takes the whole file as one sample.
Numbers of HDF5 (netCDF 4) and Zarr are taken as their attributes say: scaled, and missing where they say so (`meant`).
"""

import io
import math
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ...errors import Mistake, Unreadable
from ...extras import need
from ...forms import Sample
from ..groups import AUTO, NONE
from ..source import DataError, Source
from ..sources.array import ArraySource, Values, guess_kind, source_of
from . import _idx as idx
from ._cf import OnDisk, meant
from ._limits import TIMES, unpacked
from ._npz import (
    Shapes,
    beside,
    grouped,
    headers,
    load_array,
    main_array,
    masks_of,
    open_npz,
    read_header,
    together,
    with_masks,
)

SUFFIXES = (".npy", ".npz", ".h5", ".hdf5", ".hdf", ".he5")
EXTRA = "arrays"
GENERAL = True  # arrays may be of any kind: data.kind= has the last word
LIMIT = 2**31  # bytes of one sample
NEAR = 100  # .npy files beside one, among which its labels may be
SETS = 10_000  # arrays that are looked at in one HDF5 file or Zarr store
HDF5 = b"\x89HDF\r\n\x1a\n"
# a .npz that is one sample: the keys it must hold, and the axes that the first of them has at most
KEYS = {
    "audio": ("wave", 2),
    "multispectral": ("bands", 3),
    "video": ("frames", 4),
    "volume": ("values spacing", 4),
    "graph": ("nodes edges", 2),
    "trajectory": ("state action", 2),
    "music": ("onset pitch", 1),
    "events": ("code time", 1),
    "series": ("values time", 2),
}


def kind(start: bytes, path: Path) -> str | None:
    """What the file is as one sample (.npy, a .npz with the keys of a kind), or what its samples are.

    "series" where that cannot be told: `open` and `read` say what is wrong.
    """
    packed = start.startswith(b"PK\x03\x04") and (path.suffix.lower() == ".npz" or b".npy" in start[30:300])
    try:
        if start.startswith(b"\x93NUMPY"):
            return kind_of(*_header(start)) or "series"
        if packed:
            shapes = _npz_shapes(path)
            return _kind_by_keys(shapes) or _many(shapes, path)
        if start.startswith(HDF5):
            with _hdf5(path) as file, _in_words(path):
                return _many(_inside(file), path)
    except Mistake:
        return "series"
    plain = start[:2] == b"\0\0" and len(start) > 4
    return "image" if (plain or start.startswith(idx.GZIP)) and idx.is_idx(path) else None


def open(path: Path, kind: str | None = None, group: str = AUTO) -> Source:
    """The samples along the first axis; those of HDF5 and Zarr are read when asked for. group: the array beside them (of a .npy
    the .npy) that says which hang together."""
    if path.is_dir():
        return _open_zarr(path, kind, group)
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"\x93NUMPY"):
        return _open_npy(path, kind, group)
    if start.startswith(b"PK\x03\x04"):
        if one := _kind_by_keys(_npz_shapes(path)):
            raise DataError(f"{path} is one sample ({one}): give the folder it lies in, {path.parent}")
        return open_npz(path, kind, group)
    if start.startswith(HDF5):
        file = _hdf5(path)
        with _in_words(path):
            return _stored(file, path, kind, group)
    values, labels = idx.read_idx(path), idx.labels_beside(path)
    if values.ndim == 1:
        raise DataError(f"{path} holds labels, not samples: give the images file; its labels are found beside it")
    if group not in (AUTO, NONE):
        raise DataError(f"data.group={group}: {path} holds images alone; give a file with a group for each, groups.npy")
    return source_of(
        values, kind, labels, path.name, "" if labels is None else "labels: the idx file beside it, by its name"
    )


def _open_npy(path: Path, kind: str | None, group: str) -> Source:
    """A .npy with what the others beside it say: labels or masks (y_train.npy beside x_train.npy), and what hangs together."""
    values = load_array(path, path, mmap_mode="r")
    near = {other.stem: other for other in sorted(path.parent.glob("*.npy"))[:NEAR]} | {path.stem: path}
    shapes = {name: said for name, other in near.items() if (said := _said(other)) is not None}

    def load(name: str) -> np.ndarray:
        found: np.ndarray = load_array(near[name], near[name])
        return found

    labels, why = beside(path.stem, shapes, load)
    masks = masks_of(path.stem, shapes, lambda name: load_array(near[name], near[name], mmap_mode="r"))
    source = with_masks(values, kind, labels, path.stem, why, masks)
    return grouped(source, together(path.stem, shapes, load, str(path), group))


def _said(path: Path) -> tuple[tuple[int, ...], np.dtype] | None:
    try:
        with path.open("rb") as file:
            return read_header(file)
    except Exception:  # it is no array, which raises anything: nobody asked for it
        return None


def read(path: Path, kind: str | None = None) -> Sample:
    """A .npy, or a .npz with the keys of a kind, as one sample of at most 2 GiB. Pictures come as [C, H, W]."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == b"\x93NUM":
            return _as_sample(load_array(path, path, mmap_mode="r"), kind)
        if magic == b"PK\x03\x04":
            return _dict(path)
    except DataError as error:
        raise Unreadable("", str(error).removeprefix(f"{path} ")) from error
    except OSError as error:
        raise Unreadable("", f"the file cannot be opened ({error.strerror or error})") from error
    raise Unreadable("", "it is no .npy file, and no .npz file of one sample")


def is_set(folder: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return any((folder / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def _open_zarr(folder: Path, kind: str | None, group: str) -> Source:
    """The samples of a Zarr store: an array, or a group of arrays."""
    zarr = need("zarr", EXTRA, f"reading {folder.name}")
    try:
        store = zarr.open(str(folder), mode="r")
    except Exception as error:  # damaged JSON, an unknown codec, a missing file
        raise DataError(f"{folder} is no Zarr store that can be read ({error}): save or copy it again") from error
    with _in_words(folder):
        return _stored(store, folder, kind, group)


def kind_of(shape: tuple[int, ...], dtype: np.dtype) -> str | None:
    """What one sample of this shape is: series [L], [C, L] or [L, C]; image; video; volume; text of one string."""
    if dtype.kind in "US":
        return "text" if math.prod(shape) == 1 else None
    if dtype.kind not in "biuf" or 0 in shape or not 1 <= len(shape) <= 4:
        return None
    if len(shape) == 1:
        return "series"
    if len(shape) == 2:
        return guess_kind(np.broadcast_to(np.zeros((), dtype), (1, *shape)))
    pixels = min(shape[0], shape[-1]) <= 16
    if len(shape) == 3:
        return "image" if pixels else "volume"
    return "video" if dtype == np.uint8 and (shape[1] in (1, 3) or shape[-1] in (1, 3)) else "volume"


def _kind_by_keys(shapes: Shapes) -> str | None:
    """The kind of which these arrays are one sample."""
    for kind, (keys, axes) in KEYS.items():
        needed = keys.split()
        if set(needed) <= set(shapes) and 1 <= len(shapes[needed[0]][0]) <= axes:
            return kind
    return None


def _as_sample(values: np.ndarray, kind: str | None) -> Sample:
    """An array as one sample in the form of its kind; DataError in words."""
    kind = kind or kind_of(values.shape, values.dtype)
    if kind is None or values.dtype.kind == "O":
        raise DataError(f"holds {values.dtype} of shape {list(values.shape)}, which is no sample of a known kind")
    if values.nbytes > LIMIT:
        raise DataError(f"is a sample of {values.nbytes / 2**30:.1f} GiB, and {LIMIT >> 30} are read at most: cut it")
    if values.dtype.kind in "US":
        if values.size != 1:
            raise DataError(f"holds strings of shape {list(values.shape)}: save texts along one axis, [n]")
        return str(values.reshape(-1)[0])
    if kind == "image":
        return ArraySource(values[None], "image")[0]
    if kind == "series":
        tall = values.ndim == 2 and values.shape[1] <= 64 and values.shape[0] >= 8 * values.shape[1]
        return ArraySource((values.T if tall else values)[None], "series")[0]
    if kind == "video" and values.ndim == 4 and values.shape[-1] in (1, 3) and values.shape[1] not in (1, 3):
        values = np.moveaxis(values, -1, 1)
    return np.array(values)


class _Id(Protocol):
    """What HDF5 itself says about an array."""

    def get_storage_size(self) -> int: ...


@runtime_checkable
class _HDF5Array(Protocol):
    """What only h5py's arrays have."""

    external: object  # files elsewhere that hold its values
    is_virtual: bool
    id: "_Id"

    def asstr(self) -> OnDisk: ...


@runtime_checkable
class _HDF5Group(Protocol):
    """What only h5py's groups have."""

    def visititems(self, function: Callable[[str, object], object], /) -> object: ...
    def get(self, name: str, /, *, getlink: bool) -> object: ...


@runtime_checkable
class Group(Protocol):
    """Arrays and groups by name."""

    def __iter__(self) -> Iterator[str]: ...
    def __getitem__(self, name: str, /) -> "OnDisk | Group": ...


Store = OnDisk | Group


class _Stored:
    """An array on disk that is read by sample, as it is meant; h5py and zarr are asked by one thread at a time."""

    def __init__(self, array: OnDisk, title: str, shape: tuple[int, ...]) -> None:
        self.array, self.title, self.shape, self.meant = array, title, shape, meant(array)
        self.dtype = dtype = self.meant.dtype
        self.ndim, self._lock = len(shape), threading.Lock()
        each = math.prod(shape[1:]) * dtype.itemsize
        chunk = math.prod(array.chunks or (0,)) * dtype.itemsize
        if max(each, chunk) > LIMIT:
            raise DataError(
                f"{title} holds samples of {max(each, chunk) / 2**30:.1f} GiB: store them in smaller chunks"
            )

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> np.ndarray:
        try:
            with self._lock:
                return self.meant.of(np.asarray(self.array[int(index)]))
        except Exception as error:  # a damaged chunk: each library and codec raises its own
            raise Unreadable(f"{self.title}[{index}]", f"the stored array is damaged ({error})") from error

    def min(self) -> float:
        return min(float(np.min(there)) for there in self._there())

    def max(self) -> float:
        return max(float(np.max(there)) for there in self._there())

    def _there(self) -> Iterator[np.ndarray]:
        """What is not missing of every sample, and at least one number."""
        some = False
        for i in range(len(self)):
            there = np.ma.MaskedArray(self[i]).compressed()
            some |= bool(len(there))
            if len(there):
                yield there
        if not some:
            yield np.zeros(1)


def _hdf5(path: Path) -> Any:  # a group, and a context
    try:
        return need("h5py", EXTRA, f"reading {path.name}").File(path, "r")
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, Mistake):
            raise
        raise DataError(f"{path} is damaged ({error}): save or copy it again") from error


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """What the libraries raise on damaged groups, attributes and headers, which is anything, as an error in words."""
    try:
        yield
    except (Mistake, Unreadable):
        raise
    except Exception as error:
        raise DataError(f"{path} is damaged ({error or type(error).__name__}): save or copy it again") from error


def _stored(store: Store, path: Path, kind: str | None, group: str) -> Source:
    arrays = _arrays(store)
    shapes = _inside(store)
    chosen = main_array(shapes, str(path))
    shape, dtype = shapes[chosen]

    def real(key: str) -> OnDisk:
        size = math.prod(shapes[key][0]) * shapes[key][1].itemsize
        if reason := unpacked(size, _kept(arrays[key], path / key, size // TIMES), key or "it"):
            raise DataError(f"{path} cannot be read: {reason}")
        return arrays[key]

    real(chosen)
    labels, why = beside(chosen, shapes, lambda key: _whole(real(key), shapes[key][1]))
    groups = together(chosen, shapes, lambda key: _whole(real(key), shapes[key][1]), str(path), group)
    why = "; ".join(filter(None, (meant(arrays[chosen]).said, why)))
    title = path.stem + (f"/{chosen}" if chosen and len(arrays) > 1 else "")
    values: Values = _whole(arrays[chosen], dtype) if dtype.kind in "US" else _Stored(arrays[chosen], title, shape)
    masks = masks_of(chosen, shapes, lambda key: _Stored(real(key), f"{path.stem}/{key}", shapes[key][0]))
    return grouped(with_masks(values, kind, labels, title, why, masks), groups)


def _kept(array: OnDisk, folder: Path, enough: int) -> int:
    """Bytes that an array takes on disk; of a Zarr array no more are counted than are enough."""
    if isinstance(array, _HDF5Array):
        return array.id.get_storage_size()
    found, folders = 0, [folder]
    while folders and found < enough:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif (found := found + entry.stat().st_size) >= enough:
                    break
    return found


def _inside(store: Store) -> Shapes:
    """Shape and dtype of the arrays as they are meant (`meant`); strings of any length count as strings."""
    arrays = _arrays(store)
    return {key: (tuple(a.shape), meant(a).dtype) for key, a in arrays.items()}


def _whole(array: OnDisk, dtype: np.dtype) -> np.ndarray:
    try:
        if dtype.kind == "U":
            return np.asarray((array.asstr() if isinstance(array, _HDF5Array) else array)[...]).astype(str)
        values = meant(array).of(np.asarray(array[...]))
        return np.ma.filled(values.astype(np.float64), np.nan) if isinstance(values, np.ma.MaskedArray) else values
    except Exception as error:
        raise DataError(f"the array {array.name} is damaged ({error}): save the file again") from error


def _arrays(store: Store) -> dict[str, OnDisk]:
    """The arrays by path, in order of their names. What lies in other files (links, external storage) is left out."""
    if isinstance(store, OnDisk):
        return {"": store}
    found: dict[str, OnDisk] = {}
    groups: list[tuple[str, Group, int]] = [("", store, 0)]
    while groups and len(found) < SETS:
        prefix, group, depth = groups.pop()
        for name in sorted(group):
            if isinstance(group, _HDF5Group) and type(group.get(name, getlink=True)).__name__ != "HardLink":
                continue
            inside = group[name]
            if isinstance(inside, OnDisk):
                if not (isinstance(inside, _HDF5Array) and (inside.external or inside.is_virtual)):
                    found[prefix + name] = inside
            elif depth < 8:
                groups.append((f"{prefix}{name}/", inside, depth + 1))
    return found


def _header(start: bytes) -> tuple[tuple[int, ...], np.dtype]:
    try:
        return read_header(io.BytesIO(start))
    except Exception as error:
        raise DataError(f"the header is damaged ({error})") from error


def _npz_shapes(path: Path) -> Shapes:
    with path.open("rb") as file, load_array(file, path) as archive:
        return headers(archive, path)


def _many(shapes: Shapes, path: Path) -> str | None:
    """The kind of the samples along the first axis of the chosen array."""
    shape, dtype = shapes[main_array(shapes, str(path))]
    return guess_kind(np.broadcast_to(np.zeros((), dtype), shape), path.name)


def _dict(path: Path) -> dict[str, Sample]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
            packed = sum(info.compress_size for info in archive.infolist())
    except zipfile.BadZipFile as error:
        raise DataError(f"is damaged ({error})") from error
    if size > LIMIT:
        raise DataError(f"unpacks to {size / 2**30:.1f} GiB, and {LIMIT >> 30} are read at most")
    if reason := unpacked(size, packed, str(path)):
        raise DataError(reason)
    with path.open("rb") as file, load_array(file, path) as archive:
        shapes = headers(archive, path)
        if _kind_by_keys(shapes) is None:
            raise DataError(f"holds {', '.join(shapes)}, which are not the keys of one sample")
        try:
            found = {key: archive[key] for key in archive.files}
        except Exception as error:
            raise DataError(f"is damaged ({error})") from error
    return {key: _plainly(value) for key, value in found.items()}


def _plainly(value: np.ndarray) -> Sample:
    return value.tolist() if value.ndim == 0 or value.dtype.kind in "US" else value
