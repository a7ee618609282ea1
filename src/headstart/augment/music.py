"""Music heard differently: another passage, in another key, louder or softer."""

import torch

from ..step import Rng
from ..tokenizers.music import ONE_HOTS, WIDTH, levels, span
from ..tokens import Tokens
from ..tree import replace
from .passage import passage

SEMITONES = 5  # at most so far up or down
LOUDER = 0.5  # standard deviations of velocity


def crop_rows(tokens: Tokens, rng: Rng, scale: tuple[float, float], shrink: float) -> Tokens:
    """A passage of each piece, a share in `scale` of its notes, transposed by up to 5 semitones either way.

    Onsets begin within the first quarter note again, in the same place of the beat. Drums stay the drums they are, and a
    passage that would leave the keys of MIDI stays in its key. Notes cannot be resampled: `shrink` is unused.
    """
    twice = torch.cat([tokens.coords, tokens.coords[:, :1]], 1)  # the last column stays as it was
    part = passage(replace(tokens, coords=twice), rng.fold("part"), scale)
    spans, content = part.layout, ~part.slot
    first = (spans.cu[:-1].long() + spans.slots).clamp(max=max(0, len(part) - 1))
    start = part.coords[first, -1].floor()[spans.seg].masked_fill(~content, 0.0)
    coords = torch.stack([part.coords[:, -1] - start, part.coords[:, 1]], 1)
    u = rng.fold("key").segments(2)
    shift = (u[:, 0] * (2 * SEMITONES + 1)).long() - SEMITONES
    values = part.values
    pitch = 12 * values[:, span("octave")].argmax(1) + values[:, span("class")].argmax(1)
    drums = values[:, span("family")].argmax(1) == ONE_HOTS["family"] - 1
    moved = content & ~drums
    target = pitch + shift[spans.seg]
    outside = torch.zeros(spans.segments, dtype=torch.int64, device=values.device)
    outside = outside.index_add(0, spans.seg, (moved & ((target < 0) | (target > 127))).long())
    moved = moved & (outside[spans.seg] == 0)
    out = values.clone()
    for name, ids in (("class", target % 12), ("octave", target.clamp(0, 127) // 12)):
        no, yes = levels(name)
        columns = torch.arange(ONE_HOTS[name], device=values.device)
        hot = torch.where(columns == ids[:, None], yes, no).to(values.dtype)
        out[:, span(name)] = torch.where(moved[:, None], hot, values[:, span(name)])
    louder = LOUDER * (2 * u[:, 1] - 1)
    out[:, WIDTH + 1] = values[:, WIDTH + 1] + torch.where(content, louder[spans.seg], 0.0)
    return replace(part, values=out, coords=coords)
