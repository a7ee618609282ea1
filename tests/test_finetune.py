"""Fine-tuning: what is tuned and what is not, what chooses, what a folder keeps, and every mistake in a sentence."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from tests.tuned import Heard, bars, folder_of, pairs, prepared, small
from typer.testing import CliRunner

import headstart as hs
from headstart import cli, train
from headstart.data.source import DataError
from headstart.errors import Mistake
from headstart.log import Log
from headstart.nn.parts import once
from headstart.probes import Figure
from headstart.tasks import fitting
from headstart.tasks.asked import Asked
from headstart.tasks.calibrating import EQUALLY, HOTTEST, at_bound, calibration_error, softmax, temperature_of
from headstart.tasks.classification import Classification, balanced
from headstart.tasks.dividing import held_out
from headstart.tasks.fitting import Setting, begin, fit
from headstart.tasks.judging import verdict
from headstart.tasks.material import gathered
from headstart.tasks.meaning import task_of
from headstart.tasks.multilabel import Multilabel
from headstart.tasks.predicting import predicted
from headstart.tasks.searching import Judges, trial
from headstart.tasks.tuning import tune
from headstart.train import Run
from headstart.words import WordError

CROSSED = np.array(["c; 1", "c; 2", "d; 1", "d; 2"] * 10)
FAST = {"steps": 12, "lr": 3e-3, "data.batch": 16, "run.device": "cpu", "run.dtype": "fp32"}


def quiet() -> Log:
    return Log(quiet=True)


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> set[str]:
    return {name for name in a if torch.equal(a[name], b[name])}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "base", bars(64)[0], small(bars(64)[0], seed=7))


def npz(path: Path, x: np.ndarray, y: np.ndarray) -> str:
    np.savez(path, x=x, y=y)
    return str(path)


def test_tune_says_the_labels_and_leaves_the_encoder_as_it_was():
    x, y = bars(300)
    labels = np.array([12, 3, 7])[y]  # any numbers: columns stand in the order of np.unique
    made, source = small(x), prepared(x)
    before = weights(made)
    tuned = tune(made, source.tokenizer, source, range(200), labels[:200], steps=40, lrs=(3e-3, 1e-5), batch=32)
    assert same(before, weights(made)) == set(before)
    assert tuned.lr == 3e-3  # in 40 steps the other learns next to nothing
    p = tuned.predict(source, range(200, 300))
    assert p.shape == (100, 3) and np.allclose(p.sum(1), 1)
    assert (np.array([3, 7, 12])[p.argmax(1)] == labels[200:]).mean() > 0.9


def test_labels_that_are_not_known_are_not_learnt():
    x, y = bars(120)
    made, source = small(x), prepared(x)
    most = {"steps": 5, "lrs": (1e-3,), "batch": 16}
    known = np.flatnonzero(y != 2)
    told = tune(made, source.tokenizer, source, range(120), np.where(y == 2, -1, y), **most)
    alone = tune(made, source.tokenizer, source, known, y[known], **most)
    assert told.task.classes == ("0", "1") and same(weights(told.encoder), weights(alone.encoder)) == set(weights(made))


@pytest.mark.parametrize("how", ["head", "last:1", "lora:2", "full"])
def test_only_what_was_named_is_tuned(how: str):
    x, y = bars(40)
    made, source = small(x), prepared(x)
    tuned = tune(made, source.tokenizer, source, range(40), y, how=how, steps=5, lrs=(1e-2,), batch=16)
    before, after = weights(made), weights(tuned.encoder.folded())
    moved = set(before) - same(before, after)
    qkv = {f"trunk.blocks.{i}.attention.qkv.weight" for i in range(2)}
    if how == "head":
        assert not moved
    elif how == "last:1":
        assert moved and all(name.startswith(("trunk.blocks.1.", "trunk.norm.")) for name in moved)
    elif how == "lora:2":
        assert qkv <= moved and all("norm" in name for name in moved - qkv)
        difference = after["trunk.blocks.0.attention.qkv.weight"] - before["trunk.blocks.0.attention.qkv.weight"]
        query, key, _ = difference.split(32)
        assert torch.linalg.matrix_rank(query, atol=1e-6) == 2 and not key.any()
    else:
        assert qkv <= moved and "embeds.x.map.weight" in moved | {"embeds.x.map.weight"} and len(moved) > 20


def test_what_must_be_learnt_is_learnt_by_tuning_and_not_by_a_head():
    x, y = pairs(400)
    made, source = small(x), prepared(x)
    right = {}
    for how, lr in (("head", 1e-2), ("full", 3e-3)):
        tuned = tune(made, source.tokenizer, source, range(300), y[:300], how=how, steps=100, lrs=(lr,), batch=32)
        right[how] = (tuned.predict(source, range(300, 400)).argmax(1) == y[300:]).mean()
    assert right["full"] > right["head"] + 0.15, right


def test_rare_classes_count_as_much_as_common_ones():
    assert np.allclose(balanced(np.array([0, 0, 0, 1]), 2), (2 / 3, 2))
    x, y = pairs(900)
    keep = (y == 0) | (np.arange(900) % 8 == 0)  # one in eight of the second class is left
    x, y = x[keep], y[keep]
    made, source = small(x), prepared(x)
    found, setting = {}, Setting("head", steps=60, batch=32)  # a head cannot tell them apart but for a bit
    for weighted in (True, False):
        task, coded = task_of(y[:300], weighted=weighted)
        tuned = begin(made, source.tokenizer, source, task, setting)
        fit(tuned, source, np.arange(300), coded, setting, 1e-2)
        said = tuned.predict(source, range(300, len(y))).argmax(1)
        found[weighted] = (said[y[300:] == 1] == 1).mean()
    assert found[True] > found[False] + 0.2, found
    assert task_of(y)[0].uneven and not task_of(np.arange(40) % 2)[0].uneven


def test_training_ends_where_nothing_better_comes_and_the_best_state_is_put_back(tmp_path: Path, monkeypatch):
    x, y = bars(60)
    source = prepared(x)
    task, coded = task_of(y)
    setting = Setting(steps=40, batch=16)
    tuned = begin(small(x), source.tokenizer, source, task, setting)
    scores, states = iter([0.0, 0.1, 0.5, *[0.2] * 40]), []

    def scripted(self: Classification, out: np.ndarray, labels: np.ndarray) -> float:
        states.append(weights(tuned.encoder))
        return next(scores)

    monkeypatch.setattr(Classification, "score", scripted)
    judges = Judges(source, np.arange(40, 60), coded[40:])
    run = Run(probe_every=0.05, device="cpu")
    done = trial(tuned, source, np.arange(40), coded[:40], judges, setting, 1e-3, run, tmp_path, quiet())
    assert (done.step, done.taken, done.score) == (
        4,
        20,
        0.5,
    )  # looked at every 2 steps; 16 without anything better end it
    assert same(states[2], weights(tuned.encoder)) == set(states[2]) != same(states[-1], weights(tuned.encoder))
    again = begin(small(x), source.tokenizer, source, task, setting)
    kept = trial(again, source, np.arange(40), coded[:40], judges, setting, 1e-3, run, tmp_path, quiet())
    assert (kept.step, kept.taken) == (4, 20) and same(states[2], weights(again.encoder)) == set(states[2])


def test_temperature_mends_confidence():
    rng = np.random.default_rng(0)
    out = rng.normal(size=(2000, 4))
    labels = np.array([rng.choice(4, p=p) for p in softmax(out)])
    loud = 5 * out
    assert 4 < temperature_of(loud, labels) < 6 and 0.8 < temperature_of(out, labels) < 1.2
    before, after = (calibration_error(softmax(loud, t), labels) for t in (1.0, temperature_of(loud, labels)))
    assert before > 0.2 and after < 0.04
    few = np.eye(3)[[0, 1, 2, 0]] * 4
    assert softmax(few, temperature_of(few, np.array([0, 1, 2, 0]))).max() < 0.95  # four that are right prove little


def test_a_temperature_at_the_end_of_what_is_tried_is_said_to_be():
    out, labels = np.eye(3)[np.arange(600) % 3] / 50, np.arange(600) % 3  # all right, and outputs that hardly say so
    assert "the least that is tried" in at_bound(temperature_of(out, labels))
    assert "the most that is tried" in at_bound(HOTTEST) and at_bound(1.0) == at_bound(0.11) == ""


def test_a_verdict_says_what_the_figures_carry():
    def of(value: float, chance: float | None, n: int, error: float) -> dict[str, Figure]:
        return {"accuracy": Figure(value, error, n, chance)}

    assert verdict(of(0.833, 0.889, 18, 0.09)).startswith("nothing here is told better than by chance: accuracy 0.833")
    assert verdict(of(0.350, 0.35, 400, 0.02)).startswith("nothing here is told better than by chance")
    assert verdict(of(0.40, 0.35, 100, 0.05)).startswith("cannot be told with 100 judges whether anything")
    assert verdict(of(0.95, 0.35, 8, 0.01)).startswith("cannot be told with 8 judges")
    assert verdict(of(0.60, 0.35, 100, 0.05)) == "better than by chance: accuracy by 0.250 (0.152 to 0.348)"
    uneven = {"accuracy": Figure(0.70, 0.02, 400, 0.9), "balanced accuracy": Figure(0.70, 0.02, 400, 0.5)}
    assert verdict(uneven) == (
        "better than by chance: balanced accuracy by 0.200 (0.161 to 0.239); worse: accuracy by 0.200 (0.161 to 0.239)"
    )
    assert verdict(of(0.5, None, 100, 0.1)) == ""  # an error has no chance


def test_probabilities_of_weighted_classes_are_said_to_be_of_equally_frequent_ones():
    x = bars(40)[0]
    for weights in ((), (0.5, 1.0, 1.5)):
        task = Classification(("a", "b", "c"), weights)
        source = prepared(x)
        tuned = begin(small(x), source.tokenizer, source, task, Setting("head", steps=1, batch=8))
        assert (EQUALLY in predicted(tuned, source, []).remarks) == bool(weights)


def test_a_sample_is_judged_alike_alone_and_among_others():
    x, y = bars(40)
    source = prepared(x)
    tuned = tune(small(x), source.tokenizer, source, range(40), y, steps=5, lrs=(1e-3,), batch=16)
    together = tuned.predict(source, range(40))
    alone = np.concatenate([tuned.predict(source, [i]) for i in range(40)])
    assert np.allclose(together.sum(1), 1) and np.abs(together - alone).max() < 1e-5


def test_groups_are_never_divided_and_classes_are_on_both_sides():
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.repeat(np.arange(30), 10))
    labels = groups % 3
    for seed in range(5):
        held = held_out(labels, groups, seed=seed)
        rest = np.setdiff1d(np.arange(300), held)
        assert not set(groups[held]) & set(groups[rest]) and 30 <= len(held) <= 60
        assert set(labels[held]) == set(labels[rest]) == {0, 1, 2}
    alone = held_out(np.repeat([0, 1], [95, 5]), None)
    assert len(alone) == 20 and (alone >= 95).sum() == 1  # of every class the same share


def test_quantities_are_said_in_their_unit():
    x, y = bars(300, 4)
    height = 1000 + 50 * y.astype(np.float32)
    source = prepared(x)
    tuned = tune(small(x), source.tokenizer, source, range(200), height[:200], steps=80, lrs=(1e-2,), batch=16)
    said = tuned.predict(source, range(200, 300))
    assert said.shape == (100,) and np.abs(said - height[200:]).mean() < 20  # they lie 50 apart


def test_a_folder_is_left_behind_that_loads_and_predicts(base: Path, tmp_path: Path):
    x, y = bars(90)
    y = np.where(np.arange(90) < 6, -1, y)
    said = Heard()
    out = tmp_path / "tuned"
    named = {**FAST, "lr": (3e-3, 1e-5), "steps": 30, "run.out": str(out)}
    done = hs.finetune(base, npz(tmp_path / "d.npz", x, y), log=said, **named)
    text = "\n".join(said.lines)
    n = done.figures["accuracy"].n
    assert (
        "6 samples without a label are left out" in text
        and f"{84 - n} samples are learnt from, {n} are held back" in text
    )
    assert done.lr == 3e-3 and 16 <= n <= 18 and f"on {n} samples" in (out / "README.md").read_text()
    card = json.loads((out / "encoder.json").read_text())
    assert card["head"]["classes"] == ["0", "1", "2"] and card["head"]["temperature"] > 0
    facts = json.loads((out / "figures.json").read_text())
    assert facts["calibration"]["after"] <= facts["calibration"]["before"]
    assert facts["calibration"]["n"] == n and len(facts["trials"]) == 2
    assert any(json.loads(line)["event"] == "step" for line in (out / "log.jsonl").read_text().splitlines())
    assert not list(out.rglob("step-*")) and not list(out.rglob("best.safetensors"))
    found = done.load().predict(bars(50, seed=3)[0])
    assert (np.array(found.best) == bars(50, seed=3)[1].astype(str)).mean() > 0.8
    assert done.load().embed(x[:5]).shape == (5, 64)
    again = Heard()
    assert hs.finetune(base, str(tmp_path / "d.npz"), log=again, **named).figures == done.figures
    assert "finished  already" in "\n".join(again.lines)
    assert facts["verdict"].startswith("better than by chance: accuracy by ")
    assert f"**{facts['verdict']}**" in (out / "README.md").read_text()
    assert said.line("verdict") == again.line("verdict") == f"verdict   {facts['verdict']}"


def test_an_interrupted_one_goes_on_to_the_same_weights(base: Path, tmp_path: Path, monkeypatch):
    data = npz(tmp_path / "d.npz", *bars(60))
    whole = hs.finetune(base, data, log=quiet(), **FAST, **{"run.out": str(tmp_path / "whole")})
    command = ["finetune", str(base), data, *(f"{k}={v}" for k, v in FAST.items()), f"run.out={tmp_path / 'parts'}"]
    monkeypatch.setattr(fitting, "train", partial(train.train, until=7))
    done = CliRunner().invoke(cli.app, command)
    assert done.exit_code == 130 and "stopped   at step 7 of 12" in done.output
    assert not (tmp_path / "parts" / "encoder.json").exists()
    with pytest.raises(DataError, match="start it again and it goes on"):
        hs.load(tmp_path / "parts")
    monkeypatch.undo()
    assert CliRunner().invoke(cli.app, command).exit_code == 0
    for name in ("encoder.safetensors", "head.safetensors"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert whole.figures["accuracy"].n == 12


def test_from_scratch_is_the_same_training_of_a_random_encoder(base: Path, tmp_path: Path):
    data = npz(tmp_path / "d.npz", *bars(60))
    settings = {**FAST, "steps": 2, "tune": "head"}
    left = {}
    for name, words in {"own": {}, "a": {"init": "scratch"}, "b": {"init": "scratch", "run.seed": 1}}.items():
        done = hs.finetune(base, data, log=quiet(), **settings, **words, **{"run.out": str(tmp_path / name)})
        left[name] = once(done.load().module.state_dict())
    start = once(hs.load(base).module.state_dict())
    assert same(start, left["own"]) == set(start)
    assert not torch.equal(left["a"]["slots"], start["slots"]) and not torch.equal(
        left["a"]["slots"], left["b"]["slots"]
    )


def test_an_encoder_is_tuned_as_it_is_read(tmp_path: Path):
    """By the readout of its card, all blocks here: the head reads what stands in the embedding, which no block passes on."""
    x, y = bars(120, 2)
    encoder = small(x)
    with torch.no_grad():
        for weight in encoder.trunk.norm.parameters():  # the end of it says nothing
            weight.zero_()
    for read in ("blocks", "mean_std"):
        base = folder_of(tmp_path / read, x, encoder)
        card = json.loads((base / "encoder.json").read_text())
        (base / "encoder.json").write_text(json.dumps(card | {"read": read}))
        words = {
            **FAST,
            "steps": 30,
            "tune": "head",
            "lr": 3e-2,
            "run": {"out": str(tmp_path / f"t-{read}")},
        }  # as README
        tuned = hs.finetune(base, npz(tmp_path / "d.npz", x, y), log=Log(quiet=True), **words).load().tuned
        assert tuned.read == read
        right = (tuned.outputs(prepared(x), np.arange(120)).argmax(1) == y).mean()
        assert right > 0.8 if read == "blocks" else right < 0.7


def test_several_classes_at_once(base: Path, tmp_path: Path):
    x, y = bars(120, 4)
    names = np.array(["low; left", "low", "high|left", "none of it"])[y]
    said = Heard()
    words = {**FAST, "steps": 40, "lr": 1e-2, "run.out": str(tmp_path / "t")}
    done = hs.finetune(base, npz(tmp_path / "d.npz", x, names), log=said, **words)
    assert "labels are lists, and each class in them is told by itself (task=classification" in "\n".join(said.lines)
    found = done.load().predict(x)
    assert found.classes == ("high", "left", "low", "none of it") and found.several
    wanted = np.array(["left;low", "low", "high;left", "none of it"])[y]
    assert (np.array(found.best) == wanted).mean() > 0.7 and done.figures["right of yes and no"].value > 0.85


def test_mean_average_precision_is_of_ranks_and_not_of_yes_and_no():
    """Rare classes that are ranked well and never said to be there, and those of which nothing is known."""
    rng = np.random.default_rng(0)
    labels = (rng.random((200, 3)) < 0.1).astype(np.int64)
    said = 0.4 * (labels + 1.2 * rng.random((200, 3))) / 2.2
    marks = Multilabel(("a", "b", "c")).marks(said, labels)
    value = marks["mean average precision"].value
    assert value == pytest.approx(average_precision_score(labels, said, average="macro")) and 0.8 < value < 1
    assert marks["right of yes and no"].value == pytest.approx(1 - labels.mean())
    none = Multilabel(("a", "b", "c")).marks(0.4 * rng.random((200, 3)), labels)
    assert none["mean average precision"].value < 0.3 and none["mean average precision"].chance == pytest.approx(
        labels.mean()
    )
    assert none["right of yes and no"].value == marks["right of yes and no"].value


def test_an_empty_label_is_unknown_or_none_of_the_classes():
    """Of 40 lists 8 are empty; of names that are no lists nothing is asked."""
    source = prepared(*bars(40))
    source.labels, source.classes = np.arange(40) % 5 - 1, ("a", "a, b", "b, c", "c, a")
    unknown = gathered(source, "here", Asked(), 0)
    assert unknown.task.classes == ("a", "b", "c") and len(unknown.labels) == 32 and unknown.labels.any(1).all()
    assert "8 samples with nothing in place of a label are taken for unlabelled (empty=none" in "\n".join(unknown.notes)
    none = gathered(source, "here", Asked(empty="none"), 0)
    assert (
        len(none.labels) == 40
        and (none.labels[::5] == 0).all()
        and none.labels[1:5].tolist() == unknown.labels[:4].tolist()
    )
    assert "are taken for none of the classes (empty=unknown)" in "\n".join(none.notes)
    assert gathered(source, "here", Asked(task="classification"), 0).task.name == "classification"


@pytest.mark.parametrize(
    "y, words, message",
    [
        (None, {}, "has no labels: put the files of each class in a folder"),
        (np.zeros(40, int), {}, "are of one class: give samples of at least two"),
        (np.where(np.arange(40) < 8, np.arange(40) % 2, -1), {}, "8 labelled samples are too few to tune to: 0 4, 1 4; label"),
        (np.where(np.arange(40) == 7, 2, np.arange(40) % 2), {}, "of 2 there is one sample"),
        (np.full(40, np.nan, np.float32), {}, "no sample has a label"),
        (np.array(["a", "b"] * 20), {"task": "regression"}, "labels such as 'a' are no numbers"),
        (np.linspace(0, 1.5, 40), {"task": "classification"}, "these labels are quantities"),
        (CROSSED, {}, "labels such as c; 1 may be lists of several classes, or names of one: say task=multilabel, or task=cl"),
        (np.arange(40) % 2, {"empty": "none"}, "empty=none: only a sample that may have several classes"),
        (np.arange(40) % 2, {"tune": "lora"}, "tune=lora: choose full, last:2"),
        (np.arange(40) % 2, {"tune": "last:9"}, "this encoder has 2 blocks"),
        (np.arange(40) % 2, {"tunes": "full"}, "there is no word 'tunes' here; did you mean tune"),
        (np.arange(40) % 2, {"optim.lr": 1.0}, "there is no word 'optim.lr' here"),
        (np.arange(40) % 2, {"lr": -1.0}, "lr=-1.0: it is more than 0"),
        (np.arange(40) % 2, {"steps": 3, "epochs": 2}, "give one of them"),
    ],
)  # fmt: skip
def test_mistakes_are_sentences(base: Path, tmp_path: Path, y: np.ndarray | None, words: dict, message: str):
    x = bars(40)[0]
    data = x if y is None else npz(tmp_path / "d.npz", x, y)
    with pytest.raises(Mistake, match=message):
        hs.finetune(base, data, log=quiet(), **{"steps": 2, "run.device": "cpu", **words})


def test_labels_of_quantities_that_are_not_known_are_left_out(base: Path, tmp_path: Path):
    y = np.linspace(0, 1.5, 40).astype(np.float32)
    y[3:6] = np.nan
    said = Heard()
    data = npz(tmp_path / "d.npz", bars(40)[0], y)
    done = hs.finetune(base, data, log=said, **{**FAST, "steps": 2, "run.out": str(tmp_path / "t")})
    assert "3 samples without a label are left out" in "\n".join(said.lines) and done.figures["R2"].n == 7
    numbers = npz(tmp_path / "n.npz", bars(40)[0], np.arange(40) % 5)  # whole numbers are classes, unless it is said
    asked = {**FAST, "steps": 2, "task": "regression", "run.out": str(tmp_path / "r")}
    assert "R2" in hs.finetune(base, numbers, log=quiet(), **asked).figures


def test_a_folder_of_something_else_is_left_alone(base: Path, tmp_path: Path):
    data, other = npz(tmp_path / "d.npz", *bars(40)), tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("dear")
    with pytest.raises(WordError, match=r"holds other things \(mine.txt\)"):
        hs.finetune(base, data, log=quiet(), **FAST, **{"run.out": str(other)})
    assert [p.name for p in other.iterdir()] == ["mine.txt"]
    words = {**FAST, "steps": 2, "run.out": str(tmp_path / "t")}
    hs.finetune(base, data, log=quiet(), **words)
    with pytest.raises(WordError, match="holds another fine-tuning"):
        hs.finetune(base, data, log=quiet(), **{**words, "steps": 3})
    npz(tmp_path / "d.npz", *bars(40, seed=5))
    with pytest.raises(WordError, match="was begun with other data"):
        hs.finetune(base, data, log=quiet(), **words)


def test_recordings_that_hang_together_are_not_divided():
    source = prepared(*bars(40))
    source.groups = np.zeros(40, np.int64)
    with pytest.raises(DataError, match="hang together"):
        gathered(source, "here", Asked(), 0)
    source.groups = np.where(source.labels == 0, 0, 1 + np.arange(40))
    alone = gathered(source, "here", Asked(), 0)
    assert set(alone.labels[alone.rest]) == {0, 1, 2} and "nobody judges 0" in alone.notes[-1]
    source.groups = source.labels
    with pytest.raises(DataError, match=r"3 of 3 classes \(0, 1, 2\) lie within one group or recording each"):
        gathered(source, "here", Asked(), 0)
    source.groups = np.arange(40) // 2
    material = gathered(source, "here", replace(Asked(), held=0.25), 0)
    assert not set(source.groups[material.at[material.held]]) & set(source.groups[material.at[material.rest]])


@pytest.mark.parametrize("decay", [0.75, 0.5, 1.0])
def test_lower_blocks_are_tuned_at_lower_rates(decay):
    """By optim.layer_decay, 0.75 unless asked: tests/test_optim.py says what an optimizer does of it."""
    x, y = bars(40)
    source = prepared(x, y)
    task, coded = task_of(y)
    setting = Setting() if decay == 0.75 else Setting(decay=decay)
    tuned = begin(small(x), source.tokenizer, source, task, setting)
    made = fitting.recipe_of(tuned, source, np.arange(40), task.targets(coded), setting, 1e-3)
    assert made.optim.layer_decay == decay
