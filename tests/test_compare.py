"""Compare: every way by one split, a verdict that can say no, and what must be paid for it is said."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.parts import TINY, Listed
from tests.parts import data as pictured
from tests.test_verdicts import of_right, pictures

import headstart as hs
from headstart.comparing.chart import page
from headstart.comparing.clock import Clock
from headstart.comparing.comparing import compared, counted, together
from headstart.comparing.told import Cell, Compared, read
from headstart.comparing.ways import FROZEN, RAW, SCRATCH, TUNED, Start, Way, tuned
from headstart.data.source import DataError
from headstart.errors import Mistake
from headstart.log import Log, span
from headstart.nn.encoder import encoder
from headstart.probes import Split
from headstart.probes.linear import fitted
from headstart.scoring.labelled import Labelled, in_turns, labelled
from headstart.verbs.compare import _labels_of


def quiet() -> Log:
    return Log(quiet=True)


def known(n: int, quantity: bool = False, seed: int = 0) -> tuple[Labelled, np.ndarray]:
    """Labelled samples of which half judge, and vectors [n, 12] whose first number tells the label."""
    r = np.random.default_rng(seed)
    y = r.standard_normal(n).astype(np.float32) if quantity else r.integers(0, 2, n)
    x = r.standard_normal((n, 12)).astype(np.float32)
    x[:, 0] += 3 * y
    source = Listed(list(range(n)), "image", y)
    data = labelled(source, source, np.arange(n // 2), np.arange(n // 2, n))
    assert data is not None
    return data, x


def noise(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 12)).astype(np.float32)


def ways(mine: np.ndarray, theirs: np.ndarray) -> list[Way]:
    both = np.concatenate([theirs, mine], 1)
    return [
        Way(RAW, FROZEN, lambda: theirs, fitted),
        Way("a", FROZEN, lambda: mine, fitted, "a"),
        Way(f"{RAW} + a", FROZEN, lambda: both, fitted, "a", beside=True),
    ]


def test_what_tells_the_label_is_worth_it_and_noise_is_not():
    data, x = known(1200)
    found = compared(data, ways(x, noise(1200)), (50, 400), 3, quiet())
    assert found.counts == [50, 400] and found.measure == "accuracy"
    each = {(c.way, c.labels): c.figure for c in found.cells}
    assert each["a", 400].value > 0.9 and abs(each[RAW, 400].value - 0.5) < 0.06
    assert each["a", 50].labels == 50 and len(each["a", 50].draws) == 3 and each["a", 50].n == 600
    assert found.verdict.startswith("With 50 labels pre-training is worth +")
    assert "a with a linear model 0.9" in found.verdict and f"of the {RAW}" in found.verdict
    assert f"With 400 labels a adds to the {RAW} (+" in found.verdict
    no = compared(data, ways(noise(1200), x), (50, 400), 3, quiet())
    assert "With 50 labels pre-training is not worth it, -" in no.verdict and "is worth" not in no.verdict
    neither = compared(data, ways(noise(1200), noise(1200, 2)), (50, 400), 3, quiet())
    assert "is worth" not in neither.verdict and neither.verdict.count("nothing is told better than by chance") == 2
    half = np.where(np.random.default_rng(5).random((1200, 1)) < 0.5, x, noise(1200)).astype(np.float32)
    open_ = compared(data, ways(half, half + 0.6 * noise(1200, 3)), (400,), 3, quiet())
    assert (
        "cannot be told to help with 600 judges" in open_.verdict
        and "would show that the two are level" in open_.verdict
    )


def test_quantities_and_few_labels():
    data, x = known(400, quantity=True)
    found = compared(data, ways(x, noise(400)), (100,), 2, quiet())
    assert (
        found.measure == "R2"
        and "points" not in found.verdict
        and found.cells[1].figure.value > 0.8
        and abs(found.cells[0].figure.value) < 0.3
    )
    r = np.random.default_rng(0)
    y = np.arange(60) % 2
    few = in_turns(Listed(list(range(60)), "image", y), np.arange(60))
    assert few is not None
    better = (r.standard_normal((60, 12)) + 2 * y[:, None]).astype(np.float32)
    said = compared(few, ways(better, noise(60)), (20, 600), 3, quiet())
    assert said.counts == [20, 48] and all(c.figure.n == 60 for c in said.cells)  # of 60 no more than 48 teach at once
    assert "in turns (cross-validation)" in said.judged and "60 judges" in said.judged


def test_judges_are_those_that_hang_together_everywhere():
    data, x = known(400)
    data.query.groups = np.arange(400) // 5
    found = compared(data, ways(x, noise(400)), (100,), 1, quiet())
    assert "accuracy by 40 judges (200 samples, of which those of one group" in found.judged
    assert found.cells[0].figure.units == 40


def test_too_few_labels_for_the_classes_are_left_out_and_said():
    r = np.random.default_rng(0)
    y = r.integers(0, 10, 400)
    source = Listed(list(range(400)), "image", y)
    data = labelled(source, source, np.arange(200), np.arange(200, 400))
    assert data is not None
    found = compared(data, ways(noise(400), noise(400, 2)), (10, 100), 2, quiet())
    assert found.counts == [100] and found.notes == ("labels=10 is left out: 10 classes need at least 20",)


def test_numbers_of_labels_are_counts_or_shares_of_what_can_be_learnt_from():
    """What is more than there is becomes all there is, and is no other figure than that; all of it is said."""
    data, _ = known(400)
    assert counted(data, (0.1, 50, 0.5)) == ([20, 50, 100], [])
    assert counted(data, (9999, 200, 0.999)) == ([200], ["labels=9,999 is 200: no more can be learnt from at once"])
    assert counted(data, (0.01, 3)) == (
        [200],
        [
            "labels=0.01 (2 of 200) is left out: 2 classes need at least 4",
            "labels=3 is left out: 2 classes need at least 4",
        ],
    )
    assert counted(known(400, quantity=True)[0], (0.001, 5)) == (
        [5], ["labels=0.001 (0 of 200) is left out: it takes at least 2"]
    )  # fmt: skip


def cell(way: str, value: float, labels: int, how: str = FROZEN, mine: str = "", n: int = 4000) -> Cell:
    right = np.zeros(n)
    right[: round(value * n)] = 1
    return Cell(way, how, mine, False, labels, of_right(np.random.default_rng(3).permutation(right)), 1.0)


def test_from_where_on_it_is_not_worth_it():
    cells = []
    for labels, scratch, mine in ((100, 0.6, 0.75), (600, 0.7, 0.78), (5000, 0.9, 0.9)):
        cells += [cell(RAW, 0.5, labels), cell(SCRATCH, scratch, labels, TUNED), cell("a", mine, labels, TUNED, "a")]
    said = Compared(tuple(cells), "accuracy", "").verdict
    assert (
        "With 100 labels pre-training is worth +15.0 ± " in said
        and "fine-tuned a 0.750 against 0.600 from scratch" in said
    )
    assert "With 5,000 labels pre-training is not worth it, level" in said
    assert "From 5,000 labels on it is not worth it" in said
    never = Compared((cell(RAW, 0.8, 100), cell("a", 0.5, 100, mine="a")), "accuracy", "").verdict
    assert "From 100" not in never and "not worth it" in never


def test_who_tries_often_does_not_win_by_luck():
    """The best of eight encoders that are all as good as the raw input, which stands alone, is worth it in few cases."""
    worth = []
    for seed in range(150):
        r = np.random.default_rng(seed)
        each = [of_right(r.random(300) < 0.6) for _ in range(9)]
        cells = [Cell("raw input", FROZEN, "", False, 100, each[0], 1.0)]
        cells += [Cell(f"run {i}", FROZEN, f"run {i}", False, 100, f, 1.0) for i, f in enumerate(each[1:])]
        worth.append("is worth" in Compared(tuple(cells), "accuracy", "").verdict)
    assert np.mean(worth) <= 0.05


def test_runs_of_one_recipe_are_one_way_whose_interval_holds_seeds():
    alike = [cell(f"mae {i}", 0.70, 100, mine=f"mae {i}") for i in range(3)]
    apart = [cell(f"mae {i}", v, 100, mine=f"mae {i}") for i, v in enumerate((0.6, 0.7, 0.8))]
    (one,), (other,) = together(alike, "mae"), together(apart, "mae")
    assert one.way == one.mine == "mae" and one.figure.value == pytest.approx(0.7) == other.figure.value
    assert other.figure.half > 4 * one.figure.half and one.seconds == 3


# whole


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder of 80 pictures of two classes, and a run of two steps on it."""
    place = pictures(tmp_path_factory.mktemp("data"), 80, 80)
    out = tmp_path_factory.mktemp("runs") / "a"
    words = {"steps": 2, "size": "XS", "data.batch": 8, "run.device": "cpu", "run.out": str(out)}
    hs.pretrain(str(place), log=quiet(), **words)
    return place, out


