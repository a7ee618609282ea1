"""What several tests need: ragged rows, a little data of every kind, and recipes small enough to train in a test."""

import inspect
from typing import Any

import numpy as np
import torch

from headstart.data.feeding.loader import collate
from headstart.data.sources.array import ArraySource
from headstart.data.sources.listed import ListSource
from headstart.nn.encoder import Model
from headstart.recipe import Data, Recipe, make
from headstart.shelf.find import find
from headstart.step import Step
from headstart.tokenizers import ImageTokenizer, SeriesTokenizer, TextTokenizer
from headstart.tokenizers.want import Want
from headstart.tokens import Batch, Tokens, layout, reserve

TINY = Model(width=16, depth=2, heads=2)
LENGTHS = (5, 1, 8, 5, 3)
SMALLER = {"codes": 32, "local": 2, "depth": 1, "width": 8}  # recipe arguments that cost time
KINDS = {  # of the five that every part of the package is tried with; test_contract has all recipes
    "gmml": ("image", "series", "ragged", "text"),
    "mae": ("image", "series", "ragged", "text"),
    "dino": ("image", "series", "text"),
    "gpt_series": ("series",),
    "clip": ("pairs",),
}
EVERY = [(name, kind) for name, kinds in KINDS.items() for kind in kinds]


def rows(lengths=LENGTHS, dim=4, slots=0, seed=0, axes=2, kind="x") -> Tokens:
    """Random rows; `lengths` count content only."""
    g = torch.Generator().manual_seed(seed)
    n = sum(lengths)
    values, coords = torch.randn(n, dim, generator=g), torch.randint(0, 9, (n, axes), generator=g).float()
    return reserve(Tokens(values, coords, layout(tuple(lengths)), kind), slots)


def grid(samples: int, side: int, slots: int = 0, dim: int = 3, seed: int = 0) -> Tokens:
    """Square pictures of side x side rows."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    coords = torch.stack([y, x], -1).view(-1, 2).float().repeat(samples, 1)
    values = torch.randn(len(coords), dim, generator=torch.Generator().manual_seed(seed))
    return reserve(Tokens(values, coords, layout((side * side,) * samples)), slots)


class Listed:
    """A source that is a list."""

    groups = None
    bad = ()

    def __init__(self, items: list[Any], kind: str, labels: np.ndarray | None = None) -> None:
        self.items, self.kind, self.labels = items, kind, labels
        self.classes = () if labels is None else tuple(map(str, range(int(labels.max()) + 1)))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]

    def name(self, index: int) -> str:
        return f"item[{index}]"

    def describe(self) -> str:
        return f"{len(self):,} items"


def data(kind: str, n: int = 12, batch: int = 6) -> Data:
    """Twelve samples of a kind. "ragged" are pictures of several sizes, "pairs" pictures with a word."""
    r = np.random.default_rng(0)
    ramp = np.linspace(0, 1, 8)[None, :, None] * r.uniform(0.2, 1, (n, 1, 1)) + 0.05 * r.random((n, 8, 8))
    words = [f"sample {i} " * (1 + i % 3) for i in range(n)]
    pictures = (ramp * 255 / 1.1).astype(np.uint8)
    if kind == "image":
        source = ArraySource(pictures, "image", labels=np.arange(n) % 3)
        return Data(source, {"x": ImageTokenizer.fit([source[i] for i in range(n)], Want(patch=2))}, batch)
    if kind == "ragged":
        sizes = [(8, 8), (4, 6), (8, 8), (6, 6)]
        items = [pictures[i][None, : sizes[i % 4][0], : sizes[i % 4][1]].copy() for i in range(n)]
        return Data(Listed(items, "image", np.arange(n) % 3), {"x": ImageTokenizer.fit(items, Want(patch=2))}, batch)
    if kind == "series":
        t = np.arange(24)
        waves = np.stack([np.stack([np.sin(t / (2 + i)), np.cos(t / (3 + i))]) for i in range(n)])
        source = ArraySource(waves + 0.1 * r.standard_normal(waves.shape), "series", labels=np.arange(n) % 3)
        return Data(source, {"x": SeriesTokenizer.fit([source[i] for i in range(n)], Want(patch=3))}, batch)
    if kind == "text":
        return Data(Listed(words, "text", np.arange(n) % 3), {"x": TextTokenizer(longest=24)}, batch)
    if kind == "pairs":
        items = [{"image": pictures[i][None], "text": words[i]} for i in range(n)]
        tokenizers = {"image": ImageTokenizer(2, 1), "text": TextTokenizer(longest=24)}
        return Data(Listed(items, "image", np.arange(n) % 3), tokenizers, batch)
    raise ValueError(kind)


def chains(n, seed):
    """Chains of 24 residues, each of three sorts of its own: a crop says which, and so do k-mers."""
    rng = np.random.default_rng(seed)
    sorts = [rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), 3, replace=False) for _ in range(n)]
    return ListSource(["".join(rng.choice(own, 24)) for own in sorts], "protein")


def recipe(name: str, kind: str, seed: int = 0, given: Data | None = None, **changes: Any) -> Recipe:
    """The recipe of this name, tiny: equal seeds give equal weights."""
    torch.manual_seed(seed)
    function = find(name)
    known = inspect.signature(function).parameters
    small = {k: v for k, v in SMALLER.items() if k in known}
    return make(function, given or data(kind), size=TINY, **(small | changes))


def batch_of(recipe: Recipe, step: Step, indices: np.ndarray | None = None) -> Batch:
    """The batch that training would take at this step."""
    if indices is None:
        indices = recipe.data.samples(step)
    return collate(recipe.data, indices, step, recipe.objective.slots)
