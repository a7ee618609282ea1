"""The protocol that judges an encoder: right where the answer is known, at chance where there is none, blind to queries."""

import numpy as np
import pytest
import torch
from tests.parts import TINY, Listed, data

from headstart.data.sources.array import ArraySource
from headstart.health import Health, explain_non_finite, measure, verdict
from headstart.nn.encoder import Model, encoder
from headstart.nn.readouts import READOUTS
from headstart.probes import DRAWS, Figure, Split, agreement, few, judge, standardise
from headstart.probes import named as probe_named
from headstart.probes.knn import nearest
from headstart.probes.linear import fitted
from headstart.probes.trees import boosted
from headstart.scoring.features import encode, raw
from headstart.scoring.labelled import Labelled, counts, labelled
from headstart.scoring.score import choose_read, reads, score_encoder, score_raw, watcher

R = np.random.default_rng(0)


def clusters(n=300, classes=5, dim=8, apart=20.0, seed=0):
    r = np.random.default_rng(seed)
    centres = np.random.default_rng(9).standard_normal((classes, dim)) * apart
    labels = r.integers(0, classes, n)
    return (centres[labels] + r.standard_normal((n, dim))).astype(np.float32), labels


def knn(bank, have, query, want):
    return agreement(nearest(bank, have, query), want)


def linear(bank, have, query, want, count):
    """Each of the draws of labels."""
    return next(iter(Split.of(bank, have, query, want).judged("linear", fitted, count)))[1].draws


# protocol


def test_knn_is_perfect_on_clusters_and_at_chance_on_noise():
    bank, query = clusters(seed=1), clusters(seed=2)
    assert knn(*bank, *query) == 1.0
    assert knn(bank[0] * 1000 + 5, bank[1], query[0] * 1000 + 5, query[1]) == 1.0
    noise = [R.standard_normal((2000, 8)).astype(np.float32) for _ in range(2)]
    labels = [R.integers(0, 4, 2000) for _ in range(2)]
    assert abs(knn(noise[0], labels[0], noise[1], labels[1]) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 2000)
    assert knn(bank[0][:3], bank[1][:3], bank[0][:3], bank[1][:3]) == 1.0  # fewer than twenty neighbours


def test_knn_by_hand():
    """The weighted vote, one query at a time."""
    bank, query = (R.standard_normal((n, 6)).astype(np.float32) for n in (50, 40))
    have, want = R.integers(3, 6, 50), R.integers(3, 6, 40)  # labels need not begin at 0
    b, q = ((x - bank.mean(0)) / bank.std(0) for x in (bank, query))
    right = 0
    for x, label in zip(q, want, strict=True):
        s = b @ x / np.linalg.norm(b, axis=1) / np.linalg.norm(x)
        near = np.argsort(-s)[:20]
        votes = {c: np.exp(s[near][have[near] == c] / 0.07).sum() for c in (3, 4, 5)}
        right += max(votes, key=votes.get) == label
    assert knn(bank, have, query, want) == pytest.approx(right / 40)


def test_standardise():
    bank = R.standard_normal((200, 4)).astype(np.float32) * [1, 100, 1e-3, 0] + np.array([0, 5, 1, 7])
    query = R.standard_normal((50, 4)) + np.array([0, 5, 1, 9])
    b, q = standardise(bank, query)
    assert np.allclose(b[:, :3].mean(0), 0, atol=1e-5) and np.allclose(b[:, :3].std(0), 1, atol=1e-5)
    assert not b[:, 3].any() and not q[:, 3].any()  # constant in the bank: says nothing of a query
    assert b.dtype == q.dtype == np.float32 and np.isfinite(q).all()
    for part in standardise(np.ones((5, 2)), R.standard_normal((5, 2))):
        assert not part.any()
    moved = standardise(bank, query * 3)[0]
    assert np.array_equal(moved, b)  # queries do not enter


