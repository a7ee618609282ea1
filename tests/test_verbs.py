"""The whole way, as a user goes it: small folders, few steps, every file a run leaves behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import headstart as hs
from headstart.checkpoint import complete
from headstart.cli import app
from headstart.data.source import DataError
from headstart.log import Log
from headstart.words import WordError

SMALL = {"recipe": "mae", "steps": 4, "size": "XS", "data.batch": 16, "run.device": "cpu"}


def quiet() -> Log:
    return Log(quiet=True)


def shapes(folder: Path, count: int = 40) -> Path:
    """Two classes of pictures in nested folders: bars that lie or stand; three files among them are broken."""
    rng = np.random.default_rng(0)
    for i in range(count):
        picture = rng.integers(0, 60, (24, 20 + 4 * (i % 2), 3), dtype=np.uint8)
        at = int(rng.integers(2, 16))
        kind = ("lying", "standing")[i % 2]
        if kind == "lying":
            picture[at : at + 4] = 220
        else:
            picture[:, at : at + 4] = 220
        place = folder / kind / f"part{i % 3}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(place / f"{i}.{('png', 'jpg', 'bmp')[i % 3]}")
    (folder / "lying" / "cut.png").write_bytes((folder / "lying" / "part0" / "0.png").read_bytes()[:90])
    (folder / "standing" / "text.jpg").write_text("not a picture")
    (folder / "standing" / "empty.png").write_bytes(b"")
    return folder


def picture_width(path: Path) -> int:
    with Image.open(path) as picture:
        return picture.width


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(data, run folder) of one finished run."""
    data = shapes(tmp_path_factory.mktemp("shapes"), 120)
    out = tmp_path_factory.mktemp("runs") / "a"
    hs.pretrain(str(data), log=quiet(), **{**SMALL, "steps": 6, "run.out": str(out), "data.held": 0.3})
    return data, out


def test_a_run_leaves_everything_behind(finished: tuple[Path, Path]) -> None:
    _, out = finished
    wanted = {"run.json", "recipe.py", "log.jsonl", "checkpoints", "encoder.safetensors", "encoder.json", "health.json"}
    wanted |= {"bad_files.jsonl", "report.html", "README.md", "probe.json", "baselines.json", "restored.png"}
    wanted |= {"baselines.safetensors", "data.json"}
    assert {p.name for p in out.iterdir()} == wanted
    bad = [json.loads(line)["path"] for line in (out / "bad_files.jsonl").read_text().splitlines()]
    assert sorted(Path(b).name for b in bad) == ["cut.png", "empty.png", "text.jpg"]
    table = json.loads((out / "probe.json").read_text())["results"]
    assert list(table) == ["raw input", "random encoder", "pre-trained"]
    assert len({tuple(row) for row in table.values()}) == 1  # the same measures for all three
    page = (out / "report.html").read_text()
    assert "random encoder" in page and "<polyline" in page and "data:image/png" in page and "http" not in page
    assert picture_width(out / "restored.png") > 200


