"""One process for each device, started by the command itself; and jobs that come back into the queue."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from headstart import cli
from headstart.errors import Mistake
from headstart.log import Log, rows
from headstart.running import processes
from headstart.running.processes import start, wanted
from headstart.running.requeue import requeued

SHORT = ("recipe=mae", "size=XS", "steps=6", "data.batch=8", "run.dtype=fp32", "run.device=cpu")
STALLS = """
import os, signal, sys
if os.environ["RANK"] == "1":
    os.kill(os.getpid(), signal.SIGKILL)
signal.pause()
"""


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    path = tmp_path / "pictures.npy"
    np.save(path, np.random.default_rng(0).integers(0, 255, (24, 8, 8), dtype=np.uint8))
    return path


def headstart(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "headstart", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def losses(run: Path) -> list[float]:
    return [row["loss"] for row in rows(run / "log.jsonl") if row["event"] == "step"]


def test_two_processes_train_what_one_trains(pictures, tmp_path):
    two, one = (
        headstart("pretrain", str(pictures), *SHORT, f"run.processes={n}", f"run.out={tmp_path / str(n)}")
        for n in (2, 1)
    )
    assert two.returncode == one.returncode == 0, two.stderr
    assert "2 processes, one for each" in two.stderr and two.stdout.count("done ") == 1
    assert losses(tmp_path / "2") == pytest.approx(losses(tmp_path / "1"), rel=1e-5)
    again = headstart("pretrain", str(pictures), *SHORT, f"run.out={tmp_path / '2'}")  # the word is none of the run's
    assert again.returncode == 0 and "finished  already" in again.stdout


def test_how_many_are_wanted(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert wanted([]) == 1 and wanted(["run.processes=3", "run.device=cpu"]) == 3
    with (
        mock.patch.object(torch.cuda, "is_available", lambda: True),
        mock.patch.object(torch.cuda, "device_count", lambda: 4),
    ):
        assert wanted([]) == 4 and wanted(["run.device=cuda"]) == 4 and wanted(["run.device=cpu"]) == 1
        assert wanted(["run.processes=1"]) == 1 and wanted(["run.device=cuda:2"]) == 1
        with pytest.raises(Mistake, match="does not divide among 4"):
            wanted(["data.batch=6"])
        monkeypatch.setenv("WORLD_SIZE", "4")
        assert wanted([]) == 1
    with pytest.raises(Mistake, match=r"run\.processes=-1"):
        wanted(["run.processes=-1"])


def test_a_mistake_is_one_sentence(pictures, tmp_path):
    done = headstart("pretrain", str(pictures), *SHORT, "run.processes=2", "ratio=7", f"run.out={tmp_path / 'a'}")
    said = [line for line in done.stderr.splitlines() if not line.startswith("devices ")]
    assert done.returncode == 2 and len(said) == 1 and said[0].startswith("headstart: ")


def test_a_process_that_is_killed_ends_the_others(tmp_path, monkeypatch):
    script, said = tmp_path / "stalls.py", []
    script.write_text(STALLS)
    monkeypatch.setattr(processes, "GRACE", 0.2)
    whole = subprocess.Popen

    def popen(command, **options):
        return whole([sys.executable, str(script)], **options)

    with mock.patch.object(subprocess, "Popen", popen):
        assert start(["pretrain"], 3, said.append) == 1
    assert said[-1].startswith("headstart: process 2 of 3 was killed by signal 9, so the others were ended")


def test_the_command_starts_them(monkeypatch):
    asked = []
    monkeypatch.setattr(processes, "start", lambda words, count, say: asked.append((words, count)) or 5)
    done = CliRunner().invoke(cli.app, ["pretrain", "photos", "run.processes=2", "steps=3"])
    assert done.exit_code == 5 and asked == [(["pretrain", "photos", "run.processes=2", "steps=3"], 2)]


# the queue

ASKED = """
import os, signal, sys
import headstart.training as training
plain = training.Training.take
def take(self, batch, step, asked=0):
    if step.index == 2 and step.total == 6:
        os.kill(os.getpid(), signal.SIGUSR1)
    return plain(self, batch, step, asked)
training.Training.take = take
from headstart.cli import main
main()
"""


@pytest.mark.parametrize("queue", ["takes it", "refuses", "is not there"])
def test_a_job_whose_time_is_over_is_saved_and_queued_again(pictures, tmp_path, queue):
    script, tools, out = tmp_path / "asked.py", tmp_path / "bin", tmp_path / "run"
    script.write_text(ASKED)
    tools.mkdir()
    if queue != "is not there":
        stub = tools / "scontrol"
        stub.write_text(
            f'#!/bin/sh\necho "$@" > {tmp_path / "told"}\n' + ("echo no such job >&2; exit 1\n" * (queue == "refuses"))
        )
        stub.chmod(0o755)
    words = ["pretrain", str(pictures), *SHORT, f"run.out={out}"]
    environment = {**os.environ, "SLURM_JOB_ID": "77", "PATH": str(tools), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 130, done.stderr
    assert "stopped   at step 4 of 6, and saved" in done.stdout
    if queue == "takes it":
        assert "job 77 is queued again" in done.stdout and (tmp_path / "told").read_text() == "requeue 77\n"
    else:
        assert "job 77 could not be queued again" in done.stdout and "sbatch the same script" in done.stdout
    after = headstart(*words)
    assert after.returncode == 0 and "going on from step 4" in after.stdout
    assert json.loads((out / "run.json").read_text())["plan"]["steps"] == 6


def test_before_training_it_is_queued_again_all_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SLURM_JOB_ID", "5")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(KeyboardInterrupt), requeued(Log(), tmp_path):
        os.kill(os.getpid(), signal.SIGUSR1)
    assert "job 5 could not be queued again" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
