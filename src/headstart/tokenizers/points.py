"""Clouds of points as rows of small groups: objects, rooms, and sweeps of a laser scanner."""

from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import Unreadable
from ..forms import Json, Sample
from ..tokens import Tokenizer, Tokens, layout
from .groups import (
    CELLS,
    COVER,
    LONGEST,
    cells_of,
    checked,
    distinct,
    groups_of,
    rounded,
    shape_of,
    sizes,
    spread,
    take,
    thinned,
    usable,
)
from .payload import Numbers
from .want import Want

OBJECT, SCENE, CLOUD = 1_024, 4_096, 16_384  # points read of an object, a room, a sweep
EACH, FINE = 48, 8  # points read for every cell; into how many parts a cell's side is cut where they are thinned


@dataclass(frozen=True)
class PointsTokenizer(Tokenizer):
    """A row is `patch` points near each other, [patch * (3 + features)], relative to the row's place, in a k-d tree's order.

    cells says what a row is. "groups": centres spread evenly over the cloud, one for `every` points, and the nearest
    points of each, overlapping (Point-BERT, Yu et al. 2022; Point-MAE, Pang et al. 2022); each cloud is brought to the
    unit sphere if `unit`. "voxels" and "pillars": the occupied cubes, or upright columns, of side `spacing`, as many as
    there are, for sweeps of tens of metres whose scanner sits at the origin; such a row has one number more, log2 of how
    many points its cell holds, and points repeated where there are too few. Coordinates are in units of `spacing`. At most
    `points` are read of a cloud (65,536 at most), chosen by a hash of their numbers, in sweeps the densest places thinned first.
    z is up.
    """

    cells: str = "groups"
    points: int = OBJECT
    every: int = 16
    patch: int = 32
    features: int = 0
    unit: bool = True
    centred: bool = True
    spacing: float = 0.25
    mean: tuple[float, ...] = (0.0,) * 3  # of x, y, z in units of `spacing`, of the features, of the count
    std: tuple[float, ...] = (1.0,) * 3
    low: tuple[float, ...] = (-1.0,) * 3  # where nearly all points lie, for `raw`
    high: tuple[float, ...] = (1.0,) * 3

    kind = "points"
    signal = False
    stacked = True

    @classmethod
    def fit(cls, samples: list, want: Want = Want()) -> "PointsTokenizer":  # frozen
        """Cells for clouds of over 5,000 points and 20 units (metres) in extent, pillars if these are flat, else groups."""
        clouds = usable(samples)
        features = min(c.shape[1] for c in clouds) - 3 if len({c.shape[1] for c in clouds}) == 1 else 0
        spans = np.array([np.quantile(c[:, :3], [0.01, 0.99], axis=0) for c in clouds])  # [S, 2, 3]
        count, extent = np.median([len(c) for c in clouds]), np.median(np.ptp(spans, axis=1), axis=0)
        if count > 5_000 and extent.max() > 20:
            away = np.median(np.linalg.norm(spans.mean(1), axis=1)) > extent.max()
            flat = extent[2] < 0.25 * extent[:2].max()
            start = cls("pillars" if flat else "voxels", CLOUD, 1, 32, features, False, bool(away), 1.0)
            return _fit_cells(start, clouds, want)
        room = count > 20_000
        start = cls(
            "groups", SCENE if room else OBJECT, 16, 32, features, not room, True, float(extent.max()) * 0.1 or 1.0
        )
        return _fit_groups(start, clouds, want)

    @property
    def axes(self) -> tuple[str, ...]:
        return tuple(f"{name} [neighbours]" for name in "xyz"[: self._axes])

    @property
    def dim(self) -> int:
        return self.patch * (3 + self.features) + (self.cells != "groups")

    @property
    def _axes(self) -> int:
        return 2 if self.cells == "pillars" else 3

    def fitted(self, sample: Sample) -> Float[np.ndarray, "n D"]:
        """[n, 3 + features] float32, at most `points` rows, sorted, no two at one place; in the unit sphere if `unit`.

        A cloud that is not scaled loses what lies beyond 4,096 cells. More columns are left out where the others have none.
        """
        values = checked(sample, 3 + self.features if self.features else None)[:, : 3 + self.features]
        values = thinned(distinct(values), self.points, None if self.cells == "groups" else self.spacing / FINE)
        for _ in range(8):  # points that fall together move the centre
            n = len(values)
            values = rounded(self._placed(values), self.spacing * 2.0**-16)
            if len(values) == n:
                break
        inside = np.abs(values[:, :3]).max(1) < (CELLS - 1) * self.spacing
        if not inside.any():
            raise Unreadable("", f"no point lies within {CELLS * self.spacing:.0f} of the origin")
        return values[inside]

    def _placed(self, values: np.ndarray) -> Float[np.ndarray, "n D"]:
        values = values.astype(np.float64)
        if not self.centred:
            return values
        middle = values[:, :3].mean(0)
        radius = np.linalg.norm(values[:, :3] - middle, axis=1).max()
        if np.linalg.norm(middle) > 1e-5 * radius:
            values[:, :3] -= middle
        if self.unit and abs(radius - 1) > 1e-5 and radius > 0:
            values[:, :3] /= radius
        return values

    def __call__(self, sample: np.ndarray | Tensor) -> Tokens:
        return self.many(torch.as_tensor(sample)[None])

    def many(self, clouds: Tensor) -> Tokens:
        """[B, n, 3 + features] clouds of any one n; each row's points by place, not by their order in the cloud."""
        clouds = clouds.float()
        rows, coords, counts = self._plain(clouds)
        mean, std = (torch.tensor(x, device=clouds.device) for x in (self.mean, self.std))
        width = 3 + self.features
        values = ((rows[:, : self.patch * width].view(-1, self.patch, width) - mean[:width]) / std[:width]).flatten(1)
        if self.cells != "groups":
            values = torch.cat([values, (rows[:, -1:] - mean[width:]) / std[width:]], 1)
        return Tokens(values, coords, layout(counts, 0, str(clouds.device)))

    def _plain(self, clouds: Tensor) -> tuple[Tensor, Tensor, tuple[int, ...]]:
        """Rows before they are standardised, coordinates, and rows per cloud."""
        if self.cells == "groups":
            centres, index = groups_of(clouds, self.every, self.patch, self.spacing)
            points, coords = take(clouds, index).flatten(0, 1), centres.flatten(0, 1) / self.spacing
            counts = (centres.shape[1],) * len(clouds)
        else:
            cell, at, held, per = cells_of(clouds, self.spacing, self.patch, self._axes)
            points, coords, counts = clouds.flatten(0, 1)[at], cell.float(), tuple(per.tolist())
        xyz = points[..., :3] / self.spacing - self._places(coords)
        rows = torch.cat([xyz, points[..., 3:]], -1).flatten(1)
        return (rows if self.cells == "groups" else torch.cat([rows, held.log2()[:, None]], 1)), coords, counts

    def _places(self, coords: Tensor) -> Float[Tensor, "R 1 3"]:
        """What each row's points are relative to, in units of spacing."""
        if self.cells == "groups":
            return coords[:, None]
        return nn.functional.pad(coords + 0.5, (0, 3 - self._axes))[:, None]

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> Float[Tensor, "m D"]:
        """The points of all rows, in their order: those in several groups several times, those repeated in a cell once."""
        width, content = 3 + self.features, ~tokens.slot
        mean, std = (torch.tensor(x[:width]) for x in (self.mean, self.std))
        points = tokens.values[content][:, : self.patch * width].float().cpu().view(-1, self.patch, width) * std + mean
        xyz = (points[..., :3] + self._places(tokens.coords[content].cpu())) * self.spacing
        points = torch.cat([xyz, points[..., 3:]], -1)
        return points.flatten(0, 1) if self.cells == "groups" else points[_first(points)]

    def kept(self, sample: np.ndarray) -> Float[np.ndarray, "m D"]:
        """The points that lie in some row. Lost are those between groups (under 10 % as fitted), those that a full cell
        has no room for, and, with groups, how often a point was there."""
        cloud = torch.as_tensor(sample)[None].float()
        if self.cells == "groups":
            return take(cloud, groups_of(cloud, self.every, self.patch, self.spacing)[1])[0].flatten(0, 1).numpy()
        points = cloud[0][cells_of(cloud, self.spacing, self.patch, self._axes)[1]]
        return points[_first(points)].numpy()

    def raw(self, sample: np.ndarray) -> Float[np.ndarray, "F"]:
        """Occupancy, distances between pairs, extents (see `shape_of`), and the features' means and spreads."""
        low, high = np.array(self.low), np.array(self.high)
        grid = (12, 12, 12) if self.cells == "groups" else (24, 24, 3)
        shape = shape_of((sample[:, :3] - low) / (high - low) * 2 - 1, grid)
        rest = sample[:, 3:].astype(np.float64)
        return np.concatenate([shape, rest.mean(0), rest.std(0)]).astype(np.float32)

    def state(self) -> Json:
        return asdict(self)


