"""A health record as one token per event: when it happened is the place; what it was, and how much, is the payload.

Codes are hashed (see `names.code`), so E11.8 and E11.9 are alike, and a code of another hospital can be said.
"""

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TypedDict

import numpy as np
import torch
from torch import nn

from ..errors import Mistake, Unreadable
from ..forms import Json, Sample
from ..tokens import Tokenizer, Tokens, layout
from .names import code
from .number import LIMIT, WIDTH, Scale, back, forward, gather, measure, said, spread
from .payload import Numbers
from .want import Want
from .words import Words

CODE = 48  # numbers for a code
FLAGS = 2  # has a value; its code was seen by `fit`
CODES, SHOWN = 20_000, 500  # codes that are kept, and that `raw` counts
FAR = 9_900.0  # units of time a record may last: coordinates stay below 10,000
LONGEST, LONGEST_CODE, MOST = 512, 256, 5_000_000  # events, characters, events of a record that are looked at


class Record(TypedDict):
    """A record in this tokenizer's form, by event: its code, [n] float64 (NaN: no value), days [n] float64."""

    code: list[str]
    value: np.ndarray
    time: np.ndarray


@dataclass(frozen=True)
class EventsTokenizer(Tokenizer):
    """Records {"code": [str], "value": [n] with NaN where there is none, "time": [n] days}, in any order, of any length.

    codes: (code, scale of its values) of those seen by `fit`, the commonest first; at most 20,000. unit: days that count as 1
    along the first axis. The last `longest` events of a record are read (at most 8,192), less those more than 9,900 units
    before the last. What is simultaneous keeps its order, which is the second axis.
    """

    codes: tuple[tuple[str, Scale], ...] = ()
    default: Scale = (0.0, 1.0, 0.0, 1.0)
    unit: float = 1.0
    longest: int = LONGEST

    kind = "events"
    axes = ("t [units of days]", "order")
    dim = WIDTH + FLAGS + CODE
    signal = False

    @classmethod
    def fit(cls, samples: list[Sample], want: Want = Want()) -> "EventsTokenizer":
        """The codes of these records, the scale of each code's values, and the median time from an event to the next.

        want.longest: events of a record that are read.
        """
        longest = min(max(1, want.longest or LONGEST), 8192)
        count: Counter[str] = Counter()
        values: dict[str, list[float]] = defaultdict(list)
        gaps, span = [np.zeros(0)], 0.0
        for sample in samples:
            try:
                record = _clean(sample)
            except Unreadable:
                continue
            count.update(record["code"])
            for name, value in zip(record["code"], record["value"].tolist(), strict=True):
                if value == value:
                    values[name].append(value)
            time = record["time"][-longest:]
            gaps.append(np.diff(time)[np.diff(time) > 0])
            span = max(span, float(time[-1] - time[0]))
        if not count:
            raise Mistake('no record can be used: give {"code": [...], "value": [...], "time": [...] in days}')
        every = np.concatenate(gaps)
        unit = max(float(np.median(every)) if len(every) else 1.0, span / 8000)
        numbers = np.array([x for some in values.values() for x in some])
        default = measure(numbers, robust=False)
        common = sorted(count, key=lambda name: (-count[name], name))[:CODES]
        scales = {name: measure(np.array(some)) for name, some in values.items() if len(some) >= 3}
        return cls(tuple((name, scales.get(name, default)) for name in common), default, unit, longest)

    def fitted(self, sample: Sample) -> Record:
        """By time, which is counted from the first event that is kept; what day that was is lost."""
        record = _clean(sample)
        time = record["time"]
        first = max(0, len(time) - self.longest, int(np.searchsorted(time, time[-1] - FAR * self.unit)))
        return {
            "code": record["code"][first:],
            "value": record["value"][first:],
            "time": time[first:] - time[first],
        }

    def __call__(self, sample: Record) -> Tokens:
        n = len(sample["code"])
        out = np.zeros((n, self.dim), np.float32)
        value, index = sample["value"], self._words.number
        there = ~np.isnan(value)
        z = np.array([forward(x, self._scale(c)) for c, x in zip(sample["code"], value, strict=True) if x == x])
        out[there, :WIDTH] = spread(z)
        out[:, WIDTH] = there
        out[:, WIDTH + 1] = [name in index for name in sample["code"]]
        out[:, WIDTH + FLAGS :] = [code(name, CODE) for name in sample["code"]]
        coords = np.stack([sample["time"] / self.unit, np.arange(n)], 1).astype(np.float32)
        return Tokens(torch.from_numpy(out), torch.from_numpy(coords), layout((n,)), self.kind)

    def embed(self, width: int) -> nn.Module:
        return Numbers(self.dim, width)

    def decode(self, tokens: Tokens) -> Record:
        """The record again; codes that `fit` has not seen come back as "", see `kept`."""
        rows = ~tokens.slot
        values = said(tokens.values[rows])
        known = values[:, WIDTH + 1] > 0.5
        names = [
            (self._words.nearest(row) or "") if k else ""
            for k, row in zip(known, values[:, WIDTH + FLAGS :], strict=True)
        ]
        z = gather(values[:, :WIDTH])
        has = values[:, WIDTH] > 0.5
        numbers = [
            back(x, self._scale(name)) if h else np.nan for x, h, name in zip(z.tolist(), has, names, strict=True)
        ]
        time = tokens.coords[rows][:, 0].double().cpu().numpy() * self.unit
        return {"code": names, "value": np.array(numbers), "time": time}

    def kept(self, sample: Record) -> Record:
        """What `decode` gives back: all, but codes that `fit` has not seen are "", and their values are not to be trusted."""
        known = self._words.number
        return {**sample, "code": [name if name in known else "" for name in sample["code"]]}

    def raw(self, sample: Record) -> np.ndarray:
        """What is counted by hand: for the 500 commonest codes how often (log), the last value (standardised), and whether there
        is one; then how many events, and over how many units of time (both log). A record has no shorter honest summary."""
        shown = min(SHOWN, len(self.codes))
        counts, last = np.zeros(shown), np.zeros((shown, 2))
        for name, value in zip(sample["code"], sample["value"].tolist(), strict=True):
            i = self._words.number.get(name, shown)
            if i < shown:
                counts[i] += 1
                if value == value:
                    last[i] = forward(value, self._scale(name)), 1
        whole = np.log1p([len(sample["code"]), float(sample["time"][-1]) / self.unit])
        return np.concatenate([np.log1p(counts), last.T.flatten(), whole]).astype(np.float32)

    def state(self) -> Json:
        return asdict(self)

    @cached_property
    def _words(self) -> Words:
        return Words.of(tuple(name for name, _ in self.codes), CODE)

    def _scale(self, name: str) -> Scale:
        i = self._words.number.get(name)
        return self.default if i is None else self.codes[i][1]