def test_few_draws_the_same_number_of_every_class():
    labels = np.array([0] * 100 + [1] * 50 + [7] * 20 + [9] * 3)
    for count in (8, 12, 40):
        chosen = few(labels, count, np.random.default_rng(0))
        got = np.bincount(labels[chosen], minlength=10)[[0, 1, 7, 9]]
        assert len(chosen) == len(set(chosen)) == count
        assert got[:3].max() - got[:3].min() <= 1 and got[3] == min(3, count // 4)
    a, b = (few(labels, 12, np.random.default_rng(s)) for s in (0, 1))
    assert set(a) != set(b)
    assert sorted(few(labels, 999, np.random.default_rng(0))) == list(range(173))


def test_linear_learns_from_few_labels():
    bank, query = clusters(apart=3.0, seed=1), clusters(apart=3.0, seed=2)
    drawn = []

    def spy(x, y, z):
        drawn.append(y)
        return fitted(x, y, z)

    said = next(iter(Split.of(*bank, *query).judged("linear", spy, 50)))[1]
    assert len(said.draws) == DRAWS and min(said.draws) > 0.9 and said.labels == 50
    assert all(np.bincount(d).tolist() == [10] * 5 for d in drawn)
    noise = [R.standard_normal((1000, 4)).astype(np.float32) for _ in range(2)]
    labels = [R.integers(0, 4, 1000) for _ in range(2)]
    assert abs(np.mean(linear(noise[0], labels[0], noise[1], labels[1], 40)) - 0.25) < 0.06
    assert len(linear(*bank, *query, 5)) == 3  # one label per class: too few to choose C by, and no error


def test_labels_that_are_all_learnt_from_are_not_drawn():
    """Three draws of the same labels were said to differ by "± 0.000"."""
    bank, query = clusters(n=40, apart=3.0, seed=1), clusters(apart=3.0, seed=2)
    said = next(iter(Split.of(*bank, *query).judged("linear", fitted, 40)))[1]
    assert said.draws == () and said.half > 0


def test_linear_does_not_see_query_labels():
    bank, query = clusters(apart=1.0, seed=1), clusters(apart=1.0, seed=2)
    a = linear(*bank, *query, 50)
    b = linear(*bank, query[0][:100], query[1][:100], 50)
    c = linear(*bank, query[0][100:], query[1][100:], 50)
    assert np.allclose(a, (np.array(b) * 100 + np.array(c) * 200) / 300)


# health


@pytest.mark.parametrize("rank", [1, 2, 5, 8])
def test_effective_rank_of_what_is_known(rank):
    """n directions used evenly are an effective rank of n."""
    basis = np.linalg.qr(np.random.default_rng(1).standard_normal((16, 16)))[0][:rank]
    x = np.concatenate([basis, -basis])
    assert measure(x).effective_rank == pytest.approx(rank, rel=1e-6)
    assert measure(x + 100).effective_rank == pytest.approx(rank, rel=1e-6)  # the mean does not count
    assert measure(x * 1e-3).effective_rank == pytest.approx(rank, rel=1e-6)


def test_effective_rank_of_uneven_directions():
    values = np.array([4.0, 2.0, 1.0, 1.0])
    x = np.concatenate([np.diag(values), -np.diag(values)])
    p = values / values.sum()
    assert measure(x).effective_rank == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-6)
    assert measure(R.standard_normal((2000, 32))).effective_rank > 30


def test_spread():
    even = R.standard_normal((4000, 32))
    assert measure(even).spread == pytest.approx(1, abs=0.02) and not measure(even).collapsed
    assert measure(even * 1e-3 + 50).spread < 1e-3


def knn_went(a, b, error, higher=True):
    return [{"knn": Figure(value, error, 100, higher=higher)} for value in (a, b)]


