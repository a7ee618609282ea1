"""A network flow as rows: for each packet one row that says who sent it and when, then its bytes."""

from dataclasses import asdict, dataclass
from typing import ClassVar, TypedDict

import numpy as np
import torch
from torch import nn

from ..errors import Unreadable
from ..forms import Json, Sample
from ..tokens import Tokenizer, Tokens, layout
from .payload import Ids
from .text import readable
from .want import Want

GAPS = 32  # classes of time since the packet before: none, then doubling from a microsecond to half an hour
BYTES = 256
FLOWN = 8_192  # rows of a sample at most
LONGEST_GAP = 1e9  # seconds


class Flow(TypedDict):
    """A flow in this tokenizer's form, by packet: seconds [n] float64, 0 or 1 [n] int64, contents."""

    time: np.ndarray
    direction: np.ndarray
    bytes: list[bytes]


@dataclass(frozen=True)
class PacketsTokenizer(Tokenizer):
    """The first `packets` packets of a flow, of each its first `bytes` bytes, as ids.

    Ids below 256 are bytes. A packet's own row, at byte 0, is 256 + 32 * direction + class of the time since the packet before;
    its bytes follow at 1, 2, ... Coordinates: the packet's number and the place in it.
    """

    packets: int = 8
    bytes: int = 64

    kind = "packets"
    axes = ("packet", "byte")
    dim = BYTES + 2 * GAPS
    signal: ClassVar[bool] = False

    @classmethod
    def fit(cls, samples: list[Sample], want: Want = Want()) -> "PacketsTokenizer":
        """As many packets as most flows have (at most 16), and about eight times `want.rows` rows, since each says little.

        want.longest: bytes of a packet.
        """
        flows = readable(samples, cls(64, FLOWN // 64 - 1))
        packets = int(min(16, np.quantile([len(f["bytes"]) for f in flows], 0.9)))
        most = FLOWN // packets - 1
        longest = max(len(b) for f in readable(samples, cls(packets, most)) for b in f["bytes"])
        return cls(packets, max(1, min(most, want.longest or min(longest, 8 * want.rows // packets))))

    def fitted(self, sample: Sample) -> Flow:
        """The flow's first packets in the order of their times, which start at 0, and of each its first bytes.

        Keys: time (seconds, [n] float64), direction (0 or 1, [n]), bytes (n times bytes). Without a packet, Unreadable.
        """
        if not isinstance(sample, dict) or not {"time", "direction", "bytes"} <= set(sample):
            raise Unreadable("", 'a flow is a dict of "time", "direction" and "bytes"')
        try:
            time = np.array(sample["time"], np.float64)
            direction = np.array(sample["direction"], np.float64)
            contents = list(sample["bytes"])
        except (TypeError, ValueError, OverflowError) as error:
            raise Unreadable("", f"the flow's times, directions or bytes are no lists of numbers ({error})") from error
        if time.ndim != 1 or time.shape != direction.shape or len(time) != len(contents):
            what = f"{list(time.shape)} times, {list(direction.shape)} directions, {len(contents)} packets"
            raise Unreadable("", f"a flow has one time and one direction for each packet, not {what}")
        if not len(time):
            raise Unreadable("", "the flow holds no packets")
        if not np.isfinite(time).all() or time.max() - time.min() > LONGEST_GAP:
            raise Unreadable("", "the flow's times are not finite, or lie more than thirty years apart")
        if not np.isin(direction, (0, 1)).all():
            raise Unreadable("", "a packet's direction is 0 (as the first one) or 1 (back)")
        if not all(isinstance(b, bytes | bytearray | memoryview) for b in contents):
            raise Unreadable("", "a packet's content is bytes")
        order = np.argsort(time, kind="stable")[: min(self.packets, FLOWN)]
        return {
            "time": time[order] - time[order[0]],
            "direction": direction[order].astype(np.int64),
            "bytes": [bytes(contents[i][: min(self.bytes, max(1, FLOWN // self.packets))]) for i in order],
        }

    def __call__(self, sample: Flow) -> Tokens:
        ids, coords = [], []
        heads = BYTES + GAPS * sample["direction"] + _classes(sample["time"])
        for number, (head, content) in enumerate(zip(heads, sample["bytes"], strict=True)):
            ids.append(np.concatenate([[head], np.frombuffer(content, np.uint8)]).astype(np.int64))
            coords.append(np.stack([np.full(len(ids[-1]), number), np.arange(len(ids[-1]))], 1).astype(np.float32))
        values = torch.from_numpy(np.concatenate(ids))
        return Tokens(values, torch.from_numpy(np.concatenate(coords)), layout((len(values),)), self.kind)

    def embed(self, width: int) -> nn.Module:
        return Ids(self.dim, width)

    def decode(self, tokens: Tokens) -> Flow:
        """The flow again, its times rebuilt from the classes of the gaps."""
        ids = tokens.values[~tokens.slot].cpu().numpy()
        begin = np.flatnonzero(ids >= BYTES)
        heads = ids[begin] - BYTES
        parts = [ids[a + 1 : b].astype(np.uint8).tobytes() for a, b in zip(begin, [*begin[1:], len(ids)], strict=True)]
        return {"time": _times(heads % GAPS), "direction": heads // GAPS, "bytes": parts}

    def kept(self, sample: Flow) -> Flow:
        """The flow with every gap between packets as the middle of its class: within a factor of 1.5 of what it was.

        Gaps of up to a microsecond are none; longer ones than half an hour are half an hour.
        """
        return {**sample, "time": _times(_classes(sample["time"]))}

    def raw(self, sample: Flow) -> np.ndarray:
        """Of each packet: is it there, direction, logarithms of gap and size; shares of bytes; the first bytes of each."""
        n, size = min(self.packets, 64), min(self.bytes, 2048 // min(self.packets, 64))
        each, table = np.zeros((4, n), np.float32), np.zeros((n, size), np.float32)
        gaps = np.diff(sample["time"], prepend=0.0)
        for i, content in enumerate(sample["bytes"][:n]):
            each[:, i] = 1, sample["direction"][i], np.log1p(1e6 * gaps[i]) / 16, np.log1p(len(content)) / 8
            head = np.frombuffer(content[:size], np.uint8)
            table[i, : len(head)] = head / 255
        every = np.frombuffer(b"".join(sample["bytes"]), np.uint8)
        shares = np.bincount(every, minlength=256).astype(np.float32) / max(1, len(every))
        return np.concatenate([each.ravel(), shares, table.ravel()])

    def state(self) -> Json:
        return asdict(self)


def _classes(time: np.ndarray) -> np.ndarray:
    gaps = np.diff(time, prepend=time[:1])
    with np.errstate(divide="ignore"):
        doubled = np.floor(np.log2(gaps / 1e-6)) + 1
    return np.where(gaps <= 1e-6, 0, np.clip(doubled, 1, GAPS - 1)).astype(np.int64)


def _times(classes: np.ndarray) -> np.ndarray:
    return np.cumsum(np.where(classes > 0, 1e-6 * 2.0 ** (classes - 0.5), 0.0))
