"""The loop that trains any recipe: a step, its log, a probe now and then, a checkpoint that survives anything."""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType

from . import checkpoint, dist
from .health import PATIENCE, TrainingStopped, explain_non_finite
from .log import Log, span
from .probes import Figure
from .recipe import Recipe, Run
from .scoring.results import written
from .step import Step
from .training import Training, dtype_of

EXACT = 10  # first steps whose losses are logged whatever the pace, for `headstart again`
ROWS = 200  # steps that are logged at least, evenly spaced
Watch = Callable[[int], Mapping[str, float | Figure]]  # after this many steps -> what to log and show


@dataclass
class Outcome:
    """How training ended. losses: one per step taken (of an earlier part of a resumed run, those that were logged). seconds:
    what this call spent on steps."""

    step: int
    total: int
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def interrupted(self) -> bool:
        return self.step < self.total


def train(
    recipe: Recipe,
    run: Run,
    out: Path | None = None,
    log: Log | None = None,
    watch: Watch | None = None,
    until: int | None = None,
) -> Outcome:
    """Train `recipe` to its end, going on from the newest checkpoint in `out` if there is one.

    watch: called before the first step, at every `run.probe_every` of training and at the end. until: stop and save after
    this many steps, as an interruption would.
    """
    log = log or Log(quiet=True)
    total = recipe.steps
    training = Training(recipe, run)
    outcome = Outcome(0, total)
    saved = checkpoint.complete(out / "checkpoints") if out else []
    if saved:
        outcome.step = training.restore(partial(checkpoint.restore, saved[-1]))["step"]
        log.write("resume", step=outcome.step)
        log.say(f"going on from step {outcome.step:,} of {total:,}")
    outcome.losses = [row["loss"] for row in log.latest("step") if row["step"] < outcome.step]
    probes, saves = _marks(total, run.probe_every), _marks(total, run.save_every)
    often = max(1, total // ROWS)
    pace, shown = _Pace(), dict[str, float]()
    bad = 0

    def observe() -> None:
        training.gather()
        if watch is not None and dist.rank() == 0:
            seen = watch(outcome.step)
            log.write("probe", step=outcome.step, **written(seen))
            shown.update({name: x.value if isinstance(x, Figure) else x for name, x in seen.items()})

    def save() -> None:
        whole = training.gather()
        if out is not None and dist.rank() == 0:
            saved.append(checkpoint.save(out / "checkpoints", outcome.step, *whole))

    if outcome.step == 0:
        observe()
    with _signals() as asked:
        stop = False
        while outcome.step < min(total, until or total) and not stop:
            training.objective.train()
            pace.begin()
            step = Step(outcome.step, total, run.seed)
            taken = training.take(training.batch(step), step, len(asked))
            stop = taken.stopping
            if taken.finite:
                bad = 0
                outcome.losses.append(taken.loss)
                if step.index < EXACT or log.due or step.index % often == 0 or step.index + 1 == total:
                    parts = {name: part.item() for name, part in taken.parts.items()}
                    log.write("step", step=step.index, loss=taken.loss, grad_norm=taken.norm, lr=taken.lr, parts=parts)
            else:
                bad += 1
                what = "the gradient" if math.isfinite(taken.loss) else "the loss"
                log.write("skipped", step=step.index, loss=str(taken.loss), grad_norm=str(taken.norm))
                log.say(f"step {step.index:,}: {what} was not finite, so the step is skipped")
                if bad >= PATIENCE:
                    dtype = dtype_of(run, training.device)
                    raise TrainingStopped(explain_non_finite(step.index, what, taken.lr, dtype, bool(saved)))
            outcome.step += 1
            outcome.seconds += pace.end()
            log.live(_line(outcome, taken.loss, recipe.data.batch, pace.seconds, shown))
            if outcome.step in probes:
                observe()
            if outcome.step in saves:
                save()
        if outcome.interrupted:
            save()
    return outcome


class _Pace:
    """Seconds per step, recent ones counting most; what happens between steps does not count."""

    def __init__(self) -> None:
        self.seconds, self._from = 0.0, 0.0

    def begin(self) -> None:
        self._from = time.monotonic()

    def end(self) -> float:
        took = time.monotonic() - self._from
        self.seconds = took if not self.seconds else 0.95 * self.seconds + 0.05 * took
        return took


def _marks(total: int, every: float) -> set[int]:
    """Numbers of steps at every share of training, and its end."""
    return {round(total * every * i) for i in range(1, int(1 / every) + 1)} | {total}


def _line(outcome: Outcome, loss: float, batch: int, per_step: float, shown: dict[str, float]) -> str:
    left = span((outcome.total - outcome.step) * per_step)
    extra = "".join(f"  {name} {value:.3f}" for name, value in shown.items())
    return f"step {outcome.step:,}/{outcome.total:,}  loss {loss:.4f}  {batch / per_step:,.0f} samples/s  {left} left{extra}"


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The list is empty until someone asks to stop; the step at hand is finished. A second Ctrl-C stops at once."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
