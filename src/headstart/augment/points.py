"""Clouds seen differently: the part near some point, turned about the vertical axis z, a little larger, smaller, shaken."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ..step import Rng

SHAKE = 0.1  # noise, in distances to the nearest point (as they are on average)
TURNS = 4


def turn(clouds: Tensor, number: int) -> Tensor:
    """[B, n, 3 + features] clouds turned by `number` quarters about z, exactly; normals turn along."""
    x = clouds.to(torch.float32)
    if x.shape[2] < 6:
        return torch.cat([_quarters(x[..., :3], number), x[..., 3:]], -1)
    turned = torch.where(_normals(x), _quarters(x[..., 3:6], number), x[..., 3:6])
    return torch.cat([_quarters(x[..., :3], number), turned, x[..., 6:]], -1)


def _quarters(x: Tensor, number: int) -> Tensor:
    for _ in range(number % 4):
        x = torch.stack([-x[..., 1], x[..., 0], x[..., 2]], -1)
    return x


def _normals(x: Tensor) -> Tensor:
    """Clouds whose columns 3 to 5 are normals, which is where all have length 1, [B, 1, 1]."""
    return ((x[..., 3:6].square().sum(-1) - 1).abs() < 0.02).all(1)[:, None, None]


def crop(clouds: Tensor, rng: Rng, scale: tuple[float, float], shrink: float, multiple: int) -> Float[Tensor, "B m D"]:
    """Of each of [B, n, 3 + features] clouds the points nearest to a random one, a share in `scale` of them.

    The part is thinned, or its points repeated, to `shrink` * n, a multiple of `multiple`; turned by any angle about z; its
    size changed by up to 25 %; its centroid put at the origin; and every point shaken a little. Columns 3 to 5 turn along
    where they are normals, which is where all have length 1.
    """
    values, turn, _ = part(clouds, rng, scale, shrink, multiple)
    if values.shape[2] < 6:
        return values
    normal = values[..., 3:6]
    return torch.cat([values[..., :3], torch.where(_normals(values), normal @ turn, normal), values[..., 6:]], -1)


def part(
    clouds: Tensor, rng: Rng, scale: tuple[float, float], shrink: float, multiple: int
) -> tuple[Float[Tensor, "B m D"], Float[Tensor, "B 3 3"], Float[Tensor, "B"]]:
    """The part with its places turned, sized and shaken and all else as it was; the turn (x @ turn); and the size."""
    x = clouds.to(torch.float32)
    b, n, width = x.shape
    m = max(multiple, round(shrink * n / multiple) * multiple)
    u = rng.segments(4)
    seed = (u[:, 0] * n).long().clamp(max=n - 1)
    far = (x[..., :3] - x[torch.arange(b, device=x.device), seed, None, :3]).square().sum(-1)
    near = far.argsort(dim=1, stable=True)
    count = ((scale[0] + (scale[1] - scale[0]) * u[:, 1]) * n).round().long().clamp(1, n)
    rank = torch.arange(m, device=x.device) * count[:, None] // m
    x = x.gather(1, near.gather(1, rank)[..., None].expand(-1, -1, width))
    angle, size = 2 * math.pi * u[:, 2], 1.25 ** (2 * u[:, 3] - 1)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    turn = torch.stack([cos, sin, zero, -sin, cos, zero, zero, zero, zero + 1], 1).view(b, 3, 3)
    xyz = (x[..., :3] - x[..., :3].mean(1, keepdim=True)) @ turn * size[:, None, None]
    spread = xyz.square().sum(-1).mean(1).sqrt() / count.to(xyz.dtype).sqrt()  # about the distance between neighbours
    segment = torch.arange(b, device=x.device).repeat_interleave(m)
    noise = rng.fold("shake").normal(segment, torch.arange(m, device=x.device).repeat(b), 3).view(b, m, 3)
    return torch.cat([xyz + SHAKE * spread[:, None, None] * noise, x[..., 3:]], -1), turn, size
