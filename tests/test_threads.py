"""Threads are given back where other processes need the cores."""

import time

import numpy as np
import pytest
import torch

import headstart as hs
from headstart.log import Log
from headstart.recipe import Run
from headstart.running import threads
from headstart.running.threads import Used, fitting


class Machine:
    """Two cores of which others use so many; this process uses one. Time goes by as it is told."""

    def __init__(self, monkeypatch):
        self.at, self.everybody, self.others = 0.0, 0.0, 0.0
        monkeypatch.setattr(threads.Used, "now", lambda: Used(self.at, self.everybody, self.at))
        monkeypatch.setattr(threads.time, "monotonic", lambda: self.at)
        monkeypatch.setattr(threads.os, "cpu_count", lambda: 2)

    def run(self, log, seconds):
        for _ in range(seconds):
            self.at, self.everybody = self.at + 1, self.everybody + 1 + self.others
            log.write("step", step=0, loss=1.0)


@pytest.fixture
def two():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_threads_go_and_come_back(two, monkeypatch, capsys):
    machine, log = Machine(monkeypatch), Log()
    with fitting(Run(device="cpu"), log, exact=False):
        machine.run(log, 30)
        assert torch.get_num_threads() == 2
        machine.others = 1.0
        machine.run(log, 4)
        assert torch.get_num_threads() == 2  # a moment is no reason
        machine.run(log, 12)
        assert torch.get_num_threads() == 1
        machine.others = 0.1
        machine.run(log, 16)
        assert torch.get_num_threads() == 2
        machine.others = 1.9
        machine.run(log, 16)
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2  # as it was found
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("threads")]
    assert (
        said[0]
        == "threads   other processes use 1.0 of 2 cores: from here 1 instead of 2, which would wait for each other"
    )
    assert said[1] == "threads   other processes use 0.1 of 2 cores: from here 2 instead of 1" and len(said) == 3


def test_steps_that_were_asked_for_keep_their_threads(two, monkeypatch):
    """They are to be the same to the bit, whatever else runs."""
    machine, log = Machine(monkeypatch), Log(quiet=True)
    machine.others = 2.0
    with fitting(Run(device="cpu"), log, exact=True):
        machine.run(log, 60)
        assert torch.get_num_threads() == 2 and not log.listeners


def test_what_others_use_is_measured(monkeypatch, tmp_path):
    """This process works for a while: that is none of the others' doing. Where the system does not say, nothing is done."""
    before = Used.now()
    if before is None:
        pytest.skip("this system has no /proc/stat")
    until = time.process_time() + 0.3
    while time.process_time() < until:
        np.ones(1000).sum()
    after = Used.now()
    assert after.own - before.own >= 0.25
    alone = Used(after.at, before.everybody + after.own - before.own, after.own)
    assert alone.others(before) == pytest.approx(0.0, abs=1e-6)
    monkeypatch.setattr(threads, "STAT", tmp_path / "none")
    assert Used.now() is None
    (tmp_path / "none").write_text("cpu words\n")
    assert Used.now() is None


def test_a_run_for_some_time_looks_after_its_threads(two, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(threads.Threads, "hear", lambda self, event, row: seen.append(event))
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 255, (64, 8, 8, 3)).astype(np.uint8))
    words = {"size": "XS", "recipe": "mae", "data.batch": 8, "data.patch": 4}
    for more, looked in (({"steps": 3}, False), ({"run.minutes": 0.002}, True)):
        seen.clear()
        out = str(tmp_path / f"run{looked}")
        hs.pretrain(tmp_path / "x.npy", **words, **more, run={"out": out, "device": "cpu"}, log=Log(quiet=True))
        assert bool(seen) == looked and torch.get_num_threads() == 2
