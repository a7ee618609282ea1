"""Where rows lie on the points of a sample as it was read: a mask becomes labels of rows, and what rows say a map, by the same
arithmetic as the sample was brought to its size."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

UNKNOWN = -1  # a class that nobody named
KNOWN = 0.5  # share of a row's footprint that says something, at least, or it has no label
BLOCK = 2**24  # numbers that are interpolated at once


@dataclass(frozen=True)
class Alignment:
    """sizes: points of the sample as it was read along each axis of a mask. at: for each axis, where every point of the fitted
    sample lies among these (0: on the first; before it or behind the last: padding). patch: points that a row covers along each
    axis. columns: which coordinates of a row count these patches."""

    sizes: tuple[int, ...]
    at: tuple[np.ndarray, ...]
    patch: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Patches along every axis."""
        return tuple(-(-len(at) // p) for at, p in zip(self.at, self.patch, strict=True))

    def cells(self, coords: Float[np.ndarray, "T C"]) -> Int[np.ndarray, "T"]:
        """The number of the patch that each row covers, in reading order; several rows (bands) may cover the same."""
        places = np.rint(coords[:, list(self.columns)]).astype(np.int64)
        return np.ravel_multi_index(tuple(places.T), self.counts)

    def labels(self, mask: Int[np.ndarray, "..."], coords: Float[np.ndarray, "T C"]) -> Int[np.ndarray, "T"]:
        """The commonest class of each row's footprint in a mask of the sample as it was read (below 0: unknown), each point of
        the fitted sample having that of the nearest; -1 where less than half of the footprint says anything."""
        fitted = np.asarray(mask, np.int64)
        for axis, (at, size, patch) in enumerate(zip(self.at, self.sizes, self.patch, strict=True)):
            nearest = np.floor(at + 0.5).astype(np.int64)
            inside = (nearest >= 0) & (nearest < size)
            fitted = np.take(fitted, nearest.clip(0, size - 1), axis)
            fitted = np.where(np.expand_dims(inside, [a for a in range(fitted.ndim) if a != axis]), fitted, UNKNOWN)
            more = [(0, -len(at) % patch if a == axis else 0) for a in range(fitted.ndim)]
            fitted = np.pad(fitted, more, constant_values=UNKNOWN)
        k = len(self.patch)
        split = [n for pair in zip(self.counts, self.patch, strict=True) for n in pair]
        each = fitted.reshape(split).transpose(*range(0, 2 * k, 2), *range(1, 2 * k, 2))
        return _commonest(each.reshape(-1, math.prod(self.patch)))[self.cells(coords)]

    def spread(self, out: Float[np.ndarray, "T K"], coords: Float[np.ndarray, "T C"]) -> Int[np.ndarray, "..."]:
        """The likeliest class at every point of the sample as it was read: outputs of rows (the mean of those that cover one
        patch) are interpolated linearly, and beyond the outermost rows these count."""
        grid = self._grid(out.astype(np.float64), self.cells(coords))
        weights = [self._weights(axis) for axis in range(len(self.sizes))]
        for axis in range(len(self.sizes) - 1, 0, -1):
            grid = np.moveaxis(np.tensordot(weights[axis], grid, (1, axis)), 0, axis)
        rows = max(1, BLOCK // (math.prod(self.sizes[1:]) * out.shape[1]))
        parts = [np.tensordot(weights[0][i : i + rows], grid, (1, 0)).argmax(-1) for i in range(0, self.sizes[0], rows)]
        return np.concatenate(parts)

    def _grid(self, out: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """[..., K] of every patch; where no row covers one, that of the nearest that a row covers."""
        many = math.prod(self.counts)
        count = np.bincount(cells, minlength=many)
        total = np.stack([np.bincount(cells, column, many) for column in out.T], 1)
        grid = (total / np.maximum(count, 1)[:, None]).reshape(*self.counts, -1)
        empty = (count == 0).reshape(self.counts)
        if empty.any():
            from scipy import ndimage  # here, because it takes a while and is seldom asked

            near = ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
            grid = grid[tuple(near)]
        return grid

    def _weights(self, axis: int) -> Float[np.ndarray, "N P"]:
        """How much every patch counts at each point of the sample along an axis."""
        at, patch, count = self.at[axis], self.patch[axis], self.counts[axis]
        fitted = _extended(np.arange(self.sizes[axis]), at)
        place = ((fitted + 0.5) / patch - 0.5).clip(0, count - 1)
        left = np.minimum(place.astype(np.int64), max(0, count - 2))
        weights = np.zeros((len(place), count))
        rows = np.arange(len(place))
        weights[rows, left] = 1 - (place - left)
        weights[rows, np.minimum(left + 1, count - 1)] += place - left
        return weights


def _extended(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Where points of the sample lie among those of the fitted one, which lie at `at`."""
    if len(at) == 1:
        return points - at[0]
    return np.interp(points, at, np.arange(len(at)))


def _commonest(each: Int[np.ndarray, "N P"]) -> Int[np.ndarray, "N"]:
    """The commonest class of every row, the smallest of several; UNKNOWN where less than half is known."""
    known = each >= 0
    classes, code = np.unique(each[known], return_inverse=True)
    if not len(classes):
        return np.full(len(each), UNKNOWN)
    owner = np.broadcast_to(np.arange(len(each))[:, None], each.shape)[known]
    counts = np.bincount(owner * len(classes) + code, minlength=len(each) * len(classes)).reshape(len(each), -1)
    return np.where(known.sum(1) >= KNOWN * each.shape[1], classes[counts.argmax(1)], UNKNOWN)
