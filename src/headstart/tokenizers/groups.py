"""Small groups of points that cover a cloud: evenly spread centres, their neighbours, and an order that noise leaves alone.

All functions take batches [B, n, D] on any device, whose first three columns are x, y, z, and give for each cloud what
they give for it alone.
"""

import numpy as np
import torch
from jaxtyping import Float, Int, UInt64
from torch import Tensor

from ..errors import Mistake, Unreadable
from .want import Want

ROOM = 1 << 25  # distances held at one time: 128 MiB
CELLS = 4096  # a cloud reaches this many cells to every side at most, so that Morton codes fit
COVER = 0.9  # share of the points that rows should hold
LONGEST = 65_536  # points read of a cloud, whatever was asked for
LARGEST = 512  # points in a row
LOOKED_AT = 64  # samples that sizes are chosen from
MOST = 50_000_000  # points a sample may have before it is thinned


def farthest(clouds: Float[Tensor, "B n D"], count: int) -> Int[Tensor, "B g"]:
    """Indices of `count` points spread evenly: each the farthest from those before it (Eldar et al. 1997).

    The first is the farthest from the origin, so that the order of the points does not matter. No point comes twice.
    """
    x, y, z = (clouds[..., i].float().contiguous() for i in range(3))
    at = (x * x + y * y + z * z).argmax(1, keepdim=True)
    nearest = torch.full_like(x, torch.inf)
    chosen = []
    for _ in range(count):
        chosen.append(at)
        dx, dy, dz = x - x.gather(1, at), y - y.gather(1, at), z - z.gather(1, at)
        nearest = torch.minimum(nearest, dx * dx + dy * dy + dz * dz).scatter(1, at, -1.0)
        at = nearest.argmax(1, keepdim=True)
    return torch.cat(chosen, 1)


