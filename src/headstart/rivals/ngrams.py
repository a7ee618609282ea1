"""Sequences as bags of what comes in a row: events of a record, packets of a flow, notes of a piece, weighed by TF-IDF.

A number becomes a word by its size: a value by standard deviations, a gap or a length by doublings."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from ..forms import Sample
from ..tokens import Tokenizer
from . import Vectors, rival
from .tfidf import LEARN, weighed

LONGEST = 3  # words in a row


@rival("n-grams + linear", kinds=("events", "packets", "music"))
def ngrams(samples: Sequence[Sample], tokenizer: Tokenizer) -> Vectors:
    """[n, F] of the commonest 20,000 terms of these samples."""
    terms: dict[str, Callable[[Sample], list[str]]] = {"packets": _packets, "music": _music}
    of = terms.get(tokenizer.kind) or partial(_events, scales=_scales(samples))
    return weighed(samples[:LEARN], analyzer=of)


def runs(words: Sequence[str], name: str, longest: int = LONGEST) -> list[str]:
    """All runs of 1 to `longest` words."""
    return [f"{name}:{' '.join(words[i : i + k])}" for k in range(1, longest + 1) for i in range(len(words) - k + 1)]


def _doublings(x: Iterable[float]) -> list[int]:
    return np.rint(np.log2(np.maximum(np.asarray(list(x), np.float64), 2.0**-40))).astype(int).tolist()


def _scales(records: Sequence[Sample]) -> dict[str, tuple[float, float]]:
    """Mean and spread of the values of each code."""
    values: dict[str, list[float]] = {}
    for record in records[:LEARN]:
        for code, value in zip(record["code"], record["value"].tolist(), strict=True):
            if value == value:
                values.setdefault(code, []).append(value)
    return {code: (float(np.mean(x)), float(np.std(x)) or 1.0) for code, x in values.items()}


def _events(record: Sample, scales: dict[str, tuple[float, float]]) -> list[str]:
    """Codes in a row; each with its value and with the gap before it; how long the record is and lasts."""
    codes = record["code"]
    out = runs(codes, "code")
    for code, value in zip(codes, record["value"].tolist(), strict=True):
        if value == value:
            mean, std = scales.get(code, (0.0, 1.0))
            out.append(f"value:{code} {np.rint(np.clip((value - mean) / std, -4, 4)):.0f}")
    time = np.asarray(record["time"], np.float64)
    out += [f"gap:{code} {gap}" for code, gap in zip(codes[1:], _doublings(np.diff(time)), strict=True)]
    return [*out, f"length:{_doublings([len(codes)])[0]}", f"lasts:{_doublings([time[-1] - time[0]])[0]}"]


def _packets(flow: Sample) -> list[str]:
    """Direction and size of packets in a row, with their gaps; pairs and triples of bytes; the first bytes by their place."""
    sizes, gaps = _doublings(map(len, flow["bytes"])), _doublings(np.diff(flow["time"], prepend=0.0))
    ways = flow["direction"].tolist()
    out = runs([f"{way}/{size}" for way, size in zip(ways, sizes, strict=True)], "packet")
    out += [f"gap:{i} {way} {gap}" for i, (way, gap) in enumerate(zip(ways, gaps, strict=True))]
    for i, (way, content) in enumerate(zip(ways, flow["bytes"], strict=True)):
        out += [f"at:{i} {place} {byte}" for place, byte in enumerate(content[:64])]
        out += [f"bytes:{way} {content[j : j + k].hex()}" for k in (2, 3) for j in range(len(content) - k + 1)]
    return out


def _music(piece: Sample) -> list[str]:
    """Steps of the highest and of the lowest voice, chords as pitch classes above the bass, durations, all in a row; pitch
    classes, octaves, places in the beat and instruments."""
    pitch, onset = piece["pitch"], np.asarray(piece["onset"], np.float64)
    starts = np.flatnonzero(np.diff(onset, prepend=-1.0))
    chords = np.split(pitch, starts[1:])
    top, bass = (np.array([f(chord) for chord in chords]) for f in (np.max, np.min))
    shapes = ["".join(f"{k:x}" for k in sorted({int(p - chord.min()) % 12 for p in chord})) for chord in chords]
    out = runs([f"{step}" for step in np.diff(top).tolist()], "top") + runs(
        [f"{s}" for s in np.diff(bass).tolist()], "bass"
    )
    out += runs(shapes, "chord") + runs([f"{x:.3g}" for x in np.diff(onset[starts])], "step")
    for name, words in {
        "class": pitch % 12,
        "pitch": pitch,
        "lasts": np.rint(np.asarray(piece["duration"], np.float64) * 24) / 24,
        "beat": np.rint(onset % 1 * 12),
        "program": piece["program"],
        "loud": piece["velocity"] // 16,
    }.items():
        out += [f"{name}:{x:.3g}" for x in words.tolist()]
    return out
