"""SimCLR: crops of a sample that was never seen find each other, and each idea that is taken out breaks that or its view."""

import numpy as np
import pytest
import torch
from tests.parts import TINY, chains
from torch.nn import functional as F

from headstart.contract import check_recipe
from headstart.data.feeding.loader import collate
from headstart.log import Log
from headstart.optim import AdamW
from headstart.recipe import Data, Recipe, Run
from headstart.recipes.clip import alone, strangers
from headstart.recipes.simclr import simclr
from headstart.step import Step, warmup_cosine
from headstart.tiny import tiny_data
from headstart.tokenizers import named
from headstart.tokenizers.want import Want
from headstart.train import train


@pytest.mark.parametrize("kind", ["image", "protein", "music"])
def test_contract(kind):
    check_recipe(simclr, tiny_data(kind))


def found(steps=50, **changes):
    """The share of 64 new samples whose two crops lie nearest to each other, after so many steps."""
    source = chains(256, 0)
    tokenizer = named("protein").fit([source[i] for i in range(64)], Want(32))
    torch.manual_seed(0)
    made = simclr(Data(source, {"protein": tokenizer}, batch=32), size=TINY, width=32, **changes)
    optim = AdamW(lr=warmup_cosine(1e-2), weight_decay=0.0)
    train(Recipe(made.objective, made.data, optim, steps), Run(), log=Log(quiet=True))
    objective = made.objective.eval()
    new = Data(chains(64, 1), made.data.tokenizers, batch=64, views=made.data.views)
    batch, step = collate(new, np.arange(64), Step(0, 1), objective.slots), Step(0, 1)
    with torch.no_grad():
        z = objective.scene(batch, step).student.z["big"]
        term = objective.terms["find"]
        a, b = F.normalize(term.head(term.read(z)), dim=1).split(64)
    return float(((a @ b.T).argmax(1) == torch.arange(64)).float().mean())


def test_crops_of_new_samples_find_each_other():
    learnt = found()
    assert learnt > 0.2
    assert found(loss=strangers) < 0.1  # chance is 1 in 64
    assert found(loss=alone) < 0.5 * learnt


def test_rows_are_dropped_and_crops_differ():
    data = tiny_data("image")
    step = Step(0, 1)
    counts = {}
    for ratio in (0.3, 0.0):
        made = simclr(data, size=TINY, ratio=ratio)
        batch = collate(made.data, np.arange(4), step, made.objective.slots)
        counts[ratio] = len(made.objective.view("big", batch, step).seen)
    assert counts[0.3] < 0.8 * counts[0.0]
    made = simclr(data, size=TINY)
    assert made.data.views.big_scale == (0.4, 1.0) and made.data.views.big == 2 and not made.data.views.small
