"""What checks share: train a recipe as the package does, read its encoder, score vectors.

objective = fit(recipe("gmml", data, ratio=0.5), steps=300, lr=2e-3)
z = encode(objective.encoder, data, range(100), "mean")
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import torch

from headstart import tokenizers
from headstart.data.feeding.loader import collate
from headstart.data.source import Source
from headstart.nn.encoder import Encoder, Model
from headstart.objective import Objective
from headstart.probes.knn import vote
from headstart.probes.linear import draws
from headstart.recipe import Data, Recipe, Run, make
from headstart.scoring import features
from headstart.shelf.find import find
from headstart.step import Step
from headstart.tokenizers.want import Want
from headstart.train import train
from headstart.words import changed

TINY = Model(width=64, depth=2, heads=4)


def recipe(
    name: str, data: Data, size: Model = TINY, seed: int = 0, parts: Mapping[str, Any] | None = None, **words: Any
) -> Recipe:
    """A recipe of the package, or `pkg.module:function`; equal seeds give equal weights.

    parts: names that the recipe's file imports or defines, and what to take in their place: the method without its idea.
    """
    function, parts = find(name), parts or {}
    home = vars(importlib.import_module(function.__module__))
    unknown = sorted(set(parts) - set(home))
    if unknown:
        raise ValueError(f"the recipe {name} has no part {', '.join(unknown)} that could be replaced")
    torch.manual_seed(seed)
    with mock.patch.dict(home, parts):
        return make(function, data, size=size, **words)


def fit(
    recipe: Recipe,
    steps: int,
    *,
    lr: float | None = None,
    seed: int = 0,
    watch: Callable[[int], dict[str, Any]] | None = None,
    dtype: str = "fp32",
) -> Objective:
    """Train for so many steps on the CPU, if said with another peak rate; the objective as it is used afterwards.

    watch: called with the steps taken, before the first and at every quarter. dtype: fp32, so that figures do not hang on
    whether the machine has bf16.
    """
    optim = changed(recipe.optim, {} if lr is None else {"lr": lr}, "optim")
    train(replace(recipe, steps=steps, optim=optim), Run(device="cpu", dtype=dtype, seed=seed), watch=watch)
    return recipe.objective.eval()


@torch.no_grad()
def losses(objective: Objective, data: Data, indices: Sequence[int] | np.ndarray, seed: int = 0) -> dict[str, float]:
    """Each term's loss on these samples, "total" among them, under the chance of one fixed step."""
    was, step = objective.training, Step(0, 1, seed)
    objective.eval()
    loss = objective(collate(data, np.asarray(indices), step, objective.slots), step)
    objective.train(was)
    return {name: float(part) for name, part in loss.parts.items()} | {"total": float(loss.total)}


def encode(encoder: Encoder, data: Data, indices: Sequence[int] | np.ndarray, read: str = "mean") -> np.ndarray:
    """[n, D] vectors of samples of one kind. read: mean, mean_std, boxes, first or last."""
    return features.encode(encoder, data.only, data.source, np.asarray(indices), (read,))[read]


def knn(bank: np.ndarray, labels: np.ndarray, query: np.ndarray, truth: np.ndarray) -> float:
    """Accuracy (R2 of quantities) of the 20 nearest neighbours, by the package's frozen protocol."""
    return vote(bank, labels, query, truth)


def linear(
    bank: np.ndarray, labels: np.ndarray, query: np.ndarray, truth: np.ndarray, count: int | None = None
) -> float:
    """Accuracy (R2) of a linear probe, by the package's frozen protocol: from `count` labels the mean of three draws, or from
    all labels."""
    each = draws(bank, labels, query, truth, count or len(labels))
    return float(np.mean(list(each))) if count else next(each)


def auc(score: np.ndarray, truth: np.ndarray) -> float:
    """The chance that a true sample scores above a false one."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, score))


def data_of(source: Source, batch: int = 64, name: str = "x", **want: Any) -> Data:
    """Samples of one kind with the tokenizer that fits them. want: fields of `Want`, such as patch=2, rows=64, vocab=400."""
    some = [source[i] for i in range(min(len(source), 256))]
    return Data(source, {name: tokenizers.named(source.kind).fit(some, Want(**want))}, batch)
