"""Training that mends itself: back to where all was well, with a lower rate, a few times at most.

What was done is state: `healing.json` says from which step on the rate is lower. It is a function of the step, so that a run that
is interrupted, or must begin anew for want of a checkpoint, goes the way of one that was not.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from .. import checkpoint, dist
from ..damage import reading, record
from ..forms import Json
from ..health import TrainingStopped
from ..log import Log
from ..recipe import Recipe, Run
from ..signs import Course, Sign
from ..step import Schedule, Step, at
from ..train import Outcome, train
from ..words import changed
from ..writing import PART
from .doctor import STOPS, Doctor, Unwell, Watch

Train = Callable[[Recipe, Run, Path, Log, Watch | None], Outcome]
FILE = "healing.json"
TRIES, SHARE = 3, 0.3  # times that a run goes back, and what is left of the rate each time


@dataclass(frozen=True)
class lower:
    """A rate, from each of these steps on a share of what it would be."""

    base: Schedule
    since: tuple[int, ...]

    def __call__(self, step: Step) -> float:
        return at(self.base, step) * SHARE ** sum(step.index >= since for since in self.since)


@dataclass(frozen=True)
class History:
    """remedies: {"name", "said", "step", "back"} each. stopped: the sign at which training stopped, None while it goes on."""

    remedies: list[Json]
    stopped: Json | None = None

    @classmethod
    def kept(cls, folder: Path) -> "History":
        if not (folder / FILE).exists():
            return cls([])
        with reading(folder / FILE):
            return cls(**record(folder / FILE, "remedies"))

    def keep(self, folder: Path) -> None:
        if dist.rank() == 0:
            checkpoint.write_json(folder / FILE, asdict(self))

    def lowered(self, recipe: Recipe) -> Recipe:
        """The recipe with the rate that is left."""
        since = tuple(remedy["back"] for remedy in self.remedies)
        return (
            replace(recipe, optim=changed(recipe.optim, {"lr": lower(recipe.optim.lr, since)}, "optim"))
            if since
            else recipe
        )


def hopeless(folder: Path, heal: str) -> str:
    """Why the run in `folder` would stop again where it did; "" where it would not, or is to be mended."""
    history = History.kept(folder)
    stopped = history.stopped
    if stopped is None or (heal == "act" and stopped["back"] is not None and len(history.remedies) < TRIES):
        return ""
    remedy = stopped["remedy"][0].upper() + stopped["remedy"][1:]
    return (
        f"{stopped['said']}: this run stopped there, and with the same words would again. {remedy}, "
        "in a folder of its own (run.out=); or run.heal=act goes back, and on with a lower rate"
    )


def mended(
    recipe: Recipe,
    anew: Callable[[], Recipe],
    run: Run,
    heal: str,
    folder: Path,
    log: Log,
    watch: Watch | None,
    course: Course,
    train: Train = train,
) -> Outcome:
    """Train, as `train` does. With heal="act" what diverges or is not finite goes back, and on with a lower rate.

    anew: makes the recipe once more, as it was before its first step. train: what trains, once.
    """
    history: History = dist.agree(History.kept(folder))
    peak = course.lr
    for remedy in history.remedies[_noted(log) :]:  # of a process that was killed in between
        log.write("heal", **remedy)
    if history.stopped is not None:  # and it is to be mended, or `hopeless` had refused it
        history = _back(Sign(**history.stopped), history, run, recipe.steps, folder, log)
    while True:
        course.lr = peak * SHARE ** len(history.remedies)
        course.hear("resume", {"step": _here(folder)})
        doctor = Doctor(course, log, heal)
        log.listeners.append(doctor.hear)
        try:
            return train(history.lowered(recipe), run, folder, log, watch)
        except TrainingStopped as stop:
            sign = (
                stop.sign
                if isinstance(stop, Unwell)
                else Sign(STOPS, course.skipped[-1], *_halves(stop), course.streak)
            )
            if heal != "act" or len(history.remedies) >= TRIES or sign.back is None:
                replace(history, stopped=asdict(sign)).keep(folder)
                tried = f" That was after {len(history.remedies)} tries with lower rates." if history.remedies else ""
                hint = (
                    "" if heal == "act" else " The same command with run.heal=act goes back, and on with a lower rate."
                )
                raise TrainingStopped(
                    f"training stopped at step {sign.step:,}: {str(stop).rstrip('.')}.{tried}{hint}"
                ) from stop
            history = _back(sign, history, run, recipe.steps, folder, log)
            if dist.world() > 1:
                raise TrainingStopped(f"{sign.said}: the same command goes on from there with a lower rate") from stop
        finally:
            log.listeners.remove(doctor.hear)
        if not _here(folder):
            recipe.objective.load_state_dict(anew().objective.state_dict())


def _halves(stop: TrainingStopped) -> tuple[str, str]:
    """What is wrong, and what to do."""
    said, _, remedy = str(stop).partition(". ")
    return said, remedy.rstrip(".")


def _noted(log: Log) -> int:
    return sum(1 for _ in log.rows("heal"))


def _here(folder: Path) -> int:
    """The step from which training goes on."""
    return max((int(path.name[-8:]) for path in checkpoint.complete(folder / "checkpoints")), default=0)


def _back(sign: Sign, history: History, run: Run, total: int, folder: Path, log: Log) -> History:
    """Go back to the last save while all was well: later checkpoints go, then it is written down."""
    assert sign.back is not None
    marks = [round(total * run.save_every * i) for i in range(int(1 / run.save_every) + 1)]
    back = max(mark for mark in marks if mark <= sign.back)
    if dist.rank() == 0:
        _drop([p for p in checkpoint.complete(folder / "checkpoints") if int(p.name[-8:]) > back])
    remedy = {"name": sign.name, "said": sign.said, "step": back, "seen": sign.step, "back": back}
    history = History([*history.remedies, remedy])
    history.keep(folder)
    log.write("heal", **remedy)
    tries = f"try {len(history.remedies)} of {TRIES}"
    log.say(f"heal      {sign.said}: back to step {back:,}, and on from there with {SHARE:g} of the rate ({tries})")
    return history


def _drop(checkpoints: Sequence[Path]) -> None:
    for path in reversed(checkpoints):
        gone = path.with_name(f"{PART}{path.name}")  # never half of one under its own name
        os.replace(path, gone)
        shutil.rmtree(gone)
