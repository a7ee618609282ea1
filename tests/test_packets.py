"""Packets: flows as rows, captures as flows, and what of a packet never gets further than the reader."""

import io
import socket
import struct

import dpkt
import numpy as np
import pytest
import torch

from headstart.augment import packets as views
from headstart.data.readers import pcap
from headstart.data.readers._wipe import head
from headstart.data.source import DataError
from headstart.errors import Mistake, Unreadable
from headstart.step import Step
from headstart.tokenizers.check import check_tokenizer
from headstart.tokenizers.packets import PacketsTokenizer
from headstart.tokenizers.want import Want

ONE = {"time": [0], "direction": [0], "bytes": [b""]}
FLOW = {"time": [7.0, 7.5, 7.2], "direction": [0, 1, 0], "bytes": [b"abc", bytes(range(256)), b"defg"]}


def test_contract():
    check_tokenizer(PacketsTokenizer(), [ONE, FLOW])
    tokenizer = PacketsTokenizer.fit([ONE, FLOW, {"time": []}, 3])
    check_tokenizer(tokenizer, [ONE, FLOW, {k: np.array(v) if k != "bytes" else v for k, v in FLOW.items()}])
    assert PacketsTokenizer.fit([FLOW] * 9) == PacketsTokenizer(3, 170)
    assert PacketsTokenizer.fit([FLOW] * 9, Want(longest=40)).bytes == 40
    with pytest.raises(Mistake):
        PacketsTokenizer.fit([{"time": []}])


def test_rows():
    """In the order of time: who and when, then bytes; a gap comes back within a factor of 1.5."""
    tokenizer = PacketsTokenizer(2, 3)
    fitted = tokenizer.fitted(FLOW)
    assert fitted["bytes"] == [b"abc", b"def"] and fitted["direction"].tolist() == [0, 0]
    tokens = tokenizer(fitted)
    assert tokens.values.tolist() == [256, *b"abc", 256 + 18, *b"def"]  # 0.2 s lies between 2 ** 17 and 2 ** 18 us
    assert tokens.coords.tolist() == [[p, b] for p in (0, 1) for b in range(4)]
    gaps = 10 ** np.random.default_rng(0).uniform(-5.9, 3, 60)
    many = {"time": np.cumsum(gaps), "direction": [1] * 60, "bytes": [b"x"] * 60}
    tokenizer = PacketsTokenizer(60, 1)
    fitted = tokenizer.fitted(many)
    back = tokenizer.decode(tokenizer(fitted))
    assert back["direction"].tolist() == [1] * 60
    off = np.diff(back["time"]) / gaps[1:]
    assert (off < 1.5).all() and (off > 1 / 1.5).all()


@pytest.mark.parametrize(
    "change",
    [
        {"time": []},
        {"time": [0, 1]},
        {"time": [0, 1, np.nan]},
        {"time": [0, 1, 1e300]},
        {"time": [[0, 1, 2]]},
        {"time": ["a", "b", "c"]},
        {"direction": [0, 1, 2]},
        {"direction": None},
        {"bytes": ["a", "b", "c"]},
        {"bytes": [b"a"]},
        {"bytes": 5},
        {"time": [], "direction": [], "bytes": []},
    ],
)
def test_refused(change):
    with pytest.raises(Unreadable):
        PacketsTokenizer().fitted({**FLOW, **change})
    for sample in (None, b"abc", {}, [FLOW]):
        with pytest.raises(Unreadable):
            PacketsTokenizer().fitted(sample)


def test_raw_knows_sizes_and_times():
    tokenizer = PacketsTokenizer(3, 300)
    flows = [tokenizer.fitted(s) for s in (FLOW, {**FLOW, "time": [0, 1, 2]}, {**FLOW, "direction": [0, 0, 0]}, ONE)]
    raw = [tokenizer.raw(s) for s in flows]
    assert len({x.tobytes() for x in raw}) == 4 and raw[0].shape == (12 + 256 + 900,)


