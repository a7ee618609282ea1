"""Keeping to `run.minutes`. Steps were timed before the first one; where they turn out to take another time (the machine is
busy, or was), what is left is counted anew a few times in a run: the number of steps changes, and schedules with it.

What was counted is written into run.json before training goes on, so a run that is killed goes on to the same end. Where steps
were asked for (steps=), nothing is counted.
"""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from .. import checkpoint, dist
from ..log import Log, span
from ..planning.plan import Plan
from ..planning.timing import Pace
from ..recipe import Recipe, Run
from ..train import EXACT, Outcome, train
from .doctor import Watch
from .folder import facts

TIMES = 20  # that the rest is counted in a run
FIRST = 50  # the first of them after this part of it
SECONDS = 10.0  # between them at least: each is a checkpoint
FEW = 0.03  # of the steps: a change that is not worth one of the schedule


class Timekeeper:
    """`train`, with as many steps as fit into the time that the plan has. plan: as it is by now."""

    def __init__(self, plan: Plan, log: Log) -> None:
        self.plan, self.log = plan, log
        self.pace = _pace_of(plan)

    def train(self, recipe: Recipe, run: Run, folder: Path, log: Log, watch: Watch | None) -> Outcome:
        """As `train.train` does."""
        if not self.plan.budget:
            return train(recipe, run, folder, log, watch)
        losses: list[float] = []
        seconds, quiet = 0.0, log
        with _signals() as asked:
            while True:
                begun = checkpoint.complete(folder / "checkpoints")
                step = int(begun[-1].name[-8:]) if begun else 0
                known = sum(row["step"] < step for row in log.latest("step"))
                recipe = replace(recipe, steps=self.plan.steps)
                outcome = train(recipe, run, folder, quiet, watch, until=self._next(step))
                losses += outcome.losses[known if losses else 0 :]
                seconds += outcome.seconds
                stop = bool(dist.mean(torch.tensor([float(asked())])).item())
                if stop or not outcome.interrupted or outcome.step < self._next(step):
                    return replace(outcome, losses=losses, seconds=seconds)
                self._count(step, outcome, folder)
                quiet = _Unbroken(log)

    def _next(self, step: int) -> int:
        """After which step what is left is counted."""
        share = self.plan.steps // (TIMES if step else FIRST)
        return min(self.plan.steps, step + max(EXACT, share, int(SECONDS / self.pace.step)))

    def _expected(self, steps: int) -> float:
        return self.pace.seconds(steps, self.plan.input["batch"], self.plan.samples)

    def _count(self, step: int, outcome: Outcome, folder: Path) -> None:
        """From what the last steps took."""
        plan, now = self.plan, outcome.step
        took, expected = outcome.seconds, self._expected(now) - self._expected(step)
        late = plan.late + took - expected
        slower = took / max(expected, 1e-9)
        left = max(0.0, plan.budget - late - self._expected(now)) / max(slower, 1e-9)
        fitting = self.pace.fitting(left + self._expected(now), plan.input["batch"], plan.samples)
        steps = dist.agree(min(max(fitting, now + 1), max(plan.most, now + 1)))
        self.plan = replace(plan, late=late)
        if abs(steps - plan.steps) <= FEW * plan.steps:
            return
        self.plan = replace(self.plan, steps=steps, seconds=self._expected(steps))
        if dist.rank() == 0:
            there = facts(folder)
            made = there["plan"] | {"steps": steps, "seconds": self.plan.seconds, "late": late}
            lengths = [*there.get("lengths", []), plan.steps]
            checkpoint.write_json(folder / "run.json", there | {"plan": made, "lengths": lengths})
        pace = f"{slower:.2f} times as long as planned" if slower > 1 else f"{slower:.2f} of the time that was planned"
        self.log.say(
            f"time      steps take {pace}: {steps:,} of them instead of {plan.steps:,}, schedules with them, so that training "
            f"takes {span(plan.budget)}"
        )


def _pace_of(plan: Plan) -> Pace:
    """What steps were planned to cost."""
    kept = min(plan.steps * plan.input["batch"], plan.samples) * plan.once
    return Pace(max((plan.seconds - kept) / max(1, plan.steps), 1e-6), plan.memory, plan.rows, plan.once)


class _Unbroken(Log):
    """A log in which it does not show that the loop was left for a moment."""

    def __init__(self, log: Log) -> None:
        self.__dict__ = log.__dict__

    def say(self, text: str = "") -> None:
        if not text.startswith("going on from step"):
            super().say(text)

    def write(self, event: str, **values: object) -> None:
        if event != "resume":
            super().write(event, **values)


@contextmanager
def _signals() -> Iterator[Callable[[], bool]]:
    """Says whether someone has asked to stop meanwhile, whoever handled it: the loop does, and tells only what it left undone."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    hears, tells = socket.socketpair()
    for end in (hears, tells):
        end.setblocking(False)

    def asked() -> bool:
        try:
            return bool({signal.SIGINT, signal.SIGTERM} & set(hears.recv(1024)))
        except BlockingIOError:
            return False

    before = signal.set_wakeup_fd(tells.fileno(), warn_on_full_buffer=False)
    try:
        yield asked
    finally:
        signal.set_wakeup_fd(before)
        hears.close()
        tells.close()