def test_the_whole_way(run, capsys):
    """Table, page and figures; the run is left as it was; fine-tuned and frozen, alone and beside the raw input."""
    place, out = run
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    found = hs.compare(out, place, "labels=20", steps=3, seeds=2)
    assert {(c.how, c.way) for c in found.cells} == {
        (FROZEN, RAW), (FROZEN, "HOG and colours + linear"), (FROZEN, "random encoder"), (FROZEN, str(out)),
        (FROZEN, f"{RAW} + {out}"), (TUNED, SCRATCH), (TUNED, str(out)),
    }  # fmt: skip
    said = capsys.readouterr().out
    assert found.verdict in said and "80 labelled samples, in turns" in said and "left)" in said
    made = out / f"compare-{place.name}.html"
    shown, kept = made.read_text(), json.loads(made.with_suffix(".json").read_text())
    assert "<svg" in shown and "http" not in shown.replace("http://www.w3.org", "") and "With 20 labels" in shown
    assert kept["verdict"] == found.verdict and len(kept["cells"]) == 7
    assert all({"value", "error", "n"} <= c["figure"].keys() for c in kept["cells"])
    assert {p: p.read_bytes() for p in before} == before
    card = (out / "README.md").read_text()  # in the words of the terminal
    assert "**Worth**: " in card and "**Health**: " in card and "Verdict" not in card
    again = read(kept)
    assert again.kept() == kept and again.lines() == found.lines()
    (out / "compare-old.json").write_text('{"cells": [{}]}')
    hs.report(out, log=quiet())
    assert "compare-old.json is damaged, or of another version" in (out / "report.html").read_text()
    assert found.verdict.replace("'", "&#x27;") in (out / "report.html").read_text()


