"""Names as numbers, without a vocabulary: columns, channels and codes that are spelt alike lie near each other.

Both functions hash character n-grams (FastText, Bojanowski et al. 2017; feature hashing, Weinberger et al. 2009), so any
name can be said, in any language, and a name never seen before has its value already.
"""

import re
from functools import lru_cache
from hashlib import shake_128

import numpy as np

CENTRE, SPREAD = 500.0, 160.0  # of places along every axis
JITTER = 0.25  # how far spellings of one name may lie apart along an axis
LONGEST = 1024  # characters of a name or text that are looked at


@lru_cache(maxsize=65_536)
def place(name: str, axes: int = 8) -> tuple[float, ...]:
    """Where a name sits: `axes` coordinates between 0 and 1,000, for `sincos`.

    "heart_rate", "heart rate" and "HeartRate" lie within 0.5 of each other along every axis, yet never at one point. Names
    that share a part ("heart_rate_max") lie nearer than names that share nothing, which are about 200 apart along each axis.
    """
    grams = _grams(_plain(name))
    total = sum((_uniform("place " + gram, axes) for gram in grams), np.zeros(axes))
    exact = JITTER * _uniform("spelling " + name[:LONGEST], axes) / np.sqrt(3)
    at = np.clip(CENTRE + SPREAD * total / np.sqrt(len(grams)), 1, 999) + exact
    return tuple(at.astype(np.float32).tolist())


@lru_cache(maxsize=65_536)
def code(text: str, width: int) -> np.ndarray:
    """A category's text as [width] float32 of mean 0 and variance about 1; do not write into it.

    Half of the variance is a hash of the whole text, so that no two texts are one; the other half is the sum of its hashed
    n-grams, so that texts with a common part ("E11.9", "E11.8") are alike. Unlike texts are orthogonal but for chance.
    """
    text = text[:LONGEST]
    grams = _grams(text.casefold())
    parts = sum((_signs("part " + gram, width) for gram in grams), np.zeros(width)) / np.sqrt(len(grams))
    out = (np.sqrt(0.5) * (_signs("whole " + text, width) + parts)).astype(np.float32)
    out.setflags(write=False)
    return out


def _plain(name: str) -> str:
    """A name without case and punctuation; if nothing else is in it, as it is."""
    words = re.sub(r"[\W_]+", "", name[:LONGEST].casefold())
    return words or name[:LONGEST]


def _grams(text: str) -> list[str]:
    """The different runs of three characters, the ends marked: "bmi" has "<bm", "bmi", "mi>"."""
    marked = f"<{text}>"
    return sorted({marked[i : i + 3] for i in range(max(1, len(marked) - 2))})


def _uniform(text: str, n: int) -> np.ndarray:
    """n numbers of variance 1."""
    words = np.frombuffer(shake_128(text.encode("utf-8", "surrogatepass")).digest(2 * n), "<u2")
    return (words / 32_767.5 - 1) * np.sqrt(3)


def _signs(text: str, n: int) -> np.ndarray:
    """n numbers of -1 or 1."""
    bits = np.frombuffer(shake_128(text.encode("utf-8", "surrogatepass")).digest(-(-n // 8)), np.uint8)
    return 2.0 * np.unpackbits(bits)[:n] - 1
