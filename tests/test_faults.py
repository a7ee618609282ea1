"""What must not happen to a user's files, and what is said of a run's own that were damaged, taken away or changed."""

import errno
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import headstart as hs
from headstart import cli, dist
from headstart.errors import Mistake
from headstart.log import Log
from headstart.running import hold
from headstart.words import WordError
from headstart.writing import try_place

QUIET = Log(quiet=True)
WORDS = {
    "recipe": "gmml",
    "steps": 4,
    "size": "XS",
    "data.batch": 16,
    "data.held": 0.4,  # else all judge in turns, which takes ten times as long
    "run.device": "cpu",
    "run.save_every": 0.5,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, x.npz, and a finished run on it, r; tests copy it."""
    place = tmp_path_factory.mktemp("finished")
    y = np.arange(60) % 2
    np.savez(place / "x.npz", x=np.random.default_rng(0).normal(size=(60, 32)).astype("f4") + y[:, None], y=y)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("HEADSTART_CACHE_GB", "0")
        hs.pretrain("x.npz", log=QUIET, **WORDS, **{"run.out": "r"})
    return place


@pytest.fixture
def here(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in which we stand."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    run = tmp_path / "r" / "run.json"
    run.write_text(run.read_text().replace(str(finished), str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


# what is the user's


def test_a_folder_with_anything_in_it_is_no_place_for_a_run(finished: Path, tmp_path: Path) -> None:
    mine = {name: f"my own {name}" for name in ("README.md", "report.html", "health.json", "recipe.py", "probe.json")}
    for name, text in mine.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(WordError, match=rf"holds other things \({name}\), and none .* run.out="):
            hs.pretrain(finished / "x.npz", log=QUIET, **WORDS, **{"run.out": str(tmp_path)})
        assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {name: text}
        (tmp_path / name).unlink()


def test_the_data_is_no_place_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n" + "1.5,2\n2,3.5\n" * 20)
    with pytest.raises(WordError, match=r"holds other things \(x.csv\)"):
        hs.pretrain(tmp_path, log=QUIET, **WORDS, **{"run.out": str(tmp_path)})
    assert [p.name for p in tmp_path.iterdir()] == ["x.csv"]


def test_what_a_killed_run_left_before_it_was_written_down_is_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "bakeoff").mkdir()
    with pytest.raises(WordError, match="holds other things"):
        hold.spare(tmp_path, "run")
    hold.claimed(tmp_path)
    hold.spare(tmp_path, "run")


VERBS: dict[str, Callable[[Path, str], object]] = {
    "z.npz": lambda run, out: hs.embed(run, "x.npz", out, QUIET),
    "z.csv": lambda run, out: hs.embed(run, "x.npz", out, QUIET),
    "z.parquet": lambda run, out: hs.embed(run, "x.npz", out, QUIET),
    "near.csv": lambda run, out: hs.neighbours(run, "x.npz", out=out, log=QUIET),
    "near.npz": lambda run, out: hs.neighbours(run, "x.npz", out=out, log=QUIET),
    "odd.csv": lambda run, out: hs.outliers(run, "x.npz", out=out, log=QUIET),
    "map.html": lambda run, out: hs.map(run, "x.npz", out=out, log=QUIET),
    "show.html": lambda run, out: hs.show("x.npz", out=out, log=QUIET),
    "check.json": lambda run, out: hs.check("x.npz", out=out, log=QUIET),
    "told.html": lambda run, out: hs.report(run, out=out, log=QUIET),
}


@pytest.mark.parametrize("name", VERBS)
def test_a_file_of_the_users_is_not_replaced_and_one_of_ours_is(name: str, here: Path) -> None:
    for mine in (
        b"name,age\nme,7\n",
        b'{"mine": 1}',
        b"<!doctype html><p>headstart",
        b"PAR1 mine PAR1",
        b"PK\3\4 mine",
    ):
        Path(name).write_bytes(mine)
        with pytest.raises(Mistake, match=rf"{name} is there already, and headstart did not write it: choose"):
            VERBS[name](here / "r", name)
        assert Path(name).read_bytes() == mine
    Path(name).unlink()
    VERBS[name](here / "r", name)
    try_place(Path(name))  # once more, for it is ours


# numbers that make no sense


@pytest.mark.parametrize(
    "word",
    [
        "optim.lr=0",
        "optim.lr=-0.001",
        "optim.lr=1e999",
        "ratio=0",
        "ratio=1",
        "ratio=-1",
        "optim=lars optim.momentum=2",
    ],
)
def test_numbers_with_which_nothing_is_learnt(word: str) -> None:
    with pytest.raises(Mistake, match=rf"^{word.split()[-1].partition('=')[0]}=.*: .+"):
        hs.pretrain(np.zeros((40, 64), "f4"), "recipe=gmml", *word.split(), log=QUIET, run={"out": "r"})
    assert not Path("r").exists()


# damaged files


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "half": lambda whole: whole[: len(whole) // 2],
    "garbage": lambda whole: b"\0\xffgarbage{]\n" * 8,
    "flipped": lambda whole: (
        whole[: (at := len(whole) // 3)] + bytes(b ^ 0x55 for b in whole[at : at + 40]) + whole[at + 40 :]
    ),
    "other": lambda whole: b'{"other": [1]}\n',
}
READ = ("run.json", "data.json", "log.jsonl", "baselines.json", "baselines.safetensors", "bad_files.jsonl", "recipe.py")
ENDED = ("probe.json", "health.json", "encoder.json", "encoder.safetensors")
SAVED = ("state.json", "objective.safetensors", "optimizer.safetensors")
AGAIN = "pretrain x.npz run.out=r " + " ".join(f"{name}={value}" for name, value in WORDS.items())


def unfinished(run: Path) -> None:
    """A finished run as it was half way."""
    for name in (*ENDED, "report.html", "README.md", "checkpoints/step-00000004"):
        shutil.rmtree(run / name) if (run / name).is_dir() else (run / name).unlink()


def hurt(path: Path, how: str) -> bool:
    """Damage a file that shares its bytes with that of the fixture; whether there was anything to damage."""
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(DAMAGES[how](whole))
    return DAMAGES[how](whole) != whole


def test_nothing_that_is_damaged_reaches_the_user_raw(here: Path) -> None:
    """Every file by turns damaged in every way, then read by a verb: it goes on and says how, or a sentence says what to do."""
    shutil.copytree("r", "ended")
    shutil.copytree("r", "half")
    unfinished(Path("half"))
    saved = [f"checkpoints/step-0000000{n}/{name}" for n in (2, 4) for name in SAVED]
    verbs = ("report r", "embed r x.npz out=z.npz", "again r", AGAIN)
    walk = [("ended", name) for name in (*READ, *ENDED, *saved)] + [("half", name) for name in (*READ, *saved[:3])]
    for number, (state, name) in enumerate(walk):
        how = list(DAMAGES)[(number) % len(DAMAGES)]
        shutil.rmtree("r")
        shutil.copytree(state, "r")
        if not hurt(Path("r", name), how):
            continue
        done = CliRunner().invoke(cli.app, verbs[(number + number // 5) % len(verbs)].split())
        assert done.exception is None or isinstance(done.exception, SystemExit), (state, name, how, done.exception)
        assert done.exit_code == 0 or (done.exit_code == 2 and len(done.stderr.splitlines()) == 1), (name, done.stderr)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(here: Path, finished: Path) -> None:
    """Forty bytes in the middle of its weights: the run goes on from the one before, says so, and ends with the same bits."""
    for name in (*ENDED, "report.html", "README.md"):
        Path("r", name).unlink()
    hurt(Path("r/checkpoints/step-00000004/objective.safetensors"), "flipped")
    done = CliRunner().invoke(cli.app, AGAIN.split())
    assert done.exit_code == 0, done.stderr
    assert "step-00000004/objective.safetensors is damaged (its checksum is another)" in done.stdout
    assert "the checkpoint before it is taken" in done.stdout and "going on from step 2 of 4" in done.stdout
    for name in ("encoder.safetensors", "checkpoints/step-00000004/objective.safetensors"):
        assert Path("r", name).read_bytes() == (finished / "r" / name).read_bytes()


def test_no_whole_checkpoint_is_no_reason_to_begin_anew(here: Path) -> None:
    unfinished(Path("r"))
    hurt(Path("r/checkpoints/step-00000002/optimizer.safetensors"), "half")
    done = CliRunner().invoke(cli.app, AGAIN.split())
    assert done.exit_code == 2 and "no checkpoint in r/checkpoints is whole: delete that folder" in done.stderr


def test_what_can_be_made_anew_is_and_it_is_said(here: Path, finished: Path) -> None:
    ended = ("encoder.safetensors", "probe.json")
    for name in (*ended, "baselines.safetensors"):
        hurt(Path("r", name), "flipped")
    done = CliRunner().invoke(cli.app, AGAIN.split())
    assert done.exit_code == 0 and f"without {', '.join(ended)}: its end is made anew" in done.stdout, done.output
    for name in ended:
        assert Path("r", name).read_bytes() == (finished / "r" / name).read_bytes()
    assert "damaged   r/baselines.safetensors is damaged (its checksum is another): it is made anew" in done.stdout


def test_lines_of_a_log_that_are_none_are_left_out_and_counted(here: Path) -> None:
    unfinished(Path("r"))
    log = Path("r/log.jsonl")
    log.write_bytes(log.read_bytes() + b'\xffgarbage\n[1]\n{"event": "half')
    done = CliRunner().invoke(cli.app, AGAIN.split())
    assert done.exit_code == 0 and "damaged   2 lines of r/log.jsonl cannot be read" in done.stdout, done.output


# a machine that fails or lies while a run is under way


def without_permission(name: str, patch: pytest.MonkeyPatch) -> None:
    """From now on nothing of this name can be appended to, or put in its place."""
    opened, moved = Path.open, os.replace

    def denied(path: Path) -> None:
        if path.name == name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

    def opening(path: Path, mode: str = "r", *rest: object, **more: object) -> object:
        if "a" in mode:
            denied(path)
        return opened(path, mode, *rest, **more)

    def moving(part: Path, path: Path) -> None:
        denied(Path(path))
        moved(part, path)

    patch.setattr(Path, "open", opening)
    patch.setattr(os, "replace", moving)


def test_permission_that_is_lost_is_a_sentence_and_nothing_is_half(
    here: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log and a checkpoint by turns can be written no more; given back, the run ends with the same bits."""
    unfinished(Path("r"))
    for name in ("log.jsonl", "step-00000004"):
        with monkeypatch.context() as patch:
            without_permission(name, patch)
            done = CliRunner().invoke(cli.app, AGAIN.split())
        said = "cannot be written (Permission denied): choose a place that can be written, and start the same command again"
        assert done.exit_code == 2 and name in done.stderr and done.stderr.endswith(said + "\n"), done.output
        assert len(done.stderr.splitlines()) == 1 and not list(Path("r").rglob(".part-*"))
    done = CliRunner().invoke(cli.app, AGAIN.split())
    assert done.exit_code == 0, done.output
    assert Path("r/encoder.safetensors").read_bytes() == (finished / "r/encoder.safetensors").read_bytes()


def test_a_clock_that_jumps_changes_nothing(here: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten years ahead and back at each look: no file, figure or time that is said hangs on the time of day."""
    unfinished(Path("r"))
    true, jumps = time.time_ns, itertools.cycle((10, -10, 0, -40))
    monkeypatch.setattr(time, "time_ns", lambda: true() + next(jumps) * 365 * 86_400 * 10**9)
    monkeypatch.setattr(time, "time", lambda: time.time_ns() / 1e9)
    monkeypatch.setattr(time, "strftime", lambda form, of=None: "1970-01-01 00:00:00")
    done = CliRunner().invoke(cli.app, AGAIN.split())
    assert done.exit_code == 0 and not Path("r/.lock").exists(), done.output
    assert Path("r/encoder.safetensors").read_bytes() == (finished / "r/encoder.safetensors").read_bytes()
    took = [json.loads(line) for line in Path("r/log.jsonl").read_text().splitlines() if '"took"' in line]
    assert all(0 <= row["seconds"] < 600 for row in took)


def test_a_batch_that_does_not_divide_is_said_before_anything_is_read(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dist, "world", lambda: 2)
    with pytest.raises(Mistake, match=r"^data.batch=1 does not divide among 2 processes: data.batch=2 does$"):
        hs.pretrain("x.npz", log=QUIET, **{**WORDS, "data.batch": 1}, run={"out": "other"})
    assert not Path("other").exists()


# two at once


def test_a_finished_run_that_goes_on_is_held_too(here: Path) -> None:
    """Made longer, or its end made anew, it is written to: a second process is told who works in it."""
    (here / "r" / "health.json").unlink()
    with (
        hold.held(here / "r", QUIET, finished=True),
        pytest.raises(Mistake, match=r"worked in by process \d+ on .* since"),
    ):
        hs.pretrain("x.npz", log=QUIET, **WORDS, run={"out": "r"})


# code of a stranger


def test_code_that_a_run_names_is_not_run_unasked(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = json.loads((here / "r" / "run.json").read_text())
    evil = "from pathlib import Path\nPath('ran').touch()\n"
    (here / "evil.py").write_text(evil)
    (here / "r" / "recipe.py").write_text(evil)
    for name in ("evil:evil", "evil.py", f"{here}/evil.py:evil", "r/recipe.py:evil"):
        run["plan"]["recipe"] = name
        (here / "r" / "run.json").write_text(json.dumps(run))
        for verb in ("again r", "report r data=x.npz", "probe r x.npz", "analyse r x.npz", "compare r x.npz"):
            done = CliRunner().invoke(cli.app, verb.split())
            assert done.exit_code == 2 and "r/recipe.py, and if you trust it say trust=true" in done.stderr, done.output
        assert not Path("ran").exists()
    done = CliRunner().invoke(cli.app, ["again", "r", "trust=true"])
    assert done.exit_code == 2 and "defines no recipe" in done.stderr and Path("ran").exists()


# names


def test_names_of_columns_cannot_write_lines_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line break and an escape sequence in the names of a folder, a label and a column are shown, not obeyed."""
    place, nasty = tmp_path / "two\nlines", "label\n\x1b[2J# forged"
    place.mkdir()
    rows = [f"{i},{i % 7},{i % 2}" for i in range(40)]
    (place / "t.csv").write_text("\n".join(['a,b,"' + nasty + '"', *rows]))
    words = {**WORDS, "data.label": nasty, "run.out": str(tmp_path / "r\n# forged"), "data.held": 0.0}
    hs.pretrain(place / "t.csv", log=Log(), **words)
    said = capsys.readouterr().out.split("To use it")[0] + (tmp_path / "r\n# forged" / "README.md").read_text()
    assert "label\\n\\x1b[2J# forged" in said and "\x1b" not in said
    assert not [line for line in said.splitlines() if line.startswith("# forged")]


def test_sniff_and_check_say_one_line_for_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place, nasty = tmp_path / "two\n# forged", "label\n\x1b[2J# forged"
    place.mkdir()
    rows = [f"{i},{i % 7},{i % 2}" for i in range(40)]
    (place / "t.csv").write_text("\n".join(['a,b,"' + nasty + '"', *rows, rows[0]]))
    hs.sniff(place)
    hs.check(place, out=tmp_path / "two\n# forged.json")
    said = capsys.readouterr().out
    assert "two\\n# forged" in said and "label\\n\\x1b[2J# forged" in said and "\x1b" not in said
    assert not [line for line in said.splitlines() if line.startswith("# forged")]