@pytest.mark.parametrize(
    "vectors",
    [np.ones((64, 16)), np.zeros((64, 16)), np.outer(R.standard_normal(64), R.standard_normal(16)),
     R.standard_normal((64, 16)) * 1e-3 + 7],
    ids=["constant", "zero", "one direction", "nearly constant"],
)  # fmt: skip
def test_collapse_is_named(vectors):
    now = measure(vectors.astype(np.float32))
    assert now.collapsed
    said = verdict(now, [3.0] * 10 + [1.0] * 10, knn_went(0.2, 0.9, 0.01))  # whatever the loss and the probe say
    assert said.startswith("collapsed:") and "of 16 directions" in said and "recipe=mae" in said


def test_verdicts():
    good = Health(20.0, 0.9, 32, 100)
    falls, flat = list(np.linspace(3, 1, 40)), [2.0] * 40
    assert verdict(good, falls, []) == "the loss fell from 2.923 to 1.077"
    assert verdict(good, flat, []).startswith("flat: the loss went from 2 to 2; raise optim.lr")
    said = verdict(good, flat, knn_went(0.3, 0.5, 0.015))
    assert said == "learning: knn went from 0.300 (before training) to 0.500"
    assert "no clear change" in verdict(good, falls, knn_went(0.3, 0.5, 0.16))  # ten queries are no evidence
    assert verdict(good, list(np.linspace(1, 3, 40)), []).startswith("rising: the loss went from 1.077 to 2.923; lower")
    moved = verdict(good, list(np.linspace(1, 3, 40)), [], moving=True)  # dino's loss rises by design
    assert "which says nothing here" in moved and "optim.lr" not in moved
    down = [*knn_went(0.5, 0.3, 0.015), *knn_went(0.3, 0.4, 0.015)]
    assert verdict(good, falls, down).startswith(
        "fell at first, as many methods do, and is rising again: knn went from 0.5"
    )
    common = verdict(Health(20.0, 0.004, 32, 100), falls, [], Health(20.0, 0.26, 32, 100))
    assert common.startswith("the loss fell from") and "fell from 0.260 to 0.004): centre or standardise" in common
    narrow = Health(8.0, 0.004, 32, 100)
    said = verdict(narrow, falls, [], Health(20.0, 0.26, 32, 100))
    assert said.startswith("shrinking: samples grow alike: the spread of their vectors fell from 0.260 to 0.004")
    said = verdict(narrow, falls, knn_went(0.3, 0.5, 0.015), Health(20.0, 0.26, 32, 100))
    assert said.startswith("learning: knn") and "but samples grow alike" in said
    worse = "not helping: knn went from 0.500 (before training) to 0.400, which is worse"
    assert verdict(good, flat, knn_went(0.5, 0.4, 0.015)) == worse
    assert verdict(good, falls, knn_went(0.5, 0.4, 0.015, higher=False)).startswith("learning: knn")  # an error
    also = [
        {**marks, "other": Figure(value, 0.01, 100)}
        for marks, value in zip(knn_went(0.3, 0.5, 0.015), (0.9, 0.1), strict=True)
    ]
    assert verdict(good, falls, also).startswith("learning some, losing some: knn went")
    assert verdict(good, [1.0] * 5, []) == "too early to tell"
    said = explain_non_finite(7, "the loss", 3e-3, torch.bfloat16, saved=True)
    assert "until step 7" in said and "optim.lr=0.001" in said and "run.dtype=fp32" in said and "checkpoint" in said
    said = explain_non_finite(7, "the loss", 3e-3, torch.float32, saved=False)
    assert "run.dtype" not in said and "checkpoint" not in said


# encoders


