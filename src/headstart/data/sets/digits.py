"""scikit-learn's 1,797 scanned digits, each at a random place and size on a larger canvas.

By themselves the 8x8 digits are told apart by comparing pixels, so they prove nothing about learning; in this form
they hardly are. A third of the digits, fixed once, is for testing: they are on no other canvas.
"""

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from ..source import DataError, Source
from ..sources.array import ArraySource

SIDE = 28
TEST_SEED = 1797  # draws the fixed third
SPLITS = {"unlabelled": 8_000, "train": 1_198, "test": 599}  # canvases


def load(split: str = "unlabelled", count: int | None = None, seed: int = 0) -> Source:
    """Canvases [1, 28, 28]; canvas `i` depends on (seed, split, i) alone. Each shows one labelled digit.

    `train` and `test` show every digit of theirs once before any comes again; `unlabelled` draws from the
    train digits.
    """
    if split not in SPLITS:
        raise DataError(f"digits has no split {split}: write digits:{', digits:'.join(SPLITS)}")
    scans, labels = _scans()
    pool = digits_of(split)
    chosen = np.empty(SPLITS[split] if count is None else count, dtype=np.int64)
    canvases = np.zeros((len(chosen), SIDE, SIDE), dtype=np.uint8)
    for i in range(len(chosen)):
        rng = np.random.default_rng([seed, list(SPLITS).index(split), i])
        chosen[i] = rng.choice(pool) if split == "unlabelled" else pool[i % len(pool)]
        canvases[i] = _canvas(scans[chosen[i]], rng)
    return ArraySource(canvases, "image", labels[chosen], [str(d) for d in range(10)], title=f"digits:{split}")


def digits_of(split: str) -> np.ndarray:
    """Which of the 1,797 digits a split may show."""
    order = np.random.default_rng(TEST_SEED).permutation(1797)
    return np.sort(order[:599] if split == "test" else order[599:])


def _scans() -> tuple[np.ndarray, np.ndarray]:
    digits = load_digits()
    return np.rint(digits.images * (255 / 16)).astype(np.uint8), digits.target.astype(np.int64)


def _canvas(scan: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """17 to 21 pixels a side, anywhere on the canvas."""
    side = int(rng.integers(17, 22))
    scaled = np.asarray(Image.fromarray(scan).resize((side, side), Image.Resampling.BICUBIC))
    canvas = np.zeros((SIDE, SIDE), dtype=np.uint8)
    top, left = rng.integers(0, SIDE + 1 - side, 2)
    canvas[top : top + side, left : left + side] = scaled
    return canvas