def test_it_goes_on_where_it_was_stopped(run, capsys, monkeypatch, tmp_path):
    """Ctrl-C after the third figure: the next time these are not found anew, and the page is the same as without."""
    place, out = run
    words = ["labels=20,40", "tune=none"]
    whole = hs.compare(out, place, *words, out=str(tmp_path / "whole.html"), log=quiet())
    real, calls = Split.judged, []

    def judged(self, name, learner, count=None):
        calls.append(count)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(self, name, learner, count)

    monkeypatch.setattr(Split, "judged", judged)
    with pytest.raises(KeyboardInterrupt):
        hs.compare(out, place, *words, out=str(tmp_path / "a.html"), log=quiet())
    capsys.readouterr()
    found = hs.compare(out, place, *words, out=str(tmp_path / "a.html"))
    assert capsys.readouterr().out.count("as found before") == 3 and len(calls) == 4 + 7
    assert [c.figure for c in found.cells] == [c.figure for c in whole.cells] and found.verdict == whole.verdict
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html", "a.json", "whole.html", "whole.json"]


def test_the_time_left_is_that_of_the_kinds_of_figures_to_come():
    clock = Clock({TUNED: lambda labels: 90.0})
    assert clock.left([(FROZEN, 100), (TUNED, 100)]) == 90
    clock.spent((FROZEN, 100), 1.0)
    clock.spent((FROZEN, 600), 3.0)
    assert clock.left([(FROZEN, 100), (FROZEN, 600), (FROZEN, 5000), (TUNED, 100), (TUNED, 600)]) == 1 + 3 + 2 + 180
    clock.spent((TUNED, 100), 60.0)  # it was foretold too long, of those from 600 labels as well
    assert clock.left([(TUNED, 100), (TUNED, 600)]) == 120