class Watched(ArraySource):
    """A source that remembers who was asked for."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.asked: set[int] = set()

    def __getitem__(self, index):
        self.asked.add(int(index))
        return super().__getitem__(index)


def pictures(n=160):
    labels = np.arange(n) % 2
    x = R.integers(0, 60, (n, 8, 8)).astype(np.uint8)
    x[labels == 1, :4] += 120
    return Watched(x, "image", labels=labels)


def tiny():
    torch.manual_seed(0)
    tokenizer = data("image").only
    return encoder({"x": tokenizer}, TINY), tokenizer


def test_choose_read_never_sees_a_query():
    enc, tokenizer = tiny()
    source = pictures()
    split = labelled(source, source, np.arange(100), np.arange(100, 160))
    name, marks = choose_read(enc, tokenizer, split)
    assert name in reads(enc) and marks[name] == max(marks.values()) and set(marks) == set(reads(enc))
    assert source.asked and max(source.asked) < 100
    other = pictures()
    other.labels = np.concatenate([source.labels[:100], 1 - source.labels[100:]])  # queries the other way round
    other.values = source.values
    again = choose_read(enc, tokenizer, labelled(other, other, np.arange(100), np.arange(100, 160)))
    assert again == (name, marks)


def test_an_encoder_is_scored_beside_the_raw_input():
    enc, tokenizer = tiny()
    source = pictures()
    split = labelled(source, source, np.arange(100), np.arange(100, 160))
    for marks in (score_encoder(enc, tokenizer, split, "mean_std"), score_raw(tokenizer, split)["raw input"]):
        assert set(marks) == {"knn", "linear-100"} and marks["knn"].value > 0.95
        assert all(f.chance == 0.5 and f.n == 60 for f in marks.values()) and marks["linear-100"].draws == ()
    health = []
    watch = watcher(enc, tokenizer, source, split, "mean_std", health.append)
    said = watch(0)
    assert said["quick knn"].value > 0.95 and said["rank"] == health[0].effective_rank and enc.training
    unlabelled = watcher(enc, tokenizer, source, None, "mean_std", health.append)(0)
    assert set(unlabelled) == {"rank", "spread"}


def test_labelled_keeps_what_both_sides_know():
    labels = np.concatenate([np.zeros(30), np.ones(30), np.full(5, 2), np.full(5, -1)]).astype(int)
    source = Listed(list(range(70)), "image", labels)
    at = np.random.default_rng(0).permutation(70)
    split = labelled(source, source, at[:50], at[50:])
    shared = set(labels[at[:50]]) & set(labels[at[50:]]) - {-1}
    assert set(split.labels("bank")) == set(split.labels("query")) == shared
    assert not set(split.bank_at) & set(split.query_at)
    assert labelled(source, source, at[:15], at[15:]) is None  # too few to learn from
    assert labelled(Listed([1], "image"), source, at[:1], at) is None
    assert counts(Labelled(source, source, np.arange(60), np.arange(60)).labels("bank")) == (60,)


@pytest.mark.parametrize("kind", ["image", "ragged", "series", "text"])
def test_encode_does_not_hang_on_the_batch(kind):
    given = data(kind)
    torch.manual_seed(0)
    enc = encoder(given.tokenizers, TINY)
    whole = encode(enc, given.only, given.source, range(12), tuple(READOUTS))
    apart = encode(enc, given.only, given.source, range(12), tuple(READOUTS), batch=5)
    assert set(whole) == set(READOUTS) and enc.training
    for name, z in whole.items():
        assert len(z) == 12 and z.dtype == np.float32 and np.isfinite(z).all()
        assert np.allclose(z, apart[name], atol=1e-5), name


def test_readouts_of_blocks_and_sums():
    """`blocks`: mean and spread of the rows after the embedding and each quarter; `total`: the sum of rows beside these."""
    given = data("ragged")
    enc = encoder(given.tokenizers, Model(width=16, depth=8, heads=2))
    z = encode(enc, given.only, given.source, range(12), ("mean_std", "blocks", "total", "blocks_total"))
    rows = [len(given.only(given.source[i])) for i in range(12)]
    assert len(set(rows)) > 1
    assert READOUTS["blocks"].depths(enc) == (0, 2, 4, 6) and READOUTS["blocks"].depths(
        encoder(given.tokenizers, TINY)
    ) == (0, 1)
    assert z["blocks"].shape[1] == 5 * z["mean_std"].shape[1] and np.array_equal(z["blocks"][:, -32:], z["mean_std"])
    assert not np.allclose(z["blocks"][:, :32], z["blocks"][:, 32:64])
    sums = z["mean_std"][:, :16] * np.array(rows)[:, None]
    assert np.allclose(z["total"], np.concatenate([z["mean_std"], sums], 1), rtol=1e-4, atol=1e-4)
    assert z["blocks_total"].shape[1] == 5 * 48 and np.allclose(z["blocks_total"][:, -48:], z["total"])


def test_what_training_deletes_is_read_before():
    """Of an encoder whose later blocks give nothing, `blocks` reads what the first had."""
    given = data("image")
    enc = encoder(given.tokenizers, TINY)
    with torch.no_grad():
        for p in enc.trunk.norm.parameters():
            p.zero_()
    z = encode(enc, given.only, given.source, range(12), ("mean", "blocks"))
    assert np.ptp(z["mean"], 0).max() == 0 < np.ptp(z["blocks"], 0).max()


@pytest.mark.parametrize("kind", ["image", "ragged", "series", "text"])
def test_raw_vectors(kind):
    given = data(kind)
    z, one = (raw(given.only, given.source, at) for at in (range(12), [3]))
    assert z.shape[0] == 12 and z.ndim == 2 and z.dtype == np.float32 and np.isfinite(z).all()
    assert len({row.tobytes() for row in z}) == 12
    assert np.array_equal(one, z[3:4])  # in one form, though its own samples are of one size


def test_quantities_are_scored_by_r2():
    """A linear one is predicted, noise is not, and predicting the mean gives 0."""
    x = R.standard_normal((400, 6)).astype(np.float32)
    y = (x @ R.standard_normal(6) + 3).astype(np.float32)
    noise = R.standard_normal(400).astype(np.float32)
    assert min(linear(x[:300], y[:300], x[300:], y[300:], 100)) > 0.95
    assert knn(x[:300], y[:300], x[300:], y[300:]) > 0.3
    assert max(linear(x[:300], noise[:300], x[300:], noise[300:], 100)) < 0.2
    assert agreement(np.full(5, 2.0), np.array([1.0, 3, 2, 0, 4])) == 0
    split = Split.of(x[:300], y[:300], x[300:], y[300:], counts(y[:300]))
    marks = judge([probe_named("knn"), probe_named("linear")], split)
    assert set(marks) == {"knn-R2", "linear-100-R2"} and marks["linear-100-R2"].value > 0.95
    assert split.quantity and all(figure.chance == 0 for figure in marks.values())


def test_boosted_trees_stand_beside_tables():
    """A rule that no line can say: trees find it from all labels."""
    x = R.uniform(-1, 1, (800, 2)).astype(np.float32)
    y = ((x[:, 0] > 0) ^ (x[:, 1] > 0)).astype(np.int64)
    split = Split.of(x[:600], y[:600], x[600:], y[600:], (100,))
    marks = judge([probe_named("trees"), probe_named("linear")], split)
    assert marks["trees"].value > 0.9 and marks["trees"].labels == 600 and len(marks["trees-100"].draws) == DRAWS
    assert marks["linear-100"].value < 0.65 and boosted(x[:60], y[:60], x[60:70]).shape == (10, 2)


def test_trees_learn_from_few_labels_and_of_rare_classes():
    """Thirty labels are enough for what one column says; where one class in ten is asked for, it counts as much as the other (of
    0.22 that are found where it does not)."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2_600, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    assert agreement(boosted(x[:30], y[:30], x[30:]).argmax(1), y[30:]) > 0.8
    assert agreement(boosted(x[:30], x[:30, 0], x[30:]), x[30:, 0]) > 0.5
    rare = (x[:, 0] + rng.standard_normal(2_600) > 1.8).astype(np.int64)
    said = boosted(x[:600], rare[:600], x[600:]).argmax(1)
    assert said[rare[600:] == 1].mean() > 0.32
