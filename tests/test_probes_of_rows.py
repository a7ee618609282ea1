"""Probes that look at rows, and at who finds whom, on made-up data in which their idea shows, against plain references."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, jaccard_score, roc_auc_score
from tests.vectors import encoder_of, pictures
from typer.testing import CliRunner

import headstart as hs
from headstart.cli import app
from headstart.data.open import open_source
from headstart.data.source import Subset
from headstart.errors import Mistake
from headstart.log import Log
from headstart.probes import Split, asked_for, gain, judge, named, names, standardise
from headstart.probes._marking import iou
from headstart.probes.attentive import gathered
from headstart.probes.linear import fitted
from headstart.probes.prompted import otsu, pointed
from headstart.probes.retrieval import ranked
from headstart.probes.same_object import bilinear, paired
from headstart.scoring import labelled

QUIET = Log(quiet=True)


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def objects(rng: np.random.Generator, n: int, width: int = 48, rows: int = 20, told: bool = True) -> tuple:
    """n samples of two objects of the same class, in rows [n, T, D] with the object [n, T] and the class [n]: every row carries
    its class, and, where told, a code of its object that is new in every sample."""
    which, kind = rng.integers(0, 2, (n, rows)), rng.integers(0, 2, n)
    x = 0.6 * rng.standard_normal((n, rows, width))
    x[:, :, 0] += np.where(kind, 3, -3)[:, None]
    if told:
        code = 3 * rng.standard_normal((n, 2, width // 4))
        x[:, :, -(width // 4) :] += np.take_along_axis(code, which[:, :, None], 1)
    return x.astype(np.float32), which, kind


def split_of(rng: np.random.Generator, told: bool = True) -> Split:
    (x, y, _), (z, want, _) = (objects(rng, n, told=told) for n in (80, 40))
    flat = np.concatenate([x, z]).reshape(-1, x.shape[2])
    groups = np.arange(120).repeat(x.shape[1])
    learn = np.arange(80 * x.shape[1])
    turn = learn, np.arange(len(learn), len(flat))
    return Split(flat, np.concatenate([y, want]).ravel(), ((turn,),), groups=groups)


def test_retrieval_as_it_is_counted_by_hand():
    rng = chance()
    y, want = rng.integers(0, 3, 90), rng.integers(0, 3, 40)
    means = rng.standard_normal((3, 8))
    x, z = (means[c] + rng.standard_normal((len(c), 8)) for c in (y, want))
    first, ten, early = ranked(x, y, z, want)
    a, b = standardise(x, z)
    near = (b / np.linalg.norm(b, axis=1, keepdims=True)) @ (a / np.linalg.norm(a, axis=1, keepdims=True)).T
    best = [average_precision_score(y == c, row) for c, row in zip(want, near, strict=True)]
    np.testing.assert_allclose(early, best, atol=1e-5)
    np.testing.assert_array_equal(first, y[near.argmax(1)] == want)
    tens = np.argsort(-near, 1)[:, :10]
    np.testing.assert_array_equal(ten, (y[tens] == want[:, None]).any(1))


def test_retrieval_has_intervals_and_ties_are_chance():
    rng = chance()
    y = np.arange(300) % 3
    x = (chance(1).standard_normal((3, 6))[y] + 0.3 * rng.standard_normal((300, 6))).astype(np.float32)
    split = Split.of(x[:200], y[:200], x[200:], y[200:])
    marks = judge(asked_for("retrieval"), split)
    assert list(marks) == ["retrieval-1", "retrieval-10", "retrieval-mAP"]
    assert marks["retrieval-mAP"].value > 0.9 and marks["retrieval-mAP"].n == 100
    assert marks["retrieval-1"].chance == pytest.approx(1 / 3, abs=0.01)
    alike = judge(asked_for("retrieval"), Split.of(0 * x[:200], y[:200], 0 * x[200:], y[200:]))
    for name, mark in alike.items():
        assert abs(mark.value - mark.chance) < 0.08, name
        assert gain(marks[name], mark).clear > 0 or name == "retrieval-10"
    broken = judge(asked_for("retrieval"), Split.of(x[:200], y[:200], x[200:] * np.nan, y[200:]))
    assert abs(broken["retrieval-1"].value - 1 / 3) < 0.08
    turns = judge(asked_for("retrieval"), Split.crossed(x[:60], y[:60]))
    assert turns["retrieval-1"].n == 60 and len(turns["retrieval-1"].draws) > 1
    assert not judge(asked_for("retrieval"), Split.crossed(x[:60], y[:60].astype(np.float32)))


def needles(rng: np.random.Generator, n: int, rows: int = 16, width: int = 12) -> tuple:
    """Sets of rows of which one, marked in column 0, says the class in column 1; the others say as much at random."""
    y = rng.integers(0, 2, n)
    sets = np.empty(n, object)
    for i in range(n):
        x = rng.standard_normal((rows - i % 3, width))
        x[:, 1] = 3 * rng.choice([-1, 1], len(x))
        at = rng.integers(len(x))
        x[at, 0], x[at, 1] = 6, 3 if y[i] else -3
        sets[i] = x.astype(np.float32)
    return sets, y


def test_attention_finds_the_row_that_says_it():
    (bank, y), (query, want) = needles(chance(0), 200), needles(chance(1), 200)
    said = gathered(bank, y, query)
    assert said.shape == (200, 2) and np.allclose(said.sum(1), 1)
    means = [np.stack([x.mean(0) for x in sets]) for sets in (bank, query)]
    line = (fitted(means[0], y, means[1]).argmax(1) == want).mean()
    assert (said.argmax(1) == want).mean() > 0.9 > 0.8 > line
    amount = np.array([x[x[:, 0].argmax(), 1] for x in bank]).astype(np.float32)
    asked = np.array([x[x[:, 0].argmax(), 1] for x in query])
    guess = gathered(bank, amount, query)
    assert guess.shape == (200,) and 1 - ((guess - asked) ** 2).mean() / asked.var() > 0.5


def test_iou_as_scikit_learn_has_it_and_its_interval_as_resampling_has():
    rng = chance()
    want = rng.integers(0, 3, 600)
    said = np.where(rng.random(600) < 0.7, want, rng.integers(0, 3, 600))
    value, moves = iou((said[:, None] == np.arange(4)).astype(float), want, np.arange(4))
    assert value == pytest.approx(jaccard_score(want, said, average="macro"))
    assert abs(moves.sum()) < 1e-9
    again = [jaccard_score(want[i], said[i], average="macro") for i in rng.integers(0, 600, (300, 600))]
    assert (moves**2).sum() ** 0.5 == pytest.approx(np.std(again), rel=0.15)


def test_segments_are_named_by_few_rows():
    """What stands where, on rows that say it linearly, and hang together by sample."""
    rng = chance()
    y = rng.integers(0, 3, 40 * 12)
    x = (2 * chance(1).standard_normal((3, 6))[y] + rng.standard_normal((len(y), 6))).astype(np.float32)
    groups = np.arange(40).repeat(12)
    half = 20 * 12
    split = Split.of(x[:half], y[:half], x[half:], y[half:], (60,), groups[half:])
    (mark,) = judge(asked_for("segment", ("rows",)), split).items()
    assert mark[0] == "segment-60-IoU" and mark[1].units == 20 and mark[1].labels == 60
    assert mark[1].value > 0.6 > 3 * mark[1].chance - 0.05 and len(mark[1].draws) == 3
    lost = Split.of(0 * x[:half], y[:half], 0 * x[half:], y[half:], (60,), groups[half:])
    assert judge(asked_for("segment", ("rows",)), lost)["segment-60-IoU"].value < 1.3 * mark[1].chance


def test_pointing_at_a_row_takes_its_object():
    marks = judge(asked_for("prompted", ("rows",)), split_of(chance()))
    assert marks["prompted-AUC"].value > 0.8 and marks["prompted-IoU"].value > 0.65 and marks["prompted-AUC"].n == 40
    blind = judge(asked_for("prompted", ("rows",)), split_of(chance(), told=False))
    assert abs(blind["prompted-AUC"].value - 0.5) < 0.03 and blind["prompted-IoU"].value < 0.5
    near, labels = chance().random((9, 9)), np.arange(9) % 2
    rest = ~np.eye(9, dtype=bool)
    by_hand = [roc_auc_score(labels[rest[i]] == labels[i], near[i][rest[i]]) for i in range(9)]
    assert pointed(near, labels)[0] == pytest.approx(np.mean(by_hand))
    assert pointed(near, np.zeros(9)) is None and pointed(near, np.arange(9)) is None
    x = np.concatenate([chance().normal(0, 0.1, 30), chance().normal(1, 0.1, 20)])
    cuts = [(x[x <= t].size * x[x > t].size) * (x[x <= t].mean() - x[x > t].mean()) ** 2 for t in np.sort(x)[:-1]]
    assert otsu(x[None])[0] == np.sort(x)[int(np.argmax(cuts))]


def test_a_bilinear_form_sees_which_rows_are_of_one_object():
    """The record's check: an instance code gives an AUC above 0.9, the class alone below 0.6; without the leading directions of
    the form it is below 0.6, while a linear probe of the class loses fewer than 5 points."""
    assert judge(asked_for("same_object", ("rows",)), split_of(chance()))["same_object-AUC"].value > 0.9
    assert judge(asked_for("same_object", ("rows",)), split_of(chance(), told=False))["same_object-AUC"].value < 0.6
    x, which, kind = objects(chance(1), 120)
    x = standardise(x.reshape(-1, x.shape[2]), x.reshape(-1, x.shape[2]))[1].reshape(x.shape)
    form, _ = bilinear(list(zip(x[:80], which[:80], strict=True)))
    assert np.allclose(form, form.T)
    values, vectors = np.linalg.eigh(form)
    lead = vectors[:, np.argsort(-np.abs(values))[:8]]
    less = (x - x @ lead @ lead.T).astype(np.float32)
    aucs, named_right = [], []
    for z in (x, less):
        aucs.append(np.mean([paired(a, b, form) for a, b in zip(z[80:], which[80:], strict=True)]))
        flat, rows = z.reshape(-1, z.shape[2]), kind.repeat(z.shape[1])
        half = 80 * z.shape[1]
        named_right.append(LogisticRegression().fit(flat[:half], rows[:half]).score(flat[half:], rows[half:]))
    assert aucs[0] > 0.9 and aucs[1] < 0.6 and named_right[0] - named_right[1] < 0.05


# by name


def test_names_are_known_or_told(tmp_path: Path) -> None:
    assert [p.measure.__name__ for p in asked_for("bayes, retrieval,bayes")] == ["bayes", "retrieval"]
    assert asked_for(()) == asked_for("") == []
    assert {p.of for p in asked_for("all")} == {"segments", "sets"} and named("knn") in asked_for("all")
    with pytest.raises(
        Mistake, match=r"no probe 'retreival'; did you mean retrieval\? the probes are: attentive, bayes"
    ):
        asked_for("retreival")
    with pytest.raises(
        Mistake, match=r"segment judges rows, and here only samples have labels: masks beside .* hs\.probe"
    ):
        asked_for("retrieval,segment")
    with pytest.raises(Mistake, match="recall judges two parts of each sample"):
        asked_for(["recall"])
    said = CliRunner().invoke(app, ["probe", "-h"]).output
    assert all(name in said for name in names() if named(name).of != "pairs")
    place = pictures(tmp_path / "data")
    run = encoder_of(str(place), tmp_path / "run")
    wrong = CliRunner().invoke(app, ["probe", str(run), str(place), "probes=centroids"])
    assert wrong.exit_code == 2 and "did you mean centroid?" in wrong.output + wrong.stderr


@pytest.fixture
def less_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """The linear probe with less of a search, which takes most of the time."""
    monkeypatch.setattr(Split.crossed.__func__, "__defaults__", ((), None, 1))


@pytest.mark.usefixtures("less_search")
def test_a_verb_puts_them_into_the_table(tmp_path: Path) -> None:
    place = pictures(tmp_path / "data")
    run = encoder_of(str(place), tmp_path / "run")
    table = hs.probe(run, str(place), log=QUIET, probes=("retrieval", "attentive", "knn"))
    some = {"knn", "linear-32", "retrieval-1", "retrieval-10", "retrieval-mAP", "attentive-32"}
    assert all(set(marks) == some for marks in table.values())
    assert table["raw input"]["attentive-32"].value > 0.8


@pytest.mark.usefixtures("less_search")
def test_labels_of_rows_alone_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array of pictures without labels, each half dark and half bright, of which somebody knows which rows are which."""
    rng = chance()
    x = np.zeros((60, 8, 8, 1))
    for one in x:
        one[rng.integers(2, 7) :] = 180
    x = (x + rng.integers(0, 50, x.shape)).astype(np.uint8)
    np.save(tmp_path / "x.npy", x)
    run = encoder_of(str(tmp_path / "x.npy"), tmp_path / "run")

    def lit(source: object, i: int) -> np.ndarray:
        return (x[i, ::2, ::2, 0].ravel() > 115).astype(np.int64)

    source = open_source(str(tmp_path / "x.npy"))
    turns = labelled.by_rows(source, lit, 0.3)
    assert turns.crossed and not turns.named and len(turns.query_at) == 60
    monkeypatch.setattr(labelled, "FEW_OF_ROWS", 0)
    apart = labelled.by_rows(source, lit, 0.3)
    assert len(apart.query_at) == 18 and not {*apart.query_at} & {*apart.bank_at}
    assert labelled.by_rows(Subset(source, [0]), lit, 0.3) is None
    table = hs.probe(run, str(tmp_path / "x.npy"), log=QUIET, probes="all", rows=lit)
    few = {"segment-100-IoU", "segment-600-IoU"}
    assert set(table["raw input"]) == few | {"prompted-AUC", "prompted-IoU", "same_object-AUC"}
    assert table["raw input"]["segment-100-IoU"].value > 0.6 and table["raw input"]["prompted-AUC"].value > 0.8
    assert table["raw input"]["prompted-AUC"].n == 18
