"""Slices and recomputing: less is kept for the backward pass, and nothing else changes."""

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
from tests.parts import EVERY, recipe
from tests.trunks import PAIRS, WINDOWS
from torch.testing import assert_close

from headstart.data.feeding.loader import collate
from headstart.errors import Mistake
from headstart.nn.encoder import Model, encoder
from headstart.nn.experts import ExpertBlock
from headstart.nn.merging import Merging
from headstart.nn.recompute import _ends, in_slices
from headstart.nn.transformer import Transformer
from headstart.recipe import Run
from headstart.step import Step
from headstart.tiny import tiny_data
from headstart.training import Training

PLAIN = Run(device="cpu", dtype="fp32")
STEP = Step(3, 10)
SIZE = Model(width=16, depth=2, heads=2)


def taken(name: str, kind: str, run: Run = PLAIN) -> tuple[float, dict[str, torch.Tensor], int]:
    """The loss, the gradients and what is kept for the backward pass, in bytes, of one batch."""
    made = recipe(name, kind)
    training = Training(made, run)
    kept: dict[int, int] = {}

    def keep(x: torch.Tensor) -> torch.Tensor:
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    weights = {p.untyped_storage().data_ptr() for p in made.objective.parameters()}
    batch = training.batch(STEP)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        loss = made.objective(batch, STEP)
    loss.backward()
    grads = {n: p.grad for n, p in made.objective.named_parameters() if p.grad is not None}
    return loss.total.item(), grads, sum(size for at, size in kept.items() if at not in weights)


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_slices_change_no_gradient_of_any_recipe(name, kind):
    loss, grads, _ = taken(name, kind)
    again, same, _ = taken(name, kind, dataclasses.replace(PLAIN, accumulate=3))
    assert again == pytest.approx(loss, rel=1e-5)
    largest = max(g.abs().max() for g in grads.values())
    assert same.keys() == grads.keys()
    for each, grad in grads.items():
        assert_close(same[each], grad, rtol=1e-4, atol=1e-5 * float(largest), msg=each)


@pytest.mark.parametrize(
    ("name", "kind"), [("mae", "image"), ("dino", "image"), ("clip", "pairs"), ("gpt_series", "series")]
)
def test_less_is_kept_for_the_backward_pass(name, kind):
    loss, grads, kept = taken(name, kind)
    again, same, less = taken(name, kind, dataclasses.replace(PLAIN, recompute=True))
    assert again == loss and all(torch.equal(same[each], grads[each]) for each in grads)  # to the last bit
    _, _, least = taken(name, kind, dataclasses.replace(PLAIN, accumulate=2))
    assert less < 0.7 * kept and least < 0.7 * kept


@pytest.mark.parametrize("trunk", [PAIRS, WINDOWS, Merging])
def test_other_trunks_are_sliced_as_well(trunk):
    torch.manual_seed(0)
    given = tiny_data("graph" if trunk is PAIRS else "image")
    enc = encoder(given.tokenizers, SIZE, trunk=trunk)
    rows = collate(given, np.arange(7), STEP, 1).tokens["x"]
    wanted, seen = enc(rows), []
    in_slices(enc, 3)
    enc.blocks[0].register_forward_pre_hook(lambda block, given: seen.append(given[0].layout.segments))
    assert_close(enc(rows).values, wanted.values, rtol=1e-5, atol=1e-5)
    assert len(seen) == 3 and sum(seen) == 7  # one slice at a time, no sample divided
    assert enc(rows).layout.lengths == wanted.layout.lengths


def test_a_loss_over_the_whole_batch_is_not_sliced():
    given = tiny_data("image")
    enc = encoder(given.tokenizers, SIZE, trunk=partial(Transformer, block=ExpertBlock))
    in_slices(enc, 2)
    with pytest.raises(Mistake, match=r"experts.*run\.accumulate=1"):
        enc(collate(given, np.arange(4), STEP, 1).tokens["x"])


def test_slices_are_whole_samples_of_about_as_many_rows():
    assert _ends((4, 4, 4, 4), 2) == [2, 4]
    assert _ends((9, 1, 1, 1), 2) == [1, 4]
    assert _ends((1, 1, 9), 2) == [3]
    assert _ends((2, 2), 8) == [1, 2]
    assert _ends((), 2) == []