def test_the_printed_snippet_runs(finished: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    data, out = finished
    hs.pretrain(
        str(data), **{**SMALL, "steps": 6, "run.out": str(out), "data.held": 0.3}
    )  # finished: says how to use it
    said = capsys.readouterr().out
    snippet = said[said.index("import headstart as hs") :]
    code = subprocess.run(
        [sys.executable, "-c", snippet + "\nprint(z.shape, encoder.width)"], capture_output=True, text=True
    )
    assert code.returncode == 0, code.stderr
    width = json.loads((out / "encoder.json").read_text())["width"]
    assert code.stdout.strip() == f"(120, {width}) {width}"
    assert f"[samples, {width}]" in snippet


def test_embedding_is_the_same_alone_and_together(finished: tuple[Path, Path]) -> None:
    data, out = finished
    encoder = hs.load(out)
    encoder.module.dtype = torch.float32
    source, remarks = encoder.prepare(str(data))
    assert remarks == []
    some = [np.asarray(source[i]) for i in (0, 1, 50)]
    together = encoder.embed(some)
    alone = np.concatenate([encoder.embed([x]) for x in some])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-3


def test_embed_writes_what_its_ending_says(finished: tuple[Path, Path], tmp_path: Path) -> None:
    data, out = finished
    found = hs.embed(out, str(data), tmp_path / "z.npz", log=quiet())
    with np.load(tmp_path / "z.npz") as kept:
        np.testing.assert_array_equal(kept["z"], found.z)
        assert set(kept["label"]) == {"lying", "standing"} and len(found.bad) == 3
    hs.embed(out, str(data), tmp_path / "z.csv", log=quiet())
    assert (tmp_path / "z.csv").read_text().count("\n") == 121
    with pytest.raises(DataError, match=r"\.npz, \.csv, \.parquet"):
        hs.embed(out, str(data), tmp_path / "z.mat", log=quiet())


def test_probe_stands_beside_its_baselines(finished: tuple[Path, Path], tmp_path: Path) -> None:
    data, out = finished
    table = hs.probe(out, str(data), log=quiet())
    assert list(table) == ["raw input", "random encoder", "pre-trained"] and "knn" in table["raw input"]
    np.save(tmp_path / "x.npy", np.zeros((50, 24, 24, 3), np.uint8))
    with pytest.raises(DataError, match="has no labels"):
        hs.probe(out, str(tmp_path / "x.npy"), log=quiet())


def test_again_reproduces_the_first_losses(finished: tuple[Path, Path]) -> None:
    _, out = finished
    pairs = hs.again(out, log=quiet())
    assert len(pairs) == 6 and all(then == now for then, now in pairs) and len(set(pairs)) == 6
    rows = (out / "log.jsonl").read_text()
    try:
        first = next(r for r in map(json.loads, rows.splitlines()) if r["event"] == "step")
        (out / "log.jsonl").write_text(rows.replace(repr(first["loss"]), repr(first["loss"] + 1e-6), 1))
        with pytest.raises(RuntimeError, match="not reproduced"):
            hs.again(out, log=quiet())
    finally:
        (out / "log.jsonl").write_text(rows)


def test_interrupted_run_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    """Ctrl-C in the middle, then the same command: the encoder equals that of a run nobody disturbed, bit for bit."""
    data = tmp_path / "data"
    data.mkdir()
    for i in range(40):  # in one folder: without labels there is nothing to probe
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(data / f"{i}.png")
    words = ["recipe=mae", "steps=60", "size=XS", "data.batch=16", "run.device=cpu", "run.probe_every=1.0"]
    command = [sys.executable, "-m", "headstart", "pretrain", str(data), *words]
    whole = subprocess.run([*command, f"run.out={tmp_path / 'whole'}"], capture_output=True, text=True)
    assert whole.returncode == 0, whole.stderr
    cut = [*command, f"run.out={tmp_path / 'cut'}"]
    with subprocess.Popen(
        cut, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if re.match(r"step \d", line):  # training has begun
                running.send_signal(signal.SIGINT)
                break
        rest = running.stdout.read()
    assert running.returncode == 130 and "the same command goes on" in rest
    log = [json.loads(line) for line in (tmp_path / "cut" / "log.jsonl").read_text().splitlines()]
    stopped = max(row["step"] for row in log if row["event"] == "step")
    assert stopped < 59 and not (tmp_path / "cut" / "encoder.json").exists()
    resumed = subprocess.run(cut, capture_output=True, text=True)
    assert resumed.returncode == 0 and "going on from step" in resumed.stdout, resumed.stderr
    one, two = ((tmp_path / name / "encoder.safetensors").read_bytes() for name in ("whole", "cut"))
    assert one == two


def test_mistakes_get_one_sentence(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)

    def fails(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            app(list(words))
        said = capsys.readouterr().err
        assert ended.value.code == 2 and said.count("\n") == 1, said
        return said

    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.png").write_text("no")
    np.save(tmp_path / "x.npy", np.zeros((64, 16, 16), np.uint8))
    assert "no usable image" in fails("pretrain", "none")
    assert "did you mean fashion-mnist" in fails("pretrain", "fashion-mnit")
    assert "did you mean steps" in fails("pretrain", "x.npy", "step=3")
    assert "did you mean optim.lr" in fails("pretrain", "x.npy", "optim.lrr=3")
    assert "takes a whole number" in fails("pretrain", "x.npy", "steps=many")
    assert "did you mean mae" in fails("pretrain", "x.npy", "recipe=maee")
    assert "no model size" in fails("pretrain", "x.npy", "size=XXL")
    assert "holds no finished encoder" in fails("embed", "none", "x.npy")
    assert "did you mean gmml" in fails("recipes", "gml")


def test_another_run_is_not_overwritten(finished: tuple[Path, Path]) -> None:
    data, out = finished
    with pytest.raises(WordError, match="holds another run"):
        hs.pretrain(str(data), log=quiet(), **{**SMALL, "steps": 7, "run.out": str(out)})


@pytest.mark.parametrize("recipe", ["mae", "gmml", "dino", "gpt_series"])
def test_series_arrays(tmp_path: Path, recipe: str) -> None:
    t = np.linspace(0, 6, 64)
    x = np.stack([np.sin(t * f) for f in np.linspace(1, 4, 48)]).astype(np.float32)
    np.savez(tmp_path / "s.npz", x=x, y=(np.arange(48) % 2))
    small = {"codes": 32, "local": 2} if recipe == "dino" else {}
    done = hs.pretrain(
        tmp_path / "s.npz", log=quiet(), **SMALL | {"recipe": recipe}, **small, **{"run.out": str(tmp_path / "r")}
    )
    assert done.load().embed(x[:5]).shape == (5, done.load().width)


@pytest.mark.parametrize("recipe", ["mae", "gmml", "dino"])
def test_texts(tmp_path: Path, recipe: str) -> None:
    """Rows of ids go through the methods that were written for numbers; their loss begins at that of a guess."""
    for i in range(24):
        (tmp_path / f"{i}.txt").write_text(f"sample number {i} " * (3 + i))
    small = {"codes": 32, "local": 2} if recipe == "dino" else {}
    out = {"run.out": str(tmp_path / "r")}
    done = hs.pretrain(tmp_path, log=quiet(), **small, **SMALL | {"recipe": recipe}, **out)
    assert done.load().embed(["hello", "a longer text"]).shape == (2, done.load().width)
    if recipe != "dino":
        assert abs(done.outcome.losses[0] - np.log(256)) < 1.0


def test_a_stepless_mistake_leaves_no_folder(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((64, 16, 16), np.uint8))
    with pytest.raises(WordError):
        hs.pretrain(tmp_path / "x.npy", log=quiet(), nonsense=1, **{"run.out": str(tmp_path / "r")})
    assert not (tmp_path / "r").exists()


def test_doctor_and_recipes_speak() -> None:
    assert "GFLOP/s" in hs.doctor()
    listed = hs.recipes()
    assert all(name in listed for name in ("clip", "dino", "gmml", "gpt_series", "mae"))
    assert "differs from the paper" in hs.recipes("gmml").lower() and "ratio = 0.5" in hs.recipes("gmml")


def test_a_kill_leaves_a_loadable_checkpoint(tmp_path: Path) -> None:
    """SIGKILL, which nobody can catch, some time after the first checkpoint: the same command goes on and finishes."""
    data = tmp_path / "data"
    data.mkdir()
    for i in range(40):  # in one folder: without labels there is nothing to probe
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(data / f"{i}.png")
    words = [
        "recipe=mae",
        "steps=60",
        "size=XS",
        "data.batch=16",
        "run.device=cpu",
        "run.probe_every=1.0",
        "run.save_every=0.04",
    ]
    command = [sys.executable, "-m", "headstart", "pretrain", str(data), *words, f"run.out={tmp_path / 'r'}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
        while running.poll() is None and len(complete(tmp_path / "r" / "checkpoints")) < 2:
            time.sleep(0.01)
        running.kill()
    assert running.returncode == -signal.SIGKILL
    assert complete(tmp_path / "r" / "checkpoints")
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0 and "going on from step" in again.stdout, again.stderr
    assert hs.load(tmp_path / "r").embed(str(data)).shape[0] == 40


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """torchrun: one plan, one log, one encoder; the first losses are those of a single process, up to rounding."""
    x = np.random.default_rng(0).integers(0, 256, (64, 16, 16), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", x=x)
    words = [
        "pretrain",
        str(tmp_path / "x.npz"),
        "steps=6",
        "size=XS",
        "data.batch=16",
        "run.device=cpu",
        "run.dtype=fp32",
    ]
    many = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "headstart"]
    losses = []
    for name, start in (("one", [sys.executable, "-m", "headstart"]), ("two", many)):
        done = subprocess.run([*start, *words, f"run.out={tmp_path / name}"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("done ") == 1
        losses.append([row["loss"] for row in Log(tmp_path / name / "log.jsonl", quiet=True).rows("step")])
    assert len(losses[0]) == 6
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


def test_the_demo_ends_with_a_table_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = hs.demo("steps=4", "run.probe_every=1", f"run.out={tmp_path / 'demo'}")
    said = capsys.readouterr().out
    assert list(done.results) == ["raw input", "random encoder", "pre-trained"]
    assert {"knn", "linear-100", "linear-600"} <= set(done.results["pre-trained"])
    assert "worth     pre-training" in said and "restored.png" in said and "chance" in said
    assert picture_width(tmp_path / "demo" / "restored.png") > 500


def test_other_data_is_not_taken_for_the_same(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (2, 40, 16, 16), dtype=np.uint8)
    out = {"run.out": str(tmp_path / "r")}
    first = hs.pretrain(x[0], log=quiet(), **SMALL, **out)
    (first.folder / "probe.json").unlink()  # as if it had been interrupted
    with pytest.raises(WordError, match="other data"):
        hs.pretrain(x[1], log=quiet(), **SMALL, **out)


def test_a_run_inside_the_data_is_not_data(tmp_path: Path) -> None:
    data = shapes(tmp_path / "photos")
    done = hs.pretrain(str(data), log=quiet(), **SMALL, **{"run.out": str(data / "runs" / "a")})
    assert len(done.load().embed(str(data))) == 40


def test_a_run_goes_on_for_longer(tmp_path):
    data, out = shapes(tmp_path / "data"), str(tmp_path / "run")
    words = SMALL | {"run.out": out}
    first = hs.pretrain(data, log=quiet(), **words)
    planned = json.loads((tmp_path / "run" / "run.json").read_text())["plan"]["seconds"] / 60
    log = Log()
    said: list[str] = []
    log.say = said.append  # type: ignore[method-assign]
    longer = hs.pretrain(data, log=log, **words | {"run.minutes": planned * 1.75})
    assert first.outcome.total == 4 and longer.outcome.total == longer.outcome.step == 7
    assert any("to take 4 steps, and goes on to 7" in line for line in said)
    assert any("going on from step 4 of 7" in line for line in said)
    assert (tmp_path / "run" / "probe-4.json").exists() and (tmp_path / "run" / "probe.json").exists()
    rates = [row["lr"] for row in Log(tmp_path / "run" / "log.jsonl", quiet=True).rows("step")]
    assert len(rates) == 7 and rates[4] > rates[3]  # the decay is opened again
    assert hs.again(out, log=quiet())  # of the steps that it had then
    assert json.loads((tmp_path / "run" / "run.json").read_text())["lengths"] == [4]
    assert (
        hs.pretrain(data, log=quiet(), **words | {"run.minutes": planned * 1.75}).outcome.step == 7
    )  # finished already
    with pytest.raises(WordError, match="no more than that: ask for more"):
        hs.pretrain(data, log=quiet(), **words | {"run.minutes": planned})
    for other in ({}, {"data.batch": 8}, {"steps": 9}):
        with pytest.raises(WordError, match=r"holds another run .*run\.minutes="):
            hs.pretrain(data, log=quiet(), **words | other)
