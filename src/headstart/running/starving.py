"""Whether training waits for its data: how long steps read samples that memory has no room for, beside all that steps take."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from ..data.feeding.asked import behind
from ..data.feeding.prepare import Prepared
from ..data.source import Source
from ..forms import Json
from ..log import Log, span
from ..probes import Figure
from .doctor import Watch

T = TypeVar("T")
SHARE = 0.3  # of the time of steps: from here on it is said
STEPS, SECONDS = 20, 5.0  # rows about steps, and seconds of them, before it is judged
ADVICE = (
    "each sample is read anew, as all of them take more than a quarter of the free memory. Free memory, files that are smaller "
    "or nearer (a local disk), or more room for what was decoded (HEADSTART_CACHE_GB) make it faster"
)


class Meter:
    """Counts while steps are taken. waited, took: seconds for samples, and in all; what `aside` wraps counts in neither."""

    def __init__(self, source: Source, log: Log):
        whole = behind(source, np.zeros(0, np.int64))[0]
        self.prepared = whole if isinstance(whole, Prepared) and whole.lazy else None
        self.log, self.waited, self._began, self._apart = log, 0.0, 0.0, 0.0
        self._steps, self._ended, self._said = 0, 0.0, False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Counts from here to the end; a share that is worth a line is said when it is seen, and again at the end."""
        self._began = time.monotonic()
        before = None if self.prepared is None else self.prepared._read
        if self.prepared is not None and before is not None:
            self.prepared._read = self._timed(before)  # what is in memory is not waited for
        self.log.listeners.append(self.hear)
        try:
            yield
        finally:
            self.log.listeners.remove(self.hear)
            if self.prepared is not None and before is not None:
                self.prepared._read = before
            self._ended = time.monotonic()
        if self._said:
            share = f"{100 * self.waited / self.took:.0f} % of the time ({span(self.waited)} of {span(self.took)})"
            self.log.say(f"data      was waited for in {share}: {ADVICE}")

    @property
    def took(self) -> float:
        return (self._ended or time.monotonic()) - self._began - self._apart

    def aside(self, watch: Watch) -> Watch:
        """The same look at training, whose time is not that of steps."""

        def look(step: int) -> Mapping[str, float | Figure]:
            began, waited = time.monotonic(), self.waited
            seen = watch(step)
            self.waited, self._apart = waited, self._apart + time.monotonic() - began
            return seen

        return look

    def hear(self, event: str, row: Json) -> None:
        self._steps += event == "step"
        if self._said or event != "step" or self._steps < STEPS or self.took < SECONDS:
            return
        if self.waited > SHARE * self.took:
            self._said = True
            self.log.say(f"data      steps wait for it in {100 * self.waited / self.took:.0f} % of the time: {ADVICE}")

    def _timed(self, read: Callable[[int], T]) -> Callable[[int], T]:
        def timed(index: int) -> T:
            began = time.monotonic()
            try:
                return read(index)
            finally:
                self.waited += time.monotonic() - began

        return timed
