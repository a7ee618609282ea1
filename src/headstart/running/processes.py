"""One process for each device of this machine, started by the command itself, as torchrun would."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import IO

import torch
from torch.distributed import TCPStore

from .. import dist
from ..recipe import Care, Input, Run
from ..words import annotations, changed, parse

GRACE, END = 5.0, 10.0  # seconds for the others to end by themselves once one has, and once they are asked to
LOOK = 0.05  # seconds between looks at whether one has ended
PASSED_ON = [each for each in signal.Signals if each.name in ("SIGINT", "SIGTERM", "SIGUSR1")]


def wanted(words: Sequence[str]) -> int:
    """How many processes these words of `pretrain` ask for: run.processes=, or one for each device that torch sees; 1 inside
    torchrun."""
    asked = parse(words, {}, annotations(data=Input, run=Run) | annotations(run=Care))
    care: Care = changed(Care(), {k[4:]: v for k, v in asked.items() if k.startswith("run.")}, "run")
    if "WORLD_SIZE" in os.environ:
        return 1
    here = torch.cuda.device_count() if care.base.device in ("auto", "cuda") and torch.cuda.is_available() else 1
    count = care.processes or here
    batch = asked.get("data.batch")
    if isinstance(batch, int):
        dist.divides(batch, count)
    return count


def start(arguments: Sequence[str], count: int, say: Callable[[str], None]) -> int:
    """`headstart` with these arguments in so many processes of this machine; the exit status of the first, or of one that died.

    What the first says is seen; what others say only where they fail and it does not.
    """
    say(f"devices   {count} processes, one for each (run.processes=)")
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(minutes=5))
    own = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    threads = str(max(1, (os.cpu_count() or 1) // count))
    with tempfile.TemporaryFile("w+") as heard:
        each = [
            _one(arguments, {"OMP_NUM_THREADS": threads, **os.environ, **own}, rank, count, heard)
            for rank in range(count)
        ]
        with _passing_on(each):
            while all(one.poll() is None for one in each):
                time.sleep(LOOK)
            _wait(each, GRACE if any(one.poll() for one in each) else None)
        died = next((rank for rank, one in enumerate(each) if one.poll()), None)
        alone = [one for one in each if one.poll() is None]
        for one in alone:
            one.terminate()
        _wait(alone, END)
        for one in alone:
            one.kill()
            one.wait()
        if died is None:
            return 0
        if each[0] not in alone and each[0].returncode > 0:
            return each[0].returncode  # it has said why
        heard.seek(0)
        told = [line for line in heard.read().splitlines() if line.startswith("headstart: ")]
        how = f"was killed by signal {-each[died].returncode}" if each[died].returncode < 0 else "failed"
        say(
            told[-1]
            if told
            else f"headstart: process {died + 1} of {count} {how}, so the others were ended: the same command goes on from "
            "the last checkpoint"
        )
        return max(1, each[died].returncode)


def _one(
    arguments: Sequence[str], environment: dict[str, str], rank: int, count: int, heard: IO[str]
) -> "subprocess.Popen[bytes]":
    place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    return subprocess.Popen(
        [sys.executable, "-m", "headstart", *arguments],
        env=environment | place,
        stdout=subprocess.DEVNULL if rank else None,
        stderr=heard if rank else None,
        start_new_session=True,  # a Ctrl-C reaches them once, by way of this process
    )


def _wait(each: "Sequence[subprocess.Popen[bytes]]", seconds: float | None) -> None:
    """Until all have ended, or one has failed while others go on for so long; None: however long it takes."""
    until = None if seconds is None else time.monotonic() + seconds
    while any(one.poll() is None for one in each):
        if until is None and any(one.poll() for one in each):
            until = time.monotonic() + GRACE
        if until is not None and time.monotonic() > until:
            return
        time.sleep(LOOK)


@contextmanager
def _passing_on(each: "Sequence[subprocess.Popen[bytes]]") -> Iterator[None]:
    """Signals that reach this process reach all of them."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        for one in each:
            if one.poll() is None:
                one.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in PASSED_ON}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
