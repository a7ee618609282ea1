"""One process for each device of this machine, started by the command itself, as torchrun would."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from types import FrameType
from typing import IO

import torch
import torch.distributed as td
from torch.distributed import TCPStore

from .. import dist
from ..errors import Mistake, so_many
from ..recipe import Care, Input, Run
from ..words import annotations, changed, parse

GRACE = 5.0  # seconds for the others once one has failed
SAVING = 600.0  # once one was asked to stop: the first may still be saving
END = 10.0  # once they are told to end
LOOK = 0.05  # seconds between looks at whether one has ended
PASSED_ON = [each for each in signal.Signals if each.name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")]
STOPPED, LEFT_ALONE = 130, 3  # exit statuses: asked to stop; another process has ended
CLOSED = ("closed by peer", "reset by peer", "Broken pipe", "remote process exited")  # how gloo and NCCL say that


class LeftAlone(RuntimeError):
    """Another process of a run has ended, and this one cannot go on without it."""


@contextmanager
def together() -> Iterator[None]:
    """Inside, an end of another process of the group is LeftAlone, whatever torch says of it."""
    try:
        yield
    except RuntimeError as error:
        if dist.world() > 1 and (isinstance(error, td.DistError) or any(how in str(error) for how in CLOSED)):
            raise LeftAlone("another process of this run has ended, and this one cannot go on without it") from error
        raise


def wanted(words: Sequence[str]) -> int:
    """How many processes these words of `pretrain` ask for: run.processes=, or one for each device that torch sees; 1 inside
    torchrun."""
    asked = parse(words, {}, annotations(data=Input, run=Run) | annotations(run=Care))
    care: Care = changed(Care(), {k[4:]: v for k, v in asked.items() if k.startswith("run.")}, "run")
    if "WORLD_SIZE" in os.environ:
        return 1
    kind, _, one = care.base.device.partition(":")
    here = 0 if kind == "cpu" or not torch.cuda.is_available() else 1 if one else torch.cuda.device_count()
    count = care.processes or max(1, here)
    if here and count > here:
        raise Mistake(
            f"run.processes={count}: run.device={care.base.device} is {so_many(here, 'device')} here, and each process takes "
            f"one: at most run.processes={here}"
        )
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
    environment = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // count)), **os.environ, **own}
    each: list[subprocess.Popen[bytes]] = []
    with ExitStack() as files, _passing_on(each) as passed:
        heard = [files.enter_context(tempfile.TemporaryFile("w+", errors="replace")) for _ in range(count)]
        try:
            for rank in range(count):
                each.append(_one(arguments, environment, rank, count, heard[rank]))
            died = _watched(each, passed)
        finally:
            _end(each)
        first = each[0].returncode
        if died is None:  # whatever ended was asked to
            return max((_status(one.returncode) for one in each), default=0)
        if first > 0 and (died == 0 or first == each[died].returncode):
            return first  # it has said why
        heard[died].seek(0)
        say(_why(died, count, each[died].returncode, heard[died].read()))
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


def _watched(each: "Sequence[subprocess.Popen[bytes]]", passed: Sequence[int]) -> int | None:
    """The process that failed first, once all have ended, or the others had their time to; None where none did.

    Who was asked to stop has not failed, and the first may still be saving; who was left alone is not to blame.
    """
    since, failed = 0.0, list[int]()
    while True:
        codes = [one.poll() for one in each]
        stopped = {STOPPED, *(-number for number in passed), *([LEFT_ALONE] if passed else [])}
        ends = {rank: code for rank, code in enumerate(codes) if code}
        failed += [rank for rank, end in ends.items() if end not in stopped and rank not in failed]
        since = since or (time.monotonic() if ends else 0.0)
        late = bool(since) and time.monotonic() - since > (GRACE if failed else SAVING)
        if late or None not in codes:
            return min(failed, key=lambda rank: each[rank].returncode == LEFT_ALONE, default=None)
        time.sleep(LOOK)


def _end(each: "Sequence[subprocess.Popen[bytes]]") -> None:
    """End those that still run: first they are told to, then they are killed."""
    for one in each:
        if one.poll() is None:
            one.terminate()
    until = time.monotonic() + END
    for one in each:
        try:
            one.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            one.kill()
            one.wait()


def _status(end: int) -> int:
    """How a shell calls an end by a signal."""
    return end if end >= 0 else 128 - end


def _why(rank: int, count: int, end: int, said: str) -> str:
    """A mistake's own sentence, or which process ended and how; of a fault in headstart also all that it said."""
    told = [line for line in said.splitlines() if line.startswith("headstart: ")]
    if told and end > 0:
        return told[-1]
    how = f"was killed by signal {-end}" if end < 0 else "failed"
    before = said.rstrip() + "\n" if said.strip() and end > 0 else ""
    return (
        f"{before}headstart: process {rank + 1} of {count} {how}, so the others were ended: the same command goes on from the "
        "last checkpoint"
    )


@contextmanager
def _passing_on(each: "Sequence[subprocess.Popen[bytes]]") -> Iterator[list[int]]:
    """Signals that reach this process reach all of them, unless it ignores them (nohup); gives those that did."""
    passed: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        passed.append(number)
        for one in each:
            if one.poll() is None:
                one.send_signal(number)

    heeded = [number for number in PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in heeded}
    try:
        yield passed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
