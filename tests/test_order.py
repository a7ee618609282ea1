"""Order as a part: how often who comes, the same for any number of processes and after a restart; and labels, which come into
a batch where a method asks and are out of reach where it does not."""

import dataclasses
import math
import tracemalloc
from collections import Counter

import numpy as np
import pytest
import torch
from tests.parts import TINY, batch_of, data, recipe
from torch import nn

from headstart import losses
from headstart.contract import check_recipe
from headstart.corrupt import clean
from headstart.data.feeding.asked import Unlabelled
from headstart.data.feeding.loader import collate
from headstart.data.feeding.order import Balanced, Curriculum, Pruned, Weighted, samples, uniform
from headstart.data.feeding.prepare import prepare
from headstart.data.source import Subset
from headstart.data.sources.array import ArraySource
from headstart.data.sources.listed import ListSource
from headstart.data.sources.windows import Windows
from headstart.errors import Mistake
from headstart.nn.encoder import encoder
from headstart.nn.heads import mean
from headstart.objective import Objective
from headstart.optim import AdamW
from headstart.recipe import Data, Recipe, Run, make
from headstart.scene import Scene
from headstart.step import Step, ramp
from headstart.terms.term import Term
from headstart.tokenizers import SeriesTokenizer
from headstart.train import train

N = 60
CHANCE = np.random.default_rng(0)
SCORES, WEIGHTS = CHANCE.random(N), CHANCE.random(N) ** 3
LABELS = CHANCE.choice([-1, 0, 1, 2], N, p=[0.1, 0.7, 0.15, 0.05])
ORDERS = {
    "uniform": uniform,
    "weighted": Weighted(WEIGHTS),
    "balanced": Balanced(LABELS),
    "curriculum": Curriculum(SCORES),
    "pruned": Pruned(SCORES, 0.4),
    "pruned, weighted": Pruned(SCORES, 0.4, Weighted(WEIGHTS)),
    "pruned, curriculum": Pruned(SCORES, 0.4, Curriculum(WEIGHTS)),
}


def drawn(order, steps: int, batch: int = 12, total: int | None = None, n: int = N, seed: int = 0) -> np.ndarray:
    """[steps, batch] sample numbers."""
    return np.stack([samples(order, Step(i, total or steps, seed), batch, n) for i in range(steps)])


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("world", [1, 2, 4])
def test_any_number_of_processes_takes_the_same_samples(name, world):
    whole = drawn(ORDERS[name], 20)
    for index in (0, 7, 19):  # from the middle on, without what came before: there is no state
        split = [samples(ORDERS[name], Step(index, 20), 12, N, rank, world) for rank in range(world)]
        assert np.array_equal(np.concatenate(split), whole[index])
    assert not np.array_equal(drawn(ORDERS[name], 20, seed=1), whole)
    assert whole.min() >= 0 and whole.max() < N


@pytest.mark.parametrize("seed", [0, 1])
def test_weights_are_frequencies(seed):
    """In an epoch to within one, over many in the mean; never where the weight is 0."""
    weights = np.concatenate([WEIGHTS, np.zeros(9)])
    order = Weighted(weights)
    assert order.epoch(len(weights)) == N
    share, epochs = N * WEIGHTS / WEIGHTS.sum(), 400
    told = drawn(order, 5 * epochs, n=len(weights), seed=seed).reshape(epochs, N)
    counts = np.stack([np.bincount(epoch, minlength=len(weights)) for epoch in told])
    assert (counts[:, N:] == 0).all() and (counts[:, :N] >= np.floor(share - 1e-9)).all()
    assert (counts[:, :N] <= np.ceil(share + 1e-9)).all()
    spread = np.sqrt((share % 1) * (1 - share % 1) / epochs)  # of the mean of what is rounded up or down
    assert (np.abs(counts[:, :N].mean(0) - share) < 4.5 * spread + 1e-9).all()


def test_equal_weights_are_epochs():
    told = drawn(Weighted(np.full(N, 0.3)), 25).reshape(5, N)
    assert np.array_equal(np.sort(told, 1), np.tile(np.arange(N), (5, 1))) and len({row.tobytes() for row in told}) == 5


def test_classes_come_equally_often():
    known = int((LABELS >= 0).sum())
    order = Balanced(LABELS)
    assert order.epoch(N) == known
    told = drawn(order, known, batch=10)  # ten epochs
    for epoch in told.reshape(10, known):
        counts = Counter(LABELS[epoch].tolist())
        assert set(counts) == {0, 1, 2} and max(counts.values()) - min(counts.values()) <= 1
    often = np.bincount(told.flatten(), minlength=N)
    for label in range(3):  # and within a class every sample
        assert np.ptp(often[label == LABELS]) <= 10
    for wrong, said in ((np.full(4, -1), "no sample has a label"), (np.ones(4, np.float32), "are quantities")):
        with pytest.raises(Mistake, match=said):
            Balanced(wrong)


