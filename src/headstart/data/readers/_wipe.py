"""What a packet says about who sent it, found and wiped."""

import socket
import struct
from dataclasses import dataclass

TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
_EXTENSIONS = {0, 43, 60, 135, 139, 140}  # of IPv6, all of one form: next header, length in eights less one
_FRAGMENT = 44
_TALK = frozenset(  # ports of protocols whose payloads are made of addresses and names
    (
        *(53, 5353, 5355, 137, 138, 1900, 3702),  # DNS, mDNS, LLMNR, NetBIOS names, SSDP, WS-Discovery
        *(67, 68, 546, 547, 123, 161, 162, 69, 514, 520),  # DHCP, DHCPv6, NTP, SNMP, TFTP, syslog, RIP
        *(88, 179, 389, 500, 4500, 5060, 3478, 5351),  # Kerberos, BGP, LDAP, IKE, SIP, STUN, NAT-PMP
        *(1701, 2152, 3544, 4789, 6081),  # tunnels: L2TP, GTP, Teredo, VXLAN, Geneve
        *(2055, 4739, 6343, 8805, 9995),  # reports on traffic: NetFlow, IPFIX, sFlow, PFCP
    )
)


@dataclass(frozen=True)
class Head:
    """An IP packet, and what of it says which flow it belongs to."""

    packet: bytes  # from the IP header to the end of what it says it holds
    protocol: int
    source: bytes  # address and port
    target: bytes
    inner: int  # where the payload of IP begins
    whole: bool  # not a later fragment, so that a header of `protocol` stands there


def head(frame: bytes, link: int) -> Head | None:
    """The IP packet in a captured frame; None if there is none."""
    try:
        packet = frame[_start(frame, link) :]
        version = packet[0] >> 4
        return _head4(packet) if version == 4 else _head6(packet) if version == 6 else None
    except (IndexError, struct.error):
        return None  # cut off before its end, or not IP


def wiped(found: Head) -> bytes:
    """The packet with zeros for whatever names a host or a flow.

    Wiped: addresses, ports, IPv4's id, time to live, checksum and options, IPv6's flow label, hop limit and the content of its
    extension headers; TCP's sequence and acknowledgement numbers, checksum and time stamps; checksums of UDP and ICMP, ICMP's
    id, number and, in errors and neighbour discovery, its body; all of the payload on ports of protocols that carry addresses
    and names (DNS, DHCP, NetBIOS, mDNS, SSDP, NTP, SNMP, SIP, ...), in later fragments, and of other protocols than TCP, UDP
    and ICMP (tunnels hold whole packets); the packet's own two addresses wherever else they stand in it. Link layers, with the
    hardware's addresses, were left behind before.

    Not wiped: what people and programs write into other payloads, such as the host names in TLS greetings and HTTP requests,
    and addresses of third hosts.
    """
    out, at = bytearray(found.packet), found.inner
    if out[0] >> 4 == 4:
        _zero(out, 4, 6)
        _zero(out, 8, 9)
        _zero(out, 10, at)
    else:
        out[1] &= 0xF0
        _zero(out, 2, 4)
        _zero(out, 7, 40)
        _zero(out, 41, at)  # the kinds of extension headers after the first are lost, too
    if not found.whole or found.protocol not in (TCP, UDP, ICMP, ICMP6):
        _zero(out, at, len(out))
    elif found.protocol in (ICMP, ICMP6):
        echo = out[at : at + 1] in ((b"\x00", b"\x08") if found.protocol == ICMP else (b"\x80", b"\x81"))
        _zero(out, at + 2, at + 8 if echo else len(out))
    else:
        if {int.from_bytes(end[-2:], "big") for end in (found.source, found.target)} & _TALK:
            _zero(out, at + 8 if found.protocol == UDP else _after_tcp(out, at), len(out))
        _zero(out, at, at + 4)
        if found.protocol == UDP:
            _zero(out, at + 6, at + 8)
        else:
            _zero(out, at + 4, at + 12)
            _zero(out, at + 16, at + 18)
            _stamps(out, at + 20, min(_after_tcp(out, at), len(out)))
    return _without(bytes(out), (found.source[:-2], found.target[:-2]))