def _clean(sample: Sample) -> Record:
    """A record by time, in plain types; `value` may be left out."""
    if not isinstance(sample, dict) or not {"code", "time"} <= set(sample):
        raise Unreadable("", 'a record is {"code": [...], "value": [...], "time": [...] in days}')
    try:
        names = [str(name) if isinstance(name, str | np.str_) else name for name in sample["code"]]
        n = len(names)
        time = np.asarray(sample["time"], np.float64)
        value = np.full(n, np.nan) if sample.get("value") is None else np.asarray(sample["value"], np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise Unreadable("", f"the record's codes, values or times are no list of the right kind ({error})") from error
    if not 0 < n <= MOST:
        raise Unreadable("", f"the record holds {n:,} events: give 1 to {MOST:,}")
    if time.shape != (n,) or value.shape != (n,):
        raise Unreadable(
            "", f"{n} codes, values of shape {list(value.shape)}, times {list(time.shape)}: give one each per event"
        )
    if not all(isinstance(name, str) and len(name) <= LONGEST_CODE for name in names):
        raise Unreadable("", f"a code is text of at most {LONGEST_CODE} characters")
    if not (np.abs(time) < 1e8).all():
        raise Unreadable("", "an event has no time, or one that is no number of days")
    if not (np.abs(value[~np.isnan(value)]) <= LIMIT).all():
        raise Unreadable("", "a value is infinite or beyond 1e100")
    order = np.argsort(time, kind="stable")
    words = [names[i].encode("utf-8", "replace").decode() for i in order.tolist()]
    return {"code": words, "value": value[order], "time": time[order]}
