"""No more threads than there is room for. Threads of one step wait for each other many hundred times; where another process has
one of the cores, each wait lasts until the system gives it back: two threads on two busy cores took 13 samples/s, one took 160.

How much of the machine others use is what its cores did less what this process did (/proc/stat; nothing is known elsewhere).
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from ..forms import Json
from ..log import Log
from ..recipe import Run
from ..training import device_of

STAT = Path("/proc/stat")
SECONDS = 5.0  # between two looks
SPARE = 0.3  # of a core that others may use beside a thread
AGREEING = 2  # looks that must say the same


@dataclass(frozen=True)
class Used:
    """Seconds of cores that were used since the machine started: by all, and by this process. at: seconds on a clock."""

    at: float
    everybody: float
    own: float

    @classmethod
    def now(cls) -> "Used | None":
        """None where the system does not say."""
        try:
            names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
            told = dict(zip(names, map(int, STAT.read_text().split("\n", 1)[0].split()[1:]), strict=False))
        except (OSError, ValueError):
            return None
        busy = sum(told.get(name, 0) for name in ("user", "nice", "system", "irq", "softirq"))
        mine = os.times()
        return cls(time.monotonic(), busy / os.sysconf("SC_CLK_TCK"), mine.user + mine.system)

    def others(self, before: "Used") -> float:
        """Cores that others have used since then, on average."""
        took = max(self.at - before.at, 1e-9)
        return max(0.0, (self.everybody - before.everybody - self.own + before.own) / took)


class Threads:
    """As many threads as there is room for, looked at while steps are taken."""

    def __init__(self, log: Log, most: int, cores: int) -> None:
        """most: how many there are to be where nobody else is."""
        self.log, self.most, self.cores = log, most, cores
        self._before, self._said = Used.now(), 0

    def hear(self, event: str, row: Json) -> None:
        if event != "step" or self._before is None or time.monotonic() - self._before.at < SECONDS:
            return
        now = Used.now()
        if now is None:
            return
        others, self._before = now.others(self._before), now
        room = max(1, min(self.most, int(self.cores - others + SPARE)))
        self._said = self._said + 1 if room != torch.get_num_threads() else 0
        if self._said < AGREEING:
            return
        before, self._said = torch.get_num_threads(), 0
        torch.set_num_threads(room)
        why = ", which would wait for each other" if room < before else ""
        self.log.say(
            f"threads   other processes use {others:.1f} of {self.cores} cores: from here {room} instead of {before}{why}"
        )


@contextmanager
def fitting(run: Run, log: Log, exact: bool) -> Iterator[None]:
    """Inside, threads are given back while others need the cores. exact: steps were asked for, and are to be the same to the bit
    whenever they are taken, so threads stay."""
    most, cores = torch.get_num_threads(), os.cpu_count() or 1
    if exact or most == 1 or device_of(run).type != "cpu":
        yield
        return
    threads = Threads(log, most, cores)
    log.listeners.append(threads.hear)
    try:
        yield
    finally:
        log.listeners.remove(threads.hear)
        torch.set_num_threads(most)
