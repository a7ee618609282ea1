"""Strings as ids: bytes, or pieces of a byte-level vocabulary trained by byte-pair encoding. Nothing cannot be said.

Sennrich et al. 2016 (byte-pair encoding); Radford et al. 2019, section 2.2 (on bytes). The trained vocabulary is one JSON
string of the `tokenizers` library, so that it travels inside a checkpoint.
"""

import json
from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import Mistake, Unreadable

BYTES = 256
MOST = 65_536  # entries of a vocabulary


def trained(texts: Iterable[str], vocab: int) -> str:
    """The JSON of a vocabulary of at most `vocab` pieces (fewer where the texts have no more to merge); "" up to 256."""
    if vocab <= BYTES:
        return ""
    library = _library()
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=min(vocab, MOST),
        initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.to_str()


def ids(text: str, vocabulary: str) -> np.ndarray:
    """[n] int64: the text's UTF-8 bytes, or its pieces where there is a vocabulary."""
    if vocabulary:
        return np.array(_loaded(vocabulary).encode(text).ids, np.int64)
    return np.frombuffer(text.encode(), np.uint8).astype(np.int64)


@lru_cache(maxsize=16)
def pieces(vocabulary: str) -> tuple[bytes, ...]:
    """What every id stands for."""
    if not vocabulary:
        return tuple(bytes([i]) for i in range(BYTES))
    model = json.loads(vocabulary)["model"]["vocab"]
    byte_of = {c: b for b, c in _letters().items()}
    spelt = sorted(model, key=model.__getitem__)
    return tuple(bytes(byte_of[c] for c in piece) for piece in spelt)


def checked(text: object, longest: int) -> str:
    """The first `longest` characters, if this is a string that can be written as UTF-8; else Unreadable."""
    if not isinstance(text, str):
        raise Unreadable("", f"text is a string, not {type(text).__name__}")
    text = str(text[:longest])
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise Unreadable("", f"the text holds half a character (a lone surrogate, U+{code:04X})") from error
    return text


def cut(text: str, longest: int) -> str:
    """The text's first `longest` UTF-8 bytes, less what they hold of a character that does not fit."""
    data = text[:longest].encode()
    return text[:longest] if len(data) <= longest else data[:longest].decode(errors="ignore")


def byte_counts(data: bytes) -> np.ndarray:
    """[1280] float32: shares of the 256 bytes, and of byte pairs hashed into 1,024 places."""
    x = np.frombuffer(data, np.uint8)
    pairs = x[:-1].astype(np.int64) * 31 + x[1:]
    counts = np.concatenate([np.bincount(x, minlength=256), np.bincount(pairs % 1024, minlength=1024)])
    return (counts / max(1, len(x))).astype(np.float32)


@lru_cache(maxsize=16)
def _loaded(vocabulary: str) -> Any:
    return _library().Tokenizer.from_str(vocabulary)


def _library() -> ModuleType:
    try:
        return import_module("tokenizers")
    except ImportError as error:
        raise Mistake(
            'a trained vocabulary needs tokenizers: pip install "headstart[text]", or leave vocab out'
        ) from error


def _letters() -> dict[int, str]:
    """The printable letter that stands for each byte in a byte-level vocabulary (GPT-2's table)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {b: chr(b) for b in plain}
    others = [b for b in range(256) if b not in table]
    return table | {b: chr(256 + i) for i, b in enumerate(others)}
