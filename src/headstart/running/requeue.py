"""A job of SLURM whose time is nearly over: what is trained is saved, and the job comes back into the queue.

`#SBATCH --signal=USR1@120` sends SIGUSR1 two minutes before the end.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from .. import dist
from ..log import Log


@contextmanager
def requeued(log: Log) -> Iterator[None]:
    """Inside, SIGUSR1 stops training after the step at hand, as SIGTERM does; once it is saved, the job is queued again."""
    asked: list[int] = []
    number = next((each for each in signal.Signals if each.name == "SIGUSR1"), None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, None):  # nothing is trained yet
            raise KeyboardInterrupt
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(number, note)
    try:
        yield
    finally:
        signal.signal(number, before)
        if asked and dist.rank() == 0:
            _queue_again(log)


def _queue_again(log: Log) -> None:
    job = os.environ.get("SLURM_JOB_ID")
    if not job:
        return
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
        wrong = done.stderr.strip() or f"exit status {done.returncode}" if done.returncode else ""
    except OSError as error:
        wrong = error.strerror or str(error)
    if wrong:
        log.say(
            f"requeue   job {job} could not be queued again ({wrong}): sbatch the same script, and it goes on from here"
        )
    else:
        log.say(f"requeue   job {job} is queued again, and goes on from here")
