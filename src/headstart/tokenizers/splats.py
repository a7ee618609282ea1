"""Scenes of 3D Gaussian splats as rows of small groups, all their attributes along with their places."""

from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import Unreadable
from ..forms import Json, Sample
from ..tokens import Tokenizer, Tokens, layout
from .groups import LONGEST, checked, distinct, groups_of, rounded, shape_of, sizes, spread, take, thinned, usable
from .payload import Numbers
from .want import Want

COLUMNS = 14  # x y z, log scale 3, quaternion w x y z, opacity logit, r g b
MOST = 4_096  # splats read of a scene, unless asked otherwise
FAINT = -5.293  # logit of opacity 0.005, below which splats are pruned in training (Kerbl et al. 2023, section 5.2)
FAR = 4.0  # radii: what lies beyond is no part of the scene


@dataclass(frozen=True)
class SplatsTokenizer(Tokenizer):
    """A row is `patch` splats near each other, [patch * 14], relative to a centre, in the order of a k-d tree over their places.

    Centres are spread evenly, one for `every` splats, and groups overlap, as for points. Scenes are brought to one size:
    the median place is the origin and 95 % of the splats lie within 1. At most `points` splats are read (65,536 at most),
    chosen by a hash of their numbers. Coordinates are centres in units of `spacing`. z is up.
    """

    points: int = MOST
    every: int = 64
    patch: int = 128
    spacing: float = 0.1
    mean: tuple[float, ...] = (0.0,) * COLUMNS
    std: tuple[float, ...] = (1.0,) * COLUMNS

    kind = "splats"
    axes = ("x [neighbours]", "y [neighbours]", "z [neighbours]")
    signal = False
    stacked = True

    @classmethod
    def fit(cls, samples: list, want: Want = Want()) -> "SplatsTokenizer":
        scenes = usable(samples, COLUMNS)
        points, every, patch = sizes([len(cls(LONGEST).fitted(s)) for s in scenes], MOST, want)
        this = cls(points, every, patch)
        some = [this.fitted(s) for s in scenes]
        spacing, patch = spread(some, every, patch, want)
        this = replace(this, patch=patch, spacing=spacing)
        rows = torch.cat([this._plain(torch.from_numpy(s)[None])[0].double().flatten(0, 1) for s in some])
        mean, std = rows.mean(0), rows.std(0, correction=0)
        std[:3] = std[:3].square().mean().sqrt()  # one spread for x, y and z: a turn changes nothing else
        std = torch.where(std > 1e-6, std, 1.0)
        return replace(this, mean=tuple(mean.tolist()), std=tuple(std.tolist()))

    @property
    def dim(self) -> int:
        return self.patch * COLUMNS

    def fitted(self, sample: Sample) -> Float[np.ndarray, "n 14"]:
        """[n, 14] float32 of one size and place, sorted by place; quaternions of length 1 with w >= 0.

        Splats of opacity below 0.005 and those far outside the scene are left out.
        """
        values = checked(sample, COLUMNS, "a scene of splats")
        seen = values[:, 10] >= FAINT
        if not seen.any():
            raise Unreadable("", "no splat is opaque enough to be seen")
        values = distinct(values[seen])
        near = np.linalg.norm(_placed(values.copy())[:, :3], axis=1) < 0.8 * FAR  # so that few are left out below
        values = thinned(values[near], self.points)
        values[:, 6:10] = upright(values[:, 6:10])
        values[:, 10] = values[:, 10].clip(-15, 15)
        values[:, 11:] = values[:, 11:].clip(-4, 5)
        for _ in range(8):  # what is left out moves the middle
            n = len(values)
            values = rounded(_placed(values.astype(np.float64)), self.spacing * 2.0**-16)
            values = values[np.linalg.norm(values[:, :3], axis=1) <= FAR]
            if len(values) == n:
                break
        values[:, 3:6] = values[:, 3:6].clip(-20, 5)
        return values

    def __call__(self, sample: np.ndarray | Tensor) -> Tokens:
        return self.many(torch.as_tensor(sample)[None])

    def many(self, scenes: Tensor) -> Tokens:
        """[B, n, 14] scenes of any one n."""
        rows, coords = self._plain(scenes)
        mean, std = (torch.tensor(x, device=scenes.device) for x in (self.mean, self.std))
        counts = (len(rows) // len(scenes),) * len(scenes)
        return Tokens(((rows - mean) / std).flatten(1), coords, layout(counts, 0, str(scenes.device)))

    def _plain(self, scenes: Tensor) -> tuple[Float[Tensor, "R k 14"], Float[Tensor, "R 3"]]:
        scenes = scenes.float()
        centres, index = groups_of(scenes, self.every, self.patch, self.spacing)
        rows, coords = take(scenes, index).flatten(0, 1), centres.flatten(0, 1) / self.spacing
        return torch.cat([rows[..., :3] / self.spacing - coords[:, None], rows[..., 3:]], -1), coords

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> Float[Tensor, "m 14"]:
        """The splats of all groups, in their order: those in several groups several times."""
        content = ~tokens.slot
        mean, std = torch.tensor(self.mean), torch.tensor(self.std)
        rows = tokens.values[content].float().cpu().view(-1, self.patch, COLUMNS) * std + mean
        xyz = (rows[..., :3] + tokens.coords[content].cpu()[:, None]) * self.spacing
        return torch.cat([xyz, rows[..., 3:]], -1).flatten(0, 1)

    def kept(self, sample: np.ndarray) -> Float[np.ndarray, "m 14"]:
        """The splats that lie in some group; under 10 % lie in none and are lost, as is how often one was there."""
        scene = torch.as_tensor(sample)[None].float()
        return take(scene, groups_of(scene, self.every, self.patch, self.spacing)[1])[0].flatten(0, 1).numpy()

    def raw(self, sample: np.ndarray) -> Float[np.ndarray, "F"]:
        """Where splats are (see `shape_of`), a 4x4x4 histogram of their colours by opacity, attributes' means and spreads."""
        rest = sample[:, 3:].astype(np.float64)
        level = (rest[:, 8:].clip(0, 0.999) * 4).astype(np.int64) @ np.array([16, 4, 1])
        colours = np.bincount(level, 1 / (1 + np.exp(-rest[:, 7])), 64)
        share = np.sqrt(colours / colours.sum())
        shape = shape_of(sample[:, :3] / 1.5)
        return np.concatenate([shape, share, rest.mean(0), rest.std(0)]).astype(np.float32)

    def state(self) -> Json:
        return asdict(self)


def upright(quaternions: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    """Of the two quaternions that mean one rotation, that with its first number that is not 0 positive; length 1.

    A length of 0 means no rotation.
    """
    length = np.linalg.norm(quaternions, axis=1, keepdims=True)
    unit = np.where(length > 0, quaternions / np.where(length > 0, length, 1), [1.0, 0, 0, 0])
    first = np.take_along_axis(unit, (unit != 0).argmax(1)[:, None], 1)
    return unit * np.where(first < 0, -1.0, 1.0)


def _placed(values: Float[np.ndarray, "n 14"]) -> Float[np.ndarray, "n 14"]:
    """The median place at the origin, 95 % of the splats within 1; scales along with it."""
    middle = np.median(values[:, :3], axis=0)
    radius = np.quantile(np.linalg.norm(values[:, :3] - middle, axis=1), 0.95)
    if np.linalg.norm(middle) > 1e-5 * radius:
        values[:, :3] -= middle
    if abs(radius - 1) > 1e-5 and radius > 0:
        values[:, :3] /= radius
        values[:, 3:6] -= np.log(radius)
    return values
