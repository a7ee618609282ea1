"""A dozen small samples of any kind of data, made on the spot: for checks that try every method on every kind.

All kinds are told by one latent, a class and a phase, so parts of a pair tell of the same thing. A sample makes about
8 to 24 rows when its tokenizer is fitted as in `tiny_data`.
"""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .data.feeding.loader import PairTokenizer
from .data.feeding.prepare import prepare
from .data.source import Source
from .data.sources.listed import ListSource
from .data.sources.pair import PairSource
from .errors import Mistake
from .forms import Cell, Sample
from .kinds import KINDS
from .recipe import Data
from .tokenizers import named
from .tokenizers.document import Page
from .tokenizers.events import Record
from .tokenizers.packets import Flow
from .tokenizers.want import Want
from .tokens import Tokenizer

PAIRS = {"pair": ("image", "text"), "pair3": ("image", "text", "table")}  # of the three, one part in six is missing
EVERY = (*KINDS, *PAIRS)  # what `tiny_data` takes, besides "a+b" for a pair of any two kinds
CLASSES, HOURS = ("red", "sea", "oak"), ("dawn", "noon", "dusk", "moon")  # words of a class and of a phase
SIZES = (1.0, 0.5, 1.5, 0.75)  # of samples one after another, where they are ragged
ROWS = 16
GOLDEN = 0.618034


@dataclass(frozen=True)
class Latent:
    """What a sample tells of: its class, a phase in 0..1, how large it is, and chance for the rest."""

    label: int
    phase: float
    size: float
    rng: np.random.Generator

    @property
    def word(self) -> str:
        return CLASSES[self.label]

    @property
    def hour(self) -> str:
        return HOURS[int(4 * self.phase)]

    def many(self, n: int) -> int:
        """n, where samples are equally large."""
        return max(1, round(n * self.size))

    def wave(self, n: int) -> np.ndarray:
        """[n] numbers in about -1..1: the class is their level and frequency."""
        turns = np.arange(n) / n * (1 + self.label) + self.phase
        return 0.5 * (self.label - 1) + 0.4 * np.sin(2 * np.pi * turns) + 0.02 * self.rng.standard_normal(n)

    def grid(self, *sides: int) -> np.ndarray:
        """[*sides] numbers in 0..1: a wave along one axis, which hangs on the class."""
        axis = self.label % len(sides)
        along = self.wave(sides[axis]).reshape(-1, *(1,) * (len(sides) - 1 - axis))
        return (0.5 + 0.4 * along + 0.02 * self.rng.standard_normal(sides)).clip(0, 1).astype(np.float32)


def tiny(kind: str, n: int = 12, ragged: bool = False) -> Source:
    """n samples of a kind in three classes: equally many rows each, or of clearly different sizes."""
    samples = [_make(kind, _latent(i, ragged)) for i in range(n)]
    return ListSource(samples, kind, _labels(n), CLASSES, title=f"tiny {kind}")


def tiny_pair(
    kinds: tuple[str, ...] = ("image", "text"), n: int = 12, missing: float = 0.0, ragged: bool = False
) -> PairSource:
    """n samples {part: sample or None} of the same latent, parts named by their kinds: "image", "text", "image2".

    missing: share of each part that is None; never all parts of a sample.
    """
    parts: dict[str, str] = {}
    for i, kind in enumerate(kinds):
        again = kinds[:i].count(kind)
        parts[f"{kind}{again + 1}" if again else kind] = kind
    gone = _gaps(n, len(parts), missing)
    refs = {
        part: [None if gone[i, j] else _make(kind, _latent(i, ragged, j)) for i in range(n)]
        for j, (part, kind) in enumerate(parts.items())
    }
    title = f"tiny {'+'.join(parts)}"
    names = [f"{title}[{i}]" for i in range(n)]
    return PairSource(names, parts, refs, dict.fromkeys(parts, _same), title, _labels(n), CLASSES)


def tiny_data(kind: str, n: int = 12, batch: int = 6, ragged: bool = False) -> Data:
    """Samples of one of `EVERY`, or of "a+b", with tokenizers fitted to them for about 16 rows each."""
    kinds = PAIRS.get(kind) or tuple(kind.split("+"))
    if len(kinds) == 1:
        source = tiny(kind, n, ragged)
        tokenizer = _fit(kind, [source[i] for i in range(n)], ragged)
        return Data(prepare(source, tokenizer, workers=1), {"x": tokenizer}, batch)
    pairs = tiny_pair(kinds, n, 1 / 6 if kind == "pair3" else 0.0, ragged)
    fitted = {
        part: _fit(kind, [x for x in pairs.refs[part] if x is not None], ragged) for part, kind in pairs.kinds.items()
    }
    return Data(prepare(pairs, PairTokenizer(fitted), workers=1), fitted, batch)


