"""What a masked objective was shown, what it made of it, and what was there: three rows of pictures, of any kind of signal."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from .data.feeding.loader import collate
from .objective import Objective
from .recipe import Data
from .step import Step
from .targets import normalised, raw
from .terms import masked
from .tokens import Tokens, split
from .tree import map

SCALE_TO = 96  # pixels of a picture's longer side on the sheet
GAP = 4
CURVE_WIDTH, CURVE_HEIGHT = 200, 40  # pixels of a channel's curve
KINDS = frozenset(("image", "multispectral", "video", "volume", "field", "audio", "series"))


@torch.no_grad()
def restored(objective: Objective, data: Data, indices: np.ndarray, seed: int = 0) -> list[tuple[Any, Any, Any]] | None:
    """(shown, restored, original) for each sample, decoded; None if no term restores the payload of its rows.

    Hidden rows are grey in `shown`. Where the target is normalised row by row, the row's own mean and spread are put back,
    as MAE's authors do for their figures: the picture shows structure, not brightness.
    """
    term = next(
        (t for t in objective.terms.values() if isinstance(t, masked) and t.target in (raw, normalised)),
        None,
    )
    if term is None:
        return None
    was = objective.training
    objective.eval()
    step, name = Step(0, 1, seed), term.view
    batch = collate(data, indices, step, objective.slots, next(objective.parameters()).device)
    scene = objective.scene(batch, step)
    view, context = scene.views[name], [] if term.context is None else [scene.student.z[term.context]]
    said = term.head(scene.student.z[name], view, *context).float()
    rows, clean = view.hidden.index, view.clean.values
    if term.target is normalised:
        there = clean[rows]
        said = said * (there.var(-1, keepdim=True) + 1e-6).sqrt() + there.mean(-1, keepdim=True)
    shown = clean.index_copy(0, rows, torch.zeros_like(said))
    made = clean.index_copy(0, rows, said)
    objective.train(was)
    columns = []
    for values in (shown, made, clean):
        tokens: Tokens = map(torch.Tensor.cpu, view.clean.with_values(values))
        columns.append([flat(data.only.kind, data.only.decode(t)) for t in split(tokens, [1] * len(indices))])
    return list(zip(*columns, strict=True))


def flat(kind: str, sample: Any) -> torch.Tensor:
    """A decoded sample as a picture [C, H, W]: the middle slice, the middle frame, the log-mel, the curves."""
    if kind == "multispectral":
        sample = sample["bands"]
    x = torch.as_tensor(np.asarray(sample), dtype=torch.float32)
    if kind == "audio":
        return x.flip(0)[None]  # high sounds above
    if kind in ("volume", "field"):
        return x[:3, x.shape[1] // 2]
    if kind == "video":
        return x[len(x) // 2] / (255 if x.max() > 1 else 1)
    return curves(x) if kind == "series" else x


def curves(x: torch.Tensor) -> torch.Tensor:
    """Up to four channels of a series [C, L] one below the other, as black lines on white; [1, H, W]. Gaps stay white."""
    x = x[:4, :: max(1, x.shape[1] // CURVE_WIDTH)]
    low, high = (f(torch.nan_to_num(x, nan=float(x.nanmean())), 1, keepdim=True) for f in (torch.amin, torch.amax))
    height = CURVE_HEIGHT - 1
    level = (height * (1 - (x - low) / (high - low).clamp(min=1e-9))).clamp(0, height)
    before = torch.cat([level[:, :1], level[:, :-1]], 1)
    top, bottom = torch.minimum(level, before)[:, None], torch.maximum(level, before)[:, None]
    y = torch.arange(CURVE_HEIGHT)[None, :, None]
    inked = (y >= top.floor()) & (y <= bottom.ceil())  # false where a value is missing
    return 1 - inked.float().flatten(0, 1)[None]


def sheet(triples: list[tuple[Any, Any, Any]], path: Path) -> None:
    """A PNG with three rows: masked input, reconstruction, original. Pictures [C, H, W], shown by up to three channels."""
    columns = [[_tile(x, triple[2]) for x in triple] for triple in triples]
    width = sum(max(t.width for t in c) + GAP for c in columns) + GAP
    heights = [max(c[i].height for c in columns) + GAP for i in range(3)]
    out = Image.new("RGB", (width, sum(heights) + GAP), "white")
    left = GAP
    for column in columns:
        top = GAP
        for tile, height in zip(column, heights, strict=True):
            out.paste(tile, (left, top))
            top += height
        left += max(t.width for t in column) + GAP
    part = path.with_name(f".{path.name}.part")
    out.save(part, "PNG")
    part.replace(path)


def _tile(picture: torch.Tensor, original: torch.Tensor) -> Image.Image:
    low, high = float(original.min()), float(original.max())
    if low >= -1e-3 and high <= 1 + 1e-3:
        low, high = 0.0, 1.0  # shares of an integer's range; other floats are shown by the original's own range
    x = picture.numpy()
    x = np.repeat(x[:1], 3, 0) if len(x) < 3 else x[:3]
    x = (np.clip((x - low) / max(high - low, 1e-12), 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    scale = max(1, SCALE_TO // max(x.shape[:2]))
    return Image.fromarray(x).resize((x.shape[1] * scale, x.shape[0] * scale), Image.Resampling.NEAREST)