def test_views_are_runs():
    tokenizer = PacketsTokenizer(20, 4)
    sample = tokenizer.fitted({"time": range(20), "direction": [0] * 20, "bytes": [bytes([i] * 4) for i in range(20)]})
    crop = views.crop_rows(tokenizer(sample), Step(0, 1).rng("v", torch.tensor([3])), (0.4, 0.4), 1.0)
    numbers = [v for v in crop.values.tolist() if v < 256]
    assert (
        len(crop) == 40 and set(np.diff(numbers)) <= {0, 1} and crop.coords[0, 0] == 0 and crop.coords[-1, 0] in (7, 8)
    )


A, B = socket.inet_aton("10.1.2.3"), socket.inet_aton("172.99.88.77")
A6, B6 = (socket.inet_pton(socket.AF_INET6, a) for a in ("2001:db8::aa", "2001:db8::bb"))
MAC = b"\xde\xad\xbe\xef\x01\x02"


def ip(source, target, body, protocol, ttl=61):
    packet = dpkt.ip.IP(src=source, dst=target, p=protocol, ttl=ttl, id=0x7A7B, data=body)
    packet.len = len(packet)
    return bytes(packet)


def tcp(sport, dport, data, seq=0x51525354):
    opts = dpkt.tcp.TCP_OPT_TIMESTAMP.to_bytes(1, "big") + b"\x0a" + b"STMPECHO" + b"\x02\x04\x05\xb4" + b"\x00\x00"
    segment = dpkt.tcp.TCP(sport=sport, dport=dport, seq=seq, ack=0x61626364, off=9, opts=opts, data=data)
    return segment


def udp(sport, dport, data):
    return dpkt.udp.UDP(sport=sport, dport=dport, ulen=8 + len(data), sum=0x6162, data=data)


def ether(packet, kind=b"\x08\x00", tag=b""):
    return MAC + MAC[::-1] + tag + kind + packet


def ip6(source, target, body, protocol):
    return struct.pack(">IHBB", 0x6ABCDEF1, len(bytes(body)), protocol, 62) + source + target + bytes(body)


def capture(frames, link=1, nano=False, times=None):
    out = io.BytesIO()
    writer = dpkt.pcap.Writer(out, linktype=link, nano=nano)
    for i, frame in enumerate(frames):
        writer.writepkt(frame, 100.0 + 0.5 * i if times is None else times[i])
    return out.getvalue()


def opened(tmp_path, content, **how):
    path = tmp_path / "a.pcap"
    path.write_bytes(content)
    assert pcap.kind(content[:4096], path) == "packets"
    return pcap.open(path, **how)


TALK = [
    ether(ip(A, B, tcp(50_123, 443, b"hello"), 6)),
    ether(ip(B, A, tcp(443, 50_123, b"reply"), 6) + b"\0\0padding"),
    ether(ip(A, B, udp(5_000, 6_000, b"other"), 17)),
    ether(b"\0\1arp", kind=b"\x08\x06"),
    ether(ip(A, B, tcp(50_123, 443, b"again"), 6), tag=b"\x81\x00\x00\x05"),
]


@pytest.mark.parametrize("nano", [False, True])
def test_flows(tmp_path, nano):
    """Both directions are one flow, ports tell flows apart, and what is no IP is left out."""
    source = opened(tmp_path, capture(TALK, nano=nano), anonymise=False)
    assert len(source) == 2 and source.kind == "packets"
    first = source[0]
    assert np.allclose(first["time"], [0, 0.5, 2]) and first["direction"] == [0, 1, 0]
    assert [b[-5:] for b in first["bytes"]] == [b"hello", b"reply", b"again"] and first["bytes"][0][0] == 0x45
    assert source[1]["bytes"][0].endswith(b"other")
    slow = opened(tmp_path, capture(TALK[:2], times=[0, 100]))
    assert len(slow) == 2 and len(opened(tmp_path, capture(TALK[:2], times=[0, 100]), timeout=200)) == 1