def test_the_time_left_is_right_all_the_way(monkeypatch):
    """Two runs; a fine-tuned figure takes 30 times as long as a frozen one, and more from more labels."""
    now = [0.0]
    monkeypatch.setattr("headstart.comparing.comparing.time.monotonic", lambda: now[0])
    monkeypatch.setattr(Split, "some", lambda self, rounds: self)
    data, x = known(400)

    def way(name, how, each):
        def learner(bank, labels, query):
            now[0] += each * (1 if len(labels) < 100 else 2)
            return np.zeros(len(query), np.int64)

        return Way(name, how, lambda: x, learner, name if name != RAW else "")

    one = [way(RAW, FROZEN, 1.0), way("a", FROZEN, 1.0), way(SCRATCH, TUNED, 30.0), way("a", TUNED, 30.0)]
    two = [way("b", FROZEN, 1.0), way("b", TUNED, 30.0)]
    clock, said = Clock({TUNED: lambda labels: 30.0 * (1 if labels < 100 else 2)}), []
    monkeypatch.setattr(Log, "say", lambda self, text: said.append((now[0], text)))
    compared(data, one, (50, 150), 1, quiet(), None, clock, two)
    compared(data, two, (50, 150), 1, quiet(), None, clock)
    for when, text in said[1:-1]:
        assert text.endswith(f"({span(now[0] - when)} left)"), text
    assert now[0] == 3 * 3 + 3 * 90 and "left" not in said[-1][1]


def test_other_labels_are_another_comparison():
    """Interrupted, and asked again for another column of the same samples: no figure is taken over."""
    data, _ = known(80)
    other, _ = known(80, seed=5)
    assert _labels_of(data) == _labels_of(known(80)[0]) != _labels_of(other)


def test_recipes_are_trained_and_compared(run, capsys):
    """`compare DATA recipe=mae,gmml seeds=2` trains four runs, each recipe in as many steps for both seeds."""
    place, _ = run
    words = ["recipe=mae,gmml", "seeds=2", "labels=20", "tune=none", "run.minutes=0.01", "size=XS", "data.batch=8"]
    found = hs.compare(*words[:2], place, *words[2:], out="both.html")
    assert {c.way for c in found.cells if c.mine} == {"mae", f"{RAW} + mae", "gmml", f"{RAW} + gmml"}
    assert all(len(c.figure.draws) == 2 for c in found.cells if c.mine)
    assert len([c for c in found.cells if c.way == RAW]) == 1 and Path("both.html").exists()
    plans = [json.loads(p.read_text())["plan"] for p in Path("runs").glob("*/run.json")]
    assert len(plans) == 4
    for recipe in ("mae", "gmml"):
        same = [p for p in plans if p["recipe"] == recipe]
        assert len({p["steps"] for p in same}) == 1 and {p["run"]["seed"] for p in same} == {0, 1}


