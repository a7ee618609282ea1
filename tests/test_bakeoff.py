"""The bake-off: methods are begun, the worse are left, the best goes on from where it is; by labels that judge nothing else."""

import json

import numpy as np
import pytest
import torch

import headstart as hs
from headstart import checkpoint
from headstart.data.sources.array import ArraySource
from headstart.log import Log
from headstart.probes import figure
from headstart.running import bakeoff
from headstart.scoring.labelled import Labelled, labelled
from headstart.scoring.score import chosen_by, mark, within_bank
from headstart.shelf.find import candidates, default_recipe
from headstart.verbs import pretrain as verb


@pytest.fixture
def short(monkeypatch):
    """Methods are tried in runs of seconds."""
    for name, value in {"SHORTEST": 0.0, "LEAST": 1, "SHARE": 0.8}.items():
        monkeypatch.setattr(bakeoff, name, value)
    yield


def pictures(folder, labels=2, n=200):
    """Pictures of noise whose brightness says their class."""
    rng = np.random.default_rng(0)
    y = rng.integers(labels, size=n) if labels else np.zeros(n, int)
    x = rng.integers(0, 100, size=(n, 1, 8, 8)).astype(np.uint8) + (100 * y[:, None, None, None]).astype(np.uint8)
    path = folder / "set.npz"
    np.savez(path, x=x, **({"y": y} if labels else {}))
    return path


WORDS = {"size": "XS", "steps": 60, "data.batch": 16, "data.patch": 4, "data.held": 0.3}


def run(path, out, **words):
    return hs.pretrain(path, **WORDS | {"run.out": out} | words, log=Log(quiet=True))


def test_steps_are_shared_out():
    """Three begin, two go on, one ends: a tenth of the time tries them, and each plan is what fits into the rest and its own
    share; the one that is too slow to be judged does not begin, and leaves its time to the others."""
    each = [(mae, plan_of(seconds=1_000.0, steps=steps)) for steps in (30_000, 15_000, 12_000)]
    some = bakeoff.entries(each, False)
    assert [entry.plan.steps for entry in some] == [28_250, 14_125, 11_300]  # 900 + 16.7 + 25 seconds
    assert [entry.until for entry in some] == [(500, 1_250), (250, 625), (200, 500)]
    assert [entry.plan.steps for entry in bakeoff.entries(each, True)] == [30_000, 15_000, 12_000]
    two = bakeoff.entries([*each[:2], (mae, plan_of(seconds=1_000.0, steps=100))], False)
    assert [(entry.plan.steps, entry.until) for entry in two] == [(28_500, (1_500,)), (14_250, (750,))]
    assert len(bakeoff.entries([each[0], (mae, plan_of(seconds=1_000.0, steps=100))], False)) == 1
    assert not bakeoff.entries(
        [(mae, plan_of(seconds=1_000.0, steps=100)), *each], False
    )  # the default is not left for that


def mae(): ...


def plan_of(seconds, steps):
    from headstart.planning.plan import Plan

    return Plan("x", "mae", {}, {}, {}, {}, {}, steps, {}, seconds=seconds)