def _fit(kind: str, samples: list[Sample], ragged: bool) -> Tokenizer:
    if kind in ("points", "splats"):  # of all, and the larger clouds would be thinned to the smallest
        largest = max(map(len, samples))
        samples = [x for x in samples if len(x) == largest]
    tokenizer = named(kind).fit(samples, Want(ROWS))
    return replace(tokenizer, side=None) if kind == "image" and ragged else tokenizer  # or all would have one area


def _latent(i: int, ragged: bool, part: int = 0) -> Latent:
    size = SIZES[(i // 3 + 2 * i) % len(SIZES)] if ragged else 1.0  # every class has every size
    return Latent(i % len(CLASSES), i * GOLDEN % 1, size, np.random.default_rng([i, part]))


def _labels(n: int) -> np.ndarray:
    return np.arange(n) % len(CLASSES)


def _gaps(n: int, parts: int, missing: float) -> np.ndarray:
    """[n, parts]: which are missing."""
    count = min(round(missing * n), n * (parts - 1) // parts)
    order = np.random.default_rng(0).permutation(n)
    gone = np.zeros((n, parts), bool)
    for j in range(parts):
        gone[order[(j * count + np.arange(count)) % n], j] = True
    return gone


def _make(kind: str, latent: Latent) -> Sample:
    if kind not in _MAKERS:
        raise Mistake(f"there is no kind of data called {kind!r}; the kinds are {', '.join(KINDS)}")
    return _MAKERS[kind](latent)


def _same(sample: Sample) -> Sample:
    return sample


# a maker per kind


def _image(t: Latent) -> np.ndarray:
    x = t.grid(8, 2 * t.many(4))
    return np.rint(255 * np.stack([x, 1 - x, x * x])).astype(np.uint8)


def _multispectral(t: Latent) -> dict[str, np.ndarray]:
    bands = np.arange(t.many(4))
    return {"bands": np.stack([t.grid(8, 8) + 0.1 * b for b in bands]), "wavelength": 450.0 + 100 * bands}


def _video(t: Latent) -> dict[str, np.ndarray | float]:
    frames = [_image(replace(t, phase=t.phase + i / 8, size=1.0)) for i in range(t.many(8))]
    return {"frames": np.stack(frames), "fps": 8.0}


def _volume(t: Latent) -> dict[str, np.ndarray | tuple[float, ...]]:
    return {"values": t.grid(16, 8, 8)[None], "spacing": (1.0, 1.0, 1.0)}


def _audio(t: Latent) -> dict[str, np.ndarray | int]:
    n = t.many(640)
    loud = 0.5 + 0.4 * np.sin(2 * np.pi * (np.arange(n) / n + t.phase))
    tone = np.sin(2 * np.pi * 200 * 2**t.label * np.arange(n) / 4_000) + 0.02 * t.rng.standard_normal(n)
    return {"wave": (0.5 * loud * tone)[None].astype(np.float32), "rate": 4_000}


def _series(t: Latent) -> np.ndarray:
    n = t.many(48)
    return np.stack([t.wave(n), t.wave(n) ** 2]).astype(np.float32)


def _text(t: Latent) -> str:
    words = [t.word, t.hour] if t.rng.random() < 0.5 else [t.hour, t.word]
    return " ".join([*words * t.many(2), f"{int(1000 * t.phase):03d}"])


def _code(t: Latent) -> str:
    return f"if {t.word}:" + f"\n    {t.hour}({10 + int(90 * t.phase)})" * t.many(2)


def _table(t: Latent) -> dict[str, Cell]:
    waves = {f"wave {i}": float(x) for i, x in enumerate(t.wave(t.many(8)))}
    day = datetime.date(2024, 1, 1) + datetime.timedelta(days=int(28 * t.phase))
    return {"hour": t.hour, "day": day, "even": t.label % 2 == 0, "note": t.word if t.phase < 0.5 else None, **waves}


def _events(t: Latent) -> Record:
    n = t.many(12)
    codes = (("A1", "B2", "B3"), ("A1", "C2", "B3"), ("B3", "C2", "C4"))[t.label]
    value = np.where(np.arange(n) % 3 == 0, np.nan, t.wave(n))
    return {"code": [codes[i % 3] for i in range(n)], "value": value, "time": np.arange(n) * (1 + t.phase)}


def _protein(t: Latent) -> str:
    motif = ("ACDEFGHIKL", "MNPQRSTVWY", "LKWVYAGSTE")[t.label]
    first = int(10 * t.phase)
    chain = [(motif * 5)[first + i] for i in range(t.many(20))]
    chain[t.rng.integers(len(chain))] = "X"
    return "".join(chain)


def _molecule(t: Latent) -> str:
    n = t.many(7)
    before = int(n * t.phase)
    return "C" * before + "ONS"[t.label] + "C" * (n - before) + ("F", "Cl", "Br")[t.rng.integers(3)]


def _graph(t: Latent) -> dict[str, np.ndarray]:
    """A ring, a star with one more edge, or two rings: n nodes and n edges."""
    n = max(6, t.many(8))
    i = np.arange(n)
    ring, star = np.stack([i, (i + 1) % n], 1), np.stack([0 * i, i], 1)
    star[0] = 1, 2
    first, rest = np.stack([i, (i + 1) % (n // 2)], 1), n - n // 2
    two = np.where(i[:, None] < n // 2, first, n // 2 + np.stack([i - n // 2, (i - n // 2 + 1) % rest], 1))
    nodes = np.stack([t.wave(n), np.sin(2 * np.pi * (t.phase + i / n))], 1).astype(np.float32)
    return {"nodes": nodes, "edges": (ring, star, two)[t.label], "weights": t.wave(n)[:, None].astype(np.float32)}


def _points(t: Latent) -> np.ndarray:
    """A ball's surface, flat or long or neither, turned by the phase."""
    n = t.many(64)
    z = 1 - 2 * (np.arange(n) + 0.5) / n
    angle = 2 * np.pi * GOLDEN * np.arange(n)
    ball = np.stack([np.sqrt(1 - z**2) * np.cos(angle), 0.5 * np.sqrt(1 - z**2) * np.sin(angle), z], 1)
    x, y, z = (ball * ((1, 1, 1), (1, 1, 0.2), (0.3, 0.3, 1))[t.label]).T
    cos, sin = np.cos(np.pi * t.phase), np.sin(np.pi * t.phase)
    return (np.stack([cos * x - sin * y, sin * x + cos * y, z], 1) + 0.01 * t.rng.standard_normal((n, 3))).astype("f4")


def _splats(t: Latent) -> np.ndarray:
    places = _points(t)
    n, turn = len(places), np.pi * t.phase
    rest = np.tile([-3.0, -3, -4, np.cos(turn / 2), 0, 0, np.sin(turn / 2), 2], (n, 1))
    colours = np.stack([t.grid(n), 1 - t.grid(n), t.grid(n)], 1)
    return np.concatenate([places, rest + 0.02 * t.rng.standard_normal(rest.shape), colours], 1).astype(np.float32)


def _field(t: Latent) -> np.ndarray:
    x = t.grid(16, 4 * t.many(2), 8)
    return np.stack([x, 1 - x, x * x, 10 * x])


def _trajectory(t: Latent) -> dict[str, np.ndarray]:
    n = t.many(8)
    angle = 2 * np.pi * (t.phase + np.arange(n) / 8 * (1 + t.label))
    state = np.stack([np.cos(angle), np.sin(angle), 0.5 * t.label + 0.02 * t.rng.standard_normal(n)], 1)
    return {"state": state.astype(np.float32), "action": t.wave(n)[:, None].astype(np.float32)}


def _packets(t: Latent) -> Flow:
    n = t.many(3)
    content = [bytes((t.label, i, int(256 * t.phase))) + t.word.encode() for i in range(n)]
    return {"time": np.arange(n) * 0.01 * (1 + t.phase), "direction": np.arange(n) % 2, "bytes": content}


def _music(t: Latent) -> dict[str, np.ndarray]:
    """Broken chords over two octaves, faster or slower by their class, transposed by the phase."""
    i = np.arange(t.many(16))
    chord, beat = np.array(((0, 4, 7), (0, 3, 7), (0, 2, 4))[t.label]), (0.25, 0.5, 1.0)[t.label]
    pitch = 48 + int(12 * t.phase) + chord[i % 3] + 12 * (i // 3 % 2)
    velocity = 64 + t.rng.integers(-8, 9, len(i))
    return {"onset": beat * i, "duration": 0 * i + beat, "pitch": pitch, "velocity": velocity, "program": 8 * (i % 2)}


def _document(t: Latent) -> Page:
    i = np.arange(t.many(8))
    left, top = 0.1 + 0.2 * (i % 4), 0.1 + 0.2 * t.label + 0.08 * (i // 4)
    page = np.rint(255 * t.grid(1, 32, 32)).astype(np.uint8)
    boxes = np.stack([left, top, left + 0.15, top + 0.05], 1)
    return {"words": [(t.word, t.hour)[k % 2] for k in i], "boxes": boxes, "page": page}


_MAKERS: dict[str, Callable[[Latent], Sample]] = {
    maker.__name__[1:]: maker
    for maker in (
        *(_image, _multispectral, _video, _volume, _audio, _series, _text, _code, _table, _events, _protein),
        *(_molecule, _graph, _points, _splats, _field, _trajectory, _packets, _music, _document),
    )
}
