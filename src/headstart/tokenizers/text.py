"""Text as rows of bytes: no vocabulary to train, no character that cannot be said."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..tokens import Tokens, layout
from .payload import Ids


@dataclass(frozen=True)
class TextTokenizer:
    """The UTF-8 bytes of a string, at most `longest` of them."""

    longest: int = 512

    kind = "text"
    axes = ("byte",)
    dim = 256

    def __call__(self, sample: str | bytes | np.ndarray | Tensor) -> Tokens:
        if isinstance(sample, str):
            sample = sample.encode()
        if isinstance(sample, bytes):
            sample = np.frombuffer(sample, np.uint8)
        sample = sample[: self.longest]
        ids = (sample if isinstance(sample, Tensor) else torch.from_numpy(np.array(sample))).long()
        coords = torch.arange(len(ids), dtype=torch.float32, device=ids.device)[:, None]
        return Tokens(ids, coords, layout((len(ids),), 0, str(ids.device)))

    def embed(self, width: int) -> nn.Module:
        return Ids(self.dim, width)

    def decode(self, tokens: Tokens) -> str:
        """The string again; bytes that are no UTF-8 (a cut character) become U+FFFD."""
        return bytes(tokens.values[~tokens.slot].tolist()).decode(errors="replace")

    def state(self) -> dict[str, Any]:
        return asdict(self)
