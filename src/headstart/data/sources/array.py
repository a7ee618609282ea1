"""Samples along the first axis of an array; and numbers that mean "not measured", in any file."""

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol, runtime_checkable

import numpy as np

from ...errors import Unreadable, so_many
from ...forms import Sample
from ..classes import as_labels, noted, said_of_labels
from ..masks import Masks
from ..source import DataError, Source
from .listed import ListSource

FORMS = {"image": "[n, H, W], [n, H, W, C] or [n, C, H, W]", "series": "[n, L] or [n, C, L]", "text": "[n]"}
KINDS = tuple(FORMS)
MOMENTS, TALL = (
    8,
    4,
)  # in fewer moments there is nothing to learn along time; so many times as many channels are hardly meant
HUGE = 1e30  # no measurement is larger: what is near such a "no data" is that, however it was rounded
PICKLED = "{title} holds Python objects, which are never unpickled: save one array of numbers or strings"


@runtime_checkable
class Values(Protocol):
    """An array, or what is indexed like one and reads from disk."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def dtype(self) -> np.dtype: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> np.ndarray: ...
    def min(self) -> float: ...
    def max(self) -> float: ...


class ArraySource:
    """Samples along the first axis of an array, which may stay on disk (a memmap).

    Images are [n, H, W], [n, H, W, C] or [n, C, H, W] and are served as [C, H, W]. The channels are the first
    or the last axis of a picture, and at most 16; where both axes are that short, the one that leaves the
    squarer picture holds them, and a tie goes to the last. Series are [n, L] or [n, C, L], served as [C, L]
    float32. Text is an array of strings. What an array masks (numpy.ma) is missing: see `holed`.
    """

    groups: np.ndarray | None = None
    bad: Sequence[Unreadable] = ()
    masks: Masks | None = None

    def __init__(
        self,
        values: Values,
        kind: str,
        labels: np.ndarray | None = None,
        classes: Sequence[str] = (),
        title: str = "array",
        why: str = "",
    ):
        if kind not in KINDS:
            raise DataError(f"kind is {kind!r} but must be one of {', '.join(KINDS)}")
        if len(values.shape) == 0 or len(values) == 0:
            raise DataError(f"{title} holds no samples: the first axis counts them")
        _check_plain(values.dtype, title)
        allowed = {"image": (3, 4), "series": (2, 3), "text": (1,)}[kind]
        if values.ndim not in allowed:
            raise DataError(f"{title} has shape {list(values.shape)}, but {kind} is {FORMS[kind]}: reshape it")
        if (values.dtype.kind in "US") != (kind == "text"):
            raise DataError(f"{title} holds {values.dtype}, which is not {kind}: pass another kind, or convert it")
        if 0 in values.shape[1:]:
            raise DataError(f"{title} has shape {list(values.shape)}: every sample is empty")
        self.values, self.kind, self.title = values, kind, title
        self.labels: np.ndarray | None = None
        self.why = why
        self.classes: tuple[str, ...] = ()
        if labels is not None:
            self.labels, self.classes = as_labels(labels, len(values), title, classes)
        self._last = kind == "image" and values.ndim == 4 and _channels_last(values.shape[1:], title)
        self.dtype = _served(values, kind)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Sample:
        sample = self.values[index]
        if self.kind == "text":
            try:
                return sample.decode() if isinstance(sample, bytes) else str(sample)
            except UnicodeDecodeError as error:
                raise Unreadable(self.name(index), "the text is not UTF-8") from error
        holes = self._formed(np.ma.getmaskarray(sample)) if isinstance(sample, np.ma.MaskedArray) else None
        sample = self._formed(np.ma.getdata(sample))
        if sample.dtype == bool and self.kind == "image":
            sample = sample * np.uint8(255)
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # what is beyond float32 becomes inf, which is refused in words
            # a writable copy where the array is read-only (a memmap): torch warns about anything else
            sample = np.require(sample, dtype=self.dtype, requirements=["C", "W"])
        if self.kind == "image" and not np.isfinite(sample if holes is None else sample[~holes]).all():
            raise Unreadable(self.name(index), "the image holds NaN or infinite values")
        return sample if holes is None else holed(sample, holes)

    def _formed(self, sample: np.ndarray) -> np.ndarray:
        """Channels first, and there."""
        if self._last:
            return np.moveaxis(sample, -1, 0)
        return sample[None] if sample.ndim == (2 if self.kind == "image" else 1) else sample

    def name(self, index: int) -> str:
        return f"{self.title}[{index}]"

    def describe(self) -> str:
        what = {"image": "images", "series": "series", "text": "texts"}[self.kind]
        form = "" if self.kind == "text" else f" of {'x'.join(map(str, self.shape))} ({self.dtype})"
        return f"{self.title}: {len(self):,} {what}{form}{said_of_labels(self)}"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape every sample is served in; () for text."""
        shape = self.values.shape[1:]
        if self._last:
            return (shape[-1], *shape[:-1])
        return (1, *shape) if len(shape) == (2 if self.kind == "image" else 1) else shape


