"""What a masked objective was shown, what it made of it, and what was there: three rows of pictures, of any kind of signal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image

from .data.feeding.loader import collate
from .objective import Objective
from .recipe import Data
from .step import Step
from .terms import Term
from .tokens import Tokenizer, Tokens, split
from .tree import map
from .writing import whole

SCALE_TO = 96  # pixels of a picture's longer side on the sheet
GAP = 4
Triple = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # shown, restored, original, each [C, H, W]


@dataclass(frozen=True)
class Restored:
    """One sample and what a masked objective made of it. clean: its rows. made: the same, as the objective says them where they
    were hidden. hidden: [T] bool."""

    clean: Tokens
    made: Tokens
    hidden: torch.Tensor

    def shown(self, fill: float = 0.0) -> Tokens:
        """What was to be seen: hidden rows are all `fill` (of numbers, 0 is grey)."""
        hidden = self.hidden.view(-1, *(1,) * (self.clean.values.dim() - 1))
        return self.clean.with_values(torch.where(hidden, torch.full_like(self.clean.values, fill), self.clean.values))


@torch.no_grad()
def restored_rows(objective: Objective, data: Data, indices: np.ndarray, seed: int = 0) -> list[Restored] | None:
    """What is made of each sample, on the CPU; None if no term restores its rows."""
    term = next((t for t in cast(Iterable[Term], objective.terms.values()) if t.restores is not None), None)
    if term is None or term.restores is None:
        return None
    was = objective.training
    objective.eval()
    step = Step(0, 1, seed)
    batch = collate(data, indices, step, objective.slots, next(objective.parameters()).device)
    scene = objective.scene(batch, step)
    view, said = scene.views[term.restores], term.restored(scene)
    objective.train(was)
    rows, clean = view.hidden.index, view.clean
    hidden = torch.zeros(len(clean.values), dtype=torch.bool, device=clean.values.device)
    hidden[rows] = True
    made = clean.values.index_copy(0, rows, said.to(clean.values.dtype))
    each = [
        split(map(torch.Tensor.cpu, clean.with_values(x)), [1] * len(indices)) for x in (clean.values, made, hidden)
    ]
    return [Restored(a, b, c.values) for a, b, c in zip(*each, strict=True)]


def restored(objective: Objective, data: Data, indices: np.ndarray, seed: int = 0) -> list[Triple] | None:
    """(shown, restored, original) for each sample, as pictures; None if no term restores its rows, or its kind is not looked at.

    Hidden rows are grey in `shown`.
    """
    tokenizer = data.only
    rows = restored_rows(objective, data, indices, seed) if tokenizer.pictured else None
    return None if rows is None else pictures(tokenizer, rows)


def pictures(tokenizer: Tokenizer, rows: Sequence[Restored]) -> list[Triple]:
    """The same as (shown, restored, original), of kinds that people look at."""

    def drawn(tokens: Tokens) -> torch.Tensor:
        return tokenizer.drawn(tokenizer.decode(tokens))

    return [(drawn(each.shown()), drawn(each.made), drawn(each.clean)) for each in rows]


def sheet(triples: list[Triple], path: Path) -> None:
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
    with whole(path) as part:
        out.save(part, "PNG")


def _tile(picture: torch.Tensor, original: torch.Tensor) -> Image.Image:
    low, high = float(original.min()), float(original.max())
    if low >= -1e-3 and high <= 1 + 1e-3:
        low, high = 0.0, 1.0  # shares of an integer's range; other floats are shown by the original's own range
    x = picture.numpy()
    x = np.repeat(x[:1], 3, 0) if len(x) < 3 else x[:3]
    x = (np.clip((x - low) / max(high - low, 1e-12), 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    scale = max(1, SCALE_TO // max(x.shape[:2]))
    return Image.fromarray(x).resize((x.shape[1] * scale, x.shape[0] * scale), Image.Resampling.NEAREST)
