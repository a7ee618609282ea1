"""A probe is one file: the table, the live line, the verdict and the report take what they get, and the frozen ones stay."""

import inspect
import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.parts import TINY, data

import headstart as hs
from headstart import probes
from headstart.data.sources.array import ArraySource
from headstart.errors import Mistake
from headstart.log import Log
from headstart.nn.encoder import encoder
from headstart.probes import Figure, Sides, Split, every, judge, named, probe
from headstart.probes.linear import fitted
from headstart.probes.recall import shares
from headstart.scoring.features import encode_rows, raw_rows
from headstart.scoring.labelled import Labelled, counts, labelled
from headstart.scoring.results import Judged, best, cell, columns, figures, kept_results, lines, summary, written
from headstart.scoring.score import score_encoder, score_raw, watcher

ROOT = Path(__file__).parents[1]


def fixed(quantity: bool) -> Split:
    """300 vectors that teach and 400 that judge."""
    r = np.random.default_rng(5)
    y = r.integers(0, 4, 700)
    x = (np.random.default_rng(6).standard_normal((4, 10))[y] + 1.2 * r.standard_normal((700, 10))).astype(np.float32)
    if quantity:
        y = (x @ r.standard_normal(10) + np.sin(3 * x[:, 0]) + r.standard_normal(700)).astype(np.float32)
    return Split.of(x[:300], y[:300], x[300:], y[300:], counts(y[:300]))


@pytest.mark.searched
def test_version_4_says_what_it_said():
    """Values of the protocol before each probe had its file; versions 2 and 3 changed them where vectors are alike, where classes
    are uneven, and in how sure they are, version 4 what trees say (classes count equally, small leaves of few labels), and only
    there."""
    assert probes.VERSION == 4 and set(probes.names()) >= {"knn", "linear", "recall", "trees"}
    split = fixed(quantity=False)
    marks = judge([named("knn"), named("linear")], split)
    assert {n: (f.value, f.chance) for n, f in marks.items()} == {
        "knn": (0.875, 0.2625),
        "linear-100": (pytest.approx(0.8683333333333335, rel=1e-12), 0.2625),
    }
    assert np.std(marks["linear-100"].draws) == pytest.approx(0.0042491829279939835)
    trees = judge([named("trees")], split)
    assert trees["trees"].value == 0.8725 and trees["trees-100"].value == pytest.approx(np.mean([0.8075, 0.8325, 0.84]))
    assert marks["knn"].error == pytest.approx((0.875 * 0.125 / 399 + 1 / 400**2) ** 0.5) and marks["knn"].n == 400
    split = fixed(quantity=True)
    marks = judge([named("knn"), named("linear")], split)
    near = partial(pytest.approx, rel=1e-5)  # the last bits are the BLAS's
    assert {n: f.value for n, f in marks.items()} == near(
        {"knn-R2": 0.7547143166847248, "linear-100-R2": 0.9185306631569045}
    )
    assert np.std(marks["linear-100-R2"].draws) == near(0.001097283582096563) and marks["knn-R2"].chance == 0
    assert judge([named("trees")], split)["trees-R2"].value == near(0.8500113496693956)
    a, b = (np.random.default_rng(s).standard_normal((60, 5)).astype(np.float32) for s in (1, 2))
    found = judge(every("pairs"), Sides(a, a + b))
    assert {n: (f.value, f.chance) for n, f in found.items()} == {
        "recall-1": (near(0.175), 1 / 60),
        "recall-5": (near(0.4166666666666667), 5 / 60),
    }


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder whose files are probes, too."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setattr(probes, "__path__", [*probes.__path__, str(folder)])
    return folder


def example() -> str:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.S)
    (block,) = [each for each in blocks if "@probe" in each]
    return block


ERRORS = """
import numpy as np
from headstart.probes import Figure, probe

@probe(quick=True)
def mistaken(split):
    yield "mistaken", Figure(float(np.std(split.x[split.judges])), 0.01, len(split.judges), higher=False)
"""