def test_link_layers(tmp_path):
    """The same packets under five link layers are the same flows."""
    packets = [ip(A, B, udp(9, 10, b"first"), 17), ip(B, A, udp(10, 9, b"second"), 17)]
    cooked = b"\0\0\0\1\0\6" + MAC + b"\0\0\x08\x00"
    layers = {
        1: ether(b""),
        101: b"",
        113: cooked,
        276: b"\x08\x00\0\0\0\0\0\1\0\1\0\6" + MAC + b"\0\0",
        0: b"\2\0\0\0",
    }
    found = [opened(tmp_path, capture([head_ + p for p in packets], link)).samples for link, head_ in layers.items()]
    assert all(flows == found[0] for flows in found) and len(found[0]) == 1 and len(found[0][0]["bytes"]) == 2


def test_anonymous(tmp_path):
    """No trace of addresses, ports, or what fingerprints a host; payloads stay, but for protocols that carry addresses."""
    icmp_error = dpkt.icmp.ICMP(type=3, code=1, data=b"\0\0\0\0" + ip(B, A, udp(53, 50_123, b"inside"), 17))
    frames = [
        *TALK,
        ether(ip6(A6, B6, tcp(50_123, 443, b"six"), 6), b"\x86\xdd"),
        ether(ip6(A6, B6, b"\x06\x00\x01\x04" + A6[:4] + bytes(tcp(50_123, 80, b"extended")), 0), b"\x86\xdd"),
        ether(ip(A, B, udp(50_123, 53, b"\1\2secret.example" + A), 17)),
        ether(ip(A, B, tcp(50_123, 53, b"secret.example" + A), 6)),
        ether(ip(A, B, icmp_error, 1)),
        ether(ip(A, B, tcp(50_123, 80, b"from " + B + b" via 10.1.2.3"), 6)),
        ether(ip(A, B, dpkt.icmp.ICMP(type=8, data=dpkt.icmp.ICMP.Echo(id=0x7172, seq=1, data=b"ping")), 1)),
        ether(ip(A, B, ip(B, A, udp(7, 7, b"tunnel"), 17), 4)),
        ether(ip(A, B, udp(7, 7, b"fragment" + B), 17)[:6] + b"\0\7" + ip(A, B, udp(7, 7, b"fragment" + B), 17)[8:]),
    ]
    flows = opened(tmp_path, capture(frames)).samples
    every = b"|".join(b for flow in flows for b in flow["bytes"])
    secrets = [A, B, A6, B6, MAC, MAC[::-1], b"secret", b"inside", b"tunnel", b"fragment", b"STMP", b"ECHO", b"QRST"]
    secrets += [b"10.1.2.3", b"abcd", b"zb", b"qr", b"z{", (50_123).to_bytes(2, "big"), b"\xbc\xde"]
    assert not [secret for secret in secrets if secret in every]
    assert all(word in every for word in (b"hello", b"reply", b"again", b"other", b"six", b"ping", b"\x02\x04\x05\xb4"))
    packets = [b for flow in flows for b in flow["bytes"]]
    assert all(b[8] == 0 for b in packets if b[0] >> 4 == 4) and all(b[7] == 0 for b in packets if b[0] >> 4 == 6)
    open_ = b"|".join(b for flow in opened(tmp_path, capture(frames), anonymise=False).samples for b in flow["bytes"])
    assert A in open_ and b"secret" in open_ and MAC not in open_
    assert "10.1" not in flows.__repr__() and A.hex() not in repr(flows)


