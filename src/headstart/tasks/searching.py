"""A rate is chosen: one training for each, watched by samples that it does not learn from, which end it and keep its best."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..checkpoint import passed_over, write_json, write_tensors
from ..damage import record
from ..data.source import Source
from ..log import Log
from ..nn.parts import load_once, once
from ..nn.released import read_tensors
from ..probes import Figure
from ..recipe import Run
from .fitting import Setting, Tuned, fit

PATIENCE = 0.4  # share of training that may go by without anything better
LOOK = 2000  # samples at most that are looked at during training


class Enough(Exception):
    """Nothing better has come for long."""


@dataclass
class Judges:
    """Samples that choose: where they lie in their source, and their labels [n, ...]."""

    source: Source
    at: np.ndarray
    labels: np.ndarray

    def some(self) -> "Judges":
        """As many as are looked at often."""
        if len(self.at) <= LOOK:
            return self
        chosen = np.sort(np.random.default_rng(0).permutation(len(self.at))[:LOOK])
        return Judges(self.source, self.at[chosen], self.labels[chosen])


class Keeper:
    """Watches a training: scores it on the judges, keeps the state that was best, in a file where there is a folder, and raises
    Enough where nothing better has come for `patience` steps. Scores are a function of the state, so that a training that was
    resumed before its best is judged as if it had not ended."""

    def __init__(self, tuned: Tuned, judges: Judges, patience: int, path: Path | None = None) -> None:
        self.tuned, self.judges, self.patience, self.path = tuned, judges, patience, path
        self.score, self.step, self.seen, self.state = -np.inf, -1, 0, dict[str, Tensor]()
        if path is not None and path.exists():
            self.state = read_tensors(path)
            self.score, self.step = float(self.state.pop("score")), int(self.state.pop("step"))

    @property
    def network(self) -> nn.ModuleDict:
        return nn.ModuleDict({"encoder": self.tuned.encoder, "head": self.tuned.head})

    def __call__(self, step: int) -> dict[str, float | Figure]:
        task, judges, self.seen = self.tuned.task, self.judges, step
        out = self.tuned.outputs(judges.source, judges.at)
        score = task.score(out, judges.labels)
        if score > self.score:
            self.score, self.step = score, step
            self.state = {k: v.detach().cpu().clone() for k, v in once(self.network.state_dict()).items()}
            if self.path is not None:
                facts = {"score": torch.tensor(score, dtype=torch.float64), "step": torch.tensor(step)}
                write_tensors(self.path, self.state | facts)
        elif step - self.step >= self.patience:
            raise Enough
        return {"score": score, **task.marks(task.said(out), judges.labels)}

    def restore(self) -> None:
        """Put the best state back."""
        load_once(self.network, self.state, self.path or Path("the best state"))


@dataclass
class Trial:
    """How a rate did. score: of its best state, which stood after `step` steps; taken: steps that were taken."""

    lr: float
    score: float
    step: int
    taken: int
    tuned: Tuned = field(repr=False)  # in its best state
    interrupted: bool = False


def trial(
    tuned: Tuned,
    source: Source,
    at: np.ndarray,
    labels: np.ndarray,
    judges: Judges,
    setting: Setting,
    lr: float,
    run: Run,
    folder: Path,
    log: Log,
) -> Trial:
    """Train at one rate, going on in its folder; `tuned` is left in its best state."""
    keeper = Keeper(tuned, judges.some(), max(1, round(PATIENCE * setting.steps)), folder / "best.safetensors")
    if (folder / "done.json").exists():
        done = record(folder / "done.json", "score", "step", "taken")
        keeper.restore()
        tuned.lr = lr
        return Trial(lr, done["score"], done["step"], done["taken"], tuned)
    passed_over(folder / "checkpoints", log.say)
    own = Log(folder / "log.jsonl", log.quiet, log.pause, log.to)
    try:
        outcome = fit(tuned, source, at, labels, setting, lr, run, folder, own, keeper)
        if outcome.interrupted:
            return Trial(lr, keeper.score, keeper.step, outcome.step, tuned, True)
        taken = outcome.step
    except Enough:
        taken = keeper.seen
    keeper.restore()
    tuned.encoder.eval()
    tuned.lr = lr
    write_json(folder / "done.json", {"lr": lr, "score": keeper.score, "step": keeper.step, "taken": taken})
    return Trial(lr, keeper.score, keeper.step, taken, tuned)


def cleared(folder: Path, among: Sequence[float]) -> None:
    """Take the weights of trials away, once the best one's are written elsewhere; their logs stay."""
    for lr in among:
        shutil.rmtree(place(folder, lr) / "checkpoints", ignore_errors=True)
        (place(folder, lr) / "best.safetensors").unlink(missing_ok=True)


def place(folder: Path, lr: float) -> Path:
    """Where the trial of a rate lies."""
    return folder / "trials" / f"lr-{lr:g}"
