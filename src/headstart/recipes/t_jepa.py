"""T-JEPA: from some columns of a table, predict what a slow teacher makes of others, beside a row that stands for nothing
(Thimonier et al., "T-JEPA: Augmentation-Free Self-Supervised Learning for Tabular Data", 2025).

Hides: all rows but a random context of 14 to 37 %.
Predicts: the teacher's vectors at `sets` random target sets outside the context, 16 to 62 % of the rows each, one set at a time.
Use when: rows of a table (or any sample whose rows are a set) have no augmentation that leaves their meaning alone. It wants
columns that tell of each other; with independent ones there is nothing to predict.
Mechanism: regression on features; the class token, in both encoders and never hidden, is the paper's regularisation token, which
keeps the features from collapsing.
Differs from the paper in: no column takes the class token's number (release: masks count columns from 0 and rows from the token
on, so the token may be hidden and the last column never is); the sets of a sample differ (release: all are views of one array
that is shuffled in place, so they are the same set); the predictor is at least 64 wide, which places of eight axes need (paper:
16); no dropout. The sizes of both sets are drawn once a step, as in the release; the paper tunes their ranges for every data set,
and these are those of Jannis.
Command: headstart pretrain rows.csv recipe=t_jepa
Expected: targets predicted with at most half the error of the mean of each column, and features that vary; `python -m evidence
run t_jepa`.
"""

import torch
from torch import Tensor, nn

from ..corrupt import Count, corrupt, drop, lowest, random
from ..losses import mse
from ..nn.encoder import Model, encoder
from ..nn.heads import decoder
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Rng, cosine, warmup_cosine
from ..targets import features
from ..teacher import Ema
from ..terms import masked
from ..terms.term import average
from ..tokens import Rows, Tokens, View, pack, rows_where, select

SMALL = {"depth": 2, "optim.lr": 2e-3, "data.batch": 64}  # of its check on made-up data: docs/log.md, 2026-11-26

CONTEXT, TARGET = (0.14, 0.37), (0.16, 0.62)  # shares of the rows; together never more than all


def t_jepa(data: Data, size: str | Model = "S", sets: int = 4, depth: int = 16) -> Recipe:
    """Predict `sets` random sets of rows from a random context, by a narrow predictor of `depth` blocks."""
    enc = encoder(data.tokenizers, size)
    predictor = decoder(enc.width, enc.width, depth, dim=max(64, enc.width // 4), heads=4)
    views = {"x": corrupt(random, all_but(*CONTEXT), drop)}
    task = Objective(enc, views, {"latent": in_sets(predictor, sets)}, teacher=Ema(cosine(0.996, 1.0)))
    optim = AdamW(lr=warmup_cosine(3.66e-4, over=0.033), weight_decay=0.0)
    return Recipe(task, data, optim, steps=data.epochs(300))


def all_but(low: float, high: float) -> Count:
    """Hide all rows but a share between `low` and `high`, drawn once a step, and at least one."""

    def count(tokens: Tokens, rng: Rng) -> tuple[int, ...]:
        share = low + (high - low) * rng.fold("share").number()
        return tuple(n - max(1, round(share * n)) if n else 0 for n in tokens.content)

    return count


class in_sets(masked):
    """`masked`, with the teacher's features for targets, but the head sees the context and one target set at a time.

    The sets are drawn from what the view hides. They may overlap; none is empty where anything is hidden.
    """

    def __init__(self, head: nn.Module, sets: int) -> None:
        super().__init__(head, target=features(), loss=mse)
        self.sets = sets

    def forward(self, scene: Scene) -> Tensor:
        view, z = scene.views[self.view], scene.student.z[self.view]
        chosen = self.chosen(view, scene.step.rng(self.name, scene.batch.segment_index(self.view)))
        each = pack([z] * self.sets)
        prediction = self.head(each, View(each, *apart(view, chosen)))
        return average(
            self.loss(prediction, self.target(view, torch.cat([rows.index for rows in chosen]), scene)), None
        )

    def chosen(self, view: View, rng: Rng) -> list[Rows]:
        """The target sets, all of one size, which is drawn once a step."""
        low, high = TARGET
        share = low + (high - low) * rng.fold("share").number()
        sizes = zip(view.clean.content, view.hidden.counts, strict=True)
        counts = tuple(min(hidden, max(1, round(share * n))) for n, hidden in sizes)
        scores = [random(view.clean, rng.fold(number)) for number in range(self.sets)]
        known = ~view.hidden.mask
        return [lowest(score.masked_fill(known, torch.inf), view.clean.layout, counts) for score in scores]


def apart(view: View, chosen: list[Rows]) -> tuple[Tokens, Rows]:
    """(clean, hidden): the samples once for each set, cut down to the context and that set, and where the set is."""
    kept, parts, masks = view.kept, [], []
    for rows in chosen:
        counts = tuple(a + b for a, b in zip(kept.counts, rows.counts, strict=True))
        some = rows_where(kept.mask | rows.mask, counts)
        parts.append(select(view.clean, some))
        masks.append(rows.mask[some.index])
    return pack(parts), rows_where(torch.cat(masks), tuple(n for rows in chosen for n in rows.counts))
