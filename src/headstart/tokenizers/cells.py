"""What a table's cell says that is no number: the letters of a text, a day and its place in year, month and week."""

import datetime
import decimal
import math

import numpy as np
import torch

from ..errors import Unreadable
from ..forms import Cell
from .number import LIMIT

EPOCH = datetime.date(1970, 1, 1)
FIRST, LAST = (datetime.date.min - EPOCH).days, (datetime.date.max - EPOCH).days
PERIODS = 8  # numbers that `periodic` gives
LONGEST_NAME, LONGEST_TEXT = 256, 1000  # characters
WHOLE = 2**40  # whole numbers beyond are read as floats


def plain(name: str, cell: object) -> Cell:
    """A cell of the column `name` in plain Python; Unreadable where it is no cell. NaN and NaT are None."""
    if isinstance(cell, np.datetime64):
        cell = None if np.isnat(cell) else cell.astype("datetime64[s]").item()
    elif isinstance(cell, np.generic) or (isinstance(cell, np.ndarray | torch.Tensor) and cell.ndim == 0):
        cell = cell.item()
    if cell is None or isinstance(cell, bool):
        return cell
    if isinstance(cell, str):
        return cell[:LONGEST_TEXT].encode("utf-8", "replace").decode()
    if isinstance(cell, datetime.datetime):
        if cell != cell:  # a missing time of pandas
            return None
        try:
            cell = cell.astimezone(datetime.UTC) if cell.tzinfo else cell
        except OverflowError as error:
            raise Unreadable("", f"column {name!r} holds a time at the end of the calendar") from error
        return datetime.datetime(cell.year, cell.month, cell.day, cell.hour, cell.minute, cell.second)
    if isinstance(cell, datetime.date):
        return datetime.date(cell.year, cell.month, cell.day)
    if isinstance(cell, int | float | decimal.Decimal):
        if cell.is_nan() if isinstance(cell, decimal.Decimal) else cell != cell:
            return None
        try:
            number = float(cell)
        except OverflowError:
            number = math.inf
        if abs(number) > LIMIT:
            raise Unreadable("", f"column {name!r} holds a number that is infinite or beyond 1e100")
        return int(cell) if isinstance(cell, int) and abs(cell) <= WHOLE else number
    raise Unreadable("", f"column {name!r} holds a {type(cell).__name__}: a cell is a number, text, bool, date or None")


def bits(text: str, letters: int) -> np.ndarray:
    """The first `letters` UTF-8 bytes as [8 * letters] bits of -1 or 1; 0 after the end."""
    out = np.zeros(8 * letters, np.float32)
    some = np.unpackbits(np.frombuffer(text.encode()[:letters], np.uint8))
    out[: len(some)] = 2.0 * some - 1
    return out


def letters_of(values: np.ndarray) -> str:
    """The text again; what is no UTF-8 (a cut character) is left out."""
    each = values.reshape(-1, 8)
    written = np.cumprod(np.abs(each).mean(1) > 0.5).astype(bool)
    return np.packbits(each[written] > 0).tobytes().decode(errors="ignore")


def shortened(text: str, letters: int) -> str:
    """What `letters` bytes hold of a text."""
    return text.encode()[:letters].decode(errors="ignore")


def day(when: datetime.date) -> float:
    """Days since 1970; of a datetime with its part of the day."""
    whole = (datetime.date(when.year, when.month, when.day) - EPOCH).days
    return whole + _part(when)


def at_day(number: float, clock: bool) -> datetime.date:
    """The date, or with `clock` the datetime to the second, after so many days; clipped to the years 1 to 9999."""
    if not clock:
        return EPOCH + datetime.timedelta(days=min(max(round(number), FIRST), LAST))
    seconds = min(max(round(number * 86_400), FIRST * 86_400), LAST * 86_400 + 86_399)
    return datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)


def periodic(when: datetime.date) -> np.ndarray:
    """Where in the year, the month, the week and (of a datetime) the day: sine and cosine of each, of variance 1."""
    turns = [when.timetuple().tm_yday / 365.25, when.day / 31, when.weekday() / 7, _part(when)]
    waves = [math.sqrt(2) * f(2 * math.pi * turn) for turn in turns for f in (math.sin, math.cos)]
    if not isinstance(when, datetime.datetime):
        waves[6:] = [0.0, 0.0]
    return np.array(waves, np.float32)


def _part(when: datetime.date) -> float:
    if not isinstance(when, datetime.datetime):
        return 0.0
    return (3600 * when.hour + 60 * when.minute + when.second) / 86_400
