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


COUNTED = ("molecule", "graph")  # of what a sample is one the more there is of it: measured, docs/log.md, 2026-11-30


def reads(encoder: Encoder) -> tuple[str, ...]:
    """Ways to read an encoder, the one for want of labels first; the class token of a causal one has seen nothing, its last row
    everything."""
    tokenizer = next(iter(encoder.tokenizers.values()))
    axes = len(tokenizer.axes)
    usual = "blocks_total" if tokenizer.kind in COUNTED else "blocks"
    own = [*(["boxes"] if 1 <= axes <= 3 else []), "last" if encoder.causal else "first"]
    return (usual, *(["blocks"] if usual != "blocks" else []), "mean_std", "mean", *own)


def within_bank(data: Labelled) -> Labelled | None:
    """The bank alone, half of which judges the other, for choices: queries stay unseen. None where there are too few, or all
    judge in turns, so that nothing can be chosen by them."""
    if data.crossed or not data.named:
        return None
    at = np.random.default_rng(0).permutation(data.bank_at)[: QUICK[0]]
    groups = at if data.bank.groups is None else data.bank.groups[at]
    _, first, whose = np.unique(groups, return_index=True, return_inverse=True)
    place = first[whose]  # in the order of chance, whole groups at a time
    judges = place > np.sort(place)[max(0, len(at) // 2 - 1)]
    return labelled(data.bank, data.bank, at[~judges], at[judges])


def chosen_by(data: Labelled, vectors: Vectors) -> list[Figure]:
    """What vectors are chosen by, as the mean of their values: kNN, and a linear probe from 600 labels."""
    return _figures(data, vectors(data.bank, data.bank_at), vectors(data.query, data.query_at))


def mark(figures: Sequence[Figure]) -> float:
    """One number of those that `chosen_by` gives."""
    return float(np.mean([figure.value for figure in figures]))


def _figures(data: Labelled, bank: np.ndarray, query: np.ndarray) -> list[Figure]:
    have, want = data.labels("bank"), data.labels("query")
    some = few(have, 600, np.random.default_rng(0))
    near = Split.of(bank, have, query, want).judged("knn", nearest)
    line = Split.of(bank[some], have[some], query, want).judged("linear", fitted)
    return [next(each)[1] for each in (near, line)]


def choose_read(encoder: Encoder, tokenizer: Tokenizer, data: Labelled) -> tuple[str, dict[str, float]]:
    """The readout that is best within the bank; where nothing can be chosen by labels, the usual one."""
    inner, names = within_bank(data), reads(encoder)
    if inner is None:
        return names[0], {}
    bank, query = (encode(encoder, tokenizer, data.bank, x, names) for x in (inner.bank_at, inner.query_at))
    marks = {name: mark(_figures(inner, bank[name], query[name])) for name in names}
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
