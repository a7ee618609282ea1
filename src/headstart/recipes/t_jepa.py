"""T-JEPA: from some columns of a table, predict what a slow teacher makes of others, beside a row that stands for nothing
(Thimonier et al., "T-JEPA: Augmentation-Free Self-Supervised Learning for Tabular Data", 2025).

Hides: all rows but a random context of 14 to 37 %.
Predicts: the teacher's vectors at `sets` random target sets outside the context, 16 to 62 % of the rows each, one set at a time.
Use when: rows of a table (or any sample whose rows are a set) have no augmentation that leaves their meaning alone. It wants
columns that tell of each other; with independent ones there is nothing to predict.
Mechanism: regression on features. What the features of a column have in common is learnt by its own gain and shift, so that the
predictor is left with what the row has of its own. The class token, in both encoders and never hidden, is the paper's
regularisation token.
Differs from the paper in: no column takes the class token's number (release: masks count columns from 0 and rows from the token
on, so the token may be hidden and the last column never is); the sets of a sample differ (release: all are views of one array
that is shuffled in place, so they are the same set); the predictor is at least 64 wide, which places of eight axes need (paper:
16); columns share one map into the encoder, which is told where they are, and each has a gain and a shift of its own out of the
predictor (paper: a map of its own into the encoder); no dropout. The sizes of both sets are drawn once a step, as in the
release; the paper tunes their ranges for every data set, and these are those of Jannis.
Command: headstart pretrain rows.csv recipe=t_jepa
Expected: on measurements of cells, features of held-out rows predicted with less than 0.7 of the squared error of their column's
mean, and half of that from a stranger's cells; `python -m evidence run t_jepa`.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..corrupt import Count, Fill, corrupt, drop, keep, lowest, random
from ..losses import mse
from ..nn.encoder import Model, encoder
from ..nn.heads import decoder
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..scene import Scene
from ..step import Rng, Schedule, cosine, warmup_cosine
from ..targets import Taught, features
from ..teacher import Ema
from ..terms import masked
from ..terms.term import average
from ..tokenizers.names import place
from ..tokenizers.table import AXES, TableTokenizer
from ..tokens import Rows, Tokenizer, Tokens, View, pack, rows_where, select
from .ecg_jepa import signal

CONTEXT, TARGET = (0.14, 0.37), (0.16, 0.62)  # shares of the rows; together never more than all
SLOW = cosine(0.996, 1.0)
SMALL = {"depth": 2, "optim.lr": 2e-3, "data.batch": 64}  # measured: docs/log.md, 2026-11-26
IDEAS = {
    "only a few columns are read": {"fill": keep},
    "several sets of targets, each by itself": {"sets": 1, "asked": (1.0, 1.0)},
    "features are predicted": {"target": signal},
    "a slow teacher": {"momentum": 0.0},
}


def t_jepa(
    data: Data,
    size: str | Model = "S",
    sets: int = 4,
    depth: int = 16,
    asked: tuple[float, float] = TARGET,
    fill: Fill = drop,
    target: type[Taught] = features,
    momentum: Schedule = SLOW,
) -> Recipe:
    """Predict `sets` random sets of rows from a random context, by a narrow predictor of `depth` blocks."""
    enc = encoder(data.tokenizers, size)
    predictor = decoder(enc.width, enc.width, depth, dim=max(64, enc.width // 4), heads=4)
    head = by_column(predictor, enc.width, data.only)
    views = {"x": corrupt(random, all_but(*CONTEXT), fill)}
    latent = in_sets(head, sets, asked, target())
    task = Objective(enc, views, {"latent": latent}, teacher=Ema(momentum))
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

    def __init__(
        self, head: nn.Module, sets: int, asked: tuple[float, float] = TARGET, target: Taught | None = None
    ) -> None:
        super().__init__(head, target=target or features(), loss=mse)
        self.sets, self.asked = sets, asked

    def forward(self, scene: Scene) -> Tensor:
        view, z = scene.views[self.view], scene.student.z[self.view]
        chosen = self.chosen(view, scene.step.rng(self.name, scene.batch.segment_index(self.view)))
        each = pack([z if view.dropped else select(z, view.kept)] * self.sets)
        prediction = self.head(each, View(each, *apart(view, chosen)))
        return average(
            self.loss(prediction, self.target(view, torch.cat([rows.index for rows in chosen]), scene)), None
        )

    def chosen(self, view: View, rng: Rng) -> list[Rows]:
        """The target sets, all of one size, which is drawn once a step."""
        low, high = self.asked
        share = low + (high - low) * rng.fold("share").number()
        sizes = zip(view.clean.content, view.hidden.counts, strict=True)
        counts = tuple(min(hidden, max(1, round(share * n))) for n, hidden in sizes)
        scores = [random(view.clean, rng.fold(number)) for number in range(self.sets)]
        known = ~view.hidden.mask
        return [lowest(score.masked_fill(known, torch.inf), view.clean.layout, counts) for score in scores]


class by_column(nn.Module):
    """A predictor whose answer for a cell is brought to the features of the cell's own column: a gain and a shift for each column
    that the tokenizer knows, and one of each for all others. Rows of other kinds have no columns, and share one."""

    places: Float[Tensor, "N C"]

    def __init__(self, inner: nn.Module, width: int, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.inner = inner
        names = {name for _, name, *_ in tokenizer.columns} if isinstance(tokenizer, TableTokenizer) else ()
        places = torch.tensor(sorted(place(name, AXES) for name in names)).view(-1, len(tokenizer.axes))
        self.register_buffer("places", places, persistent=False)
        self.gain, self.shift = (nn.Parameter(torch.full((len(names) + 1, width), x)) for x in (1.0, 0.0))

    def forward(self, z: Tokens, view: View) -> Float[Tensor, "K D"]:
        column = self.column(view.clean.coords[view.hidden.index])
        return self.inner(z, view) * self.gain[column] + self.shift[column]

    def column(self, coords: Float[Tensor, "K C"]) -> Int[Tensor, "K"]:
        """The number of the column that lies here; that of all others where none does."""
        count = len(self.places)
        if not count:
            return torch.zeros(len(coords), dtype=torch.long, device=coords.device)
        at = torch.searchsorted(self.places[:, 0].contiguous(), coords[:, 0].contiguous()).clamp(max=count - 1)
        return torch.where((self.places[at] == coords).all(1), at, count)


def apart(view: View, chosen: list[Rows]) -> tuple[Tokens, Rows]:
    """(clean, hidden): the samples once for each set, cut down to the context and that set, and where the set is."""
    kept, parts, masks = view.kept, [], []
    for rows in chosen:
        counts = tuple(a + b for a, b in zip(kept.counts, rows.counts, strict=True))
        some = rows_where(kept.mask | rows.mask, counts)
        parts.append(select(view.clean, some))
        masks.append(rows.mask[some.index])
    return pack(parts), rows_where(torch.cat(masks), tuple(n for rows in chosen for n in rows.counts))
