"""A protein as rows of residues."""

import re
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from ..errors import Unreadable
from ..forms import Json, Sample
from ..tokens import Tokenizer, Tokens, layout
from .payload import Ids
from .text import readable
from .want import Want

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"  # the twenty of the standard genetic code
LETTERS = RESIDUES + "XBZUOJ*-"  # any; D or N; E or Q; selenocysteine; pyrrolysine; I or L; stop; gap (IUPAC)
MOST = 8192  # residues of a sample that are ever read
_CODE = np.full(128, -1, np.int64)
_CODE[[ord(c) for c in LETTERS]] = np.arange(len(LETTERS))
_OTHER = len(RESIDUES)


@dataclass(frozen=True)
class ProteinTokenizer(Tokenizer):
    """One row per residue, an id below 28; the coordinate is the residue's number in the chain. At most `longest` are read."""

    longest: int = 512

    kind = "protein"
    axes = ("residue",)
    dim = len(LETTERS)
    signal: ClassVar[bool] = False

    @classmethod
    def fit(cls, samples: list[Sample], want: Want = Want()) -> "ProteinTokenizer":
        """As long as the longest sample, but not over eight times `want.rows` residues, since each says little."""
        chains = readable(samples, cls(want.longest or MOST))
        return cls(want.longest or min(max(map(len, chains)), 8 * want.rows, MOST))

    def fitted(self, sample: Sample) -> str:
        """Upper case, without whitespace, "." as the gap "-", the first `longest` residues.

        What holds other characters, or no residue at all, is Unreadable.
        """
        if not isinstance(sample, str):
            raise Unreadable("", f"a protein is a string of one-letter codes, not {type(sample).__name__}")
        chain = re.sub(r"\s+", "", sample[: 16 * MOST])[: min(self.longest, MOST)].replace(".", "-")
        strange = sorted(c for c in set(chain) if not c.isascii() or c.upper() not in LETTERS)
        if strange:
            raise Unreadable("", f"{strange[0]!r} is no residue: the one-letter codes are {LETTERS}")
        chain = chain.upper()
        if not chain.strip("-*"):
            raise Unreadable("", "the sequence is empty" if not chain else "the sequence holds no residue")
        return chain

    def __call__(self, sample: str) -> Tokens:
        ids = torch.from_numpy(_codes(sample))
        coords = torch.arange(len(ids), dtype=torch.float32)[:, None]
        return Tokens(ids, coords, layout((len(ids),)), self.kind)

    def embed(self, width: int) -> nn.Module:
        return Ids(self.dim, width)

    def decode(self, tokens: Tokens) -> str:
        return "".join(LETTERS[i] for i in tokens.values[~tokens.slot].tolist())

    def raw(self, sample: str) -> np.ndarray:
        """[462]: shares of the residues (the 20, and all others as one) and of the 441 pairs of neighbours."""
        x = np.minimum(_codes(sample), _OTHER)
        n = _OTHER + 1
        counts = [np.bincount(x, minlength=n), np.bincount(x[:-1] * n + x[1:], minlength=n * n)]
        return np.concatenate([c / max(1, c.sum()) for c in counts]).astype(np.float32)

    def state(self) -> Json:
        return asdict(self)


def _codes(chain: str) -> np.ndarray:
    return _CODE[np.frombuffer(chain.encode("ascii"), np.uint8)]