def block(kind, body, order="<"):
    body += bytes(-len(body) % 4)
    return struct.pack(f"{order}II", kind, 12 + len(body)) + body + struct.pack(f"{order}I", 12 + len(body))


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng(tmp_path, order):
    """Two interfaces of unlike link layers and units of time; blocks of other kinds are skipped."""
    pack = struct.pack
    section = block(0x0A0D0D0A, pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    one = block(1, pack(f"{order}HHI", 1, 0, 0), order)
    two = block(1, pack(f"{order}HHI", 101, 0, 0) + pack(f"{order}HHBxxxHH", 9, 1, 9, 0, 0), order)
    a, b = TALK[0], ip(B, A, tcp(443, 50_123, b"reply"), 6)
    packets = block(6, pack(f"{order}IIIII", 0, 0, 1_000_000, len(a), len(a)) + a, order)
    packets += block(5, b"statistics", order)
    high, low = divmod(3_000_000_000, 1 << 32)
    packets += block(6, pack(f"{order}IIIII", 1, high, low, len(b), len(b)) + b, order)
    source = opened(tmp_path, section + one + two + packets)
    assert len(source) == 1 and source[0]["time"] == [0, 2.0] and source[0]["direction"] == [0, 1]
    if order == "<":
        written = io.BytesIO()
        writer = dpkt.pcapng.Writer(written)
        writer.writepkts((100 + i, frame) for i, frame in enumerate(TALK))
        theirs = opened(tmp_path, written.getvalue())
        assert [f["bytes"] for f in theirs.samples] == [f["bytes"] for f in opened(tmp_path, capture(TALK)).samples]


def test_as_dpkt_reads_it():
    """Ends and payloads of random packets, as dpkt sees them."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        a, b = rng.bytes(4), rng.bytes(4)
        sport, dport = (int(x) for x in rng.integers(1, 65_536, 2))
        body = udp(sport, dport, rng.bytes(9)) if rng.random() < 0.5 else tcp(sport, dport, rng.bytes(7))
        frame = ether(ip(a, b, body, 17 if isinstance(body, dpkt.udp.UDP) else 6))
        theirs, ours = dpkt.ethernet.Ethernet(frame).data, head(frame, 1)
        assert ours.source == theirs.src + theirs.data.sport.to_bytes(2, "big") == a + sport.to_bytes(2, "big")
        assert ours.target == theirs.dst + theirs.data.dport.to_bytes(2, "big") and ours.packet == bytes(theirs)
        assert ours.packet[ours.inner :] == bytes(theirs.data)


def test_damaged_captures(tmp_path):
    """Only errors in words, whatever is in the file; a capture that breaks off keeps what came before."""
    rng = np.random.default_rng(0)
    written = io.BytesIO()
    dpkt.pcapng.Writer(written).writepkts((i, frame) for i, frame in enumerate(TALK))
    six = capture([ether(ip6(A6, B6, b"\x06\x00\x01\x04abcd" + bytes(tcp(1, 2, b"x")), 0), b"\x86\xdd")])
    path = tmp_path / "b.pcap"
    for whole in (capture(TALK), written.getvalue(), six):
        for trial in range(150):
            data = bytearray(whole[: rng.integers(0, len(whole))] if trial % 3 == 0 else whole)
            for at in rng.integers(0, max(1, len(data)), 4) if data else ():
                data[at] = rng.integers(0, 256)
            path.write_bytes(data)
            pcap.kind(bytes(data[:4096]), path)
            try:
                tokenizer = PacketsTokenizer()
                for flow in pcap.open(path).samples:
                    tokenizer(tokenizer.fitted(flow))
            except (DataError, Unreadable):
                continue
    path.write_bytes(capture(TALK)[:-10])
    assert len(pcap.open(path)) == 2 and len(pcap.open(path)[0]["bytes"]) == 2
    for broken in (b"", b"text", b"\xd4\xc3\xb2\xa1", capture([]), capture([TALK[3]])):
        path.write_bytes(broken)
        with pytest.raises(DataError):
            pcap.open(path)
    with pytest.raises(DataError, match="cannot be opened"):
        pcap.open(tmp_path / "none")


def test_bounds(tmp_path, monkeypatch):
    frames = [ether(ip(A, B, udp(1_000 + i % 7, 9, b"x" * 900), 17)) for i in range(500)]
    source = opened(tmp_path, capture(frames, times=[i / 1000 for i in range(500)]))
    assert len(source) == 7 and all(
        len(f["bytes"]) == pcap.KEPT and len(f["bytes"][0]) == pcap.SIZE for f in source.samples
    )
    monkeypatch.setattr(pcap, "FLOWS", 3)
    assert len(opened(tmp_path, capture(frames))) == 3
    monkeypatch.setattr(pcap, "PACKETS", 2)
    assert len(opened(tmp_path, capture(frames))) == 2
