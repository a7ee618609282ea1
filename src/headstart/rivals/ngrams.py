"""Sequences as bags of what comes in a row: packets of a flow, notes of a piece, weighed by TF-IDF.

A number becomes a word by its size, a gap or a length by doublings.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from ..forms import Sample
from ..tokens import Tokenizer
from . import Vectors, rival, spread
from .tfidf import LEARN, ROOM, weighed

LONGEST = 3  # words in a row
BYTES = 256  # of a packet


@rival("n-grams + linear", kinds=("packets", "music"))
def ngrams(samples: Sequence[Sample], tokenizer: Tokenizer) -> Vectors:
    """[n, F] of the commonest 20,000 terms of these samples."""
    of = _packets if tokenizer.kind == "packets" else _music
    return weighed(spread(samples, LEARN, lambda sample: len(of(sample)), ROOM), analyzer=of)


def runs(words: Sequence[str], name: str, longest: int = LONGEST) -> list[str]:
    """All runs of 1 to `longest` words."""
    return [f"{name}:{' '.join(words[i : i + k])}" for k in range(1, longest + 1) for i in range(len(words) - k + 1)]


def doublings(x: Iterable[float]) -> list[int]:
    return np.rint(np.log2(np.maximum(np.asarray(list(x), np.float64), 2.0**-40))).astype(int).tolist()


def _packets(flow: Sample) -> list[str]:
    """Direction and size of packets in a row, with their gaps; pairs and triples of bytes; the first bytes by their place."""
    sizes, gaps = doublings(map(len, flow["bytes"])), doublings(np.diff(flow["time"], prepend=0.0))
    ways = flow["direction"].tolist()
    out = runs([f"{way}/{size}" for way, size in zip(ways, sizes, strict=True)], "packet")
    out += [f"gap:{i} {way} {gap}" for i, (way, gap) in enumerate(zip(ways, gaps, strict=True))]
    for i, (way, content) in enumerate(zip(ways, flow["bytes"], strict=True)):
        content = content[:BYTES]
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
