"""An encoder tuned to labels in one call: the rate chosen on a part of them, then all of them learnt from."""

import numpy as np

from ..data.source import Source
from ..log import Log
from ..nn.encoder import Encoder
from ..scoring.features import Indices
from ..tokens import Tokenizer
from .dividing import held_out
from .fitting import BATCH, READ, Setting, Tuned, begin, fit
from .meaning import known, task_of
from .task import Task


def tune(
    encoder: Encoder,
    tokenizer: Tokenizer,
    source: Source,
    at: Indices,
    labels: np.ndarray,
    *,
    how: str = "full",
    steps: int = 200,
    lrs: tuple[float, ...] = (1e-3, 3e-4),
    seed: int = 0,
    groups: np.ndarray | None = None,
    log: Log | None = None,
    read: str = READ,
    batch: int = BATCH,
    decay: float = 0.75,
) -> Tuned:
    """A copy of `encoder`, tuned to say the labels of samples; the encoder itself is not changed.

    at: which samples of `source` [n]. labels: [n], whole numbers are classes (-1 unknown), floats quantities (NaN unknown), which
    are left out; what is said are probabilities in the order of np.unique(labels), or quantities. how: full, last:K, lora:R,
    head. lrs: rates, of which a fifth of the samples chooses where there are several; then all are learnt from at that rate.
    groups: [n], samples of one number are never divided (None: those of the source). steps of `batch` samples, each time.
    """
    log = log or Log(quiet=True)
    places, labels = np.asarray(at, np.int64), np.asarray(labels)
    groups = source.groups[places] if groups is None and source.groups is not None else groups
    there = known(labels)
    places, labels = places[there], labels[there]
    groups = None if groups is None else np.asarray(groups)[there]
    task, coded = task_of(labels)
    setting = Setting(how, steps, batch, decay, read=read, seed=seed)
    lr = lrs[0]
    if len(lrs) > 1:
        held = held_out(coded, groups, seed=seed)
        rest = np.setdiff1d(np.arange(len(places)), held)
        scores = {}
        for each in lrs:
            tuned = _fitted(encoder, tokenizer, source, places[rest], task, coded[rest], setting, each)
            scores[each] = task.score(tuned.outputs(source, places[held]), coded[held])
            log.say(f"rate      {each:g}: {scores[each]:.4f} on {len(held):,} samples that it did not learn from")
        lr = max(scores, key=lambda each: scores[each])
    return _fitted(encoder, tokenizer, source, places, task, coded, setting, lr)


def _fitted(
    encoder: Encoder,
    tokenizer: Tokenizer,
    source: Source,
    at: np.ndarray,
    task: Task,
    labels: np.ndarray,
    setting: Setting,
    lr: float,
) -> Tuned:
    tuned = begin(encoder, tokenizer, source, task, setting)
    if fit(tuned, source, at, labels, setting, lr).interrupted:
        raise KeyboardInterrupt
    return tuned
