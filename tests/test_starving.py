"""Training that waits for its data says so, by a clock that the test turns."""

import numpy as np
import pytest

from headstart.data.feeding.prepare import prepare
from headstart.data.source import Subset
from headstart.data.sources.listed import ListSource
from headstart.log import Log
from headstart.running import starving
from headstart.tokenizers.series import SeriesTokenizer


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


class Slow(ListSource):
    """A sample takes `pause` seconds to read."""

    clock, pause = Clock(), 0.0

    def __getitem__(self, index: int):
        self.clock.now += self.pause
        return super().__getitem__(index)


def trained(
    monkeypatch, pause: float, memory: int, steps: int = 30, look: float = 0.0
) -> tuple[list[str], starving.Meter]:
    """What is said of steps that compute for a second each, and read one sample before."""
    clock = Clock()
    monkeypatch.setattr(starving, "time", clock)
    source = Slow([{"values": np.ones((1, 8), np.float32) * i} for i in range(4)], "series")
    source.clock, source.pause = clock, pause
    prepared = prepare(source, SeriesTokenizer(patch=4, channels=1, mean=(0.0,), std=(1.0,)), workers=1, memory=memory)
    said: list[str] = []
    log = Log(quiet=True)
    monkeypatch.setattr(log, "say", said.append)
    meter = starving.Meter(Subset(prepared, [2, 0, 1]), log)

    def watch(step: int) -> dict[str, float]:
        clock.now += look
        prepared[0]
        return {}

    timed = meter.aside(watch)
    with meter.running():
        for step in range(steps):
            prepared[step % 4]
            clock.now += 1.0
            log.write("step", step=step, loss=1.0)
            if step % 10 == 9:
                timed(step)
    assert not log.listeners
    return said, meter


def test_steps_that_wait_are_told_once_and_at_the_end(monkeypatch):
    lines, meter = trained(monkeypatch, pause=0.75, memory=0)
    assert len(lines) == 2 and "wait for it in 43 %" in lines[0] and "HEADSTART_CACHE_GB" in lines[0]
    assert "was waited for in 43 % of the time (22 s of 52 s)" in lines[1]
    assert meter.waited == pytest.approx(30 * 0.75) and meter.took == pytest.approx(30 * 1.75)


@pytest.mark.parametrize(
    "how", [{"pause": 0.1, "memory": 0}, {"pause": 5.0, "memory": 10**9}, {"pause": 0.75, "memory": 0, "steps": 19}]
)
def test_nothing_is_said_where_data_is_not_the_limit(monkeypatch, how):
    """It is read fast, it is in memory, or it is too early to tell."""
    lines, meter = trained(monkeypatch, **how)
    assert not lines
    assert (meter.waited == 0) == (how["memory"] > 0)


def test_looks_at_training_are_no_steps(monkeypatch):
    _, meter = trained(monkeypatch, pause=0.75, memory=0, look=1000.0)
    assert meter.took == pytest.approx(30 * 1.75) and meter.waited == pytest.approx(30 * 0.75)
