"""JapaneseVowels: 270 + 370 utterances of /ae/ as cepstra [12, 7 to 29]; which of nine men speaks (Kudo et al. 1999)."""

from ..source import Source
from ._aeon import archived


def load(split: str = "train") -> Source:
    return archived("japanese-vowels", "JapaneseVowels", split)
