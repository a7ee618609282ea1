"""What a fine-tuned encoder says of new data: in Python, in files, of recordings in windows; and when it refuses."""

import csv
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from tests.tuned import SHAPE, bars, folder_of, prepared, small
from typer.testing import CliRunner

import headstart as hs
from headstart import cli
from headstart.data.feeding.prepare import prepare
from headstart.data.source import DataError
from headstart.data.sources.array import ArraySource
from headstart.data.sources.windows import Windows
from headstart.errors import Mistake
from headstart.log import Log
from headstart.nn.encoder import encoder
from headstart.probes.multilabel import precision
from headstart.recipe import Input
from headstart.running.folder import title
from headstart.tasks.classification import Classification
from headstart.tasks.judging import judged, said_of
from headstart.tasks.multilabel import Multilabel
from headstart.tasks.predicting import Predicted
from headstart.tasks.regression import Regression
from headstart.tasks.saved import save
from headstart.tasks.task import Task
from headstart.tasks.tuning import tune
from headstart.tokenizers.series import SeriesTokenizer
from headstart.tokenizers.want import Want


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an encoder that tells the heights of bars."""
    x, y = bars(200)
    place = folder_of(tmp_path_factory.mktemp("base"), x)
    source = prepared(x)
    made = tune(small(x), source.tokenizer, source, range(200), y, steps=40, lrs=(3e-3,), batch=32)
    made.temperature = 1.5
    card = json.loads((place / "encoder.json").read_text())
    save(place, made, {name: card[name] for name in ("read", "width", "input", "seen")})
    expected = made.predict(source, range(20))
    assert np.allclose(hs.load(place).predict(x[:20]).said, expected, atol=0.02)  # bf16, where the machine has it
    return place


def pictures(folder: Path, count: int = 12) -> tuple[Path, np.ndarray]:
    """A folder of files, one of them broken."""
    x, y = bars(count, seed=5)
    folder.mkdir()
    for i, picture in enumerate(x):
        Image.fromarray(picture).save(folder / f"{i:02d}.png")
    (folder / "cut.png").write_bytes((folder / "00.png").read_bytes()[:60])
    return folder, y


def test_every_sample_is_said_by_its_name(tuned: Path, tmp_path: Path):
    data, y = pictures(tmp_path / "new")
    out = tmp_path / "said.csv"
    done = CliRunner().invoke(cli.app, ["predict", str(tuned), str(data), f"out={out}"])
    assert done.exit_code == 0 and "skipped   " in done.output and "cut.png" in done.output
    with out.open() as file:
        table = list(csv.DictReader(file))
    assert [row["name"] for row in table] == [f"{i:02d}.png" for i in range(12)]
    assert list(table[0]) == ["name", "predicted", "p_0", "p_1", "p_2"]
    p = np.array([[float(row[f"p_{c}"]) for c in "012"] for row in table])
    assert (
        np.allclose(p.sum(1), 1, atol=1e-5) and [row["predicted"] for row in table] == p.argmax(1).astype(str).tolist()
    )
    assert (p.argmax(1) == y).mean() > 0.8
    for ending in ("npz", "parquet"):
        hs.predict(tuned, data, tmp_path / f"said.{ending}", log=Log(quiet=True))
    with np.load(tmp_path / "said.npz") as kept:
        assert kept["classes"].tolist() == ["0", "1", "2"] and np.allclose(kept["p"], p, atol=1e-5)
        assert kept["predicted"].tolist() == [row["predicted"] for row in table]
    columns = pq.read_table(tmp_path / "said.parquet").to_pydict()
    assert list(columns) == ["name", "predicted", "p_0", "p_1", "p_2"] and np.allclose(
        columns["p_1"], p[:, 1], atol=1e-5
    )


def test_labels_of_the_data_judge_what_is_said(tuned: Path, tmp_path: Path):
    x, y = bars(60, seed=9)
    np.savez(tmp_path / "judge.npz", x=x, y=y)
    done = CliRunner().invoke(
        cli.app, ["predict", str(tuned), str(tmp_path / "judge.npz"), f"out={tmp_path / 'z.csv'}"]
    )
    assert "judged    accuracy" in done.output and "on 60 samples that have labels of their own" in done.output
    with (tmp_path / "z.csv").open() as file:
        assert [row["label"] for row in csv.DictReader(file)] == y.astype(str).tolist()


def spoken(count: int, patients: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """([n, 3] of what is said, [n] classes, [n] patients): of one patient all is right or all is wrong."""
    rng = np.random.default_rng(0)
    patient, y = np.repeat(np.arange(patients), count // patients), rng.integers(0, 3, count)
    wrong = (rng.random(patients) < 0.3)[patient]
    return np.eye(3)[np.where(wrong, (y + 1) % 3, y)] * 0.8 + 0.1 * rng.random((count, 3)), y, patient


@pytest.mark.parametrize("kind", ["classes", "uneven", "lists", "quantities"])
def test_intervals_of_what_is_said_are_by_groups(kind: str):
    """As resampling of whole patients has them, and about three times as wide as those of samples."""
    said, y, patient = spoken(600, 60)
    keep = np.arange(600) if kind != "uneven" else np.flatnonzero((y > 0) | (np.arange(600) % 5 == 0))
    said, y, patient = said[keep], y[keep], patient[keep]
    if kind == "quantities":
        task: Task = Regression(1.0, 1.0)
        said, labels = said.argmax(1).astype(float), y.astype(np.float32)
        found = Predicted(said, [""] * len(y), (), labels=[float(v) for v in labels], groups=patient)
    elif kind == "lists":
        task, labels = Multilabel(("a", "b", "c")), np.eye(3, dtype=np.int64)[y]
        found = Predicted(said, [""] * len(y), task.classes, True, ["abc"[k] for k in y], groups=patient)
    else:
        task, labels = Classification(("a", "b", "c")), y
        found = Predicted(said, [""] * len(y), task.classes, labels=["abc"[k] for k in y], groups=patient)
    rng, marks, alone = np.random.default_rng(1), judged(task, found), task.marks(said, labels)
    assert set(marks) == set(alone) and (kind == "uneven") == ("balanced accuracy" in marks)
    rows = [np.flatnonzero(patient == p) for p in range(60)]
    again = [np.concatenate([rows[p] for p in rng.integers(0, 60, 60)]) for _ in range(60)]
    for name, mark in marks.items():
        if kind == "lists":  # whose own marks are resampled, too
            yes = name == "right of yes and no"
            values = [
                ((said[i] >= 0.5) == labels[i]).mean() if yes else precision(said[i], labels[i])[0] for i in again
            ]
        else:
            values = [task.marks(said[i], labels[i])[name].value for i in again]
        assert mark.error == pytest.approx(np.std(values), rel=0.35) and mark.error > 1.8 * alone[name].error, name
        assert mark.units == 60 and mark.n == len(y) and "(60 independent)" in said_of(name, mark)
        assert task.marks(said, labels, np.arange(len(y)))[name] == alone[name]


def test_patients_of_new_data_are_counted(tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    x, y = bars(60, seed=9)
    np.savez(tmp_path / "judge.npz", x=x, y=y, patient=np.arange(60) // 4)
    hs.predict(tuned, str(tmp_path / "judge.npz"), group="patient")
    assert "on 60 samples (15 independent) that have labels of their own" in capsys.readouterr().out


def test_labels_that_it_learnt_from_judge_nothing(tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Tuned to random labels, `probe` of the same said "pre-training helps", and `predict` judged itself by them."""
    x, y = bars(60)
    same, others = str(tmp_path / "same.npz"), str(tmp_path / "others.npz")
    for path in (same, others):
        np.savez(path, x=x, y=y)
    place = tmp_path / "tuned"
    shutil.copytree(tuned, place)
    (place / "tuned.json").write_text(json.dumps({"where": title(same)}))
    for verb in (hs.probe, hs.compare):
        with pytest.raises(DataError, match=r"was fine-tuned to the labels of .*same\.npz, so these say nothing"):
            verb(place, same, log=Log(quiet=True))
    hs.predict(place, same)
    assert "judged    not: it was tuned to the labels of this very data" in capsys.readouterr().out
    hs.predict(place, others)
    assert "that have labels of their own" in capsys.readouterr().out


