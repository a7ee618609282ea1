"""GPT on a series: every window predicts the next from those before it (the objective of Radford et al. 2018 on
continuous rows, as in GPHT, Liu et al. 2024).

Hides: the future.
Predicts: the next row, everywhere at once.
Use when: rows have an order and what comes next is the question (forecasting, generation). Its rows know nothing of later ones,
so for labels of whole samples a method that sees both ways is usually better.
Mechanism: a causal encoder; the squared error of the next window in units of the data set's spread.
Differs from GPHT in: one scale instead of a hierarchy of pooled ones, one step ahead.
Command: headstart pretrain series.npy recipe=gpt_series
"""

from ..corrupt import clean
from ..losses import mse
from ..nn.encoder import Model, encoder
from ..nn.linear import Linear
from ..objective import Objective
from ..optim import AdamW
from ..recipe import Data, Recipe
from ..step import warmup_cosine
from ..targets import raw
from ..terms import autoregress

MEANINGLESS = dict.fromkeys(
    ("table", "graph", "molecule", "points", "splats"), "its rows have no order, so none comes next"
)
SMALL = {"optim.lr": 2e-3, "data.batch": 64}  # measured: docs/log.md, 2026-11-20


def gpt_series(data: Data, size: str | Model = "S", ahead: int = 1) -> Recipe:
    """Predict the row `ahead` places on, everywhere at once."""
    enc = encoder(data.tokenizers, size, causal=True)
    predict = autoregress(shift=ahead, target=raw, head=Linear(enc.width, data.dim), loss=mse)
    task = Objective(enc, views={"x": clean}, terms={"next": predict})
    return Recipe(task, data, AdamW(lr=warmup_cosine(1e-3), weight_decay=0.1), steps=data.epochs(20))
