"""Probes that are only there where they are asked for by name, against scikit-learn and by what their papers stand on."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifierCV, SGDClassifier
from sklearn.metrics import average_precision_score
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize

import headstart as hs
from headstart.data.sources.listed import ListSource
from headstart.errors import Mistake
from headstart.log import Log
from headstart.probes import Lists, Split, every, judge, named, standardise
from headstart.probes.bayes import Moments, gaussian
from headstart.probes.centroid import Means, nearest_mean
from headstart.probes.linear import fitted
from headstart.probes.multilabel import precision
from headstart.probes.ridge import regressed
from headstart.scoring.labelled import in_turns, labelled

NAMES = ("bayes", "centroid", "ridge")


def digits() -> tuple[np.ndarray, ...]:
    """Half of scikit-learn's digits to learn from, half to be judged by."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].astype(np.float32), y[order]
    return x[:900], y[:900], x[900:], y[900:]


def gaussians(
    n: int, seed: int, per: int = 200, d: int = 200, k: int = 5, apart: float = 0.25
) -> tuple[np.ndarray, ...]:
    """n of each of k classes in d numbers to learn from, and `per` to be judged by."""
    r = np.random.default_rng(seed)
    means, y, z = apart * r.standard_normal((k, d)), np.arange(k).repeat(n), np.arange(k).repeat(per)
    x, q = (means[c] + r.standard_normal((len(c), d)) for c in (y, z))
    return x.astype(np.float32), y, q.astype(np.float32), z