def _without(packet: bytes, addresses: tuple[bytes, bytes]) -> bytes:
    """Zeros for the packet's own two addresses wherever else they stand, as bytes or written out."""
    for address in addresses:
        text = socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address).encode()
        packet = packet.replace(address, bytes(len(address))).replace(text, b"0" * len(text))
    return packet


def _start(frame: bytes, link: int) -> int:
    """Where the IP packet begins in a frame of this link type; beyond its end if it holds another protocol."""
    if link in (12, 14, 101, 228, 229):  # raw IP, under its five numbers
        return 0
    if link in (0, 108):  # loopback of the BSDs: a family of addresses
        return 4
    if link == 1:
        at = 12
    elif link == 113:  # Linux cooked
        at = 14
    elif link == 276:  # Linux cooked 2
        return 20 if frame[:2] in (b"\x08\x00", b"\x86\xdd") else len(frame)
    else:
        return len(frame)
    while frame[at : at + 2] in (b"\x81\x00", b"\x88\xa8", b"\x91\x00") and at < 32:
        at += 4
    return at + 2 if frame[at : at + 2] in (b"\x08\x00", b"\x86\xdd") else len(frame)


def _head4(packet: bytes) -> Head | None:
    at = 4 * (packet[0] & 15)
    size, _, fragment = struct.unpack(">HHH", packet[2:8])
    if at < 20 or len(packet) < at:
        return None
    packet = packet[: size or None] if size >= at or not size else packet[:at]  # what follows fills up a short frame
    return _ends(packet, packet[9], packet[12:16], packet[16:20], at, not fragment & 0x1FFF)


def _head6(packet: bytes) -> Head | None:
    if len(packet) < 40:
        return None
    size = int.from_bytes(packet[4:6], "big")
    packet = packet[: 40 + size] if size else packet
    protocol, at, whole = packet[6], 40, True
    while protocol in _EXTENSIONS or protocol == _FRAGMENT:
        if at + 8 > len(packet):
            return None
        whole = whole and not (protocol == _FRAGMENT and int.from_bytes(packet[at + 2 : at + 4], "big") >> 3)
        protocol, at = packet[at], at + (8 if protocol == _FRAGMENT else 8 * (packet[at + 1] + 1))
    return _ends(packet, protocol, packet[8:24], packet[24:40], min(at, len(packet)), whole)


def _ends(packet: bytes, protocol: int, source: bytes, target: bytes, at: int, whole: bool) -> Head:
    ports = (b"\0\0", b"\0\0")
    if whole and protocol in (TCP, UDP) and len(packet) >= at + 4:
        ports = (packet[at : at + 2], packet[at + 2 : at + 4])
    return Head(packet, protocol, source + ports[0], target + ports[1], at, whole)


def _zero(out: bytearray, a: int, b: int) -> None:
    a, b = min(a, len(out)), min(b, len(out))
    if b > a:
        out[a:b] = bytes(b - a)


def _after_tcp(out: bytearray, at: int) -> int:
    """Where TCP's header ends."""
    return at + max(20, 4 * (out[at + 12] >> 4)) if len(out) > at + 12 else len(out)


def _stamps(out: bytearray, at: int, end: int) -> None:
    """Zeros for the content of TCP's options (time stamps, ...), except segment size, window scale and what has none."""
    while at < end and out[at] != 0:
        size = 1 if out[at] == 1 else max(2, out[at + 1]) if at + 1 < end else 2
        if out[at] not in (1, 2, 3, 4):  # 5, selective acknowledgement, holds sequence numbers
            _zero(out, at + 2, min(at + size, end))
        at += size
