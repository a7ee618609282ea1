"""Samples as bytes and back, to the last bit: arrays, texts, numbers, and lists and dicts of them. Nothing is ever unpickled."""

import json
from collections.abc import Iterator

import numpy as np

from ..forms import Json, Sample

ALIGNED = 64  # bytes: where arrays begin
KINDS = frozenset("biufcSUmM")  # of arrays: whatever has no Python objects in it
PLAIN = (bool, int, float, str, type(None))


class NotFlat(ValueError):
    """A sample holds something that has no form in bytes here."""


def flat(sample: Sample) -> bytes:
    """The sample as bytes; NotFlat for what is not made of arrays, texts, bytes, numbers, lists, tuples and dicts by text."""
    blocks: list[bytes] = []
    head = json.dumps(_tree(sample, blocks)).encode()
    return b"".join(_padded(block) for block in (len(head).to_bytes(ALIGNED, "little"), head, *blocks))


def unflat(content: bytearray) -> Sample:
    """What `flat` was given; its arrays lie in `content`, and can be written to. ValueError for other bytes."""
    try:
        length = int.from_bytes(content[:ALIGNED], "little")
        tree = json.loads(content[ALIGNED : ALIGNED + length])
        return _sample(tree, content, _starts(ALIGNED + length, tree))
    except (KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"these bytes are no sample ({error})") from error


def _padded(block: bytes) -> bytes:
    return block + bytes(-len(block) % ALIGNED)


def _tree(value: Sample, blocks: list[bytes]) -> Json | list[Json]:
    """JSON that says what a value is; its numbers go to `blocks`."""
    if type(value) in PLAIN:
        return {"is": "plain", "value": value}
    if type(value) in (list, tuple):
        return {"is": type(value).__name__, "items": [_tree(item, blocks) for item in value]}
    if type(value) is dict and all(type(key) is str for key in value):
        return {"is": "dict", "keys": list(value), "items": [_tree(item, blocks) for item in value.values()]}
    if type(value) is bytes:
        blocks.append(value)
        return {"is": "bytes", "size": len(value)}
    if type(value) is np.ndarray or isinstance(value, np.generic):
        if value.dtype.kind not in KINDS:
            raise NotFlat(f"an array of {value.dtype}")
        blocks.append(value.tobytes())
        what = "array" if type(value) is np.ndarray else "number"
        return {"is": what, "dtype": value.dtype.str, "shape": list(value.shape), "size": value.nbytes}
    raise NotFlat(f"a {type(value).__name__}")


def _starts(after: int, tree: Json) -> Iterator[tuple[int, int]]:
    """(first, last) of each block, in the order in which `_tree` met them."""
    at = after + -after % ALIGNED
    for size in _sizes(tree):
        yield at, at + size
        at += size + -size % ALIGNED


def _sizes(tree: Json) -> Iterator[int]:
    if "size" in tree:
        yield int(tree["size"])
    for item in tree.get("items", ()):
        yield from _sizes(item)


def _sample(tree: Json, content: bytearray, blocks: Iterator[tuple[int, int]]) -> Sample:
    what = tree["is"]
    if what == "plain":
        return tree["value"]
    if what in ("list", "tuple", "dict"):
        items = [_sample(item, content, blocks) for item in tree["items"]]
        if what == "dict":
            return dict(zip(tree["keys"], items, strict=True))
        return tuple(items) if what == "tuple" else items
    first, last = next(blocks)
    if what == "bytes":
        return bytes(content[first:last])
    values = np.frombuffer(memoryview(content)[first:last], np.dtype(tree["dtype"])).reshape(tree["shape"])
    return values if what == "array" else values[()]