def _first(points: Float[Tensor, "R k D"]) -> Tensor:
    """[R, k] bool: not the same as a point before it in the row."""
    same = (points[:, :, None] == points[:, None]).all(-1)
    return ~same.tril(-1).any(-1)


def _fit_groups(start: PointsTokenizer, clouds: list[np.ndarray], want: Want) -> PointsTokenizer:
    points, every, patch = sizes([len(c) for c in clouds], start.points, want)
    this = replace(start, points=points, every=every, patch=patch)
    some = [this.fitted(c) for c in clouds]
    spacing, patch = spread(some, every, patch, want)
    low, high = ((-1.0,) * 3, (1.0,) * 3) if start.unit else _box(some)
    return _standardised(replace(this, patch=patch, spacing=spacing, low=low, high=high), clouds)


def _fit_cells(start: PointsTokenizer, clouds: list[np.ndarray], want: Want) -> PointsTokenizer:
    """The side at which a cloud fills about want.rows cells, and room for nine tenths of the points, 128 in a cell at most."""
    usual = int(np.quantile([len(c) for c in clouds], 0.1))
    points = min(want.longest or max(2_048, EACH * want.rows), LONGEST, max(16, usual))
    this = replace(start, points=points)
    some = [torch.from_numpy(this.fitted(c))[None] for c in clouds[:16]]
    extent = max(float(x[..., :3].abs().max()) for x in some)
    small, large = extent / 2_000, 2 * extent
    for _ in range(16):
        side = (small * large) ** 0.5
        rows = np.median([int(cells_of(x, side, 1, this._axes)[3]) for x in some])
        small, large = (side, large) if rows > want.rows else (small, side)
    held = torch.cat([cells_of(x, large, 1, this._axes)[2] for x in some])
    sizes = [want.patch] if want.patch else [8, 16, 32, 64, 128]
    patch = next((k for k in sizes if held.clamp(max=k).sum() >= COVER * held.sum()), sizes[-1])
    this = replace(this, spacing=float(large), patch=patch)
    low, high = _box([x[0].numpy() for x in some])
    return _standardised(replace(this, low=low, high=high), clouds)


def _box(clouds: list[np.ndarray]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    low, high = np.median([np.quantile(c[:, :3], [0.02, 0.98], axis=0) for c in clouds], axis=0)
    high = np.maximum(high, low + 1e-6 * max(1.0, float(np.abs(high).max())))
    return tuple(low.tolist()), tuple(high.tolist())


def _standardised(this: PointsTokenizer, clouds: list[np.ndarray]) -> PointsTokenizer:
    """Mean and spread of every column; x, y and z share one spread, so that a turn changes nothing else."""
    rows = torch.cat([this._plain(torch.from_numpy(this.fitted(c))[None])[0] for c in clouds]).double()
    width = 3 + this.features
    points = rows[:, : this.patch * width].reshape(-1, width)
    mean, std = points.mean(0), points.std(0, correction=0)
    std[:3] = std[:3].square().mean().sqrt()
    if this.cells != "groups":
        mean, std = torch.cat([mean, rows[:, -1].mean()[None]]), torch.cat([std, rows[:, -1].std(correction=0)[None]])
    std = torch.where(std > 1e-6, std, 1.0)
    return replace(this, mean=tuple(mean.tolist()), std=tuple(std.tolist()))