def source_of(
    values: Values, kind: str | None, labels: np.ndarray | None = None, title: str = "array", why: str = ""
) -> Source:
    """The samples along the first axis of an array, of any kind; without a kind, the one that its shape suggests."""
    asked, kind = kind, kind or guess_kind(values, title)
    if kind == "series":
        why = noted(_orientation(values.shape, title, asked is not None), why)
    if kind in KINDS:
        holed = kind == "image" and values.dtype.kind == "f"
        return ArraySource(_Holed(values) if holed else values, kind, labels, title=title, why=why)
    if len(values.shape) == 0 or values.dtype.kind not in "biufUS":
        raise DataError(f"{title} of {values.dtype}, shape {list(values.shape)}, holds no {kind} samples: give a list")
    return ListSource(_Rows(values), kind, labels, title=title, why=why)


def _orientation(shape: Sequence[int], title: str, asked: bool) -> str:
    """A remark where series [n, C, L] look as if time came before the channels; where they are too short to be meant so, and
    nobody asked for series, an error."""
    if len(shape) != 3 or min(shape) == 0 or shape[1] < TALL * shape[2]:
        return ""
    _, a, b = shape
    other = f"if it holds {so_many(a, 'moment')} of {so_many(b, 'channel')}, give np.swapaxes(array, 1, 2)"
    if b < MOMENTS and not asked:
        raise DataError(
            f"{title} has shape {list(shape)}, and series are [n, channels, time]: {so_many(a, 'channel')} of "
            f"{so_many(b, 'moment')}, too few to learn from along time; {other}, and data.kind=series if it is as it says"
        )
    return f"READ AS {so_many(a, 'channel')} of {so_many(b, 'moment')}, [n, channels, time]: {other}"


class _Holed:
    """An array whose NaN are masked, sample by sample: in a picture they are missing."""

    def __init__(self, values: Values):
        self.values = values
        self.shape, self.ndim, self.dtype = values.shape, values.ndim, values.dtype
        self.min, self.max = values.min, values.max

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int, /) -> np.ndarray:
        sample = self.values[index]
        gone = np.isnan(np.ma.getdata(sample))
        return np.ma.masked_array(sample, np.ma.getmaskarray(sample) | gone) if gone.any() else sample


class _Rows:
    """The samples of an array as kinds of free form take them: copies that may be written to, and str."""

    def __init__(self, values: Values):
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Sample:
        sample = self.values[index]
        if isinstance(sample, np.ma.MaskedArray):
            return holed(np.ma.getdata(sample).astype(np.float32), np.ma.getmaskarray(sample))
        return str(sample) if self.values.dtype.kind in "US" else np.array(sample)


def guess_kind(values: Values, title: str = "the array") -> str:
    """The kind that an array's shape and dtype suggest; `kind=` overrides it.

    Strings are text; [n, L] is series; four axes are images. Three axes are images [n, H, W] when they hold
    uint8, uint16 or bool, or when H and W are both at least 8 and neither is more than twice the other;
    otherwise series [n, C, L].
    """
    _check_plain(values.dtype, title)
    if values.dtype.kind in "US":
        return "text"
    if values.ndim == 2:
        return "series"
    if values.ndim == 4:
        return "image"
    if values.ndim == 3:
        short, long = sorted(values.shape[1:])
        return "image" if _is_pixels(values.dtype) or (short >= 8 and long <= 2 * short) else "series"
    raise DataError(
        f"{title} has shape {list(values.shape)}: reshape it, samples along the first axis, into "
        f"images {FORMS['image']}, or series {FORMS['series']}"
    )


