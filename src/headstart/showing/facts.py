"""What a sample says of itself: form, range, what is missing, units, rates."""

from collections.abc import Sequence

import numpy as np

from ..forms import Sample
from .grids import numbers
from .page import said, short, table

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)
HEADER = ("", "form", "missing", "lowest", "5 %", "median", "95 %", "highest")
LOOKED = 1_000_000  # numbers that quantiles are taken of
COLUMNS = 8  # of a cloud
SPLAT = {"x": 0, "y": 1, "z": 2, "opacity [logit]": 10, "red": 11, "green": 12, "blue": 13}
PLAIN = 8  # numbers that are written out instead
UNITS = {  # where samples of a kind state no unit, the kind has one: data/readers
    ("audio", "rate"): "per second",
    ("series", "rate"): "per second",
    ("series", "time"): "seconds",
    ("video", "fps"): "frames per second",
    ("volume", "spacing"): "mm along z, y, x",
    ("multispectral", "wavelength"): "nm",
    ("music", "onset"): "quarter notes",
    ("music", "duration"): "quarter notes",
    ("events", "time"): "days",
    ("packets", "time"): "seconds",
    ("document", "boxes"): "shares of the page",
}


def facts(kind: str, read: Sample, fitted: Sample) -> str:
    """A table with a line for each array of a sample, as read and in its tokenizer's form (one where both are the same), and
    what else they say below."""
    rows, rest = [], []
    both = [_told(kind, sample) for sample in (read, fitted)]
    for form, own, other in (("read", both[0], both[1]), ("fitted", both[1], {})):
        for key, told in own.items():
            same = form == "read" and other.get(key) == told
            if form == "fitted" and both[0].get(key) == told:
                continue
            unit = f" [{UNITS[kind, key]}]" if (kind, key) in UNITS else ""
            name = " ".join(filter(None, ["" if same and key else "read and fitted" if same else form, key])) + unit
            if isinstance(told, str):
                rest.append(f"{name}: {told}")
            else:
                rows.append([said(name), *map(said, told)])
    return (table(rows, HEADER) if rows else "") + (f"<p class=note>{said(' · '.join(rest))}</p>" if rest else "")


def _told(kind: str, sample: Sample) -> dict[str, str | list[str]]:
    """{part of a sample: its line of the table, or what is said of it}"""
    out: dict[str, str | list[str]] = {}
    for key, value in _parts(kind, sample):
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.size > PLAIN:
            out[str(key)] = _of_numbers(value)
        elif (told := _of_others(value)) is not None:
            out[str(key)] = told
    return out


def _parts(kind: str, sample: Sample) -> list[tuple[str, Sample]]:
    """Its arrays by name; of a cloud, its columns."""
    if isinstance(sample, dict) and kind != "table":
        return list(sample.items())
    if kind == "splats":
        return [(name, sample[:, i]) for name, i in SPLAT.items()]
    if kind == "points":
        names = [*"xyz", *(f"column {i}" for i in range(3, sample.shape[1]))]
        return [(name, sample[:, i]) for i, name in enumerate(names[:COLUMNS])]
    return [("", sample)]


def _of_numbers(values: np.ndarray) -> list[str]:
    form = f"{' × '.join(map(str, values.shape))} {values.dtype}"
    x = numbers(values.ravel()[:: max(1, values.size // LOOKED)]).astype(np.float64)
    known = x[np.isfinite(x)]
    gone = 1 - len(known) / len(x)
    ends = [short(v) for v in np.quantile(known, QUANTILES)] if len(known) else [""] * len(QUANTILES)
    return [form, f"{100 * gone:.3g} %" if gone else "none", *ends]


def _of_others(value: Sample) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return f"{len(value):,} characters"
    if isinstance(value, dict):
        missing = sum(v is None or v != v for v in value.values())
        return f"{len(value):,} cells, {missing:,} of them missing"
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return ", ".join(short(v) for v in value.ravel().tolist())
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        if value and all(isinstance(v, bytes) for v in value):
            return f"{len(value):,}, the longest of {max(map(len, value)):,} bytes"
        few = [v for v in value[:PLAIN] if isinstance(v, str | int | float)]
        return ", ".join(map(short, few)) + (f" and {len(value) - len(few):,} more" if len(value) > len(few) else "")
    return short(value)