def neighbours(clouds: Float[Tensor, "B n D"], centres: Float[Tensor, "B g 3"], count: int) -> Int[Tensor, "B g count"]:
    """The `count` points nearest to each centre, nearest first; where a cloud has fewer, they come again from the start."""
    n = clouds.shape[1]
    near = []
    step = max(1, ROOM // max(1, n * centres.shape[1]))
    for some, middle in zip(clouds.split(step), centres.split(step), strict=True):
        # the plain distance: the form by matrix products loses the small differences that order near points
        far = torch.cdist(middle, some[..., :3].float(), compute_mode="donot_use_mm_for_euclid_dist")
        near.append(far.topk(min(n, count), largest=False).indices)
    index = torch.cat(near)
    return index[..., torch.arange(count, device=index.device) % index.shape[-1]]


def in_boxes(groups: Float[Tensor, "*lead k D"]) -> Int[Tensor, "*lead k"]:
    """The order of k points in a k-d tree: halved by x, the halves by y, their halves by z, and so on.

    So place i of every group holds a point from much the same part of it, and noise that makes two points swap moves the
    others little. By distance from the centre, neighbours in the order may lie on opposite sides. An odd part is not
    halved but sorted along its axis.
    """
    lead, k = groups.shape[:-2], groups.shape[-2]
    order = torch.arange(k, device=groups.device).expand(*lead, k)
    part, axis = k, 0
    while part > 1:
        key = groups[..., axis % 3].gather(-1, order).view(*lead, k // part, part)
        within = key.argsort(dim=-1, stable=True)
        order = order.view(*lead, k // part, part).gather(-1, within).view(*lead, k)
        if part % 2:
            break
        part, axis = part // 2, axis + 1
    return order


def take(values: Float[Tensor, "B n D"], index: Int[Tensor, "B *which"]) -> Float[Tensor, "B *which D"]:
    """values[b, index[b]] for every b."""
    flat = index.flatten(1)[..., None].expand(-1, -1, values.shape[-1])
    return values.gather(1, flat).view(*index.shape, values.shape[-1])


def groups_of(
    clouds: Float[Tensor, "B n D"], every: int, size: int, spacing: float
) -> tuple[Float[Tensor, "B g 3"], Int[Tensor, "B g k"]]:
    """Centres, one for `every` points, in Morton order of `spacing`-wide cells, and the indices of `size` points around each."""
    count = max(1, clouds.shape[1] // every)
    centres = take(clouds, farthest(clouds, count))[..., :3].float()
    order = morton(centres / spacing).argsort(dim=1, stable=True)
    centres = take(centres, order)
    near = neighbours(clouds, centres, size)
    return centres, near.gather(-1, in_boxes(take(clouds, near)[..., :3]))


def cells_of(
    clouds: Float[Tensor, "B n D"], side: float, size: int, axes: int
) -> tuple[Int[Tensor, "R axes"], Int[Tensor, "R k"], Int[Tensor, "R"], Int[Tensor, "B"]]:
    """The cubes (axes 3) or columns (axes 2) of this side that hold points, one cloud after another, each in Morton order.

    Their indices; `size` points of each as indices into the flattened clouds, evenly chosen where it has more, repeated
    where it has fewer; how many points it has; and how many cells each cloud has.
    """
    b, n = clouds.shape[:2]
    index = (clouds[..., :axes].double() / side).floor().long().clamp(-CELLS, CELLS - 1)
    key = _interleaved(index + CELLS) + (torch.arange(b, device=clouds.device)[:, None] << (13 * axes))
    order = key.flatten().argsort(stable=True)
    _, count = torch.unique_consecutive(key.flatten()[order], return_counts=True)
    start = count.cumsum(0) - count
    pick = start[:, None] + torch.arange(size, device=clouds.device) * count[:, None] // size
    points = order[pick]
    box = in_boxes(clouds.flatten(0, 1)[points][..., :3])
    first = order[start]
    return index.flatten(0, 1)[first], points.gather(1, box), count, torch.bincount(first // n, minlength=b)


def morton(coords: Float[Tensor, "*lead C"]) -> Int[Tensor, "*lead"]:
    """Places on a curve that visits near cells of side 1 one after another (Morton 1966)."""
    return _interleaved((coords.floor().long() + CELLS).clamp(0, 2 * CELLS - 1))


def _interleaved(index: Int[Tensor, "*lead C"]) -> Int[Tensor, "*lead"]:
    axes = index.shape[-1]
    code = torch.zeros_like(index[..., 0])
    for bit in range(13):
        for axis in range(axes):
            code |= ((index[..., axis] >> bit) & 1) << (bit * axes + axis)
    return code


def checked(sample: object, columns: int | None, what: str = "a cloud of points") -> Float[np.ndarray, "n D"]:
    """float64 [n, D] of a user's sample: at least one row, 3 columns or exactly `columns`, all finite."""
    if not isinstance(sample, np.ndarray):
        raise Unreadable("", f"{what} is an array [n, 3 + features], not {type(sample).__name__}")
    if sample.dtype.kind not in "iuf":
        raise Unreadable("", f"{what} holds numbers, not {sample.dtype}")
    if sample.ndim != 2 or sample.shape[1] < 3 or sample.shape[1] > 256:
        raise Unreadable("", f"{what} has shape {list(sample.shape)}, not [n, 3 + features]")
    if columns is not None and sample.shape[1] != columns:
        raise Unreadable("", f"{what} has {sample.shape[1]} columns, but the others have {columns}")
    if not 1 <= len(sample) <= MOST:
        raise Unreadable("", f"{what} has {len(sample):,} points; 1 to {MOST:,} can be read")
    values = sample.astype(np.float64)
    if not np.isfinite(values).all() or np.abs(values).max() > 1e12:
        raise Unreadable("", f"{what} holds NaN, infinite or absurdly large numbers")
    return values


def thinned(values: Float[np.ndarray, "n D"], most: int, side: float | None = None) -> Float[np.ndarray, "m D"]:
    """At most `most` rows, chosen by a hash of their numbers: as if by lot, yet whatever order they came in.

    With `side`, every cube of this side gives one row, then those with more a second, and so on: what is dense, as near a
    scanner, is thinned first.
    """
    if len(values) <= most:
        return values
    words = np.ascontiguousarray(values.astype(np.float64) + 0.0).view(np.uint32)  # + 0.0: no negative zero
    lot = np.argsort(_hashed(words), kind="stable")
    if side is not None:
        cube = np.floor(np.clip(values[lot, :3] / side, -(2.0**40), 2.0**40)).astype(np.int64)
        order = np.lexsort(cube.T)  # stable: by lot within a cube
        new = np.ones(len(lot), bool)
        new[1:] = (np.diff(cube[order], axis=0) != 0).any(1)
        start = np.maximum.accumulate(np.where(new, np.arange(len(lot)), 0))
        turn = np.empty(len(lot), np.int64)
        turn[order] = np.arange(len(lot)) - start
        lot = lot[np.argsort(turn, kind="stable")]
    return values[np.sort(lot[:most])]


def _hashed(words: np.ndarray) -> UInt64[np.ndarray, "n"]:
    """The finaliser of SplitMix64 over the columns of [n, D] words."""
    h = np.zeros(len(words), np.uint64)
    for column in words.T:
        h = (h ^ column) + np.uint64(0x9E3779B97F4A7C15)
        h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        h ^= h >> np.uint64(31)
    return h


def rounded(values: Float[np.ndarray, "n D"], grid: float) -> Float[np.ndarray, "m D"]:
    """float32 rows with x, y, z on a grid this fine, one for each place."""
    values = values.astype(np.float32)
    values[:, :3] = np.round(values[:, :3].astype(np.float64) / grid) * grid + 0.0
    return distinct(values)


def distinct(values: Float[np.ndarray, "n D"]) -> Float[np.ndarray, "m D"]:
    """Rows sorted by x, then y, then z, then the rest; of rows at one place the first is kept."""
    values = values[np.lexsort(values.T[::-1])]
    new = np.ones(len(values), bool)
    new[1:] = (values[1:, :3] != values[:-1, :3]).any(1)
    return values[new]


def shape_of(points: Float[np.ndarray, "n 3"], cells: tuple[int, int, int] = (12, 12, 12)) -> Float[np.ndarray, "F"]:
    """What the shape of a cloud inside [-1, 1]^3 is without learning, in prod(cells) + 67 numbers.

    Shares of points in a grid; a histogram of distances between pairs (D2, Osada et al. 2002), both as square roots, so
    that a plain distance between vectors is Hellinger's; and the extents.
    """
    shape = np.array(cells)
    at = np.clip(((points.astype(np.float64) + 1) / 2 * shape).astype(np.int64), 0, shape - 1)
    grid = np.bincount(np.ravel_multi_index(tuple(at.T), cells), minlength=int(shape.prod())) / len(points)
    i = np.arange(8192)
    a, b = i % len(points), (i * 7919 + i // len(points) + 1) % len(points)
    far = np.sqrt(((points[a].astype(np.float64) - points[b]) ** 2).sum(1))
    d2 = np.histogram(far, 64, (0, 2))[0] / len(i)
    return np.concatenate([np.sqrt(grid), np.sqrt(d2), np.ptp(points, axis=0)]).astype(np.float32)


def usable(samples: list, columns: int | None = None) -> list[np.ndarray]:
    """The first clouds among the samples that can be read, for sizes to be chosen from."""
    clouds, why = [], "there are no samples"
    for sample in samples[: 4 * LOOKED_AT]:
        try:
            clouds.append(checked(sample, columns))
        except Unreadable as error:
            why = error.reason
        if len(clouds) == LOOKED_AT:
            break
    if not clouds:
        raise Mistake(f"none of the samples can be read as points: {why}")
    return clouds


def sizes(counts: list[int], most: int, want: Want) -> tuple[int, int, int]:
    """Points read of a cloud, points per centre, and points in a group: twice as many, so that groups overlap."""
    points = min(want.longest or most, LONGEST, max(16, int(np.quantile(counts, 0.1))))
    every = max(1, want.patch // 2 if want.patch else round(points / want.rows))
    return points, every, min(LARGEST, want.patch or 2 ** max(3, (2 * every - 1).bit_length()))


def spread(clouds: list[np.ndarray], every: int, size: int, want: Want) -> tuple[float, int]:
    """The median distance of a centre to the next, and the size, doubled until groups hold nine tenths of the points.

    It is doubled twice at most; clouds that are dense in some places need it, since centres are spread evenly.
    """
    gaps, covers = [], []
    sizes = [size] if want.patch else [k for k in (size, 2 * size, 4 * size) if k <= LARGEST]
    for cloud in clouds[:16]:
        x = torch.from_numpy(cloud)[None]
        centres, _ = groups_of(x, every, size, 1.0)
        covers.append([len(neighbours(x, centres, k).unique()) / x.shape[1] for k in sizes])
        if centres.shape[1] > 1:
            gaps.append(float(torch.cdist(centres[0], centres[0]).fill_diagonal_(torch.inf).amin(1).median()))
    enough = [k for k, cover in zip(sizes, np.median(covers, axis=0), strict=True) if cover >= COVER]
    reach = max(float(np.abs(cloud[:, :3]).max()) for cloud in clouds)
    return max(float(np.median(gaps)) if gaps else 1.0, 1e-3 * reach, 1e-9), min(enough, default=sizes[-1])
