"""One number as a few: standardised however heavy its tail, exact to the last digit that matters, and easy to read off.

Columns of a table and measurements of a health record share this. A number x becomes
z = (asinh((x - centre) / unit) - mean) / std: straight near the middle, a logarithm far out, and invertible everywhere.
"""

import math
from typing import TypeAlias

import numpy as np
from torch import Tensor

Scale: TypeAlias = tuple[float, float, float, float]  # centre, unit, mean, std

LIMIT = 1e100  # numbers larger than this in size are no measurements
KNOTS = np.array([-2.0, -1.25, -0.75, -0.25, 0.25, 0.75, 1.25, 2.0])
WIDTH = 2 + len(KNOTS) - 1  # what `spread` makes of one number


def measure(values: np.ndarray, robust: bool = True) -> Scale:
    """The scale of finite numbers [n]: centre and unit are median and interquartile range (`robust`), or 0 and 1.

    Where half of the numbers are equal the standard deviation takes the range's place, and where all are, their size.
    """
    if not len(values):
        return (0.0, 1.0, 0.0, 1.0)
    centre, unit = 0.0, 1.0
    if robust:
        low, middle, high = np.percentile(values, [25, 50, 75])
        centre, unit = float(middle), float(high - low) or float(np.std(values)) or abs(float(middle)) or 1.0
        unit = max(unit, 1e-100)
    bent = np.arcsinh((values - centre) / unit)
    mean, std = float(bent.mean()), float(bent.std())
    return (centre, unit, mean, std if std > 1e-9 else 1.0)


def forward(x: float, scale: Scale) -> float:
    """z of a number of size up to LIMIT, in float64."""
    centre, unit, mean, std = scale
    return (math.asinh((x - centre) / unit) - mean) / std


def back(z: float, scale: Scale) -> float:
    """The number again."""
    centre, unit, mean, std = scale
    far = unit * math.sinh(min(max(z * std + mean, -700.0), 700.0))
    return min(max(centre + far, -LIMIT), LIMIT)


def spread(z: np.ndarray) -> np.ndarray:
    """Numbers [n] float64 as payload [n, WIDTH] float32.

    First z; then what float32 rounds away of it (at most 1e-7 of z: too small to be learnt, enough to give the number back);
    then how far z has come on each of seven stretches, -1 to 1 (piecewise linear encoding, Gorishniy et al. 2022, section 3.2).
    """
    short = z.astype(np.float32)
    rest = (z - short).astype(np.float32)
    steps = 2 * np.clip((z[:, None] - KNOTS[:-1]) / np.diff(KNOTS), 0, 1) - 1
    return np.concatenate([short[:, None], rest[:, None], steps.astype(np.float32)], 1)


def said(values: Tensor) -> np.ndarray:
    """Payloads as finite numbers on the host, whatever a network has made of them."""
    return np.clip(np.nan_to_num(values.detach().float().cpu().numpy()), -1e15, 1e15)


def gather(payload: np.ndarray) -> np.ndarray:
    """z [n] float64 of payloads [n, WIDTH]."""
    return payload[:, 0].astype(np.float64) + payload[:, 1].astype(np.float64)
