"""The loop that trains any recipe: a step, its log, a probe now and then, a checkpoint that survives anything."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from . import checkpoint, dist
from .data.loader import collate
from .data.order import samples
from .health import PATIENCE, TrainingStopped, explain_non_finite
from .log import Log, span
from .nn.encoder import set_dtype
from .nn.linear import fastest_dtype
from .nn.transformer import Block
from .recipe import Recipe, Run
from .step import Step, at
from .tree import to

EXACT = 10  # first steps whose losses are logged to the last bit, for `headstart again`
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
Watch = Callable[[int], dict[str, Any]]  # after this many steps -> what to log and show


@dataclass
class Outcome:
    """How training ended. losses: (step, loss) as logged."""

    step: int
    total: int
    losses: list[float] = field(default_factory=list)
    interrupted: bool = False
    seconds: float = 0.0


def device_of(run: Run) -> torch.device:
    """The device a run asks for; "auto" takes the first accelerator, then the CPU."""
    if run.device != "auto":
        return torch.device(run.device)
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found if found is not None and found.type == "cuda" else torch.device("cpu")


def dtype_of(run: Run, device: torch.device) -> torch.dtype:
    """The dtype rows are computed in."""
    if run.dtype == "auto":
        return fastest_dtype(device)
    if run.dtype not in DTYPES:
        raise ValueError(f"run.dtype is {run.dtype!r}; choose one of auto, {', '.join(DTYPES)}")
    return DTYPES[run.dtype]


def train(recipe: Recipe, run: Run, out: Path | None = None, log: Log | None = None, watch: Watch | None = None,
          until: int | None = None) -> Outcome:  # fmt: skip
    """Train `recipe` to its end, going on from the newest checkpoint in `out` if there is one.

    watch: called before the first step, at every `run.probe_every` of training and at the end. until: stop after this many
    steps, as an interruption would.
    """
    log = log or Log(quiet=True)
    device = device_of(run)
    dtype = dtype_of(run, device)
    objective, total, data = recipe.objective.to(device), recipe.steps, recipe.data
    set_dtype(objective, dtype)
    if run.compile:
        for part in objective.encoders.modules():
            if isinstance(part, Block):
                part.compile(dynamic=True)
    module = dist.wrap(objective, device, run.shard)
    optimizer = recipe.optim.build(objective)
    learning = [p for p in objective.parameters() if p.requires_grad]
    outcome = Outcome(0, total)
    saved = checkpoint.complete(out / "checkpoints") if out else []
    if saved:
        facts = checkpoint.restore(saved[-1], objective, optimizer)
        outcome.step = facts["step"]
        log.write("resume", step=outcome.step)
        log.say(f"going on from step {outcome.step:,} of {total:,}")
    known = {row["step"]: row["loss"] for row in log.rows("step")}  # steps after the checkpoint are taken, and logged, again
    outcome.losses = [loss for index, loss in known.items() if index < outcome.step]
    probes = {round(total * i * run.probe_every) for i in range(1, int(1 / run.probe_every) + 1)} | {total}
    saves = {round(total * i * run.save_every) for i in range(1, int(1 / run.save_every) + 1)} | {total}
    bad, shown, began, rows_seen = 0, dict[str, Any](), time.monotonic(), 0
    rate, tick, logged = 0.0, time.monotonic(), time.monotonic()

    def save() -> None:
        if out is not None and dist.rank() == 0:
            checkpoint.save(out / "checkpoints", outcome.step, objective, optimizer, {"total": total})

    def observe() -> None:
        if watch is not None and dist.rank() == 0:
            seen = watch(outcome.step)
            log.write("probe", step=outcome.step, **seen)
            shown.update(seen)

    if outcome.step == 0:
        observe()
    objective.train()
    with _signals() as stop:
        while outcome.step < min(total, until or total) and not stop:
            step = Step(outcome.step, total, run.seed)
            mine = samples(step.index, data.batch, len(data.source), run.seed, dist.rank(), dist.world())
            batch = to(collate(data, mine, step, objective.slots, device), device)
            for group in optimizer.param_groups:
                group["lr"] = at(recipe.optim.lr, step)
                group["weight_decay"] = at(recipe.optim.weight_decay, step) if group["decay"] else 0.0
            loss = module(batch, step)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(learning, recipe.optim.clip)
            value, size = dist.mean(loss.total.detach()).item(), norm.item()
            if not (abs(value) < float("inf") and abs(size) < float("inf")):
                bad += 1
                log.write("skipped", step=step.index, loss=str(value), grad_norm=str(size))
                log.say(f"step {step.index:,}: the {'loss' if value != value or abs(value) == float('inf') else 'gradient'}"
                        " was not finite, the step is skipped")  # fmt: skip
                optimizer.zero_grad(set_to_none=True)
                if bad >= PATIENCE:
                    what = "the gradient" if abs(value) < float("inf") else "the loss"
                    raise TrainingStopped(
                        explain_non_finite(step.index, what, at(recipe.optim.lr, step), str(dtype)[6:])
                    )
            else:
                bad = 0
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                objective.after_step(step)
                outcome.losses.append(value)
            outcome.step += 1
            now = time.monotonic()
            seconds, tick = now - tick, now
            rows_seen += sum(len(t) for t in batch.tokens.values())
            rate = seconds if not rate else 0.95 * rate + 0.05 * seconds
            if not bad and (step.index < EXACT or now - logged > 1 or outcome.step == total):
                logged = now
                log.write("step", step=step.index, loss=value, grad_norm=size, lr=at(recipe.optim.lr, step),
                          seconds=round(seconds, 4), parts={k: v.item() for k, v in loss.parts.items()})  # fmt: skip
            log.live(_line(outcome, value, data.batch / rate, rate, shown))
            if outcome.step in probes:
                observe()
                objective.train()
            if outcome.step in saves:
                save()
            if outcome.step in probes | saves:
                tick = time.monotonic()  # probing and saving are not the step's time
        outcome.interrupted = outcome.step < total
        if outcome.interrupted:
            save()
    outcome.seconds = time.monotonic() - began
    return outcome


def _line(outcome: Outcome, loss: float, speed: float, per_step: float, shown: dict[str, Any]) -> str:
    left = span((outcome.total - outcome.step) * per_step)
    extra = "".join(f"  {name} {value:.3f}" for name, value in shown.items() if isinstance(value, float))
    return f"step {outcome.step:,}/{outcome.total:,}  loss {loss:.4f}  {speed:,.0f} samples/s  {left} left{extra}"


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The list is empty until someone asks to stop; the step at hand is finished. A second Ctrl-C stops at once."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def note(number: int, frame: Any) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
