"""What checks share: a method with or without one of its ideas, trained as the package trains; its encoder read; vectors scored.

objective = trial.fit(trial.recipe(trial.data(source)), steps=200)
yield Figure("held-out error", losses(objective, held, range(100))["total"], below=0.7)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from headstart import tokenizers
from headstart.data.feeding.loader import collate
from headstart.data.source import Source, Subset
from headstart.data.sources.array import ArraySource
from headstart.nn.encoder import Encoder, Model
from headstart.objective import Objective
from headstart.recipe import Data, Recipe, Run, make
from headstart.shelf.find import find, small
from headstart.step import Step
from headstart.tokenizers.want import Want
from headstart.tokens import Batch
from headstart.train import train
from headstart.words import changed

from . import features
from .plain_probes import draws, vote

TINY = Model(width=64, depth=2, heads=4)


class Untold(Exception):
    """What follows hangs on training, and this trial does without."""


@dataclass(frozen=True)
class Trial:
    """A method tried once: with one seed of weights, order and data, and with what is taken out.

    without: arguments that take an idea out; {} takes none. trains: False leaves encoders as they begin; None: nothing is asked
    that hangs on training. differs: settings that a check chose otherwise than the recipe's SMALL, noted as they are met.
    """

    name: str
    seed: int = 0
    without: Mapping[str, Any] = field(default_factory=dict)
    trains: bool | None = True
    differs: dict[str, Any] = field(default_factory=dict)

    @property
    def shipped(self) -> Mapping[str, Any]:
        """What the package takes at small scale: the recipe's SMALL."""
        return small(find(self.name)) or {}

    @property
    def rng(self) -> np.random.Generator:
        """For made-up data and splits; always the same at its beginning."""
        return np.random.default_rng(self.seed)

    def step(self, index: int = 0, total: int = 1) -> Step:
        return Step(index, total, self.seed)

    def data(self, source: Source, name: str = "x", **want: Any) -> Data:
        """Samples of one kind with the tokenizer that fits them, in batches as they ship."""
        return data_of(source, self.batch_size, name, **want)

    @property
    def batch_size(self) -> int:
        return int(self.shipped.get("data.batch", 64))

    def recipe(self, data: Data, size: Model = TINY, **words: Any) -> Recipe:
        """The recipe with its settings for small encoders, without what this trial leaves out; equal seeds give equal weights.

        words: arguments chosen otherwise by the check; they are noted.
        """
        shipped = {name: value for name, value in self.shipped.items() if "." not in name}
        self._note({name: value for name, value in words.items() if name != "base"})
        torch.manual_seed(self.seed)
        return make(find(self.name), data, size=size, **shipped | words | dict(self.without))

    def fit(
        self, recipe: Recipe, steps: int, lr: float | None = None, among: Sequence[int] | np.ndarray | None = None
    ) -> Objective:
        """Trained for so many steps at the peak rate that ships (another is noted); as it begins where training is taken out.

        among: the samples that it is trained on, if not all.
        Untold where this trial asks nothing that hangs on training: a check gives what needs none first.
        """
        if self.trains is None:
            raise Untold
        if not self.trains:
            return recipe.objective.eval()
        if lr is not None:
            self._note({"optim.lr": lr})
        if among is not None:
            recipe = replace(recipe, data=replace(recipe.data, source=Subset(recipe.data.source, among)))
        return fit(recipe, steps, lr=lr or self.shipped.get("optim.lr"), seed=self.seed)

    def batch(self, recipe: Recipe, index: int = 0, total: int = 1, size: int | None = None) -> tuple[Batch, Step]:
        """A batch of the recipe's own data as it comes at a step, and the step."""
        step = self.step(index, total)
        return batch_of(recipe.data, recipe.objective, step, size), step

    def _note(self, chosen: Mapping[str, Any]) -> None:
        self.differs.update({name: value for name, value in chosen.items() if self.shipped.get(name) != value})