def test_a_curriculum_grows_from_easy_to_all():
    order, steps = Curriculum(SCORES, ramp(0.25, 1.0, over=0.5)), 400
    told, rank = drawn(order, steps), np.argsort(np.argsort(SCORES))
    for index, row in enumerate(told):
        share = min(1.0, 0.25 + 0.75 * 2 * index / steps)
        assert rank[row].max() < math.ceil(share * N) and len(set(row)) == 12
    early = np.bincount(told[:40].flatten(), minlength=N)[np.argsort(SCORES)]
    assert (
        early[:15].min() > 0.6 * early[:15].mean() and early[24:].sum() == 0
    )  # all that are easy, about equally often
    late = told[steps // 2 :]
    assert np.array_equal(np.sort(late.reshape(-1, N), 1), np.tile(np.arange(N), (len(late) // 5, 1)))


def test_a_growing_share_forgets_nobody():
    """Steps that grow the share by one sample each, where epochs of a length that changes would visit few again and again."""
    order = Curriculum(np.arange(1000.0), ramp(0.2, 1.0))
    told = drawn(order, 800, batch=8, n=1000)
    often = np.bincount(told.flatten(), minlength=1000)
    assert (often[:200] > 0).all() and often[:200].max() < 40  # about 16 each


def test_pruning_keeps_the_best():
    best = set(np.argsort(-SCORES)[:24].tolist())
    assert set(drawn(Pruned(SCORES, 0.4), 40).flatten().tolist()) == best
    told = drawn(ORDERS["pruned, weighted"], 200).flatten()
    often = np.bincount(told, minlength=N) / len(told)
    inside = np.array(sorted(best))
    assert set(told.tolist()) <= best and np.allclose(often[inside], WEIGHTS[inside] / WEIGHTS[inside].sum(), atol=0.01)


@pytest.mark.parametrize("name", ["weighted", "balanced", "curriculum", "pruned", "pruned, weighted"])
def test_some_of_the_samples_keep_what_is_said_of_them(name):
    """After `among` number i stands for kept[i]: nobody gets another's weight, label or score."""
    kept = np.sort(CHANCE.permutation(N)[:40])
    order = ORDERS[name].among(kept)
    mapped = kept[np.unique(drawn(order, 60, n=40))]
    allowed = {
        "weighted": np.arange(N), "balanced": np.flatnonzero(LABELS >= 0), "curriculum": np.arange(N),
        "pruned": kept[np.argsort(-SCORES[kept])[:16]], "pruned, weighted": kept[np.argsort(-SCORES[kept])[:16]],
    }[name]  # fmt: skip
    assert set(mapped) <= set(allowed)
    if name == "weighted":
        told = drawn(order, 500, n=40).flatten()
        share = WEIGHTS[kept] / WEIGHTS[kept].sum()
        assert np.allclose(np.bincount(told, minlength=40) / len(told), share, atol=0.005)
    if name == "balanced":
        counts = Counter(LABELS[kept][drawn(order, 300, n=40).flatten()].tolist())
        assert max(counts.values()) < 1.02 * min(counts.values())


@pytest.mark.parametrize("make_order", [Weighted, Curriculum, lambda s: Pruned(s, 0.5)])
def test_ten_million_samples_cost_a_step_nothing(make_order):
    n = 10_000_000
    order = make_order(np.random.default_rng(1).random(n))
    samples(order, Step(3, 10), 256, n)  # builds the table
    tracemalloc.start()
    for index in range(10):
        samples(order, Step(index, 10), 256, n)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000  # bytes; a number for each sample would be 80 MB


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(lambda: Weighted(np.zeros(3)), "not all are 0"), (lambda: Weighted(np.array([1.0, -1])), "0 or more"),
     (lambda: Pruned(SCORES, 0.0), "keep=0.0"), (lambda: drawn(Curriculum(np.array([1, np.nan])), 1, n=2), "1 scores"),
     (lambda: drawn(Weighted(WEIGHTS), 1, n=61), "60 weights meets 61 samples"),
     (lambda: drawn(Pruned(SCORES, 0.5), 1, n=61), "60 scores meets 61 samples")],
)  # fmt: skip
def test_orders_that_cannot_be(wrong, said):
    with pytest.raises(Mistake, match=said):
        wrong()


def test_epochs_are_honest():
    given = dataclasses.replace(data("image"), batch=4)
    assert given.epochs(10) == 30 and given.with_order(Pruned(np.arange(12.0), 0.5)).epochs(10) == 15
    assert given.balanced().epochs(10) == 30


def test_a_run_in_another_order_goes_on_to_the_last_bit(tmp_path):
    given = data("image").with_order(Weighted(np.arange(12.0)))
    run = Run(device="cpu", save_every=1.0, probe_every=1.0)
    whole = train(dataclasses.replace(recipe("mae", "image", given=given), steps=6), run).losses
    plain = train(dataclasses.replace(recipe("mae", "image"), steps=6), run).losses
    half = train(dataclasses.replace(recipe("mae", "image", given=given), steps=6), run, tmp_path, until=3).losses
    assert (
        train(dataclasses.replace(recipe("mae", "image", given=given), steps=6), run, tmp_path).losses[-3:] == whole[3:]
    )
    assert half == whole[:3] and plain != whole


# labels


class Supervised(Term):
    """Which of the others in the batch are of one class: the pull of supervised contrast, on the mean of rows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reads = ("x",)
        self.head = nn.Linear(width, 8)

    def forward(self, scene: Scene) -> torch.Tensor:
        labels = scene.batch.labels
        assert labels is not None
        z = nn.functional.normalize(scene.student.heads[scene.term](mean(scene.student.z["x"])), dim=1)
        alike = (labels[:, None] == labels) & (labels >= 0)[:, None]
        return losses.mse(z @ z.T, alike.float()).mean()


def supervised(data, size="S"):
    enc = encoder(data.tokenizers, size)
    task = Objective(enc, {"x": clean}, {"alike": Supervised(enc.width)})
    return Recipe(task, data.with_labels(), AdamW(1e-3), steps=30)


def test_a_method_that_asks_learns_from_labels():
    made = make(supervised, data("image"), size=TINY)
    assert made.data.classes == ("0", "1", "2") and isinstance(made.data.source, Unlabelled)
    batch = batch_of(made, Step(0, 10))
    assert batch.labels.dtype == torch.int64 and torch.equal(batch.labels, batch.index % 3)
    out = train(made, Run(device="cpu", dtype="fp32", probe_every=1.0))
    assert out.losses[-1] < 0.7 * out.losses[0]
    check_recipe(supervised, data("image"))


def test_it_says_so_where_there_are_none():
    given = data("image")
    bare = dataclasses.replace(given, source=ArraySource(given.source.values, "image"))
    for ask in (bare.with_labels, bare.balanced, lambda: make(supervised, bare, size=TINY)):
        with pytest.raises(Mistake, match=r"learns from labels, and none were found"):
            ask()


class Tagged:
    """Ten samples in two parts of five; each tells its own number, which its label and group follow."""

    kind, classes = "series", tuple("abcdefghij")
    labels = np.arange(10)
    groups, bad = np.arange(10) // 5, ()

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index):
        return np.full((1, 24), 100 + index, np.float32)

    def name(self, index):
        return f"{self.classes[self.labels[index]]}/{index}"

    def describe(self):
        return "ten in ten classes"


@pytest.mark.parametrize("hidden", [0, 1, 2])
def test_labels_stay_those_of_their_samples(hidden):
    """Through subsets of subsets, hidden or not, in whatever order the batch takes them."""
    source = Subset(Tagged(), [9, 8, 7, 3, 2, 1])
    if hidden:
        source = Unlabelled(source)
    source = Subset(source, [5, 3, 0])
    if hidden == 2:
        source = Unlabelled(source)
    tokenizer = SeriesTokenizer(3, 1, (0.0,), (1.0,))
    given = Data(source, {"x": tokenizer}, 3).with_labels().with_groups()
    batch = collate(given.with_weight(np.array([0.1, 0.3, 0.9])), np.array([2, 0, 1]), Step(0, 1), 0)
    said = batch.tokens["x"].values.view(3, -1)[:, 0].round() - 100
    assert said.tolist() == batch.labels.tolist() and sorted(batch.labels.tolist()) == [1, 3, 9]
    weight = {1: 0.1, 3: 0.3, 9: 0.9}
    assert batch.groups.tolist() == [label // 5 for label in batch.labels.tolist()]
    assert batch.weight.tolist() == pytest.approx([weight[label] for label in batch.labels.tolist()])


def test_windows_have_the_label_of_their_recording():
    """Of three recordings, the second unknown, the first two windows of each."""
    waves = [np.full((1, 48), float(i), np.float32) for i in range(3)]
    source = Windows(ListSource(waves, "series", labels=np.array([4, -1, 2]), groups=[7, 7, 8]), 24)
    tokenizer = SeriesTokenizer(3, 1, (0.0,), (1.0,))
    given = Data(Unlabelled(prepare(source, tokenizer)), {"x": tokenizer}, 6).with_labels().with_groups()
    batch = collate(given, np.arange(6)[::-1].copy(), Step(0, 1), 0)
    recording = batch.tokens["x"].values.view(6, -1)[:, 0].round().int().tolist()
    assert batch.labels.tolist() == [[4, -1, 2][i] for i in recording]
    assert batch.groups.tolist() == [[7, 7, 8][i] for i in recording]


def test_quantities_are_labels_too():
    values = np.array([0.5, np.nan, 2.5], np.float32)
    given = Data(ListSource([np.ones((2, 24), np.float32)] * 3, "series", labels=values), data("series").tokenizers, 3)
    batch = collate(given.with_labels(), np.arange(3), Step(0, 1), 0)
    assert batch.labels.dtype == torch.float32 and np.array_equal(batch.labels.numpy(), values, equal_nan=True)
    assert batch.groups is None and batch.weight is None
    assert collate(given.with_groups(), np.arange(3), Step(0, 1), 0).groups.tolist() == [0, 1, 2]


def test_samples_without_every_part_take_their_weight_and_order_with_them():
    items = [{"a": np.ones(1), "b": None if i % 2 else np.ones(1)} for i in range(12)]
    given = Data(ListSource(items, "pair"), {}, 2).with_weight(np.arange(12)).with_order(Weighted(np.arange(12.0) == 4))
    there = given.whole()
    assert there.weight.tolist() == [0, 2, 4, 6, 8, 10] and there.samples(Step(0, 1)).tolist() == [2, 2]


SECRET = ("secret-one", "secret-two", "secret-three")


def reachable(*roots):
    """Everything that attributes without an underscore, properties, items and entries lead to."""
    seen, todo = {}, list(roots)
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, int | float | bool | type | type(None)):
            continue
        seen[id(thing)] = thing
        yield thing
        if isinstance(thing, str | bytes | np.ndarray | torch.Tensor) or callable(getattr(thing, "__code__", None)):
            continue
        if isinstance(thing, dict):
            todo += [*thing.keys(), *thing.values()]
        elif isinstance(thing, list | tuple | set | frozenset):
            todo += list(thing)
        elif type(thing).__module__.startswith(("headstart", "tests")):
            for name in dir(thing):
                if not name.startswith("_"):
                    try:
                        todo.append(getattr(thing, name))
                    except Exception:
                        continue


def found(labels: np.ndarray, *roots) -> list:
    """Whatever of it is the labels, some of them in a row of their own, or the name of a class."""

    def tells(thing) -> bool:
        if isinstance(thing, str):
            return any(name in thing for name in SECRET)
        thing = thing.detach().numpy() if isinstance(thing, torch.Tensor) else thing
        return isinstance(thing, np.ndarray) and thing.ndim == 1 and thing.size > 0 and np.isin(thing, labels).all()

    return [thing for thing in reachable(*roots) if tells(thing)]


def secret():
    given = data("image")
    codes = 1_000_000 + np.random.default_rng(5).integers(0, 3, 12)  # numbers that nothing else has
    source = ListSource(
        [given.source[i] for i in range(12)], "image", names=[f"{SECRET[c % 3]}/{i}" for i, c in enumerate(codes)]
    )
    source.labels, source.classes, source.groups = codes, SECRET, codes + 10
    return codes, dataclasses.replace(given, source=Subset(source, np.arange(12)))


@pytest.mark.parametrize("name", ["mae", "dino"])
def test_a_run_that_did_not_ask_cannot_reach_labels(name):
    """By trying: all that a recipe and its terms are shown is walked, and neither labels nor names of classes are there."""
    codes, given = secret()
    everything = np.concatenate([codes, codes + 10])
    assert found(everything, given)  # the walk finds them where they are
    handed = []

    def nosy(data, size):
        handed.append(data)
        return recipe(name, "image", given=data)

    made = make(nosy, given, size=TINY)
    step, scenes = Step(0, 10), []
    for _, term in made.objective._terms():
        term.register_forward_pre_hook(lambda module, args: scenes.append(args[0]))
    batch = batch_of(made, step)
    made.objective(batch, step)
    assert len(scenes) == len(made.objective.terms) and len(handed) == 1
    assert not found(everything, handed[0], made.data, batch, *scenes, made.data.whole() if name == "mae" else None)
    assert batch.labels is None and batch.groups is None and made.data.classes == ()
    asked = make(
        lambda data, size: dataclasses.replace(recipe(name, "image", given=data), data=data.with_labels()),
        given,
        size=TINY,
    )
    assert found(everything, batch_of(asked, step)) and found(everything, asked.data)  # who asks is told
