"""A small encoder, pictures that are told apart by what learning finds in them, and folders of both: for tests of fine-tuning."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from headstart.checkpoint import save_encoder
from headstart.data.feeding.prepare import Prepared, prepare
from headstart.data.sources.array import ArraySource
from headstart.log import Log
from headstart.nn.encoder import Encoder, Model, encoder
from headstart.recipe import Input
from headstart.seen import facts
from headstart.tokenizers.image import ImageTokenizer
from headstart.tokenizers.want import Want

SHAPE = Model(32, 2, 2)


class Heard(Log):
    """A log that remembers what was said."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def say(self, text: str = "") -> None:
        self.lines.append(text)

    def line(self, word: str) -> str:
        """The lines that begin with this."""
        return "\n".join(line for line in self.lines if line.startswith(word))


def bars(count: int, classes: int = 3, seed: int = 0, noise: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """([n, 16, 16] uint8, [n]): a bright bar at one of `classes` heights, anywhere across."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, count)
    x = rng.integers(0, noise, (count, 16, 16)).astype(np.uint8)
    for i in range(count):
        at = int(rng.integers(0, 8))
        x[i, 4 * y[i] : 4 * y[i] + 4, at : at + 8] = 230
    return x, y


def pairs(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """([n, 12, 12] uint8, [n]): two bright patches of nine, and whether they lie in one row: no patch alone tells that."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 10, (count, 12, 12)).astype(np.uint8), rng.integers(0, 2, count)
    for i in range(count):
        (a, b), columns = rng.permutation(3)[:2], rng.permutation(3)[:2]
        for row, column in zip((a, a if y[i] else b), columns, strict=True):
            x[i, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = 230
    return x, y


def tokenizer_of(x: np.ndarray) -> ImageTokenizer:
    source = ArraySource(x, "image")
    return ImageTokenizer.fit([source[i] for i in range(32)], Want(16))


def prepared(x: np.ndarray, y: np.ndarray | None = None) -> Prepared:
    return prepare(ArraySource(x, "image", y), tokenizer_of(x))


def small(x: np.ndarray, seed: int = 0) -> Encoder:
    torch.manual_seed(seed)
    return encoder({"x": tokenizer_of(x)}, SHAPE).eval()


def folder_of(place: Path, x: np.ndarray, made: Encoder | None = None) -> Path:
    """As a run leaves it, without the run."""
    made = made or small(x)
    kind = next(iter(made.tokenizers.values())).kind
    known = facts([ArraySource(x, kind)[i] for i in range(16)], kind) if kind == "image" else {}
    card = {"read": "mean_std", "width": 2 * made.width, "input": asdict(Input())} | ({"seen": known} if known else {})
    save_encoder(place, made, card)
    return place