def test_the_best_goes_on_from_where_it_is(tmp_path, short, monkeypatch, capsys):
    marks = {"mae": 0.3, "simclr": 0.7, "descriptors": 0.5, "raw input": 0.8, "random encoder": 0.2}
    order = iter(["raw input", "random encoder", *candidates("image"), "descriptors", "simclr"])
    asked, gathered, gather = [], [], verb.gather

    def chosen_by(data, vectors):
        asked.append(data)
        value, n = marks[next(order)], len(data.query_at)
        return [figure(value, np.full(n, value / n))] * 2

    def note(*told):
        gathered.append(gather(*told))
        return gathered[-1]

    monkeypatch.setattr(bakeoff, "chosen_by", chosen_by)
    monkeypatch.setattr(verb, "gather", note)
    path = pictures(tmp_path)
    done = hs.pretrain(path, **WORDS, run={"out": str(tmp_path / "run")})
    assert "raw input is ahead of simclr so far" in capsys.readouterr().out  # said early, with what is left to do
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["plan"]["recipe"] == "simclr" and any(
        "the best of mae, simclr and ahead of the default, descriptors" in w for w in facts["plan"]["why"]
    )
    told = json.loads((tmp_path / "run" / "bakeoff" / "rounds.json").read_text())
    assert told["winner"] == "simclr" and [len(r["marks"]) for r in told["rounds"]] == [3, 2]
    assert [p.name for p in (tmp_path / "run" / "bakeoff").iterdir()] == ["rounds.json"]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Which method" in page and "<b>simclr</b>" in page and "0.700 (" in page
    log = Log(tmp_path / "run" / "log.jsonl")
    assert [row["step"] for row in log.rows("resume")] == [told["rounds"][-1]["steps"]["simclr"]]
    assert log.latest("probe")[0]["step"] == 0  # what it was before training is kept beside what it became
    judging = set(gathered[0].probe.query_at)  # of the same source as the others
    for data in asked:  # they have not been asked
        assert not judging & {*data.bank_at, *data.query_at} and len(data.query_at) > 50
    assert done.outcome.step == 60
    alone = run(path, tmp_path / "alone", recipe="simclr")  # as if it had been trained without a stop
    assert alone.outcome.losses[0] == log.latest("step")[0]["loss"]
    a, b = (checkpoint.read_tensors(tmp_path / each / "encoder.safetensors") for each in ("run", "alone"))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_the_default_goes_on_unless_another_is_ahead_beyond_chance(tmp_path, short, monkeypatch, capsys):
    """One judge of hundreds more for simclr, early: longer runs chose descriptors, which stay in every round."""
    count = {"raw input": 5, "random encoder": 5, "descriptors": 10, "mae": 12, "simclr": 11}
    order = iter(["raw input", "random encoder", *candidates("image"), "descriptors", "mae"])

    def chosen_by(data, vectors):
        right, n = count[next(order)], len(data.query_at)
        return [figure(right / n, (np.arange(n) < right) / n)] * 2

    monkeypatch.setattr(bakeoff, "chosen_by", chosen_by)
    hs.pretrain(pictures(tmp_path), **WORDS, run={"out": str(tmp_path / "run")})
    assert "mae is not ahead of descriptors beyond chance" in capsys.readouterr().out
    plan = json.loads((tmp_path / "run" / "run.json").read_text())["plan"]
    assert plan["recipe"] == "descriptors" and "none of mae, simclr was ahead of it" in plan["why"][0]
    told = json.loads((tmp_path / "run" / "bakeoff" / "rounds.json").read_text())
    assert told["winner"] == "descriptors" and [sorted(r["marks"]) for r in told["rounds"]] == [
        ["descriptors", "mae", "simclr"],
        ["descriptors", "mae"],
    ]


def test_labels_that_judge_do_not_choose():
    """Other labels of those that judge change nothing; other labels of those that are learnt from do."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=400)
    x = np.stack([y + 0.1 * rng.standard_normal(400), rng.standard_normal(400)], 1).astype(np.float32)

    def worth(labels):
        source = ArraySource(x[:, :, None], "series", labels=labels)
        data = within_bank(labelled(source, source, np.arange(300), np.arange(300, 400)))
        return mark(chosen_by(data, lambda source, at: x[at]))

    judging, learning = y.copy(), y.copy()
    judging[300:], learning[:300] = 1 - y[300:], rng.integers(2, size=300)
    assert worth(y) == worth(judging) > 0.9 > worth(learning)


def test_what_hangs_together_is_not_divided_in_choosing():
    rng = np.random.default_rng(0)
    groups = rng.integers(40, size=400)
    source = ArraySource(
        rng.standard_normal((400, 2, 1)).astype(np.float32), "series", labels=rng.integers(2, size=400)
    )
    source.groups = groups
    data = within_bank(Labelled(source, source, np.arange(300), np.arange(300, 400)))
    halves = [set(groups[at]) for at in (data.bank_at, data.query_at)]
    assert not halves[0] & halves[1] and abs(len(data.query_at) - 150) < 20
    assert {*data.bank_at, *data.query_at} == set(range(300))


def test_ahead_is_beyond_chance():
    """More right by one of 200 judges is not ahead; by 40 it is."""

    def right(count):
        return [figure(count / 200, (np.arange(200) < count) / 200.0)]

    assert not bakeoff._ahead(right(101), right(100)) and bakeoff._ahead(right(140), right(100))
    assert not bakeoff._ahead(right(100), right(140))


@pytest.mark.parametrize(
    "words, labels, reason",
    [
        ({"ratio": 0.5}, 2, "ratio is a word of its own"),
        ({}, 0, "there are no labels to choose by"),
        ({"steps": 2}, 2, "the time is too short for more than one"),
    ],
)
def test_the_default_is_taken_with_a_reason(tmp_path, short, words, labels, reason):
    run(pictures(tmp_path, labels, 200 if labels else 60), tmp_path / "run", **{"steps": 20} | words)
    plan = json.loads((tmp_path / "run" / "run.json").read_text())["plan"]
    assert plan["recipe"] == default_recipe("image")
    assert f"no other method is tried first: {reason}" in plan["why"]
    assert not (tmp_path / "run" / "bakeoff").exists()


def test_labels_that_all_judge_choose_nothing(tmp_path, short):
    words = {name: value for name, value in WORDS.items() if name != "data.held"}
    hs.pretrain(pictures(tmp_path, 2, 100), **words, run={"out": str(tmp_path / "run")}, log=Log(quiet=True))
    why = json.loads((tmp_path / "run" / "run.json").read_text())["plan"]["why"]
    assert any("no labels to spare" in line for line in why)


def test_stopped_meanwhile_it_begins_anew(tmp_path, short, monkeypatch, capsys):
    calls, real = [], bakeoff.train

    def train(recipe, run, place, log, until):
        calls.append(place.name)
        return real(
            recipe, run, place, log, until=until - 1 if calls == ["descriptors", "mae"] else until
        )  # as Ctrl-C would

    monkeypatch.setattr(bakeoff, "train", train)
    path = pictures(tmp_path)
    stopped = hs.pretrain(path, **WORDS, run={"out": str(tmp_path / "run")})
    assert stopped.outcome.interrupted and not (tmp_path / "run" / "run.json").exists()
    assert "the same command begins that anew" in capsys.readouterr().out
    hs.pretrain(path, **WORDS, run={"out": str(tmp_path / "run")})
    assert calls[2:5] == list(candidates("image"))
    assert (tmp_path / "run" / "probe.json").exists()


def test_auto_is_the_same_as_nothing(tmp_path):
    path = pictures(tmp_path, 0, 60)
    run(path, tmp_path / "run", steps=2)
    again = run(path, tmp_path / "run", steps=2, recipe="auto")
    assert again.outcome.step == 2
    assert verb.AUTO == "auto"


def test_plan_says_what_would_be_tried(tmp_path, monkeypatch):
    path, words = pictures(tmp_path), {"size": "XS", "steps": 20, "data.batch": 16, "data.held": 0.3}
    said = [hs.plan(path, **words, **more, log=Log(quiet=True)).why[-1] for more in ({}, {"recipe": "auto"})]
    assert (
        said[0]
        == said[1]
        == "no other method is tried first: others are tried where training takes 1.5 minutes or more"
    )
    monkeypatch.setattr(bakeoff, "SHORTEST", 0.0)
    assert "descriptors, mae, simclr are begun" in hs.plan(path, **words, log=Log(quiet=True)).why[-1]
    assert not any("tried" in line for line in hs.plan(path, **words, recipe="mae", log=Log(quiet=True)).why)