def test_a_new_file_is_seen_everywhere(shelf, tmp_path, capsys):
    """The example of CONTRIBUTING and one whose figure is better when less: table, live line, log, report and card have both."""
    (shelf / "means.py").write_text(example())
    (shelf / "mistaken.py").write_text(ERRORS)
    r, place = np.random.default_rng(0), tmp_path / "data"
    for i in range(60):
        file = place / ("dark", "light")[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(r.integers(120 * (i % 2), 120 + 120 * (i % 2), (12, 12, 3), dtype=np.uint8)).save(file)
    out = tmp_path / "run"
    words = {"steps": 4, "size": "XS", "data.batch": 8, "data.held": 0.4, "run.device": "cpu", "run.out": str(out)}
    run = hs.pretrain(str(place), log=Log(pause=0.0), **words)
    assert list(run.results["pre-trained"]) == ["knn", "linear-36", "means", "mistaken"]
    assert run.results["raw input"]["means"].value > 0.95
    assert not run.results["raw input"]["mistaken"].higher
    live = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step 4/4")]
    assert live and all(f"  {name} " in live[0] for name in ("quick means", "quick knn", "quick mistaken", "rank"))
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    watched = [row for row in rows if row["event"] == "probe"]
    assert len(watched) > 1 and all(row["quick means"]["n"] == 24 for row in watched)
    page, card = (out / "report.html").read_text(), (out / "README.md").read_text()
    for name in ("means", "knn", "mistaken"):
        assert f"<th>{name}</th>" in page and f"quick {name}" in page and f" {name} |" in card
    assert kept_results(out / "probe.json") == run.results
    assert hs.probe(out, str(place), log=Log(quiet=True))["pre-trained"].keys() == {
        "means", "knn", "linear-48", "mistaken"}  # fmt: skip


def test_files_that_are_no_probes_say_so(shelf):
    (shelf / "thing.py").write_text("def thing(split):\n    yield 1\n")
    with pytest.raises(Mistake, match=r"probes/thing\.py holds no probe: write @probe\(\) over a function thing"):
        every("segments")
    with pytest.raises(Mistake, match="of segments, rows, pairs, sets, lists, not of 'samples'"):
        inspect.unwrap(probe)(of="samples")
    with pytest.raises(Mistake, match="two probes say 'knn'"):
        judge([named("knn"), named("knn")], fixed(quantity=False))
    with pytest.raises(ValueError, match="finite"):
        Figure(float("nan"), 0.1, 5)
    with pytest.raises(ValueError, match=r"labels \[n\]"):
        Split.of(np.zeros((3, 2)), np.zeros(4), np.zeros((3, 2)), np.zeros(3))
    with pytest.raises(ValueError, match=r"\[n, D\] and \[m, D\]"):
        Split.of(np.zeros((3, 2)), np.zeros(3), np.zeros((3, 4)), np.zeros(3))


# rows


@probe(of="rows", quick=True)
def linear_rows(split):
    """The linear probe at rows; rows of one sample hang together, so its error is that of as many judges as there are samples."""
    yield from split.judged("rows", fitted, split.counts[-1])


def lit(n=60):
    """[n] pictures of 8 x 8 and, for each, which of its 16 patches of 2 x 2 are bright; the first row is not known."""
    r = np.random.default_rng(0)
    bright = r.random((n, 4, 4)) < 0.5
    x = np.kron(bright, np.ones((2, 2))) * 120 + r.integers(0, 60, (n, 8, 8))
    labels = bright.reshape(n, 16).astype(np.int64)
    labels[:, 0] = -1
    return ArraySource(x.astype(np.uint8), "image", labels=np.arange(n) % 2), labels


def test_a_probe_of_rows(monkeypatch):
    """A label for each row: told by the rows' payload and by an encoder's rows, and not by labels in another order."""
    source, labels = lit()
    given, here = data("image"), every
    torch.manual_seed(0)
    enc = encoder(given.tokenizers, TINY)
    both = np.arange(40), np.arange(40, 60)
    monkeypatch.setattr(
        "headstart.scoring.score.every", lambda of, *rest: [linear_rows] if of == "rows" else here(of, *rest)
    )
    split = labelled(source, source, *both, rows=lambda source, i: labels[i])
    rows = split.row_split(partial(raw_rows, given.only))
    assert rows is not None and rows.x.shape == (60 * 15, given.only.dim) and len(rows.judges) == 20 * 15
    groups = rows.groups[rows.judges]
    assert sorted(set(groups)) == list(range(40, 60)) and (np.bincount(groups)[40:] == 15).all()
    one = encode_rows(enc, given.only, source, [7])[0]
    assert one.shape == (16, TINY.width)
    together = encode_rows(enc, given.only, source, range(12), batch=5)
    assert np.allclose(together[7], one, atol=1e-5)
    table = score_raw(given.only, split) | {"random encoder": score_encoder(enc, given.only, split, "mean")}
    for marks in table.values():
        assert set(marks) == {"knn", "linear-40", "rows"} and marks["rows"].value > 0.9
        assert marks["rows"].n == 300 and marks["rows"].units == 20
    watched = watcher(enc, given.only, source, split, "mean", lambda health: None)(0)
    assert list(watched) == ["rank", "spread", "quick knn", "quick rows"]
    apart = np.random.default_rng(1).permutation(labels.ravel()).reshape(labels.shape)
    other = Labelled(source, source, *both, rows=lambda source, i: apart[i])
    assert score_raw(given.only, other)["raw input"]["rows"].value < 0.65
    unknown = Labelled(source, source, *both)
    assert "rows" not in score_raw(given.only, unknown)["raw input"]
    short = Labelled(source, source, *both, rows=lambda source, i: labels[i, :5])
    with pytest.raises(Mistake, match="has 16 rows and 5 labels of rows"):
        score_raw(given.only, short)


# tables


def figure(value: float, **more: float | bool | None) -> Figure:
    return Figure(value, 0.01, 100, **more)


def test_tables_of_any_figures():
    table = {
        "raw input": {"a": figure(0.5, chance=0.25), "less": figure(0.3, higher=False), "level": figure(0.7)},
        "rival": {"a": figure(0.6, chance=0.25)},
        "pre-trained": {"a": figure(0.9), "less": figure(0.2, higher=False), "level": figure(0.69)},
    }
    assert columns(table) == ["a", "less", "level"] and cell(table["rival"], "less") == ""
    assert best(table, "less").value == 0.2 and best(table, "a").value == 0.9
    said = summary(table)
    assert said.startswith(
        "pre-training helps: a 0.900 against 0.600 of the rival (+0.300, +0.272 to +0.328), less 0.200 against"
    )
    assert said.endswith("about 780 more judges would tell the two apart in level")
    assert (
        "; cannot be told with 100 judges: level 0.690 against 0.700 of the raw input (-0.010, -0.038 to +0.018)"
        in said
    )
    worse = {**table, "pre-trained": {"a": figure(0.5), "less": figure(0.4, higher=False)}}
    assert summary(worse).startswith(
        "pre-training does not help: worse in a 0.500 against 0.600 of the rival (-0.100, "
    )
    text = "\n".join(lines(table))
    assert "0.900 ± 0.020" in text and re.search(r"chance +0\.250 *$", text, re.M)
    kept = json.loads(json.dumps(Judged(table, "mean", 5, 6).kept()))
    assert {row: figures(marks) for row, marks in kept["results"].items()} == table
    assert figures(written({"rank": 3.0, "a": figure(0.5)})) == {"a": figure(0.5)}


def test_tables_of_an_older_version_are_refused(tmp_path):
    for old in ({"table": {"raw input": {"knn": 0.8}}}, {"results": {"raw input": {"knn": 0.8}}}):
        (tmp_path / "baselines.json").write_text(json.dumps(old))
        with pytest.raises(Mistake, match="another version of headstart: delete it"):
            kept_results(tmp_path / "baselines.json")


def mean(a, b):
    return [float(found.mean()) for found in shares(a, b)]


def test_ties_find_each_other_by_chance():
    """Vectors that are all alike, or no numbers, were found always: a collapsed encoder was perfect."""
    n, rng = 50, np.random.default_rng(0)
    alike = np.full((n, 4), 0.5)
    assert np.allclose(mean(alike, alike), (1 / n, 5 / n))
    x = rng.standard_normal((n, 8))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    assert mean(x, x) == [1, 1] and mean(x * np.nan, x) == [0, 0]
    twins = np.repeat(x[::2], 2, 0)  # every caption stands at two pictures
    assert np.allclose(mean(twins, twins), (0.5, 1))
