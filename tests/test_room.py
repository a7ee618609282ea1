"""Batches that do not fit into memory: fewer samples at a time go through the encoder, before the start or in the middle."""

import json
import re
from unittest import mock

import numpy as np
import pytest
import torch
from torch.testing import assert_close

import headstart as hs
from headstart import dist
from headstart.data.sources.array import ArraySource
from headstart.errors import Mistake
from headstart.log import Log
from headstart.planning.plan import Plan, build
from headstart.recipe import Run
from headstart.running.room import roomy
from headstart.shelf.find import find
from headstart.training import Training
from headstart.words import WordError

WORDS = {"recipe": "mae", "size": "XS", "steps": 4, "data.batch": 8, "run.dtype": "fp32", "run.device": "cpu"}


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (24, 8, 8), dtype=np.uint8)


def crowded(least: int, after: int = 0):
    """A machine on which a batch fits in so many slices and no fewer, once so many steps were taken."""
    steps = 0
    plain = Training.take

    def take(self, batch, step, asked=0):
        nonlocal steps
        steps += 1
        inner = self.objective.encoder.trunk.forward
        slices = inner.args[1] if hasattr(inner, "args") else 1
        if slices < least and steps > after:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(self, batch, step, asked)

    return mock.patch.object(Training, "take", take)


def trained(where, out, capsys, **words):
    hs.pretrain(where, log=Log(), **WORDS, **words, **{"run.out": str(out)})
    weights = hs.load(out).module.state_dict()
    return weights, json.loads((out / "run.json").read_text()), capsys.readouterr().out


def alike(plain, sliced):
    for name, value in plain.items():
        if not name.endswith("qkv.bias"):  # that of keys has no gradient, and Adam goes by the sign of what it has
            assert_close(sliced[name], value, rtol=1e-3, atol=2e-5)


def test_as_many_slices_as_it_takes_are_found_before_the_start(pictures, tmp_path, capsys):
    plain, _, _ = trained(pictures, tmp_path / "plain", capsys)
    with crowded(least=4):
        sliced, facts, said = trained(pictures, tmp_path / "sliced", capsys)
        assert facts["plan"]["run"]["accumulate"] == 4
        assert re.search(r"plan +memory: a batch goes through the encoder in 4 slices \(run\.accumulate=\)", said)
    alike(plain, sliced)


@pytest.mark.parametrize("after", [2, 3])  # from the start again, and from a checkpoint
def test_a_step_that_does_not_fit_is_tried_once_more_in_slices(pictures, tmp_path, capsys, after):
    plain, _, _ = trained(pictures, tmp_path / "plain", capsys)
    with crowded(least=2, after=4 + after):  # the plan times four steps
        sliced, facts, said = trained(pictures, tmp_path / "sliced", capsys, **{"run.save_every": 0.75})
    assert facts["plan"]["run"]["accumulate"] == 2
    assert re.search(r"memory +a step did not fit into memory: batches go .* in 2 slices from here", said)
    assert ("going on from step 3" in said) == (after == 3)
    alike(plain, sliced)


def test_what_fits_in_slices_neither_is_said_and_goes_on_later(pictures, tmp_path, capsys):
    words = {**WORDS, "run.save_every": 0.25, "run.out": str(tmp_path / "a")}
    with crowded(least=8, after=6), pytest.raises(Mistake, match="does not fit into memory, in slices neither"):
        hs.pretrain(pictures, log=Log(quiet=True), **words)
    assert hs.pretrain(pictures, log=Log(), **words).outcome.step == 4
    assert "going on from step 2" in capsys.readouterr().out


def test_of_several_processes_the_same_command_goes_on_in_slices(pictures, tmp_path, capsys):
    _, facts, _ = trained(pictures, tmp_path / "run", capsys)
    out_of_memory = mock.Mock(side_effect=torch.OutOfMemoryError("CUDA out of memory"))
    made = build(Plan(**facts["plan"]), find("mae"), ArraySource(pictures, "image"))
    with (
        mock.patch.object(dist, "world", lambda: 2),
        pytest.raises(Mistake, match="by the same command, which goes on"),
    ):
        roomy(out_of_memory, mock.Mock())(made, Run(**facts["plan"]["run"]), tmp_path / "run", Log(quiet=True), None)
    assert out_of_memory.call_count == 1  # the others stand in the middle of a step
    assert json.loads((tmp_path / "run" / "run.json").read_text())["plan"]["run"]["accumulate"] == 2


def test_one_process_has_nothing_to_divide_with(pictures, tmp_path, capsys):
    hs.pretrain(pictures, log=Log(), **WORDS, **{"run.out": str(tmp_path / "a"), "run.shard": True})
    assert "run.shard=true divides nothing: this is one process" in capsys.readouterr().out


def test_what_fits_in_no_slices_is_a_sentence(pictures, tmp_path):
    with crowded(least=99), pytest.raises(WordError, match="does not fit into the device's memory in 8 slices: lower"):
        hs.pretrain(pictures, log=Log(quiet=True), **WORDS, **{"run.out": str(tmp_path / "a")})
    with crowded(least=4), pytest.raises(WordError, match=r"in 2 slices: lower data\.batch"):
        words = {"run.out": str(tmp_path / "b"), "run.accumulate": 2}
        hs.pretrain(pictures, log=Log(quiet=True), **WORDS, **words)


def test_a_budget_of_tokens_is_a_number_of_samples(pictures, tmp_path, capsys):
    words = {**WORDS, "data.tokens": 100, "data.patch": 2}  # 16 rows each
    del words["data.batch"]
    hs.pretrain(pictures, log=Log(), **words, **{"run.out": str(tmp_path / "a")})
    assert json.loads((tmp_path / "a" / "run.json").read_text())["plan"]["input"]["batch"] == 6
    assert "batch: about 100 tokens make 6 samples (data.tokens=)" in capsys.readouterr().out
    with pytest.raises(Mistake, match="say the same in two units"):
        hs.pretrain(pictures, log=Log(quiet=True), **words, **{"data.batch": 4})


def test_words_that_make_no_sense_are_refused():
    with pytest.raises(Mistake, match=r"run\.accumulate=-1"):
        Run(accumulate=-1)
