"""A vocabulary of hashed codes: which word, and from a code the nearest word."""

from typing import NamedTuple

import numpy as np

from .names import code


class Words(NamedTuple):
    """Words, their numbers, and their codes [n, width]."""

    words: tuple[str, ...]
    number: dict[str, int]
    codes: np.ndarray

    @classmethod
    def of(cls, words: tuple[str, ...], width: int) -> "Words":
        codes = np.array([code(word, width) for word in words], np.float32).reshape(len(words), width)
        return cls(words, {word: i for i, word in enumerate(words)}, codes)

    def nearest(self, hashed: np.ndarray) -> str | None:
        """The word whose code is nearest to `hashed` [width]; None without words."""
        if not self.words:
            return None
        return self.words[int((self.codes @ hashed - 0.5 * (self.codes**2).sum(1)).argmax())]
