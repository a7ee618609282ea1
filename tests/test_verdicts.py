"""A verdict needs judges: intervals hold as often as they say, few labels judge in turns, uneven classes are marked fairly."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from tests.parts import Listed

import headstart as hs
from headstart.log import Log
from headstart.probes import Figure, Gain, Sides, Split, figure, gain, judge, named
from headstart.probes._marking import auc, balanced, r2, share
from headstart.probes._split import folds
from headstart.probes.linear import fitted
from headstart.probes.recall import recall
from headstart.scoring.labelled import in_turns
from headstart.scoring.results import Judged, against, keep_results, kept_results, summary


def told(split: Split, name: str = "linear", learner=fitted, count=None) -> dict[str, Figure]:
    return dict(split.judged(name, learner, count))


def of_right(right: np.ndarray, groups: np.ndarray | None = None) -> Figure:
    value, moves = share(right.astype(float))
    return figure(value, moves, groups=groups)


# intervals


@pytest.mark.parametrize("n", [20, 60, 300])
def test_intervals_hold_as_often_as_they_say(n):
    """Of one accuracy, and of the difference of two that are judged by the same: 95 % of 95 % intervals hold the truth, a few of
    small samples more; that of the difference is narrower than if others had judged."""
    r, held, paired, narrower = np.random.default_rng(0), 0, 0, 0
    for _ in range(400):
        hard = r.random(n)
        a, b = hard < 0.7 + 0.05 * (r.random(n) - 0.5), hard < 0.6 + 0.05 * (r.random(n) - 0.5)  # alike in what is hard
        one, other = of_right(a), of_right(b)
        held += abs(one.value - 0.7) <= one.half
        said = gain(one, other)
        paired += abs(said.value - 0.1) <= said.half
        narrower += said.half < gain(replace(one, moves=None), other).half
    assert 0.92 * 400 <= held <= 0.995 * 400
    assert paired >= 0.92 * 400 and narrower >= 0.95 * 400


def test_nobody_is_certain_with_few_judges():
    """20 of 20 right is no accuracy of 1.000 ± 0.000."""
    assert of_right(np.ones(20)).half > 0.1 and of_right(np.ones(2000)).half < 0.002


def test_judges_that_hang_together_are_few():
    """Ten windows of each of 30 recordings say no more than 30 recordings."""
    r, whose = np.random.default_rng(0), np.repeat(np.arange(30), 10)
    right = (r.random(30) < 0.5)[whose]
    alone, together = of_right(right), of_right(right, whose)
    assert together.units == 30 and together.n == 300 and together.half > 2.5 * alone.half
    held = 0
    for _ in range(300):
        value = of_right((r.random(30) < 0.5)[whose], whose)
        held += abs(value.value - 0.5) <= value.half
    assert 0.92 * 300 <= held <= 0.995 * 300


def test_draws_of_labels_widen_an_interval():
    value, moves = share(np.tile([1.0, 0, 1, 1], 100))
    sure, unsure = figure(value, moves, [0.75, 0.75, 0.75]), figure(value, moves, [0.65, 0.75, 0.85])
    assert unsure.half > 1.5 * sure.half
    apart = gain(figure(value, moves, [0.65, 0.75, 0.85]), figure(value, moves, [0.60, 0.70, 0.80]))
    assert apart.half < unsure.half / 1.5  # the same labels were drawn for both


# measures


def test_measures_are_those_of_the_field_and_judges_move_them():
    r = np.random.default_rng(0)
    want = r.choice(3, 400, p=[0.7, 0.2, 0.1])
    score = np.eye(3)[want] + r.standard_normal((400, 3))
    said = score.argmax(1)
    assert balanced((said == want).astype(float), want)[0] == pytest.approx(balanced_accuracy_score(want, said))
    by_class = [roc_auc_score(want == c, score[:, c]) for c in range(3)]
    assert auc(score, want, np.arange(3))[0] == pytest.approx(np.mean(by_class))
    y = r.standard_normal(400) * 3 + 5
    error = (y + r.standard_normal(400) - y) ** 2
    assert r2(error, y)[0] == pytest.approx(1 - error.mean() / y.var())
    measures = {
        "balanced": lambda at: balanced((said == want)[at].astype(float), want[at]),
        "auc": lambda at: auc(score[at], want[at], np.arange(3)),
        "r2": lambda at: r2(error[at], y[at]),
        "share": lambda at: share((said == want)[at].astype(float)),
    }
    for name, measure in measures.items():
        _, moves = measure(np.arange(400))
        assert abs(moves.sum()) < 1e-9 and moves.shape == (400,)
        boot = np.std([measure(r.integers(0, 400, 400))[0] for _ in range(300)])
        assert (moves**2).sum() ** 0.5 == pytest.approx(boot, rel=0.15), name


def uneven(n=600, seed=0):
    """Two classes, 85 to 15, that a line tells apart now and then."""
    r = np.random.default_rng(seed)
    y = (r.random(n) < 0.15).astype(np.int64)
    return (np.stack([y + r.standard_normal(n), r.standard_normal(n)], 1)).astype(np.float32), y


def test_uneven_classes_are_marked_fairly():
    """Learning from as many of each and accuracy against the commonest class put every figure below chance."""
    (x, y), (z, w) = uneven(seed=1), uneven(seed=2)
    split = Split.of(x, y, z, w, (100,))
    marks = judge([named("knn"), named("linear")], split)
    assert list(marks) == ["knn-balanced", "linear-100-balanced", "linear-100-AUC"]
    assert all(f.chance == 0.5 for f in marks.values())
    assert 0.6 < marks["linear-100-balanced"].value < 0.8 < 1.05 * marks["linear-100-AUC"].value
    nothing = told(split, learner=lambda x, y, z: np.zeros(len(z), np.int64))
    assert nothing["linear-balanced"].value == 0.5  # who always says the commonest is at chance
    even = told(Split.of(x, np.arange(600) % 2, z, np.arange(600) % 2))
    assert list(even) == ["linear"] and even["linear"].chance == 0.5


# in turns


def test_folds_divide_everyone_once_by_class_and_group():
    y = np.array([0] * 40 + [1] * 15 + [2] * 5)
    for seed in range(3):
        turns = folds(y, None, seed)
        assert sorted(np.concatenate([judge for _, judge in turns])) == list(range(60)) and len(turns) == 5
        for learn, judge_ in turns:
            assert not set(learn) & set(judge_) and len(learn) + len(judge_) == 60
            assert np.bincount(y[judge_], minlength=3).tolist() == [8, 3, 1]
    whose = np.arange(60) // 6
    for learn, judge_ in folds(y, whose, 0):
        assert not set(whose[learn]) & set(whose[judge_])
    assert [j.tolist() for _, j in folds(y, None, 0)] != [j.tolist() for _, j in folds(y, None, 1)]
    q = np.sort(np.random.default_rng(0).standard_normal(50))
    assert all(abs(q[j].mean() - q.mean()) < 0.4 for _, j in folds(q, None, 0))


def test_few_labels_all_judge():
    """60 labels were judged by 20 of them; now by 60, several times, and no answer is of one who was learnt from."""
    r = np.random.default_rng(0)
    y = np.arange(60) % 2
    noise = r.standard_normal((60, 4)).astype(np.float32)
    seen = []

    def spy(x, labels, z):
        assert not {row.tobytes() for row in x} & {row.tobytes() for row in z}
        seen.append(len(z))
        return fitted(x, labels, z)

    split = Split.crossed(noise, y)
    one = told(split, learner=spy)["linear"]
    assert one.n == 60 and len(one.draws) == 5 and sum(seen) == 300
    assert abs(one.value - 0.5) <= 1.2 * one.half and one.half > 0.08
    signal = (noise + 1.5 * y[:, None]).astype(np.float32)
    better = told(Split.crossed(signal, y))["linear"]
    assert gain(better, one).clear == 1 and better.value > 0.85
    source = Listed(list(range(60)), "image", y)
    known = in_turns(source, np.arange(60))
    assert known is not None and known.crossed and in_turns(source, np.arange(12)) is None
    lonely = Listed(list(range(60)), "image", np.array([7, *y[1:]]))
    assert in_turns(lonely, np.arange(60)).bank_at.tolist() == list(range(1, 60))  # a class of one can never be told


# words


def table(mine: float, theirs: float, n: int, seed: int = 0, same: float = 0.9):
    """Two rows of accuracies by n judges who agree in most."""
    r = np.random.default_rng(seed)
    hard, own = r.random(n), r.random(n) < same
    a, b = hard < mine, np.where(own, hard, r.random(n)) < theirs
    return {"raw input": {"knn": of_right(b)}, "pre-trained": {"knn": of_right(a)}}


def test_a_handful_of_judges_decides_nothing():
    said = summary(table(0.45, 0.5, 20))
    assert (
        said.startswith("cannot be told with 20 judges whether pre-training helps: knn 0.")
        and "do not bother" not in said
    )
    assert " of the raw input (" in said and said.endswith("more judges would tell the two apart in knn")
    assert summary(table(0.8, 0.6, 2000)).startswith("pre-training helps: knn 0.794")
    assert summary(table(0.6, 0.8, 2000)).startswith("pre-training does not help: worse in knn 0.")
    assert summary(table(0.6, 0.6, 20_000, same=1.0)).startswith(
        "pre-training is level with what it has to beat in knn"
    )
    mixed = table(0.8, 0.6, 2000)
    for row, marks in table(0.6, 0.8, 2000).items():
        mixed[row]["linear-100"] = marks["knn"]
    assert "helps in part: knn" in summary(mixed) and "it is worse in linear-100" in summary(mixed)


def test_what_is_told_by_chance_is_no_verdict():
    """Everyone always says the commonest class: "level with what it has to beat" was true, and misled."""
    flat = {name: replace(of_right(np.arange(400) % 2), chance=0.5) for name in ("knn", "linear-100")}
    said = summary({"raw input": flat, "pre-trained": flat})
    assert said.startswith("nothing here is told better than by chance, with pre-training or without (knn 0.500 ± ")
    assert "by chance 0.500" in said and said.endswith("the labels may not be in the data, or more of them are needed")
    good = {name: replace(of_right(np.arange(400) % 4 > 0), chance=0.5) for name in flat}
    assert summary({"raw input": flat, "pre-trained": good}).startswith("pre-training helps")


def test_four_judges_are_none():
    one, other = of_right(np.ones(4)), of_right(np.zeros(4))
    assert gain(one, other).clear == 0
    found = dict(recall.measure(Sides(np.eye(4, 8), np.eye(4, 8))))
    assert list(found) == ["recall-1"]  # among four everything is one of five


def test_what_must_be_asked_for_is_what_would_tell():
    """With as many judges more as the sentence asks for, a difference that is what it seemed to be is told about every other
    time; two that are the same are found to be level."""
    (each,) = against(table(0.56, 0.5, 100, same=0.5))
    assert not each.gain.clear
    won = Gain(0.06, each.gain.half, 100)
    clear = [
        against(table(0.56, 0.5, 100 + (won.more or 0), seed, same=0.5))[0].gain.clear for seed in range(60)
    ]  # it is the middle of what may come out
    assert 0.35 < np.mean(clear) < 0.85
    alike = Gain(0.0, 0.05, 200)
    assert 0.05 * (200 / (200 + (alike.more or 0))) ** 0.5 == pytest.approx(0.019, rel=0.02)


def test_it_is_said_what_more_judges_would_show():
    """What lies nearer to 0 than to a difference that matters is found level, not told apart; draws of labels are no judges."""
    assert Gain(-0.003, 0.024, 200).asks == "about 250 more judges would show that the two are level"
    assert Gain(0.06, 0.08, 100).asks == "about 97 more judges would tell the two apart"
    half = Gain(0.06, 0.08, 100, drawn=0.05)  # what is left of 0.057 is for the judges
    assert half.more == round(100 * ((0.08**2 - 0.05**2) / (0.057**2 - 0.05**2) - 1)) > 400
    assert Gain(0.06, 0.08, 100, drawn=0.058).asks == "more judges would not tell: draws of labels differ by too much"
    right = np.random.default_rng(0).random(200) < 0.7
    one, other = (replace(of_right(right), draws=(0.6, 0.7, 0.8)), replace(of_right(~right), draws=(0.8, 0.7, 0.6)))
    assert gain(one, other).drawn > 0.15 > gain(one, one).drawn == 0 == gain(of_right(right), of_right(~right)).drawn


def test_noise_is_never_said_to_help():
    """No more often than 95 % intervals are wrong."""
    wrong = 0
    for seed in range(200):
        r = np.random.default_rng(seed)
        y = np.arange(120) % 2
        rows = {
            row: dict(
                Split.crossed(r.standard_normal((120, 3)).astype(np.float32), y, rounds=2).judged("knn", _nearest)
            )
            for row in ("raw input", "pre-trained")
        }
        wrong += against(rows)[0].gain.clear != 0
    assert wrong <= 0.06 * 200


def _nearest(bank, labels, query):
    return labels[((query[:, None] - bank[None]) ** 2).sum(-1).argmin(1)]


def test_rivals_stand_against_as_many_labels():
    """Boosted trees stood in the column of the neighbours."""
    trees = {
        "trees": replace(of_right(np.ones(50)), labels=200),
        "trees-100": replace(of_right(np.zeros(50)), labels=100),
    }
    mine = {
        "knn": replace(of_right(np.zeros(50)), labels=200),
        "linear-100": replace(of_right(np.ones(50)), labels=100),
    }
    found = {a.name: (a.rival, a.other.value) for a in against({"boosted trees": trees, "pre-trained": mine})}
    assert found == {"knn": ("boosted trees", 1.0), "linear-100": ("boosted trees", 0.0)}


def test_what_judges_moved_is_kept(tmp_path):
    results = table(0.7, 0.6, 50)
    keep_results(tmp_path / "baselines.json", results, read="mean")
    back = kept_results(tmp_path / "baselines.json")
    assert back == results and summary(back) == summary(results)
    kept = json.loads(json.dumps(Judged(results, "mean", 5, 50).kept()))
    assert kept["worth"] == summary(results)


# runs


def pictures(place, n, labelled):
    """n pictures, of which some lie in folders of two classes."""
    r = np.random.default_rng(0)
    for i in range(n):
        file = place / (("dark", "light")[i % 2] if i < labelled else "unlabelled") / f"{i:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(r.integers(60 * (i % 2), 120 + 60 * (i % 2), (8, 8, 3), dtype=np.uint8)).save(file)
    return place


@pytest.mark.parametrize("n", [300, 60])
def test_few_labels_of_a_run(n, tmp_path, capsys):
    """60 labelled among 300: none of them is learnt from, all judge. Of 60 all are learnt from without their labels, and all
    judge."""
    place, words = pictures(tmp_path / "data", n, 60), {"steps": 2, "size": "XS", "data.batch": 8, "run.device": "cpu"}
    run = hs.pretrain(str(place), log=Log(), **words, **{"run.out": str(tmp_path / "a")})
    said = capsys.readouterr().out
    where = "kept out of training" if n == 300 else "training sees without their labels"
    assert f"60 labelled samples, which {'are ' if n == 300 else ''}{where}, judge it in turns" in said
    assert json.loads((tmp_path / "a" / "run.json").read_text())["plan"]["samples"] == (240 if n == 300 else 60)
    assert all(f.n == 60 for marks in run.results.values() for f in marks.values())
    (worth,) = [line for line in said.splitlines() if line.startswith("worth")]
    sentence = worth.removeprefix("worth").strip()
    kept = json.loads((tmp_path / "a" / "probe.json").read_text())
    assert kept["worth"] == sentence == summary(run.results)
    page, card = (tmp_path / "a" / "report.html").read_text(), (tmp_path / "a" / "README.md").read_text()
    assert sentence in page and sentence.casefold() in card.casefold()


def test_a_handful_of_patients_tells_nothing_however_many_rows_each_has():
    whose = np.repeat(np.arange(6), 40)
    better, worse = (figure(v, np.zeros(240), (), whose) for v in (0.9, 0.5))
    alone = [figure(v, np.zeros(240)) for v in (0.9, 0.5)]
    assert gain(better, worse).n == 6 and gain(better, worse).clear == 0 and gain(*alone).clear == 1


def test_those_who_hang_together_judge_as_one():
    rng = np.random.default_rng(0)
    x, y, whose = rng.normal(size=(80, 4)).astype(np.float32), np.arange(80) % 2, np.arange(80) // 8
    for split in (Split.of(x, y, x, y, groups=whose), Split.crossed(x, y, groups=whose)):
        ((_, figure),) = split.judged("line", fitted)
        assert figure.units == 10 and figure.n == 80


def test_five_patients_are_too_few_to_say_that_there_is_nothing():
    whose = np.repeat(np.arange(5), 40)
    right = np.repeat([1.0, 1, 1, 1, 0.6], 40)
    one = figure(float(right.mean()), (right - right.mean()) / 200, (), whose, 0.5)
    said = summary({"raw input": {"knn": one}, "random encoder": {"knn": one}, "pre-trained": {"knn": one}})
    assert "better than by chance" not in said and said.startswith("cannot be told with 5 judges")
