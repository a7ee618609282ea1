"""Which recipe works on which kind of data, by trying each on a dozen samples, and what a step of it costs beside mae's."""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import headstart
from headstart.contract import base, works
from headstart.nn.encoder import SIZES
from headstart.recipe import Data, Recipe, Run, make
from headstart.shelf.find import find, meaningless, small
from headstart.shelf.find import names as recipes
from headstart.step import Step
from headstart.tiny import EVERY, tiny_data
from headstart.training import Training
from headstart.words import arguments

FILE = Path(headstart.__file__).parent / "recipes" / "matrix.json"
BESIDE = "mae"
TURNS = 12  # timed steps of each of the two, in turn


def kinds(name: str, data: dict[str, Data]) -> dict[str, str]:
    """{kind: "" where the recipe trains on it, else the reason it gives}."""
    return {kind: works(find(name), data[kind]) for kind in EVERY}


def cost(name: str, where: Sequence[str]) -> dict[str, Any]:
    """Seconds of a training step as a multiple of mae's on the same samples, both at size XS with their small settings.

    Measured on the first of these kinds that mae works on, the two in turns, so that a busy machine slows both.
    """
    kind = next((k for k in where if not k.startswith("pair")), None)
    if kind is None:
        return {"kind": where[0], "beside": None}  # mae knows no pairs
    data = tiny_data(kind, n=96, batch=64)
    with tempfile.TemporaryDirectory() as place:
        steps = [_step(_small(each, data, Path(place))) for each in (name, BESIDE)]
    seconds = np.array([[step(i) for step in steps] for i in range(TURNS)])[TURNS // 4 :]
    return {"kind": kind, "beside": round(float(np.median(seconds[:, 0]) / np.median(seconds[:, 1])), 1)}


def _small(name: str, data: Data, place: Path) -> Recipe:
    function = find(name)
    settings = {k: v for k, v in (small(function) or {}).items() if "." not in k}
    if "base" in arguments(function):
        settings["base"] = base(data, SIZES["XS"], place)
    torch.manual_seed(0)
    return make(function, data, size=SIZES["XS"], **settings)


def _step(recipe: Recipe) -> Callable[[int], float]:
    """A training step at spread-out moments of training; seconds."""
    training = Training(recipe, Run(device="cpu", dtype="fp32"))
    training.objective.train()

    def take(number: int) -> float:
        began = time.perf_counter()
        step = Step(number, TURNS)
        training.take(training.batch(step), step)
        return time.perf_counter() - began

    return take


def write(names: Sequence[str], say: Callable[[str], None] = print) -> None:
    """Try these recipes and put what is found into the package's matrix.json; what has no recipe any more goes."""
    torch.set_num_threads(1)
    data = {kind: tiny_data(kind) for kind in EVERY}
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for name in names:
        reasons = kinds(name, data)
        good = [kind for kind, reason in reasons.items() if not reason]
        found[name] = {"kinds": reasons, "meaningless": meaningless(find(name)), "cost": cost(name, good)}
        say(f"{name}: works on {len(good)} of {len(EVERY)} kinds, {found[name]['cost']['beside']} times mae's step")
        kept = {each: found[each] for each in recipes() if each in found}
        FILE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")  # at once: the next may take a while
