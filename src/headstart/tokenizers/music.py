"""Music as rows of notes: when is the place of a row, what is played is its payload."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn

from ..errors import Mistake, Unreadable
from ..forms import Json, Sample
from ..tokens import Tokenizer, Tokens, layout
from .payload import Numbers
from .plain import as_array
from .want import Want

DRUMS = 128  # the program of a drum kit (MIDI's channel 10); its pitch names the drum
END = 8192.0  # quarter notes: a passage is shorter
SHORTEST = 1 / 32  # quarter notes; added under the logarithm, so that notes without length have one
LONGEST = 1024.0  # quarter notes a note is held at most
ONE_HOTS = {"class": 12, "octave": 11, "family": 17, "member": 8}  # a program is a family of 8 (General MIDI), or drums
KEYS = ("onset", "duration", "pitch", "velocity", "program")
NOTES = 4_000_000  # that a sample may have before it is cut


def span(name: str) -> slice:
    """The columns of a one-hot group in a payload; two numbers, log duration and velocity, follow them all."""
    names = list(ONE_HOTS)
    start = sum(ONE_HOTS[n] for n in names[: names.index(name)])
    return slice(start, start + ONE_HOTS[name])


WIDTH = sum(ONE_HOTS.values())


def levels(name: str) -> tuple[float, float]:
    """What "no" and "yes" are in a one-hot group of k: mean 0 and variance 1 over its columns, whatever the notes are."""
    k = ONE_HOTS[name]
    return -1 / (k - 1) ** 0.5, (k - 1) ** 0.5


@dataclass(frozen=True)
class MusicTokenizer(Tokenizer):
    """Notes in order of onset, low before high -> rows of 50: pitch class (12), octave (11), instrument family (17, the last is
    drums) and member (8) as one-hots, log duration, velocity.

    Coordinates are the onset in quarter notes since the passage began, and the note's place in its chord counted from the
    lowest; they say nothing of pitch but that order. A fitted sample is a dict with every key, starting within its first
    quarter note, and cut after `longest` notes or 8,192 quarter notes. One-hots take values that make each group mean 0 and
    variance 1; mean and std are of log2(duration + 1/32) and of velocity.
    """

    longest: int = 128
    mean: tuple[float, float] = (0.0, 64.0)
    std: tuple[float, float] = (1.0, 1.0)

    kind = "music"
    axes = ("onset [quarter notes]", "place in chord")
    signal = False
    dim = WIDTH + 2

    @classmethod
    def fit(cls, samples: list[Sample], want: Want = Want()) -> "MusicTokenizer":
        """longest is want.longest; else twice want.rows, or the length of the longest piece if that is less.

        128 notes are about 8 bars in four voices.
        """
        pieces = []
        for sample in samples:
            try:
                pieces.append(_checked(sample))
            except Unreadable:
                continue
        if not pieces:
            raise Mistake('none of the samples is music: give {"onset": [n], "duration": [n], "pitch": [n]}')
        longest = max(1, want.longest or min(2 * want.rows, max(len(p["onset"]) for p in pieces)))
        passages = [_cut(p, longest) for p in pieces]
        numbers = np.concatenate([np.stack([_log(p["duration"]), p["velocity"]]) for p in passages], 1)
        std = np.where(numbers.std(1) > 1e-6, numbers.std(1), 1.0)  # a number that never changes stays as it is
        (a, b), (c, d) = numbers.mean(1).tolist(), std.tolist()
        return cls(longest, (a, b), (c, d))

    def fitted(self, sample: Sample) -> dict[str, np.ndarray]:
        return _cut(_checked(sample), self.longest)

    def __call__(self, sample: dict[str, np.ndarray]) -> Tokens:
        pitch, program = sample["pitch"], sample["program"]
        drums = program == DRUMS
        ids = {
            "class": pitch % 12,
            "octave": pitch // 12,
            "family": program // 8,
            "member": np.where(drums, 0, program % 8),
        }
        values = np.empty((len(pitch), self.dim), np.float32)
        for name, value in ids.items():
            no, yes = levels(name)
            values[:, span(name)] = no
            values[np.arange(len(pitch)), span(name).start + value] = yes
        values[:, WIDTH] = (_log(sample["duration"]) - self.mean[0]) / self.std[0]
        values[:, WIDTH + 1] = (sample["velocity"] - self.mean[1]) / self.std[1]
        onset = sample["onset"]
        first = np.searchsorted(onset, onset)  # of the same onset
        coords = np.stack([onset, np.arange(len(onset)) - first], 1).astype(np.float32)
        return Tokens(torch.from_numpy(values), torch.from_numpy(coords), layout((len(pitch),)), self.kind)

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> dict[str, np.ndarray]:
        """The passage again: the likeliest of each one-hot, and duration and velocity inside their bounds."""
        rows = ~tokens.slot
        values = tokens.values[rows].detach().double().cpu()
        ids = {name: values[:, span(name)].argmax(1).numpy() for name in ONE_HOTS}
        log, velocity = (values[:, WIDTH + i].numpy() * self.std[i] + self.mean[i] for i in range(2))
        duration = np.exp2(np.minimum(log, np.log2(LONGEST + SHORTEST))) - SHORTEST
        return {
            "onset": tokens.coords[rows, 0].cpu().numpy().astype(np.float32),
            "duration": np.clip(duration, 0, LONGEST).astype(np.float32),
            "pitch": np.minimum(12 * ids["octave"] + ids["class"], 127),
            "velocity": np.clip(np.rint(velocity), 0, 127).astype(np.int64),
            "program": np.where(ids["family"] == 16, DRUMS, 8 * ids["family"] + ids["member"]),
        }

    def raw(self, sample: dict[str, np.ndarray]) -> np.ndarray:
        """Counts, as shares: of pitches and pitch classes, of steps of the highest and the lowest voice and pairs of their pitch
        classes, of intervals above the bass and between neighbours in a chord, of durations, places in the beat and the
        four-quarter bar, chord sizes and programs; and means and spreads of what is a number."""
        return _counts(sample)

    def state(self) -> Json:
        return asdict(self)


def _checked(sample: Sample) -> dict[str, np.ndarray]:
    """Every key, sorted by onset, then pitch, program, duration and velocity."""
    if not isinstance(sample, Mapping) or any(key not in sample for key in KEYS[:3]):
        raise Unreadable("", "music is a dict with onset, duration and pitch (and velocity, program), each [n]")
    out: dict[str, np.ndarray] = {}
    for key in KEYS:
        value = sample.get(key)
        if value is None and key in KEYS[3:]:
            value = np.full(len(out["onset"]), 64 if key == "velocity" else 0)
        if not isinstance(value, list | tuple):
            value = as_array(value, key)
        try:
            column = np.asarray(value)
        except (ValueError, OverflowError, TypeError, RuntimeError) as error:
            raise Unreadable("", f"{key} is not an array of numbers ({error})") from error
        if column.dtype.kind not in "iuf" or column.ndim != 1:
            raise Unreadable("", f"{key} is {column.dtype} {list(column.shape)}, not numbers [n]")
        if out and len(column) != len(out["onset"]):
            raise Unreadable("", f"there are {len(out['onset'])} onsets, but {len(column)} numbers of {key}")
        if not 0 < len(column) <= NOTES:
            raise Unreadable("", "there are no notes" if not len(column) else f"{len(column):,} notes are too many")
        out[key] = column
    top = {"onset": 1e9, "duration": 1e9, "pitch": 127, "velocity": 127, "program": DRUMS}
    for key, column in out.items():
        real = column.astype(np.float64)
        if not np.isfinite(real).all() or abs(real).max() > top[key] or (key != "onset" and real.min() < 0):
            raise Unreadable("", f"{key} goes from {real.min():g} to {real.max():g}: 0 to {top[key]:g} are allowed")
        if key in KEYS[2:] and (real != np.trunc(real)).any():
            raise Unreadable("", f"{key} holds numbers that are not whole")
        out[key] = real if key in KEYS[:2] else real.astype(np.int64)
    out["onset"] = out["onset"] - np.floor(out["onset"].min())
    out["onset"] = out["onset"].astype(np.float32)  # before sorting: what becomes one moment is one chord
    order = np.lexsort([out[key] for key in ("velocity", "duration", "program", "pitch", "onset")])
    return {key: column[order] for key, column in out.items()}


def _cut(piece: dict[str, np.ndarray], longest: int) -> dict[str, np.ndarray]:
    count = min(longest, int(np.searchsorted(piece["onset"], END)))
    piece = {key: column[:count] for key, column in piece.items()}
    return piece | {"duration": np.minimum(piece["duration"], LONGEST).astype(np.float32)}


def _log(duration: np.ndarray) -> np.ndarray:
    return np.log2(duration.astype(np.float64) + SHORTEST)


def _counts(x: dict[str, np.ndarray]) -> np.ndarray:
    pitch, onset, n = x["pitch"], x["onset"].astype(np.float64), len(x["pitch"])
    log = np.log2(x["duration"].astype(np.float64) + SHORTEST)
    starts = np.flatnonzero(np.diff(onset, prepend=-1.0))
    sizes = np.diff(np.append(starts, n))
    lowest, highest = pitch[starts], pitch[starts + sizes - 1]
    parts = [_share(pitch, 128), _share(pitch % 12, 12)]
    for voice in (highest, lowest):
        parts.append(_share(np.clip(np.diff(voice), -18, 18) + 18, 37))
        parts.append(_share(voice[:-1] % 12 * 12 + voice[1:] % 12, 144))
    parts.append(_share(np.clip(pitch - np.repeat(lowest, sizes), 0, 47), 48))
    same = np.diff(np.repeat(np.arange(len(starts)), sizes)) == 0
    parts.append(_share(np.clip(np.diff(pitch)[same], 0, 24), 25))
    parts.append(_share(np.clip(np.rint(4 * (log + 5)), 0, 63).astype(int), 64))
    parts.append(_share(np.rint(onset * 12).astype(int) % 12, 12))
    parts.append(_share(np.rint(onset * 4).astype(int) % 16, 16))
    parts.append(_share(np.minimum(sizes, 12) - 1, 12))
    parts.append(_share(x["program"], DRUMS + 1))
    steps = np.diff(onset[starts]) if len(starts) > 1 else np.zeros(1)
    numbers = [log, pitch, x["velocity"], np.log2(steps + SHORTEST), sizes]
    parts.append(np.array([f(v) for v in numbers for f in (np.mean, np.std)] + [np.log(n), n / (onset[-1] + 1)]))
    return np.concatenate(parts).astype(np.float32)


def _share(ids: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(ids, minlength=count)[:count] / max(1, len(ids))
