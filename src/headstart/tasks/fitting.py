"""One training of a head, and of as much of an encoder as is tuned, by the loop that trains everything else."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..corrupt import clean
from ..data.source import Source, Subset
from ..errors import Mistake
from ..log import Log
from ..nn.encoder import Encoder
from ..nn.readouts import READOUTS
from ..objective import Objective
from ..optim import AdamW
from ..probes import Figure
from ..recipe import Data, Recipe, Run
from ..scoring.features import Indices, encode, encode_rows
from ..step import warmup_cosine
from ..tokens import Tokenizer
from ..train import Outcome, train
from .adapting import adapted
from .head import Head, Supervised
from .task import Task

READ, BATCH = "mean_std", 32  # a batch of 64 takes twice the time and is no better at 100 labels: docs/log.md
MANY = 64  # samples whose rows are encoded together
Watch = Callable[[int], Mapping[str, float | Figure]]


@dataclass(frozen=True)
class Setting:
    """How a head is trained. tune: how much of the encoder (see `adapting`). decay: the rate of a block as a share of that of the
    one above it. batch: samples a step, at most."""

    tune: str = "full"
    steps: int = 200
    batch: int = BATCH
    decay: float = 0.75
    weight_decay: float = 0.05
    read: str = READ
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch < 2:
            raise Mistake(f"data.batch={self.batch}: a head is tuned by at least 2 samples a step")
        if not 0 < self.decay <= 1 or self.weight_decay < 0:
            raise Mistake("optim.layer_decay is above 0 and at most 1, optim.weight_decay 0 or more")


@dataclass
class Tuned:
    """An encoder with a head that says something of samples. lr: the rate it was trained at; temperature: what its outputs are
    divided by before they become probabilities."""

    encoder: Encoder
    tokenizer: Tokenizer
    head: Head
    task: Task
    read: str = READ
    lr: float = 0.0
    temperature: float = 1.0

    def outputs(self, source: Source, at: Indices, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """[m, K] float32: what the head says of these samples, before it means anything; [m, T, K] of their rows, zeros behind
        the last of each."""
        if self.task.rows:
            found = list(self.by_row(source, at, progress))
            padded = np.zeros((len(found), max(map(len, found)), self.task.outputs), np.float32)
            for one, rows in zip(padded, found, strict=True):
                one[: len(rows)] = rows
            return padded
        z = encode(self.encoder, self.tokenizer, source, at, (self.read,), progress=progress)[self.read]
        return self._headed(z)

    def by_row(
        self, source: Source, at: Indices, progress: Callable[[int, int], None] | None = None
    ) -> Iterator[np.ndarray]:
        """[T, K] float32 for each sample: what the head says of its rows."""
        for start in range(0, len(at), MANY):
            each = encode_rows(self.encoder, self.tokenizer, source, at[start : start + MANY])
            yield from np.split(self._headed(np.concatenate(each)), np.cumsum([len(rows) for rows in each])[:-1])
            if progress is not None:
                progress(min(len(at), start + MANY), len(at))

    def _headed(self, z: np.ndarray) -> np.ndarray:
        was = self.head.training
        self.head.eval()
        with torch.no_grad():
            out: np.ndarray = self.head(torch.from_numpy(z).to(self.head.line.weight.device)).cpu().numpy()
        self.head.train(was)
        return out

    def predict(self, source: Source, at: Indices) -> np.ndarray:
        """Probabilities [m, K] of the classes in their order, or quantities [m] in the unit of the labels."""
        return self.task.said(self.outputs(source, at), self.temperature)


def begin(encoder: Encoder, tokenizer: Tokenizer, source: Source, task: Task, setting: Setting) -> Tuned:
    """A copy of the encoder in which only what is tuned learns, and a head that says nothing yet."""
    mine = copy.deepcopy(encoder)
    if task.rows:
        rows = encode_rows(mine, tokenizer, source, [0])[0]
        if len(rows) != (have := len(tokenizer(source[0]))):
            raise Mistake(
                f"this encoder gives {len(rows)} rows for {have}, so that no class of a row can be learnt: take another"
            )
        width = rows.shape[1]
    else:
        width = encode(mine, tokenizer, source, [0], (setting.read,))[setting.read].shape[1]
    adapted(mine, setting.tune, setting.seed)
    head = Head(width, task.outputs).to(mine.slots.device)
    return Tuned(mine, tokenizer, head, task, setting.read)


def recipe_of(tuned: Tuned, source: Source, at: np.ndarray, targets: Tensor, setting: Setting, lr: float) -> Recipe:
    """The training of `tuned` on the samples `at`, whose targets are [n, ...], as a recipe like any other."""
    kind = next(iter(tuned.encoder.tokenizers))
    data = Data(Subset(source, at), {kind: tuned.tokenizer}, batch_of(setting, len(at)))
    depths = () if tuned.task.rows else READOUTS[setting.read].depths(tuned.encoder)
    term = Supervised(tuned.head, tuned.task, targets, setting.read, depths)
    objective = Objective(tuned.encoder, views={"x": (kind, clean)}, terms={"task": term})
    optim = AdamW(warmup_cosine(lr), setting.weight_decay, clip=1.0, layer_decay=_decay(tuned.encoder, setting))
    return Recipe(objective, data, optim, setting.steps)


def batch_of(setting: Setting, count: int) -> int:
    """Samples a step, where there are `count`: at least two, as one alone has no spread."""
    return max(2, min(setting.batch, count))


def _decay(encoder: Encoder, setting: Setting) -> float:
    return setting.decay if len(encoder.blocks) else 1.0


def fit(
    tuned: Tuned,
    source: Source,
    at: np.ndarray,
    labels: np.ndarray,
    setting: Setting,
    lr: float,
    run: Run | None = None,
    out: Path | None = None,
    log: Log | None = None,
    watch: Watch | None = None,
) -> Outcome:
    """Train `tuned` in place; with `out`, going on from the newest checkpoint there. labels: [n, ...] of the samples `at`."""
    recipe = recipe_of(tuned, source, at, tuned.task.targets(labels), setting, lr)
    run = replace(run or Run(), seed=setting.seed, device=str(tuned.encoder.slots.device), dtype=spelled(tuned.encoder))
    outcome = train(recipe, run, out, log, watch)
    tuned.lr = lr
    tuned.encoder.eval()
    return outcome


def spelled(encoder: Encoder) -> str:
    return "bf16" if encoder.dtype == torch.bfloat16 else "fp32"
