"""The loop: a run that was cut in two equals one that was not, bad steps are left out, nothing on disk is half."""

import dataclasses
import json
import math
import os
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.parts import TINY, data, recipe

from headstart import checkpoint
from headstart.data.feeding.order import samples, shuffled, uniform
from headstart.data.sources.array import ArraySource
from headstart.errors import Mistake
from headstart.health import PATIENCE, TrainingStopped
from headstart.log import Log, span
from headstart.nn.encoder import Encoder
from headstart.objective import Loss
from headstart.recipe import Run
from headstart.step import Step
from headstart.train import train
from headstart.training import device_of, dtype_of

RUN = Run(device="cpu", save_every=1.0, probe_every=1.0)


def fresh(name="mae", kind="image", steps=10, **options):
    return dataclasses.replace(recipe(name, kind, **options), steps=steps)


def equal(a: dict, b: dict) -> None:
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key


def on_disk(folder, step) -> dict[str, dict]:
    path = folder / "checkpoints" / f"step-{step:08d}"
    return {name: load_file(path / f"{name}.safetensors") for name in ("objective", "optimizer")}


@pytest.mark.parametrize(("name", "kind"), [("mae", "image"), ("dino", "series"), ("clip", "pairs")])
def test_ten_steps_equal_five_and_five(name, kind, tmp_path):
    """Weights, teacher, centre and moments, to the last bit, in the dtype that the machine trains in."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    first = fresh(name, kind)
    start = {k: v.clone() for k, v in first.objective.state_dict().items()}
    a = train(first, RUN, whole)
    half = train(fresh(name, kind), RUN, cut, until=5)
    assert half.interrupted and half.step == 5
    made = fresh(name, kind, seed=99)  # what it begins with does not matter: the checkpoint has everything
    b = train(made, RUN, cut)
    assert not b.interrupted and b.step == a.step == 10
    assert a.losses == half.losses + b.losses and len(a.losses) == 10 and np.isfinite(a.losses).all()
    equal(made.objective.state_dict(), first.objective.state_dict())
    one, two = on_disk(whole, 10), on_disk(cut, 10)
    for part in one:
        equal(one[part], two[part])
    learning = [n for n, p in first.objective.named_parameters() if p.requires_grad]
    assert one["optimizer"].keys() == {f"{n}/{k}" for n in learning for k in ("step", "exp_avg", "exp_avg_sq")}
    assert sum(not torch.equal(v, start[k]) for k, v in first.objective.state_dict().items()) > 0.8 * len(start)


def test_seeds_decide():
    """The same seed is the same run, another seed is another, by its masks alone where a batch holds every sample."""
    given = data("image", batch=12)
    a, b, c = (train(fresh(given=given), dataclasses.replace(RUN, seed=s), until=3).losses for s in (0, 0, 1))
    assert a == b and abs(a[0] - c[0]) > 1e-3


def test_labels_never_reach_training():
    given = data("image")
    wrong = np.random.default_rng(1).permutation(given.source.labels)
    shuffled_labels = ArraySource(given.source.values, "image", labels=wrong)
    unlabelled = ArraySource(given.source.values, "image")
    losses = [
        train(fresh(given=dataclasses.replace(given, source=source)), RUN, until=4).losses
        for source in (given.source, shuffled_labels, unlabelled)
    ]
    assert losses[0] == losses[1] == losses[2]


# bad steps


def spoil(made, when) -> None:
    """The loss of these calls is NaN."""
    real = made.objective.forward

    def forward(batch, step):
        loss = real(batch, step)
        return Loss(loss.total * math.nan, loss.parts) if step.index in when else loss

    made.objective.forward = forward


@pytest.mark.parametrize(("name", "kind"), [("mae", "image"), ("dino", "image")])
def test_a_bad_step_is_skipped(name, kind, tmp_path):
    made, log = fresh(name, kind, steps=6), Log(tmp_path / "log.jsonl", quiet=True)
    spoil(made, {2})
    seen = {}

    def watch(step):
        seen[step] = {k: v.clone() for k, v in made.objective.state_dict().items()}
        return {}

    out = train(made, dataclasses.replace(RUN, probe_every=1 / 6), None, log, watch)
    equal(seen[2], seen[3])  # neither weights nor teacher nor centre moved
    assert any(not torch.equal(seen[3][k], seen[4][k]) for k in seen[3])
    assert out.step == 6 and len(out.losses) == 5 and np.isfinite(out.losses).all()
    assert [r["step"] for r in log.rows("skipped")] == [2]
    assert all(v.isfinite().all() for v in made.objective.state_dict().values())


def test_an_infinite_gradient_is_skipped():
    made = fresh(steps=4)
    before = {k: v.clone() for k, v in made.objective.state_dict().items()}
    made.objective.encoders["encoder"].slots.register_hook(lambda g: g * math.inf)
    out = train(made, RUN, until=4)
    assert out.losses == [] and out.step == 4
    equal(made.objective.state_dict(), before)


def test_bad_steps_in_a_row_stop_training(tmp_path):
    made, run = fresh(steps=20), dataclasses.replace(RUN, save_every=0.1)
    spoil(made, range(4, 20))
    said = f"the loss was not finite for {PATIENCE} steps in a row, until step {4 + PATIENCE - 1}"
    with pytest.raises(TrainingStopped, match=said) as stopped:
        train(made, run, tmp_path)
    assert "Try optim.lr=" in str(stopped.value)
    newest = checkpoint.complete(tmp_path / "checkpoints")[-1]
    again = fresh(steps=20, seed=5)
    checkpoint.restore(newest, again.objective, again.optim.build(again.objective))
    assert all(v.isfinite().all() for v in again.objective.state_dict().values())
    equal(again.objective.state_dict(), made.objective.state_dict())


def test_four_bad_steps_then_a_good_one_go_on():
    made = fresh(steps=12)
    spoil(made, {1, 2, 3, 4, 6, 7, 8, 9})
    assert len(train(made, RUN).losses) == 4


def test_what_was_skipped_stays_out_of_the_losses_of_a_resumed_run(tmp_path):
    made, log = fresh(steps=8), Log(tmp_path / "log.jsonl", quiet=True)
    spoil(made, {2})
    half = train(made, RUN, tmp_path, log, until=4)
    out = train(fresh(steps=8), RUN, tmp_path, Log(tmp_path / "log.jsonl", quiet=True))
    assert out.losses[:3] == half.losses and len(out.losses) == 7 and np.isfinite(out.losses).all()


def test_steps_taken_twice_count_once(tmp_path):
    """A run that died after its checkpoint logs some steps again."""
    log = Log(tmp_path / "log.jsonl", quiet=True)
    train(fresh(steps=8), RUN, tmp_path, log, until=4)
    for index in (4, 5):  # what a killed run logged on
        log.write("step", step=index, loss=123.0)
    train(fresh(steps=8), RUN, tmp_path, log, until=6)
    out = train(fresh(steps=8), RUN, tmp_path, log)
    assert len(out.losses) == 8 and 123.0 not in out.losses


# interruptions


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_the_step_and_saves(number, tmp_path):
    before = signal.getsignal(number)
    run = dataclasses.replace(RUN, probe_every=0.1)
    out = train(fresh(), run, tmp_path, watch=lambda step: os.kill(os.getpid(), number) or {} if step == 3 else {})
    assert out.interrupted and out.step in (3, 4) and signal.getsignal(number) is before
    whole = fresh()
    train(whole, RUN)
    made = fresh()
    train(made, RUN, tmp_path)
    equal(made.objective.state_dict(), whole.objective.state_dict())


STAGES = ["write_tensors 1", "write_tensors 2", "write_json 1", "os.replace 1", "os.replace 2", "os.replace 3",
          "os.replace 4", "os.fsync 1", "shutil.rmtree 1"]  # fmt: skip


@pytest.mark.parametrize("stage", STAGES)
def test_a_crash_while_saving_leaves_the_newest_whole_one(stage, tmp_path, monkeypatch):
    name, nth = stage.split()
    owner = {"os": os, "shutil": checkpoint.shutil}.get(name.split(".")[0], checkpoint)
    word, calls, folder = name.split(".")[-1], [], tmp_path / "checkpoints"
    made = fresh("dino", "image")
    optimizer = made.optim.build(made.objective)
    train(made, dataclasses.replace(RUN, save_every=0.2), tmp_path, until=4)  # leaves two
    before, real = checkpoint.complete(folder), getattr(owner, word)
    assert [p.name for p in before] == ["step-00000002", "step-00000004"]
    held = on_disk(tmp_path, 4)

    def fail(*args, **options):
        calls.append(word)
        if len(calls) == int(nth):
            raise OSError("the power went")
        return real(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, word, fail)
        with pytest.raises(OSError, match="power"):
            checkpoint.save(folder, 5, made.objective, optimizer)
    newest = checkpoint.complete(folder)[-1]
    assert newest.name == ("step-00000005" if stage == "shutil.rmtree 1" else "step-00000004")
    again = fresh("dino", "image", seed=3)
    facts = checkpoint.restore(newest, again.objective, again.optim.build(again.objective))
    assert facts["step"] == int(newest.name[-8:])
    equal(again.objective.state_dict(), made.objective.state_dict())
    if newest.name == "step-00000004":
        equal(on_disk(tmp_path, 4)["optimizer"], held["optimizer"])
    out = train(fresh("dino", "image"), RUN, tmp_path)
    assert out.step == 10 and [p.name for p in folder.iterdir() if p.name.startswith(".")] == []
    assert len(checkpoint.complete(folder)) == checkpoint.KEEP


def test_files_are_replaced_whole(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    checkpoint.write_json(path, {"a": 1})
    monkeypatch.setattr(checkpoint.os, "replace", lambda *a: (_ for _ in ()).throw(OSError("gone")))
    with pytest.raises(OSError, match="gone"):
        checkpoint.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1} and path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("kind", ["image", "series", "text"])
def test_an_encoder_comes_back_as_it_was(kind, tmp_path):
    given = data(kind)
    torch.manual_seed(0)
    enc = Encoder(given.tokenizers, TINY, causal=kind == "series").eval()
    checkpoint.save_encoder(tmp_path, enc, {"read": "mean"})
    back, card = checkpoint.load_encoder(tmp_path)
    equal(back.state_dict(), enc.state_dict())
    assert back.tokenizers == enc.tokenizers and back.causal == enc.causal and card["read"] == "mean"
    assert back.shape == TINY and not back.training
    card_path = tmp_path / "encoder.json"
    card_path.write_text(card_path.read_text().replace('"format": 2', '"format": 3'))
    with pytest.raises(ValueError, match="upgrade"):
        checkpoint.load_encoder(tmp_path)


# order


@pytest.mark.parametrize("n", [1, 2, 7, 64, 100, 1000])
def test_a_shuffle_is_a_permutation(n):
    each = [shuffled(np.arange(n), n, key) for key in range(5)]
    assert all(np.array_equal(np.sort(p), np.arange(n)) for p in each)
    assert n < 7 or len({p.tobytes() for p in each}) == 5


@pytest.mark.parametrize(("n", "batch"), [(12, 4), (10, 4), (5, 12), (97, 8)])
def test_every_epoch_sees_every_sample_once(n, batch):
    epochs = 6
    steps = [Step(index, 99, 3) for index in range(-(-epochs * n // batch))]
    told = np.concatenate([samples(uniform, step, batch, n) for step in steps])[: epochs * n]
    each = told.reshape(epochs, n)
    assert np.array_equal(np.sort(each, 1), np.tile(np.arange(n), (epochs, 1)))
    assert len({row.tobytes() for row in each}) == epochs
    assert not np.array_equal(told[:batch], samples(uniform, Step(0, 99, 4), batch, n))


@pytest.mark.parametrize("world", [2, 4])
def test_the_number_of_processes_does_not_change_the_order(world):
    for step in (Step(index, 9, 1) for index in range(9)):
        split = [samples(uniform, step, 8, 30, rank, world) for rank in range(world)]
        assert np.array_equal(np.concatenate(split), samples(uniform, step, 8, 30))
    with pytest.raises(ValueError, match=r"divide among 3 processes: change data.batch"):
        samples(uniform, Step(0, 9), 8, 30, 0, 3)


def test_shuffles_are_even():
    """Over many epochs every sample comes at every place equally often (chi-squared, 11 * 11 degrees of freedom)."""
    counts = np.zeros((12, 12))
    for key in range(3000):
        counts[np.arange(12), shuffled(np.arange(12), 12, key)] += 1
    assert ((counts - 250) ** 2 / 250).sum() < 121 + 4 * math.sqrt(2 * 121)


# around the loop


def test_device_and_dtype():
    assert device_of(Run(device="cpu")).type == "cpu"
    assert dtype_of(Run(dtype="bf16"), torch.device("cpu")) == torch.bfloat16
    for wrong in ({"dtype": "fp8"}, {"device": "gpu"}, {"minutes": 0.0}, {"probe_every": 0.0}, {"save_every": 2.0}):
        with pytest.raises(Mistake, match=f"run.{next(iter(wrong))}="):
            Run(**wrong)


@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_parameters_stay_fp32(dtype):
    made = fresh("dino", "image")
    rows = []
    made.objective.encoders["encoder"].trunk.register_forward_hook(lambda m, a, out: rows.append(out[-1].values.dtype))
    train(made, dataclasses.replace(RUN, dtype=dtype), until=2)
    assert {v.dtype for v in made.objective.state_dict().values()} == {torch.float32}
    assert set(rows) == {torch.bfloat16 if dtype == "bf16" else torch.float32}


def test_the_schedule_reaches_the_optimizer(tmp_path):
    made, log = fresh(steps=10), Log(tmp_path / "log.jsonl", quiet=True)
    train(made, RUN, None, log)
    rates = [row["lr"] for row in log.rows("step")]
    assert rates[0] == rates[1] == 1.5e-4 and rates[-1] < 1e-5 and len(rates) == 10  # one step of warm-up
    groups = made.optim.build(made.objective).param_groups
    assert [g["decay"] for g in groups] == [True, False]
    assert all(p.ndim >= 2 for p in groups[0]["params"])
    slots = made.objective.encoders["encoder"].slots
    assert any(p is slots for p in groups[1]["params"])  # class tokens are not decayed


def test_a_torn_log_is_mended(tmp_path):
    path = tmp_path / "log.jsonl"
    log = Log(path, quiet=True)
    log.write("step", loss=0.5, step=0)
    with path.open("a") as file:
        file.write('{"event": "st')
    again = Log(path, quiet=True)
    again.write("step", loss=0.5, step=1)
    assert [row["step"] for row in again.rows("step")] == [0, 1]


def test_durations():
    assert [span(s) for s in (45, 200, 7500, 59.6)] == ["45 s", "3 min 20 s", "2 h 05 min", "1 min 00 s"]