def told(value: object) -> list[float]:
    """The numbers that an attribute or tag tells, as numbers or in words; what is no number is left out."""
    found: list[float] = []
    for each in np.asarray(value).reshape(-1).tolist():
        text = each.decode("latin-1") if isinstance(each, bytes) else str(each)
        for as_number in (int, float):
            with suppress(ValueError):
                found.append(as_number(text.strip("\0 ")))
                break
    return found


def is_told(values: np.ndarray, number: float) -> np.ndarray:
    """Where the values are this number, which a program may have rounded when it wrote it down (-3.40282e+38)."""
    if values.dtype.kind in "biu":
        fits = math.isfinite(number) and number == int(number)
        info = np.iinfo(np.uint8 if values.dtype == bool else values.dtype)
        return values == int(number) if fits and info.min <= number <= info.max else np.zeros(values.shape, bool)
    if math.isnan(number):
        return np.isnan(values)
    end = float(np.finfo(values.dtype).max) * 0.999
    with np.errstate(all="ignore"):
        if abs(number) >= end:  # the end of the range, or beyond it
            return values * math.copysign(1, number) >= end
        exact = values == values.dtype.type(number)
        if number == int(number) and abs(number) < 2**24:  # -9999 is written as it is
            return exact
        return exact | (np.abs(values - number) <= abs(number) * (1e-3 if abs(number) > HUGE else 1e-5))


def holed(values: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """[C, ...] with what is missing marked, so that it enters no mean, no range and no row as a number.

    Floats become NaN there. Whole numbers keep their dtype, whose range a picture's brightness is a share of: they become
    a masked array (numpy.ma), with the mean of the channel under the mask.
    """
    if values.dtype.kind == "f":
        return np.where(holes, np.asarray(np.nan, values.dtype), values)
    beneath = np.array(values)
    for plane, hole in zip(beneath, holes, strict=True):
        plane[hole] = 0 if hole.all() else round(float(plane[~hole].mean()))
    return np.ma.MaskedArray(beneath, holes)


def scaling(slope: float, offset: float) -> str:
    """In words, how stored numbers became what they mean."""
    return f"scaled by {slope:g}" + (f" {'-' if offset < 0 else '+'} {abs(offset):g}" if offset else "")


def _check_plain(dtype: np.dtype, title: str) -> None:
    if dtype.kind == "O":
        raise DataError(PICKLED.format(title=title))
    if dtype.kind not in "biufUS":
        raise DataError(f"{title} holds {dtype} values: convert it to real numbers or strings")


def _channels_last(shape: tuple[int, ...], title: str) -> bool:
    def stretch(h: int, w: int) -> float:
        return max(h, w) / max(1, min(h, w))

    a, b, c = shape
    if a > 16 and c > 16:
        raise DataError(f"images of {title} are {a}x{b}x{c}, no outer axis at most 16: put the channels last")
    return c <= 16 and (a > 16 or stretch(a, b) <= stretch(b, c))


def _served(values: Values, kind: str) -> np.dtype:
    """uint8 and uint16 images stay; wider integers become the smaller of these that holds them all."""
    if kind == "image" and _is_pixels(values.dtype):
        return np.dtype(np.uint8) if values.dtype == bool else values.dtype.newbyteorder("=")
    if kind == "image" and values.dtype.kind in "iu":
        low, high = int(values.min()), int(values.max())
        if low >= 0 and high <= 65_535:
            return np.dtype(np.uint8 if high <= 255 else np.uint16)
    return np.dtype(np.float32)


def _is_pixels(dtype: np.dtype) -> bool:
    return dtype.newbyteorder("=") in (np.bool_, np.uint8, np.uint16)
