"""Labels only judge: whatever they say, or none, the weights of two steps are the same to the last bit."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tests.parts import SMALLER, TINY

import headstart as hs
from headstart import recipes
from headstart.log import Log
from headstart.probes import Split
from headstart.recipe import Recipe, Run, make
from headstart.shelf.find import find
from headstart.tiny import EVERY, tiny_data
from headstart.train import train

MATRIX = json.loads((Path(recipes.__path__[0]) / "matrix.json").read_text())
LIKED = ("image", "series", "table", "audio", "points", "pair", *EVERY)


def made_of(name: str, kind: str, labels: np.ndarray | None) -> Recipe:
    """The recipe of tiny data with these labels."""
    given = tiny_data(kind)
    for source in (given.source, given.source.source):
        source.labels = labels
    torch.manual_seed(0)
    small = {k: v for k, v in SMALLER.items() if k in inspect.signature(find(name)).parameters}
    return make(find(name), given, size=TINY, **small)


@pytest.mark.parametrize("name", sorted(MATRIX.keys() - {"explora"}))  # which goes on from a finished run
def test_no_recipe_learns_from_labels_it_did_not_ask_for(name):
    kind = next(kind for kind in LIKED if MATRIX[name]["kinds"].get(kind) == "")
    true = np.arange(12) % 3
    one, *others = (made_of(name, kind, labels) for labels in (true, chance().permutation(true), None))
    assert "labels" not in one.data.asks
    before = {k: v.clone() for k, v in one.objective.state_dict().items()}
    for made in (one, *others):
        train(made, Run(device="cpu", dtype="fp32", probe_every=1.0, save_every=1.0), until=2)
    after = one.objective.state_dict()
    assert any(not torch.equal(after[k], before[k]) for k in after)
    for other in others:
        state = other.objective.state_dict()
        assert after.keys() == state.keys() and all(torch.equal(after[k], state[k]) for k in after)


def chance() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("held", [None, 0.0])
def test_a_whole_run_is_the_same_without_labels(held, tmp_path, monkeypatch):
    """Through the verb, with the method and all else chosen from the data. Few labels judge, and are in training without them;
    with data.held=0 nothing judges."""
    monkeypatch.setattr(Split.crossed.__func__, "__defaults__", ((), None, 1))
    rng = chance()
    y = np.arange(60) % 3
    x = (60 * y[:, None, None, None] + rng.integers(0, 100, (60, 12, 12, 3))).astype(np.uint8)
    weights = []
    for what, more in (("true", {"y": y}), ("false", {"y": rng.permutation(y)}), ("none", {})):
        place, out = tmp_path / what / "data.npz", tmp_path / what / "run"
        place.parent.mkdir()
        np.savez(place, x=x, **more)
        words = {"steps": 2, "size": "XS", "data.batch": 8, "run.device": "cpu", "run.out": str(out)}
        run = hs.pretrain(str(place), log=Log(quiet=True), **words, **({} if held is None else {"data.held": held}))
        assert bool(run.results) == (bool(more) and held is None)
        weights.append(load_file(out / "encoder.safetensors"))
    one, *others = weights
    for other in others:
        assert one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)