def logistic(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Multinomial logistic regression by 300 steps of gradient descent on standardised features, as in the record."""
    x, z = standardise(x, z)
    w, one = np.zeros((x.shape[1], y.max() + 1)), np.eye(y.max() + 1)[y]
    for _ in range(300):
        p = np.exp(x @ w)
        w += 0.1 * x.T @ (one - p / p.sum(1, keepdims=True)) / len(x)
    return (z @ w).argmax(1)


def test_only_where_asked_for():
    assert not {p.measure for p in every("segments")} & {named(name).measure for name in NAMES}
    x, y, z, want = digits()
    marks = judge(map(named, NAMES), Split.of(x, y, z, want, (100,)))
    assert set(marks) == {"bayes", "bayes-100", "centroid", "centroid-100", "ridge-100"}
    assert all(0.75 < f.value < 1 for f in marks.values())
    quantities = Split.of(x, y.astype(np.float32), z, want.astype(np.float32), (100,))
    assert not judge(map(named, NAMES), quantities)
    turns = judge(map(named, NAMES), Split.crossed(x[:120], y[:120], (60,)))
    assert set(turns) == {"bayes", "bayes-60", "centroid", "centroid-60", "ridge-60"}
    rare = np.where(np.arange(900) < 2, 10, y)  # one class has two labels
    assert set(judge([named("bayes")], Split.of(x, rare, z, want, (100,)))) == set()
    assert (nearest_mean(0 * x, y, z) <= 1).all()


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")  # of the oracle: corners of digits are always empty
def test_classes_may_come_in_any_order():
    """NMC: the same labels from 1 task or 10, in any order, and with a class that comes back; as scikit-learn's says them."""
    x, y, z, want = digits()
    whole = nearest_mean(x, y, z).argmax(1)
    oracle = NearestCentroid().fit(normalize(x.astype(np.float64)), y).predict(normalize(z.astype(np.float64)))
    np.testing.assert_array_equal(whole, oracle)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(10)
        parts = [np.flatnonzero(y == c) for c in order]
        parts += [parts[0][5:], np.flatnonzero(y == order[1])[:3]]
        parts[0], parts[1] = parts[0][:5], np.flatnonzero(y == order[1])[3:]
        said = sum((Means.of(x[at], y[at]) for at in parts[1:]), Means.of(x[parts[0]], y[parts[0]]))
        np.testing.assert_array_equal(said.classes[said.nearness(z).argmax(1)], whole)
    accuracy, joint = (whole == want).mean(), (fitted(x, y, z).argmax(1) == want).mean()
    assert accuracy >= 0.85 * joint
    tasks, first = np.arange(10).reshape(5, 2), np.isin(want, (0, 1))
    softmax = SGDClassifier(loss="log_loss", random_state=0)
    for task in tasks:
        for _ in range(20):
            softmax.partial_fit(x[np.isin(y, task)] / 16, y[np.isin(y, task)], classes=np.arange(10))
    assert (softmax.predict(z[first] / 16) == want[first]).mean() < 0.5 * (whole[first] == want[first]).mean()


def test_naive_bayes_in_pieces_and_by_hand():
    x, y, z, _ = gaussians(20, 0)
    whole = Moments.of(x, y)
    order = np.random.default_rng(1).permutation(len(x))
    pieces = [Moments.of(x[at], y[at]) for at in np.array_split(order, 7)]
    together = sum(pieces[1:], pieces[0])
    for name in ("counts", "means", "squares"):
        np.testing.assert_allclose(getattr(together, name), getattr(whole, name), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(together.chances(z), whole.chances(z), atol=1e-8)
    variance = sum((y == c).mean() * x[y == c].astype(np.float64).var(0) for c in range(5)) + 1e-9
    means = np.stack([x[y == c].mean(0, dtype=np.float64) for c in range(5)])
    score = np.log(0.2) - 0.5 * ((z[:, None] - means) ** 2 / variance).sum(-1)
    np.testing.assert_array_equal(gaussian(x, y, z).argmax(1), score.argmax(1))
    odds = np.log(gaussian(x, y, z[:5])[:, 1:] / gaussian(x, y, z[:5])[:, :1])
    np.testing.assert_allclose(odds, (score[:5, 1:] - score[:5, :1]), rtol=1e-6, atol=1e-6)
    with pytest.raises(Mistake, match="class 3 has 2"):
        gaussian(x[np.r_[0:62]], y[np.r_[0:62]], z)


def test_naive_bayes_needs_few_labels():
    """At ten labels a class and more it is no worse than logistic regression (mean of ten draws)."""
    for per in (10, 50):
        bayes, line = np.mean(
            [
                [(gaussian(x, y, z).argmax(1) == want).mean(), (logistic(x, y, z) == want).mean()]
                for x, y, z, want in (gaussians(per, seed) for seed in range(10))
            ],
            0,
        )
        assert bayes >= line, per


def test_ridge_as_scikit_learn_has_it():
    x, y, z, _ = digits()
    for classes in (2, 10):
        keep = y < classes
        a, b = standardise(x[keep], z)
        oracle = RidgeClassifierCV(np.logspace(-1, 5, 7)).fit(a, y[keep]).predict(b)
        said = regressed(x[keep], y[keep], z)
        np.testing.assert_array_equal(said.argmax(1), oracle)
        assert said.shape == (len(z), classes) and ((said >= 0) & (said <= 1)).all()
    assert regressed(x[:3], np.zeros(3, np.int64), z).shape == (len(z), 1)


def lists(n: int, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], np.ndarray]:
    """([n, D], number of the list of each, the lists there are, [n, K]): each class is a direction, and comes by itself."""
    r = np.random.default_rng(seed)
    table = (r.random((n, classes)) < 0.3).astype(np.int64)
    x = (table @ np.random.default_rng(9).standard_normal((classes, 12)) + r.standard_normal((n, 12))).astype(
        np.float32
    )
    names, y = np.unique(
        ["; ".join(f"c{k}" for k in np.flatnonzero(row)) or "none" for row in table], return_inverse=True
    )
    return x, y, tuple(names.tolist()), table


def test_average_precision_and_what_each_judge_moves():
    r = np.random.default_rng(0)
    want = (r.random((300, 3)) < (0.1, 0.5, 0.8)).astype(np.int64)
    said = np.round(want + 2 * r.standard_normal((300, 3)), 1)  # many are as high as others
    value, moves = precision(said, want)
    assert value == pytest.approx(average_precision_score(want, said, average="macro"))
    assert moves.sum() == pytest.approx(0, abs=1e-9)
    for judge_ in (0, 17, 250):  # one judge a little heavier
        weight = np.ones(300)
        weight[judge_] += 1e-4
        moved = average_precision_score(want, said, average="macro", sample_weight=weight)
        assert (moved - value) / 1e-4 == pytest.approx(moves[judge_], rel=1e-2, abs=1e-7)
    again = [precision(said[i], want[i])[0] for i in r.integers(0, 300, (400, 300))]
    assert np.sqrt((moves**2).sum()) == pytest.approx(np.std(again), rel=0.15)


def test_every_class_of_a_list_is_told_by_itself():
    x, y, _, table = lists(600)
    halves = Split.of(x[:400], y[:400], x[400:], y[400:], (100,))
    (mark,) = judge([named("multilabel")], Lists(halves, table)).items()
    assert mark[0] == "multilabel-100-mAP" and mark[1].value > 0.8 and mark[1].n == 200 and mark[1].labels == 100
    assert mark[1].chance == pytest.approx(table[400:].mean()) and len(mark[1].draws) == 3
    assert abs(judge([named("multilabel")], Lists(halves, table))["multilabel-100-mAP"].value - mark[1].value) < 1e-12
    blind = judge([named("multilabel")], Lists(Split.of(0 * x[:400], y[:400], 0 * x[400:], y[400:], (100,)), table))
    assert abs(blind["multilabel-100-mAP"].value - mark[1].chance) < 0.05
    turns = judge([named("multilabel")], Lists(Split.crossed(x[:200], y[:200], (160,)), table[:200]))
    assert turns["multilabel-160-mAP"].value > 0.8
    assert not judge([named("multilabel")], Lists(halves, 0 * table))


def test_lists_are_judged_with_those_that_nobody_else_has():
    x, y, names, table = lists(500, 6)
    source = ListSource(list(x), "series", y, names)
    once = np.isin(y, np.flatnonzero(np.bincount(y) == 1))
    assert once.sum() > 3
    for data in (in_turns(source, np.arange(500)), labelled(source, source, np.arange(300), np.arange(300, 500))):
        assert data is not None
        found = data.lists(lambda of, at: x[at])
        order = np.concatenate([np.arange(300), np.arange(300, 500)])
        assert found is not None and len(found.table) == 500 and (found.split.x == x[order]).all()
        parts = sorted({p for n in names for p in n.split("; ")})
        assert found.table[:, parts.index("c0")].tolist() == table[order, 0].tolist()
    plain = in_turns(ListSource(list(x), "series", y % 2, ("a", "b")), np.arange(500))
    assert plain is not None and plain.lists(lambda of, at: x[at]) is None


def test_lists_on_the_command_line(tmp_path):
    x, y, names, table = lists(90)
    lines = [",".join([*(f"{v:.3f}" for v in row), names[k]]) for row, k in zip(x, y, strict=True)]
    (tmp_path / "t.csv").write_text(",".join([*(f"v{i}" for i in range(12)), "class"]) + "\n" + "\n".join(lines) + "\n")
    words = {"steps": 2, "model.width": 16, "model.depth": 1, "model.heads": 2, "run.out": str(tmp_path / "r")}
    hs.pretrain(tmp_path / "t.csv", log=Log(quiet=True), **words)
    said: list[str] = []
    log = Log(quiet=True)
    log.say = said.append
    table = hs.probe(tmp_path / "r", tmp_path / "t.csv", log=log, probes="multilabel")
    (name,) = (n for n in table["raw input"] if n.startswith("multilabel"))
    assert all(name in table[row] for row in ("random encoder", "pre-trained")) and table["raw input"][name].value > 0.5
    assert f"{name} " in said[-1].partition("worth")[2]
    said.clear()
    assert name in hs.probe(tmp_path / "r", tmp_path / "t.csv", log=log)["pre-trained"]
    assert any("labels are lists of several classes: multilabel judges" in line for line in said)
    assert f"{name} " in said[-1].partition("worth")[2]
    with pytest.raises(Mistake, match="multilabel judges labels that are lists"):
        (tmp_path / "u.csv").write_text((tmp_path / "t.csv").read_text().replace("; ", " "))
        hs.probe(tmp_path / "r", tmp_path / "u.csv", log=log, probes="multilabel")
