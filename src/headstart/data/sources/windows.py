"""Long recordings, texts and scores cut into windows that a transformer can read at once: each is a sample of its own.

Windows of one recording share a group, so they are never divided between training and judging, and their vectors are
averaged where one vector for each recording is wanted.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from ...errors import Unreadable
from ...forms import Sample
from ..source import Source
from .files import FileSource

WINDOW = {  # items along time: bytes, points, seconds, notes, steps, frames, packets
    "text": 256,
    "code": 256,
    "series": 2048,
    "audio": 5,
    "music": 128,
    "trajectory": 256,
    "events": 256,
    "video": 64,
}
MANY = {"text": 2.0, "code": 2.0, "music": 2.0}  # windows in a typical sample from which on it is cut unasked; else 8
ROOM = 2**29  # bytes of whole samples kept at hand; beyond it they are read again for every few of their windows
FEW = 64  # samples below which 2 windows suffice


class Windows:
    """The windows of every sample of a source, `length` items each (audio: seconds), one after another."""

    def __init__(self, source: Source, length: int, progress: Callable[[int, int], None] | None = None):
        self.source, self.kind, self.length, self.classes = source, source.kind, length, source.classes
        counts: list[int] = []
        kept: dict[int, Sample] = {}
        self.unreadable: dict[int, str] = {}
        self.long: dict[int, float] = {}  # how long samples are that are read stretch by stretch
        room = ROOM
        for i in range(len(source)):
            if progress is not None:
                progress(i + 1, len(source))
            try:
                told = source.extent(i) if isinstance(source, FileSource) else None
                if told is not None:
                    self.long[i] = told
                    counts.append(max(1, round(told / length)))
                    continue
                sample = source[i]
                counts.append(max(1, round(extent(sample, self.kind) / length)))
                sample = _sliced(sample)
            except Unreadable as error:
                counts.append(1)  # still there, to be named when it is read
                self.unreadable[i] = error.reason
                continue
            room -= nbytes(sample)
            if room > 0:
                kept[i] = sample
        read = lru_cache(maxsize=4)(lambda index: _sliced(source[index]))
        self.whole = lambda index: kept[index] if index in kept else read(index)
        self.recording = np.repeat(np.arange(len(source)), counts)
        self.place = np.concatenate([np.arange(n) for n in counts])
        self.counts = np.array(counts)
        outer = source.groups
        self.groups = self.recording if outer is None else outer[self.recording]
        self.labels = None if source.labels is None else source.labels[self.recording]

    @property
    def bad(self) -> Sequence[Unreadable]:
        """Files that gave no samples at all."""
        return self.source.bad

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, index: int) -> Sample:
        at, place = int(self.recording[index]), int(self.place[index])
        if at in self.unreadable:
            raise Unreadable(self.source.name(at), self.unreadable[at])
        count, start = int(self.counts[at]), place * self.length
        if at in self.long:
            assert isinstance(self.source, FileSource)
            return self.source.stretch(at, start, self.long[at] if place == count - 1 else start + self.length)
        sample = self.whole(at)
        whole = len(sample) if isinstance(sample, bytes) else extent(sample, self.kind)
        return cut(sample, self.kind, start, whole if place == count - 1 else start + self.length)

    def name(self, index: int) -> str:
        at = int(self.recording[index])
        name = self.source.name(at)
        return name if self.counts[at] == 1 else f"{name}#{int(self.place[index])}"

    def describe(self) -> str:
        unit = {"text": "bytes", "code": "bytes", "audio": "seconds", "music": "notes"}.get(self.kind, "items")
        return f"{self.source.describe()}, cut into {len(self):,} windows of {self.length} {unit}"


def windowed(
    source: Source, asked: int | None, samples: list[Sample], progress: Callable[[int, int], None] | None = None
) -> Source:
    """`source` in windows, where that was asked for or its samples (judged by these) are long enough to need it."""
    if source.kind not in WINDOW:
        return source
    length = asked or WINDOW[source.kind]
    long = []
    for sample in samples:
        try:
            long.append(extent(sample, source.kind))
        except Unreadable:
            continue
    needed = 1.0 if asked else (2.0 if len(source) < FEW else MANY.get(source.kind, 8.0))
    typical = max(long, default=0) if asked else np.median(long or [0])
    return Windows(source, length, progress) if typical >= needed * length and typical > 0 else source


def extent(sample: Sample, kind: str) -> float:
    """How long a sample is, in the unit of its kind; Unreadable if it is no sample of the kind."""
    try:
        return _extent(sample, kind)
    except (AttributeError, KeyError, TypeError, IndexError, ValueError, ZeroDivisionError) as error:
        raise Unreadable("", f"it is no sample of kind {kind} ({type(sample).__name__})") from error


def _extent(sample: Sample, kind: str) -> float:
    if kind in ("text", "code"):
        return len(sample.encode(errors="replace"))
    if kind == "audio":
        return sample["wave"].shape[-1] / sample["rate"] if isinstance(sample, dict) else sample.shape[-1] / 16_000
    if isinstance(sample, dict):
        key = {"series": "values", "music": "onset", "trajectory": "state", "events": "time", "video": "frames"}[kind]
        return np.shape(sample[key])[-1 if kind == "series" else 0]
    return sample.shape[-1 if kind == "series" else 0]


def cut(sample: Sample, kind: str, start: float, stop: float) -> Sample:
    """A stretch of a sample, in the form of the whole."""
    if kind in ("text", "code"):
        return _sliced(sample)[int(start) : int(stop)].decode(errors="ignore")
    if kind == "audio":
        rate = sample["rate"] if isinstance(sample, dict) else 16_000
        a, b = round(start * rate), round(stop * rate)
        return {**sample, "wave": sample["wave"][..., a:b]} if isinstance(sample, dict) else sample[..., a:b]
    a, b = int(start), int(stop)
    if not isinstance(sample, dict):
        return sample[..., a:b] if kind == "series" else sample[a:b]
    if kind == "series":
        timed = {key: np.asarray(sample[key])[a:b] for key in ("time",) if key in sample}
        return {**sample, "values": sample["values"][..., a:b], **timed}
    if kind == "video":
        return {**sample, "frames": sample["frames"][a:b]}
    whole = extent(sample, kind)
    return {key: value[a:b] if np.ndim(value) and len(value) == whole else value for key, value in sample.items()}


def _sliced(sample: Sample) -> Sample:
    """A sample in the form that windows are cut from: a text as its bytes, or each window would encode all of it again."""
    return sample.encode(errors="replace") if isinstance(sample, str) else sample


def nbytes(sample: Sample) -> int:
    """What a sample takes in memory, about."""
    if isinstance(sample, dict):
        return 200 + sum(nbytes(part) for part in sample.values())
    if isinstance(sample, list | tuple):
        return 60 + 8 * len(sample) + sum(nbytes(part) for part in sample)
    if isinstance(sample, np.ndarray | np.generic):
        return int(sample.nbytes) or 60
    return 60 + (len(sample) if isinstance(sample, str | bytes) else 0)
