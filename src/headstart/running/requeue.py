"""A job of SLURM whose time is nearly over: what is trained is saved, and the job comes back into the queue.

`#SBATCH --signal=B:USR1@120` sends SIGUSR1 two minutes before the end to the script of the job, which gives its place to
headstart by `exec`; without `B:`, to all that `srun` started.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from .. import dist
from ..leftover import RUN, missing
from ..log import Log

PATIENCE = 60.0  # seconds for SLURM to answer: a job that waits for it is killed before it has said so


@contextmanager
def requeued(log: Log, folder: Path) -> Iterator[None]:
    """Inside, SIGUSR1 stops training after the step at hand, as SIGTERM does; once it is saved, the job is queued again, unless
    the run in `folder` is finished.

    It counts once, however often it comes: srun sends it to each process, and the one that started the others passes it on.
    """
    asked: list[int] = []
    number = next((each for each in signal.Signals if each.name == "SIGUSR1"), None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) > 1:
            return
        if signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, None):  # nothing is trained yet
            raise KeyboardInterrupt
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(number, note)
    try:
        yield
    finally:
        signal.signal(number, before)
        finished = (folder / RUN).exists() and not missing(folder)
        if asked and dist.rank() == 0 and not finished:
            _queue_again(log)


def _queue_again(log: Log) -> None:
    job = os.environ.get("SLURM_JOB_ID")
    if not job:
        return
    try:
        command = ["scontrol", "requeue", job]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
        wrong = " ".join(done.stderr.split()) or f"exit status {done.returncode}" if done.returncode else ""
    except subprocess.TimeoutExpired:
        wrong = f"scontrol did not answer for {PATIENCE:.0f} s"
    except OSError as error:
        wrong = f"scontrol: {error.strerror or error}"
    if wrong:
        log.say(
            f"requeue   job {job} could not be queued again ({wrong}): sbatch the same script, and it goes on from here"
        )
    else:
        log.say(f"requeue   job {job} is queued again, and goes on from here")
