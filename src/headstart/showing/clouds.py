"""Points and splats, drawn from above and from the side."""

import numpy as np

from ..forms import Sample
from ..tokenizers.groups import checked
from .grids import Range
from .page import PALETTE, picture, unit

COARSE, FINE = 40, 144  # pixels along a side: the fewer points, the larger the dots
DARK, LIGHT = 50, 210  # of the palette's 256, what is seen on light and on dark ground
SPLAT = slice(11, 14)  # the columns of a splat's colour


def points(sample: Sample, scale: Range, alt: str) -> str:
    """Two projections, in the colours of what is lost in them: the height, and the distance."""
    x = checked(np.asarray(sample), None)
    return _both(x, None, alt)


def splats(sample: Sample, scale: Range, alt: str) -> str:
    """The same of centres in their own colours."""
    x = checked(np.asarray(sample), None)
    return _both(x, np.rint(255 * np.clip(x[:, SPLAT], 0, 1)).astype(np.uint8), alt)


def _both(x: np.ndarray, colours: np.ndarray | None, alt: str) -> str:
    above = _projected(x[:, 0], x[:, 1], x[:, 2], colours)
    side = _projected(x[:, 0], x[:, 2], -x[:, 1], colours)
    return (
        f"<div class='strip two'>{picture(above, f'{alt}, from above')}{picture(side, f'{alt}, from the side')}</div>"
    )


def _projected(right: np.ndarray, up: np.ndarray, near: np.ndarray, colours: np.ndarray | None) -> np.ndarray:
    """uint8 [H, W, 4]: the nearest of the points that meet in a pixel; transparent where there is none. All but the outermost
    one in a hundred set the frame."""
    count = int(np.clip(4 * len(right) ** 0.5, COARSE, FINE))
    ends = [np.quantile(a, (0.005, 0.995)) for a in (right, up, near)]
    span = max(float(np.ptp(ends[0])), float(np.ptp(ends[1])), 1e-12) * 1.06
    at = [
        np.floor(((a - end.mean()) / span + 0.5) * count).astype(int) for a, end in zip((right, up), ends, strict=False)
    ]
    inside = np.logical_and.reduce([(a >= 0) & (a < count) for a in at])
    order = np.flatnonzero(inside)[np.argsort(near[inside], kind="stable")]
    shade = PALETTE[np.rint(DARK + (LIGHT - DARK) * unit(near, *ends[2])).astype(int)] if colours is None else colours
    out = np.zeros((count, count, 4), np.uint8)
    out[count - 1 - at[1][order], at[0][order], :3] = shade[order]
    out[count - 1 - at[1][order], at[0][order], 3] = 255
    return out