def batch_of(data: Data, objective: Objective, step: Step, size: int | None = None) -> Batch:
    """The batch of a step, or only its first `size` samples."""
    return collate(data, data.samples(step)[:size], step, objective.slots)


def fit(
    recipe: Recipe,
    steps: int,
    *,
    lr: float | None = None,
    seed: int = 0,
    watch: Callable[[int], dict[str, Any]] | None = None,
    dtype: str = "fp32",
) -> Objective:
    """Train for so many steps on the CPU, if said with another peak rate; the objective as it is used afterwards.

    watch: called with the steps taken, before the first and at every quarter. dtype: fp32, so that figures do not hang on
    whether the machine has bf16.
    """
    optim = changed(recipe.optim, {} if lr is None else {"lr": lr}, "optim")
    train(replace(recipe, steps=steps, optim=optim), Run(device="cpu", dtype=dtype, seed=seed), watch=watch)
    return recipe.objective.eval()


@torch.no_grad()
def losses(objective: Objective, data: Data, indices: Sequence[int] | np.ndarray, seed: int = 0) -> dict[str, float]:
    """Each term's loss on these samples, "total" among them, under the chance of one fixed step."""
    was, step = objective.training, Step(0, 1, seed)
    objective.eval()
    loss = objective(collate(data, np.asarray(indices), step, objective.slots), step)
    objective.train(was)
    return {name: float(part) for name, part in loss.parts.items()} | {"total": float(loss.total)}


def encode(encoder: Encoder, data: Data, indices: Sequence[int] | np.ndarray, read: str = "mean") -> np.ndarray:
    """[n, D] vectors of samples of one kind. read: mean, mean_std, boxes, first or last."""
    return features.encode(encoder, data.only, data.source, np.asarray(indices), (read,))[read]


def knn(bank: np.ndarray, labels: np.ndarray, query: np.ndarray, truth: np.ndarray) -> float:
    """Accuracy (R2 of quantities) of the 20 nearest neighbours, by the package's frozen protocol."""
    return vote(bank, labels, query, truth)


def linear(
    bank: np.ndarray, labels: np.ndarray, query: np.ndarray, truth: np.ndarray, count: int | None = None
) -> float:
    """Accuracy (R2) of a linear probe, by the package's frozen protocol: from `count` labels the mean of three draws, or from
    all labels."""
    each = draws(bank, labels, query, truth, count or len(labels))
    return float(np.mean(list(each))) if count else next(each)


def auc(score: np.ndarray, truth: np.ndarray) -> float:
    """The chance that a true sample scores above a false one."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, score))


def data_of(source: Source, batch: int = 64, name: str = "x", **want: Any) -> Data:
    """Samples of one kind with the tokenizer that fits them. want: fields of `Want`, such as patch=2, rows=64, vocab=400."""
    some = [source[i] for i in range(min(len(source), 256))]
    return Data(source, {name: tokenizers.named(source.kind).fit(some, Want(**want))}, batch)


# samples that nobody made up


@dataclass(frozen=True)
class Real:
    """Samples with their truths, divided by chance."""

    samples: np.ndarray
    truth: np.ndarray
    bank: np.ndarray  # numbers of the samples that are trained on, whose labels neighbours give
    query: np.ndarray  # of those that are asked

    def knn(self, encoder: Encoder, data: Data, read: str = "mean") -> float:
        """Accuracy of neighbours among encoded samples."""
        return self.score(encode(encoder, data, np.arange(len(self.samples)), read))

    def score(self, z: np.ndarray) -> float:
        """Accuracy of neighbours among these vectors, one for each sample."""
        return knn(z[self.bank], self.truth[self.bank], z[self.query], self.truth[self.query])

    @property
    def raw(self) -> float:
        """The same among the samples themselves."""
        return self.score(self.samples.reshape(len(self.samples), -1).astype(np.float32))


def divided(samples: np.ndarray, truth: np.ndarray, trial: Trial, held: float = 0.3, most: int | None = None) -> Real:
    """At most so many of these samples, a share of them held out; which, is the trial's chance."""
    order = trial.rng.permutation(len(samples))[:most]
    cut = round(held * len(order))
    return Real(samples[order], truth[order], np.arange(cut, len(order)), np.arange(cut))


