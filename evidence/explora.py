"""ExPLoRA: a small mae moves to photographs in other colours with few of its numbers, most of the gain and little forgetting."""

import copy
import functools
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from headstart.checkpoint import save_encoder
from headstart.data.source import Subset
from headstart.data.sources.array import ArraySource
from headstart.nn.encoder import Encoder, Model
from headstart.objective import Objective
from headstart.recipe import Data, Recipe, Run
from headstart.train import train
from headstart.words import changed

from .claim import Figure
from .lab import Real, Trial, fit, losses, photographs

SIZE, FIRST, STEPS = Model(64, 6, 4), 250, 40  # of the base; steps that it took, and those that follow
TRAINED = ("it goes on from the base", "the rest is frozen")
NOT_SHOWN = {"more gain for the last block in full": "here low-rank updates and norms alone gain as much, or nearly"}


def check(trial: Trial) -> Iterator[Figure]:
    base = base_of(trial.seed)
    made = trial.recipe(base.new, base=base.folder.name)
    began = losses(made.objective, base.old, base.real.query)["total"]
    yield Figure(
        "loss on the base's own photographs at first, over the base's, less 1", abs(began / base.loss - 1), below=1e-4
    )
    start, after = made.objective.encoder, stepped(trial, made)
    share = sum(int((p != q).sum()) for p, q in zip(start.parameters(), after.parameters(), strict=True))
    whole = sum(p.numel() for p in base.objective.encoder.parameters())
    yield Figure("numbers that move within three steps, over those of the base", share / whole, below=0.35)
    ranks, last = changes(start, after)
    yield Figure("rank of how queries and values of other blocks move, over the width", ranks, above=0.1, below=0.5)
    yield Figure("share of the last block that moves", last, above=0.9)

    full, fresh = everything(trial.name, trial.seed), afresh(trial.seed)
    objective = trial.fit(made, STEPS, among=base.real.bank)
    new, old = (losses(objective, data, base.real.query)["total"] for data in (base.new, base.old))
    yield Figure("gain in held-out loss, over full tuning's", (full.first - new) / (full.first - full.new), above=0.85)
    yield Figure(
        "what is forgotten of the base's own photographs, over full tuning's",
        (old - base.loss) / (full.old - base.loss),
        below=0.75,
    )
    yield Figure("held-out loss, over that of as many steps from a fresh start", new / fresh, below=0.88)


@dataclass(frozen=True)
class Base:
    """A mae on photographs, in a folder as a run leaves it. loss: of photographs that were held out."""

    real: Real
    old: Data
    new: Data  # the same in other colours
    objective: Objective
    loss: float
    folder: tempfile.TemporaryDirectory[str]


@dataclass(frozen=True)
class Tuned:
    """Held-out losses: before the first step, after the last, and then on the base's own photographs."""

    first: float
    new: float
    old: float


@functools.cache
def base_of(seed: int) -> Base:
    """What all trials of a seed begin with."""
    trial = Trial("mae", seed)
    real, folder = photographs(trial, 8, most=3000), tempfile.TemporaryDirectory()
    old, new = (trial.data(ArraySource(x, "image"), patch=2) for x in (real.samples, recoloured(real.samples)))
    made = trial.recipe(old, size=SIZE)
    learnt = replace(made.data, source=Subset(made.data.source, real.bank))
    optim = changed(made.optim, {"lr": trial.shipped["optim.lr"]}, "optim")
    run = Run(device="cpu", dtype="fp32", seed=seed, save_every=1.0)
    train(replace(made, data=learnt, steps=FIRST, optim=optim), run, Path(folder.name))
    save_encoder(Path(folder.name), made.objective.encoder, {"recipe": "mae"})
    arguments = {name: value for name, value in trial.shipped.items() if "." not in name}
    (Path(folder.name) / "run.json").write_text(json.dumps({"plan": {"arguments": arguments}}))
    made.objective.eval()
    return Base(real, old, new, made.objective, losses(made.objective, old, real.query)["total"], folder)


def recoloured(pictures: np.ndarray) -> np.ndarray:
    """Negatives whose channels are exchanged."""
    return 255 - pictures[:, [2, 0, 1]]


@functools.cache
def everything(name: str, seed: int) -> Tuned:
    """Full tuning from the base: nothing is frozen."""
    base, trial = base_of(seed), Trial(name, seed)
    made = trial.recipe(base.new, base=base.folder.name)
    made.objective.encoder.requires_grad_(True)
    first = losses(made.objective, base.new, base.real.query)["total"]
    objective = trial.fit(made, STEPS, among=base.real.bank)
    return Tuned(first, *(losses(objective, data, base.real.query)["total"] for data in (base.new, base.old)))


@functools.cache
def afresh(seed: int) -> float:
    """The held-out loss of a mae that begins with the new photographs."""
    base, trial = base_of(seed), Trial("mae", seed)
    made = trial.recipe(base.new, size=SIZE)
    return losses(trial.fit(made, STEPS, among=base.real.bank), base.new, base.real.query)["total"]


def stepped(trial: Trial, made: Recipe) -> Encoder:
    """The encoder after three steps; that of the recipe stays as it is."""
    return fit(replace(made, objective=copy.deepcopy(made.objective)), 3, lr=trial.shipped["optim.lr"]).encoder


def changes(before: Encoder, after: Encoder) -> tuple[float, float]:
    """(the rank of what queries and values moved by, over the width, the mean of all blocks but the last; of the numbers of the
    last block the share that moved), updates folded in."""
    old, new = before.folded().state_dict(), after.folded().state_dict()
    width, last = before.width, before.shape.depth - 1
    ranks = []
    for block in range(last):
        name = next(n for n in old if n.startswith(f"trunk.blocks.{block}.") and n.endswith("qkv.weight"))
        query, _, value = (new[name] - old[name]).double().split(width)
        for moved in (query, value):
            size = torch.linalg.svdvals(moved)
            ranks.append(float((size > 1e-3 * size.max()).sum()) / width)
    inside = [n for n in old if n.startswith(f"trunk.blocks.{last}.")]
    moved = sum(int((new[n] != old[n]).sum()) for n in inside)
    return float(np.mean(ranks)), moved / sum(old[n].numel() for n in inside)
