"""Masks as labels of rows: which class each row of a sample shows, by the way in which the sample itself became rows."""

from dataclasses import dataclass, field

import numpy as np

from ..alignment import UNKNOWN, Alignment
from ..data.feeding.asked import behind
from ..data.feeding.loader import PairTokenizer
from ..data.feeding.prepare import Prepared
from ..data.masks import Masks, Numbers, WithMasks
from ..data.source import DataError, Source
from ..data.sources.windows import Windows, nbytes
from ..errors import Mistake, Unreadable, shown
from ..forms import Sample
from ..tokens import Tokenizer

NOTHING = (
    255  # what masks of 8 bits say where they say nothing, unless it is one of two classes, or the numbers are spread
)
SPREAD = 10  # times as large as there are classes, from which on numbers are spread: 0, 128, 255
CLASSES = 1000  # at most
ROOM = 2**28  # bytes of masks that are kept at hand


@dataclass(frozen=True)
class Laid:
    """A sample as it was read, where the rows of its fitted form lie on it (coords: [T, C]), and its mask: whole numbers in the
    shape of its points, as they were given; None where there is none that fits."""

    along: Alignment
    coords: np.ndarray
    mask: np.ndarray | None = None

    def labels(self, values: tuple[int, ...]) -> np.ndarray:
        """[T]: the place in `values` of the class of each row, -1 where it is unknown."""
        if self.mask is None:
            return np.full(len(self.coords), UNKNOWN)
        return self.along.labels(coded(self.mask, values), self.coords)


@dataclass
class Masked:
    """A prepared source with its masks, if it has any. wrong: masks that cannot be used, by the names of their samples, and
    why. seen: the numbers of those that were looked at."""

    prepared: Prepared
    tokenizer: Tokenizer
    masks: Masks | None
    wrong: dict[str, str] = field(default_factory=dict)
    kept: dict[int, Laid] = field(default_factory=dict, repr=False)
    room: int = ROOM
    seen: Numbers = field(default_factory=Numbers, repr=False)

    def __getitem__(self, index: int) -> Laid:
        if index in self.kept:
            return self.kept[index]
        source, (at,) = behind(self.prepared.source, self.prepared.origin[[index]])
        sample = source[int(at)]
        along = aligned(self.tokenizer, sample)
        laid = Laid(
            along,
            self.tokenizer(self.prepared[index]).coords.numpy(),
            self._mask(index, source, int(at), sample, along),
        )
        self.room -= nbytes(laid.mask) + nbytes(laid.coords)
        if self.room > 0:
            self.kept[index] = laid
        return laid

    def _mask(self, index: int, source: Source, at: int, sample: Sample, along: Alignment) -> np.ndarray | None:
        if self.masks is None:
            return None
        try:
            found = self.masks.read(_behind_windows(source, at)[1])
        except Unreadable as error:
            self.wrong.setdefault(self.prepared.name(index), error.reason)
            return None
        if found is not None and isinstance(source, Windows):
            start = round(int(source.place[at]) * source.length * _rate(sample, source.kind))
            found = found[start : start + along.sizes[0]]
        if found is not None and found.shape != along.sizes:
            mine, its = (" x ".join(map(str, shape)) for shape in (found.shape, along.sizes))
            self.wrong.setdefault(
                self.prepared.name(index), f"it is {mine}, and the sample {its}: give a class for every point"
            )
            return None
        if found is None:
            return None
        self.seen.add(found)
        return found.astype(np.min_scalar_type(-1 - int(found.max(initial=0))))

    def numbers(self) -> np.ndarray:
        """The different numbers of all masks, in order; DataError where no mask can be used, or these are no classes."""
        for i in range(len(self.prepared)):
            _ = self[i]
        if self.wrong and not self.seen.masks:
            raise DataError(f"none of the {len(self.wrong):,} masks can be used: {self.first_wrong}")
        if reason := self.seen.refused:
            raise DataError(f"the masks hold {reason}")
        return np.array(sorted(self.seen.masks), np.int64)

    @property
    def first_wrong(self) -> str:
        """The first mask that cannot be used, and why."""
        name, reason = next(iter(self.wrong.items()))
        return f"of {shown(name)} {reason}"


def masked(prepared: Prepared) -> Masked:
    """A prepared source of one kind with its masks."""
    tokenizer = prepared.tokenizer
    assert not isinstance(tokenizer, PairTokenizer), "masks are of samples of one kind"
    return Masked(prepared, tokenizer, masks_of(prepared.source))


def masks_of(source: Source) -> Masks | None:
    """The masks that are known of the samples of a source, or of the recordings that they are windows of."""
    whole = _behind_windows(source, 0)[0]
    return whole.masks if isinstance(whole, WithMasks) else None


def aligned(tokenizer: Tokenizer, sample: Sample) -> Alignment:
    """Where the rows of a sample lie on it as it was read; a Mistake where those of its kind have no place on a grid."""
    along = tokenizer.aligned(sample)
    if along is None:
        raise Mistake(
            f"the rows of {tokenizer.kind} data have no place on a grid, so that no mask can be laid on them: segmentation is "
            "for pictures, rasters, volumes, clips, series and sounds; give one label for each sample"
        )
    return along


def _behind_windows(source: Source, at: int) -> tuple[Source, int]:
    """The source of whole recordings, and which of them a sample is of."""
    source, places = behind(source, np.array([at]))
    if not isinstance(source, Windows):
        return source, int(places[0])
    source, places = behind(source.source, source.recording[places])
    return source, int(places[0])


def values_of(numbers: np.ndarray, ignore: int | None = None) -> tuple[tuple[int, ...], str]:
    """(the classes among the different numbers of all masks, a line about what is left out). ignore: a number that says nothing;
    None: 255, unless it is one of two classes or the numbers are spread (0, 128, 255)."""
    there = numbers[numbers >= 0]
    rest = there[there != (NOTHING if ignore is None else ignore)]
    small = len(rest) > 1 and rest.max() < SPREAD * len(rest)
    said = ""
    if ignore is not None:
        there = rest
    elif NOTHING in there and small and rest.max() < NOTHING - 1:
        there, said = rest, f"{NOTHING} in a mask is taken for unknown (ignore=)"
    if len(there) > CLASSES:
        raise DataError(
            f"the masks name {len(there):,} classes, and {CLASSES:,} are learnt at most: are they numbers of objects?"
        )
    return tuple(there.tolist()), said


def coded(mask: np.ndarray, values: tuple[int, ...]) -> np.ndarray:
    """The numbers of a mask as places in `values`, UNKNOWN where they are none of these."""
    known = np.array(values)
    at = np.searchsorted(known, mask).clip(max=len(known) - 1)
    return np.where(known[at] == mask, at, UNKNOWN)


def _rate(sample: Sample, kind: str) -> float:
    """Points of a recording in one unit of its windows."""
    if kind != "audio":
        return 1.0
    return float(sample["rate"]) if isinstance(sample, dict) else 16_000.0
