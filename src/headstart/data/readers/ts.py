"""The .ts format of the UCR and UEA time series archives (sktime, aeon), and UCR's older _TRAIN.tsv and _TEST.tsv.

Löning et al. 2019, "sktime: A unified interface for machine learning with time series", and Dau et al. 2019, "The UCR Time Series
Archive". A header of @-lines is followed by a series in a line: channels divided by ":", values by ",", "?" where missing, the
class or the quantity at the end.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np

from ...forms import Sample
from ..encoding import decoded
from ..encoding import said as said_of
from ..source import DataError, Source
from ..sources.listed import ListSource

SUFFIXES = (".ts", ".tsv")
LARGEST = 2**30  # bytes of a file
CHANNELS = 1024
TAGS = {"@problemname", "@timestamps", "@univariate", "@classlabel", "@targetlabel", "@equallength", "@serieslength"}
UNKNOWN = {"?", "", "nan"}
_BRACKETS = re.compile(r"\([^()]*\)")  # colons of times stand in these
_TIMED = re.compile(r"\(([^(),]*),([^(),]*)\)")


def kind(start: bytes, path: Path) -> str | None:
    """Series, if the first line that is no comment is a tag of this format; .tsv only by its name and its numbers."""
    if re.search(r"_(train|test)\.tsv$", path.name.lower()):
        return "series" if re.match(rb"-?[\d.]+(e[+-]?\d+)?\t *-?[\d.]", start) else None
    if path.suffix.lower() not in ("", ".ts", ".txt") or b"\0" in start:
        return None
    first = _first_tag(start)
    if first is None and start.lstrip()[:1] in (b"#", b"%") and len(start) >= 4096:  # a long comment
        with path.open("rb") as file:
            first = _first_tag(file.read(2**16))
    return "series" if first in TAGS else None


def open(path: Path) -> Source:
    """All series of a file: [C, L] float32, NaN where missing; with times as {"values", "time"}.

    Labels are classes (@classLabel, in the order of the header) or quantities (@targetLabel). A file is at most 1 GiB.
    Raises DataError for anything that is not in this format.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise DataError(f"{path} has {size / 2**30:.1f} GiB, and 1 GiB is read at most: split it")
        text, encoding = decoded(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror}): check its permissions") from error
    lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip() and line.strip()[0] not in "#%"]
    tabs = path.suffix.lower() == ".tsv"
    tags, body = ({"classlabel": "true"}, lines) if tabs else _header(lines, path)
    labelled = next((t for t in ("classlabel", "targetlabel") if tags.get(t, "").lower().startswith("true")), None)
    samples, said = [], []
    for number, line in body:
        try:
            sample, label = _tabbed(line) if tabs else _case(line, labelled is not None)
        except (ValueError, OverflowError) as error:
            raise DataError(f"{path}, line {number} is not a series ({error}): mend or delete the line") from error
        samples.append(sample)
        said.append(label)
    if not samples:
        raise DataError(f"{path} holds no series after its header: give another file")
    if labelled == "targetlabel":
        return _with_quantities(samples, said, path)
    if labelled is None:
        return ListSource(samples, "series", title=path.stem)
    classes = list(dict.fromkeys([*tags["classlabel"].split()[1:], *sorted(set(said) - UNKNOWN, key=_order)]))
    code = {name: i for i, name in enumerate(classes)} | dict.fromkeys(UNKNOWN, -1)
    labels = [code[label] for label in said]
    where = "the first value of each line" if tabs else "@classLabel of the header"
    why = "; ".join(filter(None, (f"labels: {where}", said_of(encoding))))
    return ListSource(samples, "series", labels, classes, title=path.stem, why=why)


def _first_tag(start: bytes) -> str | None:
    for line in start.decode("utf-8", errors="replace").splitlines():
        if line.strip() and line.strip()[0] not in "#%":
            return line.split()[0].lower()
    return None


def _header(lines: list[tuple[int, str]], path: Path) -> tuple[dict[str, str], list[tuple[int, str]]]:
    tags: dict[str, str] = {}
    for i, (_, line) in enumerate(lines):
        name, _, rest = line.strip().partition(" ")
        if name.lower() == "@data":
            return tags, lines[i + 1 :]
        if not name.startswith("@"):
            break
        tags[name[1:].lower()] = rest.strip()
    raise DataError(f"{path} is not in the .ts format: no @data line ends its header")


def _case(line: str, labelled: bool) -> tuple[Sample, str]:
    hidden = _BRACKETS.sub(lambda found: found[0].replace(":", "\0"), line.strip())
    parts = [part.replace("\0", ":") for part in hidden.split(":", CHANNELS + 1)]
    label = parts.pop().strip() if labelled else ""
    if not parts:
        raise ValueError("no values stand before the label")
    if len(parts) > CHANNELS:
        raise ValueError(f"{len(parts):,} channels, and {CHANNELS:,} may be")
    if "(" not in line:
        return _stacked([_numbers(part.split(",")) for part in parts]), label
    pairs = [_TIMED.findall(part) for part in parts]
    times = [_numbers(_seconds(t for t, _ in part)) for part in pairs]
    longest = max(times, key=len)
    if not len(longest) or not all(np.array_equal(t, longest[: len(t)]) for t in times):
        raise ValueError("its channels have no times, or different ones")
    start = longest[0]
    values = _stacked([_numbers([v for _, v in part]) for part in pairs])
    return {"values": values, "time": longest - start}, label


def _tabbed(line: str) -> tuple[np.ndarray, str]:
    label, *values = line.split("\t")
    if not values:
        raise ValueError("no tab stands after the label")
    series = _numbers(values)
    last = np.flatnonzero(~np.isnan(series))
    label = label.strip()
    return series[None, : last[-1] + 1 if len(last) else 1].astype(np.float32), label[:-2] if label.endswith(
        ".0"
    ) else label


def _stacked(channels: list[np.ndarray]) -> np.ndarray:
    """[C, L] float32; a channel that is shorter than the longest ends in NaN."""
    length = max(map(len, channels))
    if length * len(channels) > 4 * sum(map(len, channels)):
        raise ValueError("its channels are of very different lengths")
    out = np.full((len(channels), length), np.nan, np.float32)
    with np.errstate(over="ignore"):
        for row, values in zip(out, channels, strict=True):
            row[: len(values)] = values
    return out


def _numbers(texts: list[str]) -> np.ndarray:
    return np.array([t if t.strip() != "?" else "nan" for t in texts], np.float64)


def _seconds(times: Iterator[str]) -> list[str]:
    """Times as seconds: numbers as they are, dates since 1970."""
    out = []
    for time in times:
        try:
            out.append(str(float(time)))
        except ValueError:
            at = datetime.fromisoformat(time.strip())
            out.append(str((at.replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds()))
    return out


def _order(name: str) -> tuple[float, str]:
    try:
        return float(name), name
    except ValueError:
        return np.inf, name


def _with_quantities(samples: list[Sample], said: list[str], path: Path) -> Source:
    try:
        quantities = np.array([np.nan if label.lower() in UNKNOWN else float(label) for label in said], np.float32)
    except ValueError as error:
        raise DataError(
            f"{path} promises quantities (@targetLabel), but one is none ({error}): mend its labels"
        ) from error
    source = ListSource(samples, "series", title=path.stem, why="labels: @targetLabel of the header")
    source.labels = quantities  # set afterwards: whole quantities would be taken for classes
    return source
