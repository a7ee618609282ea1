"""Multispectral pictures seen differently: another part, fewer bands, another light and haze."""

import math

import torch
from torch.nn import functional as F

from ..errors import Mistake
from ..step import Rng
from ..tokenizers.grid import alike, cut, grids, places, uncut
from ..tokens import Tokens, layout, rows_where, select
from ..tree import replace
from . import rows


def coarser(tokens: Tokens, factor: int) -> Tokens:
    """Scenes at a `factor` times lower resolution, by means, in patches of as many pixels; what is left over at the lower and
    right edge is cut off, and a patch that is not full is continued by repeating its last values."""
    patch = (math.isqrt(tokens.values.shape[1]),) * 2
    found, made = grids(tokens, 2), []
    for members in alike(found.counts):
        index = found.of(members)
        scene = uncut(tokens.values[index.flatten()], found.counts[members[0]], patch)
        if min(scene.shape[2:]) < factor:
            raise Mistake(
                f"a scene of {list(scene.shape[2:])} pixels cannot be made {factor} times coarser: raise data.side"
            )
        cells = cut(F.avg_pool2d(scene, factor), patch)
        where = places(
            len(index), [-(-(n // factor) // p) for n, p in zip(scene.shape[2:], patch, strict=True)], cells.device
        )
        each = len(cells) // len(index)
        band = tokens.coords[index[:, 0], :1].repeat_interleave(each, 0)
        made.append((tokens.layout.seg[index[:, 0]].repeat_interleave(each), cells, torch.cat([band, where], 1)))
    seg, values, coords = (torch.cat(parts) for parts in zip(*made, strict=True))
    order = seg.argsort(stable=True)  # sizes were done one after another; the bands of a scene are of one
    lengths = torch.bincount(seg, minlength=tokens.layout.segments).tolist()
    return Tokens(values[order], coords[order], layout(tuple(lengths), 0, str(seg.device)), tokens.name)


def crop_rows(tokens: Tokens, rng: Rng, scale: tuple[float, float], shrink: float) -> Tokens:
    """The patches nearest to a random one, in all bands at once: a share in `scale` of the rows; then whole bands left out.

    A band goes with a probability that is drawn per sample, up to one half; of a sample that would lose all rows, all are
    kept. Brightness (a gain of up to 20 % on all bands) and haze (an offset of up to 0.2 standard deviations, growing
    towards short wavelengths) change with the sample. Rows cannot be shrunk: `shrink` is unused.
    """
    number = torch.arange(len(tokens), device=tokens.device)
    cell = (tokens.coords[:, 1] * 8192 + tokens.coords[:, 2]).round().long()
    flat = tokens.coords + 0.2 * rng.fold("rim").rows(tokens.layout.seg, cell)  # bands agree on which patch is nearer
    flat[:, 0] = 0  # near in the picture, whatever the band
    chosen = rows.part(replace(tokens, values=number, coords=flat), rng.fold("part"), scale)
    part = Tokens(tokens.values[chosen.values], tokens.coords[chosen.values], chosen.layout, tokens.name)
    part = _fewer_bands(part, rng)
    u = 2 * rng.fold("light").segments(2)[part.layout.seg] - 1
    blue = (5 / part.coords[:, :1].clamp(min=5)).square()  # 1 at 500 nm and below, 0.06 at 2 micrometres
    values = part.values * (1 + 0.2 * u[:, :1]) + 0.2 * u[:, 1:] * blue
    return part.with_values(torch.where(part.slot[:, None], part.values, values))


def _fewer_bands(part: Tokens, rng: Rng) -> Tokens:
    spans = part.layout
    nm = (part.coords[:, 0] * 100).round().long()  # rows of one band share a number, so they share their fate
    fate = rng.fold("bands").rows(spans.seg, nm)[:, 0]
    keep = part.slot | (fate >= 0.5 * rng.fold("share").segments(1)[spans.seg, 0])
    left = torch.zeros(spans.segments, dtype=torch.long, device=part.device)
    left = left.index_add(0, spans.seg, (keep & ~part.slot).long())
    keep = keep | (left == 0)[spans.seg]
    counts = torch.zeros_like(left).index_add(0, spans.seg, keep.long())
    return select(part, rows_where(keep, tuple(counts.tolist())))
