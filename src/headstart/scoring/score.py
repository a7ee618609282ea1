"""Scoring an encoder beside what it must beat: the raw input, and itself before training, under one protocol."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ..data.source import Source
from ..health import Health, measure
from ..nn.encoder import Encoder
from ..probes import Figure, Marks, Of, Probe, Split, every, few, judge
from ..probes.knn import nearest
from ..probes.linear import fitted
from ..tokens import Tokenizer
from .features import Indices, encode, encode_rows, raw, raw_rows
from .labelled import QUICK, Labelled, RowVectors, Vectors, labelled
from .results import Results


def score(
    data: Labelled, kind: str, vectors: Vectors, rows: RowVectors, quick: bool = False, also: Sequence[Probe] = ()
) -> Marks:
    """What the probes of samples say of these vectors, and those of rows where labels of rows are known. also: probes beside
    the usual ones."""
    probes = [p for p in _chosen("segments", kind, quick, also) if not p.rival and data.named]
    marks = judge(probes, _some(data.split(vectors), quick)) if probes else {}
    of_sets = [p for p in also if p.of == "sets" and data.named]
    if of_sets:
        marks |= judge(of_sets, data.sets(rows))
    of_lists = [p for p in also if p.of == "lists"]
    lists = data.lists(vectors) if of_lists else None
    marks |= {} if lists is None else judge(of_lists, lists)
    of_rows = _chosen("rows", kind, quick, also)
    split = data.row_split(rows) if of_rows else None
    return marks if split is None else marks | judge(of_rows, _some(split, quick))


def _chosen(of: Of, kind: str, quick: bool, also: Sequence[Probe]) -> list[Probe]:
    usual = every(of, kind, quick)
    return usual + [p for p in also if p.of == of and p not in usual]


def _some(split: Split, quick: bool) -> Split:
    return split.some(1) if quick else split


def score_raw(tokenizer: Tokenizer, data: Labelled, also: Sequence[Probe] = ()) -> Results:
    """The rows of a table that know no encoder: the raw input, and the rivals of a kind of data."""
    vectors = partial(raw, tokenizer)
    results = {"raw input": score(data, tokenizer.kind, vectors, partial(raw_rows, tokenizer), also=also)}
    rivals = [p for p in _chosen("segments", tokenizer.kind, False, also) if p.rival and data.named]
    split = data.split(vectors) if rivals else None
    for rival in rivals:
        assert split is not None
        results[rival.rival] = results.get(rival.rival, {}) | judge([rival], split)
    return results


def score_encoder(
    encoder: Encoder,
    tokenizer: Tokenizer,
    data: Labelled,
    read: str,
    quick: bool = False,
    also: Sequence[Probe] = (),
) -> Marks:
    """An encoder's scores, its samples read in one way."""

    def vectors(source: Source, at: Indices) -> np.ndarray:
        return encode(encoder, tokenizer, source, at, (read,))[read]

    return score(data, tokenizer.kind, vectors, partial(encode_rows, encoder, tokenizer), quick, also)


def reads(encoder: Encoder) -> tuple[str, ...]:
    """Ways to read an encoder; the class token of a causal one has seen nothing, its last row everything."""
    axes = len(next(iter(encoder.tokenizers.values())).axes)
    return ("mean_std", *(["boxes"] if 1 <= axes <= 3 else []), "mean", "last" if encoder.causal else "first")


def choose_read(encoder: Encoder, tokenizer: Tokenizer, data: Labelled) -> tuple[str, dict[str, float]]:
    """The readout whose kNN and linear probe are best within the bank: half of it judges the other. Queries stay unseen;
    where all judge in turns nothing can be chosen by them."""
    if data.crossed or not data.named:
        return reads(encoder)[0], {}
    at = np.random.default_rng(0).permutation(data.bank_at)[: QUICK[0]]
    half = len(at) // 2
    inner = labelled(data.bank, data.bank, at[:half], at[half:])
    if inner is None:
        return reads(encoder)[0], {}
    z = [encode(encoder, tokenizer, data.bank, x, reads(encoder)) for x in (inner.bank_at, inner.query_at)]
    have, want = inner.labels("bank"), inner.labels("query")
    some = few(have, 600, np.random.default_rng(0))
    marks = {}
    for name in reads(encoder):
        near = Split.of(z[0][name], have, z[1][name], want).judged("knn", nearest)
        line = Split.of(z[0][name][some], have[some], z[1][name], want).judged("linear", fitted)
        marks[name] = float(np.mean([next(each)[1].value for each in (near, line)]))
    return max(marks, key=lambda name: marks[name]), marks


def watcher(
    encoder: Encoder,
    tokenizer: Tokenizer,
    source: Source,
    data: Labelled | None,
    read: str,
    note: Callable[[Health], None],
) -> Callable[[int], dict[str, float | Figure]]:
    """What training looks at now and then: health of a fixed set of samples, and the quick probes where labels are known."""
    at = np.unique(np.linspace(0, len(source) - 1, 1024).astype(int))
    quick = None if data is None else data.some()

    def watch(step: int) -> dict[str, float | Figure]:
        health = measure(encode(encoder, tokenizer, source, at, ("mean",))["mean"])
        note(health)
        said = {} if quick is None else score_encoder(encoder, tokenizer, quick, read, quick=True)
        return {"rank": health.effective_rank, "spread": health.spread, **{f"quick {k}": v for k, v in said.items()}}

    return watch