def test_what_it_does_not_know_is_refused(tuned: Path, tmp_path: Path):
    x = bars(40)[0]
    with pytest.raises(DataError, match=r"has no head yet.*headstart finetune RUN LABELLED"):
        hs.predict(folder_of(tmp_path / "plain", x), x, log=Log(quiet=True))
    with pytest.raises(DataError, match="same unit"):
        hs.load(tuned).predict(x.astype(np.float32) * 1e6)
    with pytest.raises(DataError, match="should end in one of"):
        hs.predict(tuned, x, "said.txt", log=Log(quiet=True))
    done = CliRunner().invoke(cli.app, ["predict", str(tmp_path / "plain"), str(tuned)])
    assert done.exit_code == 2 and "Traceback" not in done.output


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head.update(task="oracle"),
        lambda head: head.update(classes=["a"]),
        lambda head: head.pop("read"),
        lambda head: head.update(temperature=0),
    ],
)
def test_a_head_that_was_altered_is_no_traceback(tuned: Path, tmp_path: Path, change):
    for name in ("encoder.json", "encoder.safetensors", "head.safetensors"):
        (tmp_path / name).write_bytes((tuned / name).read_bytes())
    card = json.loads((tmp_path / "encoder.json").read_text())
    change(card["head"])
    (tmp_path / "encoder.json").write_text(json.dumps(card))
    with pytest.raises(Mistake, match=r"the head in .* is damaged"):
        hs.load(tmp_path)


def test_windows_of_one_recording_give_one_prediction(tmp_path: Path):
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    x = (np.sin(np.arange(256) * np.where(y, 0.5, 0.1)[:, None]) + rng.normal(0, 0.1, (24, 256))).astype(np.float32)
    whole = ArraySource(x, "series", y)
    tokenizer = SeriesTokenizer.fit([whole[i][..., :64] for i in range(24)], Want(8))
    source = prepare(Windows(whole, 64), tokenizer)
    torch.manual_seed(0)
    made = tune(
        encoder({"x": tokenizer}, SHAPE), tokenizer, source, range(96), source.labels, steps=20, lrs=(3e-3,), batch=16
    )
    save(tmp_path, made, {"read": "mean_std", "width": 64, "input": asdict(Input(window=64))})
    found = hs.load(tmp_path).predict(x, kind="series")
    assert len(found) == 24 and found.said.shape == (24, 2)
    assert np.allclose(found.said, made.predict(source, range(96)).reshape(24, 4, 2).mean(1), atol=0.02)