def test_mistakes_are_sentences(run, tmp_path):
    place, out = run
    for words, said in (
        ([str(place)], "give the runs to compare before the data"),
        ([], "say what to compare"),
        ([out, place, "lables=5"], "there is no word 'lables' here; did you mean labels"),
        ([out, place, "labels=many"], "numbers of labels, such as labels=100,600"),
        ([out, place, "labels=-0.5"], "labels=-0.5: .*or shares of them"),
        ([out, place, "labels=10.5"], "labels=10.5: numbers of labels"),
        ([out, place, "labels=1,20"], "labels=1: nothing is learnt"),
        ([out, place, "seeds=0"], "seeds=0: it is at least 1"),
        ([out, place, "tune=half"], "choose full or none"),
        ([out, place, "recipe=mae"], "give runs to compare, or recipe="),
        ([place, "recipe=mae,foo"], "foo"),
        ([out, place, "out=cmp"], "write out=cmp.html"),
    ):
        with pytest.raises(Mistake, match=said):
            hs.compare(*words, log=quiet())
    bare = tmp_path / "bare"
    pictures(bare, 30, 0)
    with pytest.raises(DataError, match="has no labels to compare by"):
        hs.compare(out, bare / "unlabelled", log=quiet())
    with pytest.raises(DataError, match="has no labels to compare by"):
        hs.compare(bare / "unlabelled", "recipe=mae", log=quiet())
    assert not Path("runs").exists()  # nothing was trained


def test_masks_are_refused_before_anything_is_trained_and_it_is_said_where_they_judge(tmp_path):
    for i in range(4):
        for place, size in (("images", (8, 8, 3)), ("masks", (8, 8))):
            (tmp_path / place).mkdir(exist_ok=True)
            Image.fromarray(np.full(size, i % 2, np.uint8)).save(tmp_path / place / f"{i}.png")
    with pytest.raises(
        DataError, match=r"has masks, and compare judges by a label .*probes=segment.*headstart finetune RUN"
    ):
        hs.compare(tmp_path, "recipe=mae", log=quiet())
    assert not Path("runs").exists()


def test_every_way_is_tuned_by_the_same_seed(monkeypatch):
    """For each draw of labels one, so that ways differ by where they begin alone; another draw is another seed."""
    data, _ = known(80)
    given = pictured("image")
    start = Start(encoder(given.tokenizers, TINY), given.only, "mean")
    heard: list[tuple[int, str, int]] = []

    class Tuned:
        lr = 1e-3

        def predict(self, source, at):
            return np.zeros(len(at), np.int64)

    def spy(encoder, tokenizer, source, at, labels, *, seed, read, **words):
        heard.append((seed, read, words["steps"]))
        return Tuned()

    monkeypatch.setattr("headstart.comparing.ways.tune", spy)
    compared(data, list(tuned(data, {"a": start, "b": start}, start, 7)), (20,), 3, quiet())
    each = [heard[:3], heard[3:6], heard[6:]]
    assert each[0] == each[1] == each[2] and len({seed for seed, _, _ in each[0]}) == 3


def test_every_start_is_searched_alike():
    """From scratch and from a run: the same head, the same rates, the same steps; labels that judge are never learnt from."""
    data, _ = known(80)
    given = pictured("image")
    start = Start(encoder(given.tokenizers, TINY), given.only, "mean")
    assert [w.name for w in tuned(data, {"a": start}, start, 7)] == [SCRATCH, "a"]
    learners = [w.learner for w in tuned(data, {"a": start}, start, 7)]
    assert len({type(x) for x in learners}) == 1 and {x.steps for x in learners} == {7}  # type: ignore[attr-defined]
    places = next(iter(tuned(data, {}, start, 7))).make()
    split = data.around(places, 2)
    seen = []

    def spy(bank, labels, query):
        assert set(bank[:, 0]) == {0} and set(query[:, 0]) == {1} and not set(bank[:, 1]) & set(query[:, 1])
        seen.append(tuple(bank[:, 1]))
        return np.zeros(len(query), np.int64)

    next(split.judged("", spy, 20))
    assert len(set(seen)) == 2 and all(len(s) == 20 for s in seen)
    assert page("a", Compared((cell(RAW, 0.5, 100), cell("a", 0.6, 100, mine="a")), "accuracy", "")).startswith(
        "<!doctype"
    )
