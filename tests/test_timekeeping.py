"""run.minutes is kept: what is left is counted anew where steps take another time than was planned."""

import json
import signal
from dataclasses import replace

import numpy as np
import pytest
from parts import recipe

import headstart as hs
from headstart.log import Log
from headstart.planning import choosing
from headstart.planning.plan import Plan
from headstart.planning.timing import time_steps
from headstart.recipe import Run
from headstart.running import timekeeping
from headstart.running.timekeeping import Timekeeper
from headstart.train import Outcome

PLAN = Plan(
    "x", "mae", {}, {}, {"batch": 10}, {}, {}, 1_000, {}, seconds=1_000.0, samples=100, budget=1_000.0, most=5_000
)


class Clock:
    """Training that takes no time, and says what each step would have taken: cost(step) [s]."""

    def __init__(self, cost, monkeypatch, folder):
        self.cost, self.step, self.spent, self.calls = cost, 0, 0.0, []
        monkeypatch.setattr(timekeeping, "train", self.train)
        monkeypatch.setattr(timekeeping.checkpoint, "complete", lambda place: [place / f"step-{self.step:08d}"])
        monkeypatch.setattr(timekeeping, "facts", lambda place: {"plan": {}})
        self.folder = folder

    def train(self, recipe, run, out, log, watch, *, until):
        took = sum(self.cost(i) for i in range(self.step, until))
        losses = [float(i) for i in range(self.step, until)]
        self.step, self.spent = until, self.spent + took
        self.calls.append((until, recipe.steps))
        return Outcome(until, recipe.steps, losses, took)

    def run(self, plan=PLAN):
        keeper = Timekeeper(plan, Log(quiet=True))
        outcome = keeper.train(recipe("mae", "series"), Run(), self.folder, Log(quiet=True), None)
        return keeper, outcome


@pytest.mark.parametrize(
    "cost",
    [
        lambda i: 2.0,  # the machine was idle when steps were timed, and is busy
        lambda i: 0.5,  # the other way round
        lambda i: 2.0 if i < 100 else 1.0,
        lambda i: 1.0 if i < 300 else 1.7,
        lambda i: 3.0 if i % 100 < 20 else 0.9,
    ],
)
def test_the_time_is_kept_whatever_steps_take(cost, monkeypatch, tmp_path):
    clock = Clock(cost, monkeypatch, tmp_path)
    keeper, outcome = clock.run()
    assert clock.spent == pytest.approx(1_000, rel=0.1) == outcome.seconds
    assert outcome.step == outcome.total == keeper.plan.steps == clock.step
    assert outcome.losses == [float(i) for i in range(outcome.step)]
    assert len(clock.calls) < 50


def test_a_plan_that_is_right_stays(monkeypatch, tmp_path):
    clock = Clock(lambda i: 1.02, monkeypatch, tmp_path)
    keeper, _ = clock.run()
    assert {total for _, total in clock.calls} == {1_000} and not (tmp_path / "run.json").exists()
    assert keeper.plan.steps == 1_000


def test_what_is_made_once_is_no_slowness(monkeypatch, tmp_path):
    """Samples are described in the first epoch, which is five times as slow: as planned."""
    plan = Plan(
        "x",
        "mae",
        {},
        {},
        {"batch": 10},
        {},
        {},
        1_000,
        {},
        seconds=1_400.0,
        samples=1_000,
        once=0.4,
        budget=1_400.0,
        most=5_000,
    )
    clock = Clock(lambda i: 5.0 if i < 100 else 1.0, monkeypatch, tmp_path)
    assert clock.run(plan)[0].plan.steps == 1_000


def test_no_more_than_the_method_takes(monkeypatch, tmp_path):
    clock = Clock(lambda i: 0.01, monkeypatch, tmp_path)
    assert clock.run()[1].total == 5_000


def test_steps_that_were_asked_for_are_taken(monkeypatch, tmp_path):
    asked = Plan("x", "mae", {}, {}, {"batch": 10}, {}, {}, 1_000, {}, seconds=1_000.0, samples=100)
    calls = []
    monkeypatch.setattr(timekeeping, "train", lambda *told, **more: calls.append(more) or Outcome(1_000, 1_000))
    Timekeeper(asked, Log(quiet=True)).train(recipe("mae", "series"), Run(), tmp_path, Log(quiet=True), None)
    assert calls == [{}]


WORDS = {"size": "XS", "recipe": "mae", "data.batch": 8, "data.patch": 4, "run.minutes": 0.02}


@pytest.fixture
def wrong(monkeypatch):
    """40 steps of 0.03 s are planned; each takes 0.01 s, whatever this machine does."""
    real, begun = timekeeping.train, []

    def train(*told, until):
        begun.append(until)
        return replace(real(*told, until=until), seconds=0.01 * (until - ([0, *begun][-2])))

    monkeypatch.setattr(choosing, "time_steps", lambda *told: time_steps(*told)._replace(step=0.03, once=0.0))
    monkeypatch.setattr(timekeeping, "train", train)
    monkeypatch.setattr(timekeeping, "SECONDS", 0.0)


def pictures(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 255, (64, 8, 8, 3)).astype(np.uint8))
    return tmp_path / "x.npy"


def test_a_run_that_was_planned_too_short(tmp_path, wrong, capsys):
    """It takes more steps, says so, goes on as if nothing had been, and what it was begun as can be taken again."""
    done = hs.pretrain(pictures(tmp_path), **WORDS, run={"out": str(tmp_path / "run")})
    out = capsys.readouterr().out
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["plan"]["steps"] == done.outcome.step == done.outcome.total > facts["lengths"][0]
    assert f"instead of {facts['lengths'][0]:,}, schedules with them" in out and "going on from" not in out
    log = Log(tmp_path / "run" / "log.jsonl", quiet=True)
    steps = [row["step"] for row in log.rows("step")]
    assert steps == sorted(set(steps)) and not list(log.rows("resume"))
    assert len(done.outcome.losses) == done.outcome.step
    assert log.latest("step")[-1]["lr"] < 0.2 * max(
        row["lr"] for row in log.latest("step")
    )  # to the end of its schedule
    assert hs.again(tmp_path / "run", log=Log(quiet=True))
    assert json.loads((tmp_path / "run" / "probe.json").read_text()) is not None


def test_who_asks_to_stop_where_the_rest_is_counted_is_heard(tmp_path, wrong, monkeypatch):
    """A signal in the very step after which the loop is left to count."""
    calls, real = [], timekeeping.train

    def train(*told, until):
        outcome = real(*told, until=until)
        calls.append(until)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGTERM)
        return outcome

    monkeypatch.setattr(timekeeping, "train", train)
    before = signal.signal(signal.SIGTERM, lambda *_: None)  # as the loop's own would have
    try:
        done = hs.pretrain(pictures(tmp_path), **WORDS, run={"out": str(tmp_path / "run")}, log=Log(quiet=True))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert done.outcome.interrupted and len(calls) == 2
    ended = hs.pretrain(pictures(tmp_path), **WORDS, run={"out": str(tmp_path / "run")}, log=Log(quiet=True))
    assert not ended.outcome.interrupted
