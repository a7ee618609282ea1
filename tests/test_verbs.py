"""The whole way, as a user goes it: small folders, few steps, every file a run leaves behind."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import headstart as hs
from headstart.data.source import DataError
from headstart.errors import Mistake
from headstart.log import Log
from headstart.words import WordError

SMALL = {"steps": 4, "size": "XS", "data.batch": 16, "run.device": "cpu"}


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
    assert {p.name for p in out.iterdir()} == wanted
    bad = [json.loads(line)["path"] for line in (out / "bad_files.jsonl").read_text().splitlines()]
    assert sorted(Path(b).name for b in bad) == ["cut.png", "empty.png", "text.jpg"]
    table = json.loads((out / "probe.json").read_text())["table"]
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
    source = encoder.prepare(str(data))
    some = [np.asarray(source[i]) for i in (0, 1, 50)]
    together = encoder.embed(some)
    alone = np.concatenate([encoder.embed([x]) for x in some])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-3


def test_embed_writes_what_its_ending_says(finished: tuple[Path, Path], tmp_path: Path) -> None:
    data, out = finished
    found = hs.embed(out, str(data), tmp_path / "z.npz", log=quiet())
    kept = np.load(tmp_path / "z.npz")
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
    data = shapes(tmp_path / "data")
    words = ["steps=400", "size=XS", "data.batch=16", "run.device=cpu", "run.probe_every=1.0"]
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
    assert stopped < 399 and not (tmp_path / "cut" / "encoder.json").exists()
    resumed = subprocess.run(cut, capture_output=True, text=True)
    assert resumed.returncode == 0 and "going on from step" in resumed.stdout, resumed.stderr
    one, two = ((tmp_path / name / "encoder.safetensors").read_bytes() for name in ("whole", "cut"))
    assert one == two


def test_mistakes_get_one_sentence(tmp_path: Path) -> None:
    def fails(*words: str) -> str:
        done = subprocess.run([sys.executable, "-m", "headstart", *words], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 2 and "Traceback" not in done.stderr and done.stderr.count("\n") == 1, done.stderr
        return done.stderr

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
        tmp_path / "s.npz", recipe=recipe, log=quiet(), **SMALL, **small, **{"run.out": str(tmp_path / "r")}
    )
    assert done.load().embed(x[:5]).shape == (5, done.load().width)


def test_texts_take_dino_and_refuse_what_needs_numbers(tmp_path: Path) -> None:
    for i in range(24):
        (tmp_path / f"{i}.txt").write_text(f"sample number {i} " * (3 + i))
    done = hs.pretrain(tmp_path, log=quiet(), codes=32, local=2, **SMALL, **{"run.out": str(tmp_path / "r")})
    assert done.load().embed(["hello", "a longer text"]).shape == (2, done.load().width)
    with pytest.raises(Mistake, match="ids"):
        hs.pretrain(tmp_path, recipe="mae", log=quiet(), **SMALL, **{"run.out": str(tmp_path / "m")})


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
