"""Text as rows of bytes (no vocabulary to train, no character that cannot be said), or of pieces of a trained vocabulary."""

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import Mistake, Unreadable
from ..forms import Json, Sample
from ..tokens import Tokenizer, Tokens, layout
from . import vocabulary
from .payload import Ids
from .want import Want

MOST = 8192  # bytes of a sample that are ever read


@dataclass(frozen=True)
class TextTokenizer(Tokenizer):
    """The UTF-8 bytes of a string, at most `longest` of them, or the pieces that these bytes are made of.

    bpe: the JSON of a trained byte-level vocabulary ("": bytes). The only coordinate is the place of the byte or piece.
    """

    longest: int = 512
    bpe: str = ""

    kind = "text"
    signal: ClassVar[bool] = False

    @classmethod
    def fit(cls, samples: list[Sample], want: Want = Want()) -> "TextTokenizer":
        """As long as the samples' longest, but not over eight times `want.rows` rows; want.vocab over 256 trains a vocabulary.

        Bytes are cheap rows and say little each, so texts get more rows than other kinds.
        """
        texts = readable(samples, cls(want.longest or MOST))
        bpe = vocabulary.trained(texts, want.vocab or 0)
        return cls(want.longest or _usual_length(texts, bpe, want.rows), bpe)

    @property
    def axes(self) -> tuple[str, ...]:
        return ("piece",) if self.bpe else ("byte",)

    @property
    def dim(self) -> int:
        return len(vocabulary.pieces(self.bpe))

    def fitted(self, sample: Sample) -> str:
        """The string without what lies beyond `longest` bytes; nothing but whitespace is Unreadable."""
        longest = min(self.longest, MOST)
        text = vocabulary.cut(vocabulary.checked(sample, longest), longest)
        if not text.strip():
            raise Unreadable("", "the text is empty" if not sample else "the text holds nothing but whitespace")
        return text

    def __call__(self, sample: str | bytes | np.ndarray | Tensor) -> Tokens:
        """Rows of a string; of bytes, too, where the rows are bytes."""
        if isinstance(sample, str):
            ids = torch.from_numpy(vocabulary.ids(sample, self.bpe))
        elif isinstance(sample, Tensor):
            ids = sample.long()
        else:
            ids = torch.from_numpy(np.frombuffer(bytes(sample), np.uint8).astype(np.int64))
        ids = ids[: self.longest]
        coords = torch.arange(len(ids), dtype=torch.float32, device=ids.device)[:, None]
        return Tokens(ids, coords, layout((len(ids),), 0, str(ids.device)), self.kind)

    def embed(self, width: int) -> nn.Module:
        return Ids(self.dim, width)

    def decode(self, tokens: Tokens) -> str:
        """The string again; bytes that are no UTF-8 (a cut character) become U+FFFD."""
        pieces = vocabulary.pieces(self.bpe)
        return b"".join(pieces[i] for i in tokens.values[~tokens.slot].tolist()).decode(errors="replace")

    def raw(self, sample: str) -> np.ndarray:
        """[1280]: shares of bytes and of hashed byte pairs."""
        return vocabulary.byte_counts(sample.encode())

    def state(self) -> Json:
        return asdict(self)


def readable(samples: list[Sample], tokenizer: Tokenizer) -> list[Sample]:
    """The samples in the tokenizer's own form, less those that it refuses; none at all is a Mistake."""
    out, reason = [], "there are none"
    for sample in samples:
        try:
            out.append(tokenizer.fitted(sample))
        except Unreadable as error:
            reason = error.reason
    if not out:
        raise Mistake(f"no sample can be read as {tokenizer.kind} ({reason}): give samples that are {tokenizer.kind}")
    return out


def _usual_length(texts: list[str], bpe: str, rows: int) -> int:
    """Bytes that hold the longest of these texts, or what makes 8 * rows rows if that is less."""
    lengths = [len(text.encode()) for text in texts]
    share = sum(lengths) / max(1, sum(len(vocabulary.ids(text, bpe)) for text in texts)) if bpe else 1.0
    return int(min(MOST, max(lengths), max(1, 8 * rows * share)))
