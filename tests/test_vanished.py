"""Files of the data that change, vanish or come back while a run is under way."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import headstart as hs
from headstart.data.feeding import prepare
from headstart.data.open import open_source
from headstart.data.source import DataError
from headstart.errors import Mistake
from headstart.log import Log
from headstart.reading import state_of
from headstart.recipe import Input, Run
from headstart.running.begun_on import gone_on_with, write_down
from headstart.running.material import Material, fingerprint, gather
from headstart.tokenizers.image import ImageTokenizer
from headstart.words import WordError

QUIET = Log(quiet=True)
WORDS = {"recipe": "gmml", "steps": 4, "size": "XS", "data.batch": 16, "run.device": "cpu", "run.save_every": 0.5}
ENDED = ("probe.json", "health.json", "encoder.json", "encoder.safetensors", "report.html", "README.md")
GONE = ("07.png", "17.png", "31.png")
ENCODER, BAD = Path("r/encoder.safetensors"), Path("r/bad_files.jsonl")


def picture(path: Path, seed: int) -> None:
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)).save(path)


def run(log: Log = QUIET) -> None:
    hs.pretrain("photos", log=log, **WORDS, **{"run.out": "r", "data.patch": 4})


def half() -> None:
    """The run as it was half way."""
    for name in (*ENDED, "checkpoints/step-00000004"):
        shutil.rmtree(Path("r", name)) if Path("r", name).is_dir() else Path("r", name).unlink()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 48 pictures, photos, and a finished run on it, r."""
    place = tmp_path_factory.mktemp("finished")
    (place / "photos").mkdir()
    for seed in range(48):
        picture(place / "photos" / f"{seed:02d}.png", seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("HEADSTART_CACHE_GB", "0")
        run()
    return place


@pytest.fixture
def here(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it half way, in which we stand."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    said = tmp_path / "r" / "run.json"
    said.write_text(said.read_text().replace(str(finished), str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADSTART_CACHE_GB", "0")
    half()
    return tmp_path


def test_a_file_with_other_content_is_named_and_one_with_another_time_is_the_same(here: Path, finished: Path) -> None:
    for path in Path("photos").rglob("*.png"):
        os.utime(path, (1, 1))
    mine = Path("photos/01.png")
    before = mine.read_bytes()
    picture(mine, 1000)
    with pytest.raises(
        WordError, match=r"^1 file of photos changed since this run began \(01.png\): put back .* run.out="
    ):
        run()
    mine.write_bytes(before)
    run()
    assert ENCODER.read_bytes() == (finished / ENCODER).read_bytes()


def test_samples_that_vanish_between_runs_are_stood_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in GONE:
        Path("photos", name).unlink()
    run(Log())
    said = (
        "vanished  3 samples of the 48 of this run can be read no more (07.png, 17.png, 31.png): others stand for them"
    )
    assert said in capsys.readouterr().out and all(name in BAD.read_text() for name in GONE)


def test_with_more_than_a_tenth_gone_a_run_waits_until_they_are_back(here: Path) -> None:
    for path in list(Path("photos").glob("2*.png")):
        path.unlink()
    with pytest.raises(DataError, match=r"^10 of the 48 samples of this run can be read no more .*: bring them back"):
        run()


def test_new_files_are_other_data(here: Path) -> None:
    picture(Path("photos/new.png"), 1000)
    with pytest.raises(WordError, match=r"r was begun on other data than .* holds now \(new.png\): give this run"):
        run()


def gathered(folder: Path) -> Material:
    tokenizer = ImageTokenizer(4)
    return gather(folder, open_source(folder), tokenizer, Input(held=0.25), Run(), QUIET)


def test_who_stands_in_is_of_the_same_side_and_class_and_the_division_stays(tmp_path: Path) -> None:
    """Also where a class loses its number: what judges is never learnt from because a file is gone."""
    for seed in range(60):
        path = tmp_path / "photos" / "abc"[seed % 3] / f"{seed:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(path, seed)
    run, kept = tmp_path / "r", {"plan": {"where": "photos", "run": {}, "input": {"held": 0.25}}}
    begun = gathered(tmp_path / "photos")
    write_down(run, tmp_path / "photos", begun)
    kept |= {"fingerprint": fingerprint(begun)}
    kept["plan"]["tokenizer"] = state_of(ImageTokenizer(4))
    assert gone_on_with(run, tmp_path / "photos", now := gathered(tmp_path / "photos"), kept, QUIET) is now
    judge, learnt = int(begun.probe.query_at[0]), int(begun.training.indices[0])
    for index in (judge, learnt):
        (tmp_path / "photos" / begun.everything.name(index)).unlink()
    went = gone_on_with(run, tmp_path / "photos", gathered(tmp_path / "photos"), kept, QUIET)
    labels = begun.everything.labels
    np.testing.assert_array_equal(went.training.indices, begun.training.indices)
    np.testing.assert_array_equal(went.probe.query_at, begun.probe.query_at)
    np.testing.assert_array_equal(went.everything.labels, labels)
    for index, side in ((judge, begun.probe.query_at), (learnt, begun.training.indices)):
        other = went.everything.missing.instead(index)
        assert other != index and other in side and labels[other] == labels[index]
        np.testing.assert_array_equal(went.everything[index], begun.everything[other])
        np.testing.assert_array_equal(went.everything[other], begun.everything[other])


def test_samples_that_vanish_while_they_are_read_are_stood_for_and_resume_is_exact(
    here: Path, finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three files go before the third step, in a run that keeps none in memory: it ends, and with the same bits as where it is
    resumed then and does not even find them."""
    monkeypatch.setattr(prepare, "_free_memory", lambda: 0)
    log = Log()
    log.listeners.append(lambda event, values: event == "resume" and [Path("photos", name).unlink() for name in GONE])
    run(log)
    said = capsys.readouterr().out
    assert "vanished  " in said and "another sample stands for it" in said
    lost, ended = BAD.read_text().splitlines(), ENCODER.read_bytes()
    assert 0 < len(lost) <= 3 and all(any(name in line for name in GONE) for line in lost)
    assert ended != (finished / ENCODER).read_bytes()
    half()
    run()
    assert ENCODER.read_bytes() == ended


def test_when_too_many_vanish_while_they_are_read_the_run_stops_with_a_sentence(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "_free_memory", lambda: 0)
    log = Log(quiet=True)
    log.listeners.append(lambda event, values: [p.unlink() for p in Path("photos").glob("2*")])
    with pytest.raises(
        Mistake, match=r"5 of the 48 samples of this run can be read no more \(such as 2.*: bring them back"
    ):
        run(log)
