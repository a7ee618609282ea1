"""Multispectral pictures seen differently: another part, fewer bands, another light and haze."""

import torch

from ..step import Rng
from ..tokens import Tokens, choose, select
from ..tree import replace
from . import rows


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
    part = Tokens(tokens.values[chosen.values], tokens.coords[chosen.values], chosen.layout, tokens.kind)
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
    return select(part, choose(keep, tuple(counts.tolist())))
