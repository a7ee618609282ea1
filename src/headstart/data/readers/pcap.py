"""Captured network traffic (pcap and pcapng), as flows: the packets that two ends exchange on one pair of ports.

Nothing here is installed for it: both formats are read with `struct`. Addresses are wiped before anything is kept: see `wiped`
in _wipe.py.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ..source import DataError
from ..sources.listed import ListSource
from ._wipe import Head, head, wiped

SUFFIXES = (".pcap", ".cap", ".dmp", ".pcapng")
PACKETS = 5_000_000  # packets of a file that are read
FLOWS = 200_000  # flows that are kept
KEPT = 64  # packets of a flow that are kept
SIZE = 512  # bytes of a packet that are kept
BLOCK = 1 << 24  # bytes of a packet or block: more is damage
_PCAP = {
    b"\xa1\xb2\xc3\xd4": (">", 1e-6),
    b"\xd4\xc3\xb2\xa1": ("<", 1e-6),
    b"\xa1\xb2\x3c\x4d": (">", 1e-9),
    b"\x4d\x3c\xb2\xa1": ("<", 1e-9),
}
_SECTION = b"\x0a\x0d\x0d\x0a"
_ORDER = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}


@dataclass
class _Flow:
    first: float
    last: float
    opener: bytes  # who sent the first packet; forgotten with the file
    time: list[float] = field(default_factory=list)
    direction: list[int] = field(default_factory=list)
    content: list[bytes] = field(default_factory=list)


def kind(start: bytes, path: Path) -> str | None:
    if start[:4] in _PCAP or (start[:4] == _SECTION and start[8:12] in _ORDER):
        return "packets"
    return None


def open(path: Path, anonymise: bool = True, timeout: float = 60.0) -> ListSource:
    """The flows of a capture in the order of their first packets, each {"time", "direction", "bytes"}.

    A packet's bytes begin at the IP header. A pause of more than `timeout` seconds ends a flow. Link layers: Ethernet (with
    VLAN tags), raw IP, BSD loopback, Linux cooked 1 and 2; other packets than IPv4 and IPv6 are left out. At most 5 million
    packets are read and 200,000 flows kept, of each 64 packets of 512 bytes. The end of a capture may be cut off.

    anonymise: wipe what names a host (`wipe.wiped` says what, and what not).
    """
    path = Path(path)
    flows: list[_Flow] = []
    active: dict[tuple[int, bytes, bytes], _Flow] = {}
    try:
        with path.open("rb") as file:
            for time, link, packet in _packets(file, path):
                _file_away(time, head(packet, link), flows, active, anonymise, timeout)
                if len(flows) > FLOWS:
                    flows.pop()
                    break
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror or error})") from error
    if not flows:
        raise DataError(
            f"{path} holds no IP packets: give a capture of Ethernet, raw IP, loopback or Linux cooked traffic"
        )
    samples = [{"time": flow.time, "direction": flow.direction, "bytes": flow.content} for flow in flows]
    return ListSource(samples, "packets", title=path.name)


def _file_away(
    time: float,
    found: Head | None,
    flows: list[_Flow],
    active: dict[tuple[int, bytes, bytes], _Flow],
    anonymise: bool,
    timeout: float,
) -> None:
    if found is None:
        return
    a, b = sorted((found.source, found.target))
    key = (found.protocol, a, b)
    flow = active.get(key)
    if flow is None or time - flow.last > timeout:
        flow = active[key] = _Flow(time, time, found.source)
        flows.append(flow)
    flow.last = max(flow.last, time)
    if len(flow.time) < KEPT:
        flow.time.append(time - flow.first)
        flow.direction.append(int(found.source != flow.opener))
        flow.content.append((wiped(found) if anonymise else found.packet)[:SIZE])


def _packets(file: BinaryIO, path: Path) -> Iterator[tuple[float, int, bytes]]:
    """(seconds, link type, bytes) of each packet; nothing after a damaged place, unless nothing was before it."""
    start = file.read(4)
    count = 0
    try:
        every = _pcap(file, start) if start in _PCAP else _pcapng(file) if start == _SECTION else None
        if every is None:
            raise DataError(f"{path} is no capture: give a pcap or pcapng file")
        for packet in every:
            count += 1
            yield packet
            if count == PACKETS:
                return
    except (struct.error, ValueError) as error:
        if not count:
            raise DataError(f"{path} is a damaged capture ({error})") from error


def _pcap(file: BinaryIO, magic: bytes) -> Iterator[tuple[float, int, bytes]]:
    order, unit = _PCAP[magic]
    *_, link = struct.unpack(f"{order}HHiIII", _exactly(file, 20))
    while True:
        record = file.read(16)
        if len(record) < 16:
            return
        seconds, fraction, size, _ = struct.unpack(f"{order}IIII", record)
        yield seconds + unit * fraction, link & 0xFFFF, _exactly(file, size)


def _pcapng(file: BinaryIO) -> Iterator[tuple[float, int, bytes]]:
    """Sections, interfaces and packets (draft-ietf-opsawg-pcapng, section 4); other blocks are skipped."""
    order = "<"
    links: list[tuple[int, float, float]] = []  # of each interface: type, seconds in a unit of time, offset
    block = _SECTION
    while len(block) == 4:
        if block == _SECTION:
            size, mark = file.read(4), file.read(4)
            if mark not in _ORDER:
                raise ValueError("a section without byte order")
            order, links = _ORDER[mark], []
            body = mark + _exactly(file, struct.unpack(f"{order}I", size)[0] - 12)
        else:
            body = _exactly(file, struct.unpack(f"{order}I", _exactly(file, 4))[0] - 8)
            number = struct.unpack(f"{order}I", block)[0]
            if number == 1 and len(links) < 1_000:
                links.append(_interface(body, order))
            elif number in (2, 6):
                interface, high, low, size = struct.unpack(f"{order}{'Hxx' if number == 2 else 'I'}III", body[:16])
                link, unit, offset = links[interface] if interface < len(links) else (-1, 1e-6, 0.0)
                yield offset + unit * (high << 32 | low), link, body[20 : 20 + size]
            elif number == 3 and links:
                size = struct.unpack(f"{order}I", body[:4])[0]
                yield 0.0, links[0][0], body[4 : min(len(body) - 4, 4 + size)]
        block = file.read(4)


def _interface(body: bytes, order: str) -> tuple[int, float, float]:
    link, _, _ = struct.unpack(f"{order}HHI", body[:8])
    unit, offset, at = 1e-6, 0.0, 8
    while at + 4 <= len(body) - 4:
        code, size = struct.unpack(f"{order}HH", body[at : at + 4])
        value = body[at + 4 : at + 4 + size]
        if code == 0:
            break
        if code == 9 and size == 1:
            unit = 2.0 ** -(value[0] & 127) if value[0] & 128 else 10.0 ** -min(value[0], 30)
        elif code == 14 and size == 8:
            offset = float(struct.unpack(f"{order}q", value)[0])
        at += 4 + size + -size % 4
    return link, unit, offset


def _exactly(file: BinaryIO, size: int) -> bytes:
    if not 0 <= size <= BLOCK:
        raise ValueError(f"a block of {size} bytes")
    data = file.read(size)
    if len(data) < size:
        raise ValueError("it ends in the middle of a packet")
    return data