def digits(trial: Trial, scale: int = 1, most: int | None = None) -> Real:
    """Handwritten digits (UCI, 1998), [n, 8 * scale, 8 * scale] uint8, from scikit-learn."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pictures = np.kron((found.images * 15).astype(np.uint8), np.ones((1, scale, scale), np.uint8))
    return divided(pictures, found.target, trial, most=most)


def measured(trial: Trial, name: str) -> Real:
    """A table of measured numbers, [n, columns] float64, from scikit-learn. name: wine, breast_cancer or iris."""
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")()
    return divided(found.data, found.target, trial)


def pictures(samples: np.ndarray) -> Source:
    """[n, height, width] uint8 as a source."""
    return ArraySource(samples, "image")


def each_batch(trial: Trial, recipe: Recipe, count: int, size: int | None = None) -> Iterator[tuple[Batch, Step]]:
    """The batches of `count` steps spread over training."""
    for index in range(count):
        yield trial.batch(recipe, index, count, size)


def photographs(trial: Trial, side: int = 16, most: int | None = None) -> Real:
    """Squares cut from the two photographs of scikit-learn, [n, 3, side, side] uint8; their truth is which of twelve parts of
    which photograph they lie in."""
    from sklearn.datasets import load_sample_images

    squares, parts = [], []
    for number, picture in enumerate(load_sample_images().images):
        down, across = picture.shape[0] // side, picture.shape[1] // side
        cut = picture[: down * side, : across * side].reshape(down, side, across, side, 3)
        squares.append(cut.transpose(0, 2, 4, 1, 3).reshape(-1, 3, side, side))
        part = 4 * (np.arange(down) * 3 // down)[:, None] + np.arange(across) * 4 // across
        parts.append((12 * number + part).ravel())
    return divided(np.concatenate(squares), np.concatenate(parts), trial, most=most)


def windows(trial: Trial, count: int, side: int = 32, held: bool = False) -> np.ndarray:
    """[count, 3, side, side] uint8, cut anywhere from the two photographs of scikit-learn at half their size: from the left seven
    tenths, or, `held`, from the rest."""
    from sklearn.datasets import load_sample_images

    whole, rng = [picture[::2, ::2].transpose(2, 0, 1) for picture in load_sample_images().images], trial.rng
    _, high, wide = whole[0].shape
    low, end = (7 * wide // 10, wide) if held else (0, 7 * wide // 10)
    places = zip(rng.integers(0, high - side, count), rng.integers(low, end - side, count), strict=True)
    return np.stack([whole[i % 2][:, top : top + side, left : left + side] for i, (top, left) in enumerate(places)])


def prose(trial: Trial, count: int, length: int, held: bool = False) -> list[str]:
    """Stretches of so many letters of the English in which scikit-learn describes its data sets, begun anywhere: of seven tenths
    of it, or, `held`, of the rest. Which descriptions come first is the trial's chance."""
    from importlib.resources import files

    found = sorted((file for file in files("sklearn.datasets.descr").iterdir() if file.name.endswith(".rst")), key=str)
    texts = [" ".join(file.read_text(encoding="ascii", errors="ignore").split()) for file in found]
    whole = " ".join(texts[i] for i in trial.rng.permutation(len(texts)))
    cut = 7 * len(whole) // 10
    part = whole[cut:] if held else whole[:cut]
    rng = np.random.default_rng([trial.seed, held])
    return [part[at : at + length] for at in rng.integers(0, len(part) - length, count).tolist()]
