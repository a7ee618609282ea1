"""Scoring an encoder beside what it must beat: the raw input, and itself before training, under one protocol."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.source import Source
from ..health import Health, measure
from ..nn.encoder import Encoder
from ..tokens import Tokenizer
from . import protocol
from .features import encode, raw
from .table import Table

LABELS = (100, 600)  # label counts of the linear probe, as far as a data set has them
BANK, QUERY = 20_000, 10_000  # at most
QUICK = (4_000, 1_000)  # during training


@dataclass(frozen=True)
class Labelled:
    """Labelled samples, some to learn from (`bank`) and some to be judged by (`query`), which no training saw."""

    bank: Source
    query: Source
    bank_at: np.ndarray  # indices of labelled samples in `bank`
    query_at: np.ndarray

    @property
    def counts(self) -> tuple[int, ...]:
        """Label counts for the linear probe: at least two per class, and no more than there are."""
        classes = 0 if self.quantity else len(np.unique(self.labels("bank")))
        wanted = tuple(c for c in LABELS if 2 * classes <= c <= len(self.bank_at))
        return wanted or (len(self.bank_at),)

    def labels(self, part: str) -> np.ndarray:
        source, at = (self.bank, self.bank_at) if part == "bank" else (self.query, self.query_at)
        assert source.labels is not None
        return source.labels[at]

    @property
    def quantity(self) -> bool:
        """Labels are quantities, not classes: scores are R2, not accuracies."""
        return self.labels("bank").dtype.kind == "f"

    def measure(self, name: str) -> str:
        """What a score is called: quantities are scored by R2."""
        return f"{name}-R2" if self.quantity else name

    def spread(self, count: int, draws: Iterable[float]) -> Iterator[tuple[str, float]]:
        """Mean and deviation of a probe from `count` labels over draws of labels."""
        name, each = self.measure(f"linear-{count}"), list(draws)
        yield name, float(np.mean(each))
        yield f"{name}-std", float(np.std(each))

    @property
    def chance(self) -> float:
        """The share of the commonest class among the queries; 0 for R2."""
        if self.quantity:
            return 0.0
        return float(np.bincount(self.labels("query")).max() / len(self.query_at))


def labelled(bank: Source, query: Source, bank_at: np.ndarray, query_at: np.ndarray, seed: int = 0) -> Labelled | None:
    """Those of the given samples that have labels of classes that both sides have; None where that is too few."""
    if bank.labels is None or query.labels is None:
        return None
    quantity = bank.labels.dtype.kind == "f"
    common = np.intersect1d(bank.labels[bank_at], query.labels[query_at])
    common = common[common >= 0]
    parts = []
    for source, at, most in ((bank, bank_at, BANK), (query, query_at, QUERY)):
        assert source.labels is not None
        at = at[np.isfinite(source.labels[at]) if quantity else np.isin(source.labels[at], common)]
        parts.append(np.sort(np.random.default_rng(seed).permutation(at)[:most]))
    if (len(common) < 2 and not quantity) or len(parts[0]) < 20 or len(parts[1]) < 10:
        return None
    return Labelled(bank, query, parts[0], parts[1])


def score(bank: np.ndarray, query: np.ndarray, data: Labelled) -> Iterator[tuple[str, float]]:
    """(name, value): knn, then linear-<n> and its deviation linear-<n>-std for each label count; knn-R2 ... for quantities."""
    have, want = data.labels("bank"), data.labels("query")
    yield data.measure("knn"), protocol.knn(bank, have, query, want)
    for count in data.counts:
        yield from data.spread(count, protocol.linear(bank, have, query, want, count))


def score_raw(tokenizer: Tokenizer, data: Labelled) -> Table:
    """The rows of a table that know no encoder: the raw input, and for tables boosted trees on it. The trees' mark from all
    labels stands in kNN's column, which has them all, too."""
    bank, query = raw(tokenizer, (data.bank, data.bank_at), (data.query, data.query_at))
    table = {"raw input": dict(score(bank, query, data))}
    if tokenizer.kind == "table":
        have, want = data.labels("bank"), data.labels("query")
        marks = {data.measure("knn"): next(iter(protocol.trees(bank, have, query, want)))}
        for count in data.counts:
            marks |= dict(data.spread(count, protocol.trees(bank, have, query, want, count)))
        table["boosted trees"] = marks
    return table


def score_encoder(encoder: Encoder, tokenizer: Tokenizer, data: Labelled, read: str) -> dict[str, float]:
    """An encoder's scores, read in one way."""
    pairs = ((data.bank, data.bank_at), (data.query, data.query_at))
    z = [encode(encoder, tokenizer, s, at, (read,))[read] for s, at in pairs]
    return dict(score(z[0], z[1], data))


def reads(encoder: Encoder) -> tuple[str, ...]:
    """Ways to read an encoder; the class token of a causal one has seen nothing, its last row everything."""
    axes = len(next(iter(encoder.tokenizers.values())).axes)
    return ("mean_std", *(["boxes"] if 1 <= axes <= 3 else []), "mean", "last" if encoder.causal else "first")


def choose_read(encoder: Encoder, tokenizer: Tokenizer, data: Labelled) -> tuple[str, dict[str, float]]:
    """The readout whose kNN and linear probe are best within the bank: half of it judges the other. Queries stay unseen."""
    at = np.random.default_rng(0).permutation(data.bank_at)[: QUICK[0]]
    half = len(at) // 2
    inner = labelled(data.bank, data.bank, at[:half], at[half:])
    if inner is None:
        return reads(encoder)[0], {}
    z = [encode(encoder, tokenizer, data.bank, x, reads(encoder)) for x in (inner.bank_at, inner.query_at)]
    marks = {}
    for name in reads(encoder):
        have, want = inner.labels("bank"), inner.labels("query")
        count = min(inner.counts[-1], 600)
        line = next(iter(protocol.linear(z[0][name], have, z[1][name], want, count)))
        marks[name] = (protocol.knn(z[0][name], have, z[1][name], want) + line) / 2
    return max(marks, key=lambda name: marks[name]), marks


def watcher(
    encoder: Encoder,
    tokenizer: Tokenizer,
    source: Source,
    data: Labelled | None,
    read: str,
    note: Callable[[Health], Any],
) -> Callable[[int], dict[str, Any]]:
    """What training looks at now and then: health of a fixed set of samples, and a quick kNN where labels are known."""
    at = np.unique(np.linspace(0, len(source) - 1, 1024).astype(int))
    quick = None
    if data is not None:
        rng = np.random.default_rng(1)
        quick = [np.sort(rng.permutation(x)[:n]) for x, n in ((data.bank_at, QUICK[0]), (data.query_at, QUICK[1]))]

    def watch(step: int) -> dict[str, Any]:
        health = measure(encode(encoder, tokenizer, source, at, ("mean",))["mean"])
        note(health)
        out: dict[str, Any] = {"rank": health.effective_rank, "spread": health.spread}
        if data is not None and quick is not None:
            z = [
                encode(encoder, tokenizer, s, x, (read,))[read]
                for s, x in ((data.bank, quick[0]), (data.query, quick[1]))
            ]
            assert data.bank.labels is not None and data.query.labels is not None
            out[data.measure("knn")] = protocol.knn(z[0], data.bank.labels[quick[0]], z[1], data.query.labels[quick[1]])
        return out

    return watch
