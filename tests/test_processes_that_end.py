"""Processes that the command started, of which one ends before the others: who is told what, and what is kept."""

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

from headstart.errors import Mistake
from headstart.log import Log
from headstart.running import processes, requeue
from headstart.running.processes import LEFT_ALONE, start, wanted
from headstart.running.requeue import requeued

HERE = "import os, pathlib, signal, sys, time\nrank, place = int(os.environ['RANK']), pathlib.Path(__file__).parent\n"
SAYS = HERE + "print({words!r}, file=sys.stderr)\nsys.exit({ends!r}[rank])\n"
SAVES = HERE + (
    "signal.signal(signal.SIGTERM, lambda *_: (place / f'asked-{rank}').touch())\n"
    "(place / f'ready-{rank}').touch()\n"
    "while rank == 0 and not (place / 'ready-1').exists(): time.sleep(0.01)\n"
    "if rank == 0: os.kill(os.getppid(), signal.SIGTERM)\n"
    "while not (place / f'asked-{rank}').exists(): time.sleep(0.01)\n"
    "if rank == 0: time.sleep(1); (place / 'saved').touch()\n"
    "sys.exit(130)\n"
)
PLANTED = """
import os, signal
import headstart.training as training
rank, plain = os.environ.get("RANK"), training.Training.take
def take(self, batch, step, asked=0):
    if rank is not None and step.index == 2 and step.total == 6:
        {planted}
    return plain(self, batch, step, asked)
training.Training.take = take
"""


def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, grace: float = 5.0) -> tuple[int, list[str]]:
    """(exit status, what was said) of two processes of this script."""
    (tmp_path / "script.py").write_text(script)
    monkeypatch.setattr(processes, "GRACE", grace)
    real, said = subprocess.Popen, []

    def popen(command, **options):
        return real([sys.executable, str(tmp_path / "script.py")], **options)

    with mock.patch.object(subprocess, "Popen", popen):
        return start(["pretrain"], 2, said.append), said[1:]


@pytest.mark.parametrize(
    ("ends", "status", "heard"),
    [
        ((2, 2), 2, []),  # the first has said it
        ((LEFT_ALONE, 2), 2, ["headstart: it is gone"]),
        ((LEFT_ALONE, LEFT_ALONE), LEFT_ALONE, []),
        ((0, 0), 0, []),
    ],
)
def test_a_mistake_is_said_once_whoever_makes_it(tmp_path, monkeypatch, capfd, ends, status, heard):
    assert ended(tmp_path, monkeypatch, SAYS.format(words="headstart: it is gone", ends=ends)) == (status, heard)
    assert capfd.readouterr().err.count("headstart:") == 1  # of the first process


def test_a_fault_of_another_process_is_told_whole(tmp_path, monkeypatch):
    status, said = ended(tmp_path, monkeypatch, SAYS.format(words="Traceback\nKeyError: 'x'", ends=(LEFT_ALONE, 1)))
    assert status == 1 and said[0].startswith("Traceback\nKeyError: 'x'\nheadstart: process 2 of 2 failed, so")


def test_the_first_saves_in_peace_when_all_are_asked_to_stop(tmp_path, monkeypatch):
    """It takes longer than others are given once one has failed."""
    assert ended(tmp_path, monkeypatch, SAVES, grace=0.1) == (130, [])
    assert (tmp_path / "saved").exists()


def test_a_signal_that_is_ignored_stays_ignored(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    try:
        with processes._passing_on([]):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_no_more_processes_than_devices(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(
        Mistake, match=r"run\.processes=3: run\.device=auto is 2 devices here.*at most run\.processes=2"
    ):
        wanted(["run.processes=3"])
    with pytest.raises(Mistake, match=r"run\.device=cuda:1 is 1 device here"):
        wanted(["run.processes=2", "run.device=cuda:1"])
    assert wanted(["run.processes=2"]) == 2 and wanted(["run.processes=3", "run.device=cpu"]) == 3


# real runs


def planted(tmp_path: Path, what: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A run of two processes on 25 samples, which do not divide between them, with this in the third step of each."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(PLANTED.format(planted=what))
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 255, (25, 8, 8), dtype=np.uint8))
    words = ["recipe=mae", "size=XS", "steps=6", "run.device=cpu", "run.processes=2", "run.save_every=1"]
    words += [f"run.out={tmp_path / 'run'}"]
    places = [str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(places), **environment}
    command = [sys.executable, "-m", "headstart", "pretrain", str(tmp_path / "x.npy"), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_a_process_that_is_killed_in_training_is_a_sentence(tmp_path):
    done = planted(tmp_path, 'if rank == "1": os.kill(os.getpid(), signal.SIGKILL)')
    said = [line for line in done.stderr.splitlines() if line.strip()]
    assert done.returncode == 1 and len(said) == 3, done.stderr
    assert said[1] == "headstart: another process of this run has ended, and this one cannot go on without it"
    assert said[2].startswith("headstart: process 2 of 2 was killed by signal 9, so the others were ended")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["plan"]["input"]["batch"] == 24


def test_all_that_srun_started_are_told_and_the_job_is_queued_again_once(tmp_path):
    """Each process has the signal from SLURM, and another from the one that started it; the run goes on with one process."""
    (tmp_path / "bin").mkdir()
    stub = tmp_path / "bin" / "scontrol"
    stub.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path / "told"}\n')
    stub.chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    what = "os.kill(os.getpid(), signal.SIGUSR1); os.kill(os.getppid(), signal.SIGUSR1)"
    done = planted(tmp_path, what, SLURM_JOB_ID="77", PATH=path)
    assert done.returncode == 130, done.stderr
    assert (tmp_path / "told").read_text() == "requeue 77\n" and done.stdout.count("job 77 is queued again") == 1
    (saved,) = (tmp_path / "run" / "checkpoints").iterdir()  # run.save_every=1: none but where it stopped
    assert f"stopped   at step {int(saved.name[5:])} of 6, and saved" in done.stdout
    command = [sys.executable, "-m", "headstart", *done.args[3:], "run.processes=1"]  # the last of a word counts
    after = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert after.returncode == 0 and f"going on from step {int(saved.name[5:])} of 6" in after.stdout, after.stderr


# the queue


def test_a_signal_that_comes_twice_counts_once(tmp_path):
    asked = []
    before = signal.signal(signal.SIGTERM, lambda *_: asked.append(1))  # as the loop's own would
    try:
        with requeued(Log(quiet=True), tmp_path):
            for _ in range(2):
                signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert asked == [1]


@pytest.mark.parametrize("finished", [True, False])
def test_a_finished_run_is_not_queued_again(tmp_path, monkeypatch, capsys, finished):
    monkeypatch.setenv("SLURM_JOB_ID", "5")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(requeue, "missing", lambda folder: [])
    with pytest.raises(KeyboardInterrupt), requeued(Log(), tmp_path):
        if finished:
            (tmp_path / "probe.json").touch()
        signal.raise_signal(signal.SIGUSR1)
    assert ("job 5" in capsys.readouterr().out) is not finished


def test_a_queue_that_does_not_answer_is_not_waited_for(tmp_path, monkeypatch, capsys):
    stub = tmp_path / "scontrol"
    stub.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    stub.chmod(0o755)
    monkeypatch.setenv("SLURM_JOB_ID", "5")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(requeue, "PATIENCE", 0.2)
    with pytest.raises(KeyboardInterrupt), requeued(Log(), tmp_path / "run"):
        signal.raise_signal(signal.SIGUSR1)
    assert "scontrol did not answer" in capsys.readouterr().out
