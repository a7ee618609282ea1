"""Of a format whatever its own library writes is what is read: any shape, type, order of bytes and axes, compression, attribute.

What these tests share: how many examples, which types, and how what is read is compared.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st


def some(examples):
    """So many examples, the same at every run."""
    return settings(
        max_examples=examples, derandomize=True, deadline=None, database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
    )  # fmt: skip


SEED = st.integers(0, 2**32 - 1)
SIDE = st.integers(1, 40)
SIGNED = ("i1", "i2", "i4", "i8")
WHOLE = ("u1", "u2", "u4", *SIGNED)
FLOAT = ("f4", "f8")


@contextmanager
def file(name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        yield Path(place) / name


def numbers(rng, shape, dtype):
    """Numbers over the whole range of a type that float32 holds as they are."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype("f4").astype(dtype)
    info = np.iinfo(dtype)
    low, high = max(info.min, -(2**24)), min(info.max, 2**24)
    return rng.integers(low, high, shape, endpoint=True).astype(dtype)


def plain(sample):
    """A sample's numbers as float64, NaN where missing."""
    main = next(sample[k] for k in ("bands", "values") if k in sample) if isinstance(sample, dict) else sample
    return np.ma.MaskedArray(main).astype(np.float64).filled(np.nan)


def same(found, expected, **how):
    np.testing.assert_allclose(plain(found), expected, **({"rtol": 2e-6, "atol": 1e-6} | how))


LETTERS = "aZ09 .,;:|!?'\"`@#%&/\\()[]{}<>=+-*_~^$äßÉñłΩжא日本한🙂½°\u00a0\u2028"
WORDS = st.text(LETTERS, min_size=1, max_size=8)
