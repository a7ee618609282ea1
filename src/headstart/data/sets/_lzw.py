"""Files of the old Unix program `compress` (.Z): LZW with codes of 9 to 16 bits (Welch 1984)."""

from ..source import DataError

MOST = 1 << 28  # bytes that come out


def expand(data: bytes) -> bytes:
    """The bytes that were compressed."""
    if data[:2] != b"\x1f\x9d" or len(data) < 4:
        raise DataError("these are no bytes that `compress` has written")
    widest, blocks = data[2] & 31, bool(data[2] & 128)
    if not 9 <= widest <= 16:
        raise DataError(f"codes of {widest} bits are unknown")
    out = bytearray()
    table = [bytes([i]) for i in range(256)] + [b""] * blocks
    fresh = len(table)
    before, width, at, begin = b"", 9, 24, 24  # positions in bits
    end = 8 * len(data)
    while at + width <= end and len(out) <= MOST:
        code = int.from_bytes(data[at // 8 : at // 8 + 4], "little") >> at % 8 & (1 << width) - 1
        at += width
        if code == 256 and blocks:  # start again; codes come in groups of eight, and the rest of a group is skipped
            at += -(at - begin) % (8 * width)
            table, before, width, begin = table[:fresh], b"", 9, at
            continue
        if code < len(table):
            word = table[code]
        elif code == len(table) and before:
            word = before + before[:1]
        else:
            raise DataError("the compressed bytes are damaged")
        out += word
        if before and len(table) < 1 << widest:
            table.append(before + word[:1])
        before = word
        if len(table) >= 1 << width and width < widest:
            at += -(at - begin) % (8 * width)
            width, begin = width + 1, at
    return bytes(out)
