"""What a user's machine does to us: names in any bytes, no home, a full disk, a closed pipe, the same run twice at once."""

import csv
import errno
import fcntl
import getpass
import io
import json
import os
import pwd
import resource
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

import headstart as hs
from headstart import checkpoint, cli, home
from headstart.encoded import Encoded
from headstart.errors import Mistake, Unreadable, shown
from headstart.log import Log, rows
from headstart.picture import sheet
from headstart.running import hold
from headstart.running.hold import held
from headstart.verbs import embed
from headstart.verbs.check import Checked, _write
from headstart.writing import NotWritten, utf8, whole, write_bytes, write_json, write_text

SMALL = {"steps": 4, "size": "XS", "data.batch": 16, "run.device": "cpu"}
QUIET = Log(quiet=True)
NAMES = [b"caf\xe9.png", b"a,b.png", b'say "x".png', b"two\nlines.png", b"=1+1.png", "日本.png".encode()]


# names


def photos(place: bytes) -> list[bytes]:
    """Pictures of these names in a folder that is no UTF-8, and a broken one; the names, relative."""
    rng, folder = np.random.default_rng(0), b"gr\xf6n/"
    os.makedirs(place + b"/" + folder)
    names = [folder + name for name in [*NAMES, *(b"%d.png" % i for i in range(14))]]
    for name in names:
        with open(place + b"/" + name, "wb") as file:
            Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(file, "png")
    Path(os.fsdecode(place + b"/br\xf6ken.png")).write_bytes(b"\x89PNG broken")
    return names


@pytest.fixture
def screen() -> Iterator[TextIO]:
    """A terminal that refuses what its encoding lacks; what it shows is in the file of its name."""
    with open("screen", "w", encoding="ascii", errors="strict") as file:
        yield file


def test_any_name_goes_the_whole_way(tmp_path: Path, screen: TextIO) -> None:
    data, run = os.fsencode(tmp_path) + b"/d\xe4ta\n", tmp_path / os.fsdecode(b"r\xfcn")
    names, where = photos(data), os.fsdecode(data)
    hs.sniff(where, log=Log(to=screen))
    found = hs.check(where, out=tmp_path / "check.json", log=Log(to=screen))
    text = (tmp_path / "check.json").read_text(encoding="utf-8")  # strictly
    assert json.loads(text)["broken"][0][0] == found.broken[0][0] == os.fsdecode(b"br\xf6ken.png")
    done = hs.pretrain(where, log=Log(to=screen), **SMALL, **{"run.out": str(run)})
    assert done.outcome.step == 4 and r"br\xf6ken.png" in Path("screen").read_text("ascii")
    for name in ("README.md", "report.html", "run.json", "bad_files.jsonl"):
        (run / name).read_text(encoding="utf-8")
    for form in embed.FORMS:
        hs.embed(run, where, out=tmp_path / f"z{form}", log=Log(to=screen))
    with open(tmp_path / "z.csv", newline="", encoding="utf-8", errors="surrogateescape") as file:
        table = list(csv.DictReader(file))
    assert sorted(os.fsencode(row["name"]) for row in table) == sorted(names)
    with np.load(tmp_path / "z.npz") as kept:
        assert sorted(map(os.fsencode, kept["name"].tolist())) == sorted(names)
    columns = pq.read_table(tmp_path / "z.parquet").to_pydict()
    assert {r"gr\xf6n/caf\xe9.png", "gr\\xf6n/two\nlines.png"} < set(columns["name"])
    assert len(columns["z"]) == len(names)


def test_a_checkpoint_comes_back_from_a_folder_that_is_no_utf8(tmp_path: Path) -> None:
    net, other = nn.Linear(3, 3), nn.Linear(3, 3)
    optimizers = [torch.optim.AdamW(each.parameters()) for each in (net, other)]
    net(torch.ones(3)).sum().backward()
    optimizers[0].step()
    kept = checkpoint.save(tmp_path / os.fsdecode(b"r\xfcn"), 1, net, optimizers[0])
    assert checkpoint.restore(kept, other, optimizers[1])["step"] == 1
    assert torch.equal(net.weight, other.weight) and optimizers[1].state[other.weight]["step"] == 1


def test_half_of_a_pair_of_code_units_is_written_too(tmp_path: Path) -> None:
    """JSON can hold half a pair of UTF-16's code units, which is neither a character nor a byte of a name."""
    found = Encoded(np.zeros((2, 2), np.float32), ["a\ud83d", "b"], np.array([0, 1]), ("x\udcff", "y\udfff"), [])
    for form in embed.FORMS:
        embed.write(found, tmp_path / f"z{form}")
    assert (tmp_path / "z.csv").read_bytes().splitlines()[1:] == [b"a\\ud83d,x\xff,0,0", b"b,y\\udfff,0,0"]
    assert pq.read_table(tmp_path / "z.parquet").to_pydict()["label"] == [r"x\xff", r"y\udfff"]


def test_names_are_shown_on_one_line(screen: TextIO) -> None:
    assert shown("caf\udce9 日本\n\x1b[2J\u2028=\ud83d") == "caf\\xe9 日本\\n\\x1b[2J\\u2028=\\ud83d"
    assert utf8("two\ncaf\udce9") == "two\ncaf\\xe9"
    assert str(Unreadable("two\nlines.png", "no image")) == "two\\nlines.png: no image"
    Log(to=screen).say("a\nb\tcafé\r\x1b[2J")
    assert Path("screen").read_bytes() == b"a\nb\tcaf\\xe9\\r\\x1b[2J\n"


# homes


def test_a_number_without_a_name_or_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(number: int) -> None:
        raise KeyError(number)

    for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "")  # so that what is put in is taken out again
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(home.tempfile, "tempdir", str(tmp_path))
    with pytest.raises(RuntimeError):
        Path.home()
    for _ in range(2):  # what is there stays
        home.settle()
        assert Path.home() == tmp_path / f"headstart-{os.getuid()}" and getpass.getuser() == f"user-{os.getuid()}"
    assert stat.S_IMODE(Path.home().stat().st_mode) == 0o700


def test_a_home_in_temporary_files_is_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home.tempfile, "tempdir", str(tmp_path))
    (tmp_path / "theirs").mkdir()
    (tmp_path / f"headstart-{os.getuid()}").symlink_to(tmp_path / "theirs")
    assert Path(home._own_folder()).parent == tmp_path and "-" + str(os.getuid()) not in home._own_folder()
    monkeypatch.setattr(home.tempfile, "tempdir", str(tmp_path / "not" / "there"))
    assert home._own_folder() == home.NOWHERE


def test_a_home_that_nobody_has_is_a_name_like_others(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli.app, ["sniff", "~nobody-of-this-name/photos"])
    assert done.exit_code == 2 and "no file or folder ~nobody-of-this-name/photos" in done.stderr


# full disks


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file may grow beyond this many bytes: what a full disk does, without one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


VECTORS = Encoded(
    np.random.default_rng(0).random((400, 16), np.float32), [f"{i}.png" for i in range(400)], None, (), []
)
NOISE = torch.rand(3, 96, 96)
BROKEN = [(f"{i}.png", "broken") for i in range(999)]
WRITERS: dict[str, Callable[[Path], object]] = {
    "tensors": lambda path: checkpoint.write_tensors(path, {"a": torch.zeros(9999)}),
    "json": lambda path: write_json(path, BROKEN),
    "text": lambda path: write_text(path, "a" * 9999),
    "bytes": lambda path: write_bytes(path, bytes(9999)),
    "csv": lambda path: embed.write(VECTORS, path.with_suffix(".csv")),
    "npz": lambda path: embed.write(VECTORS, path.with_suffix(".npz")),
    "parquet": lambda path: embed.write(VECTORS, path.with_suffix(".parquet")),
    "checked": lambda path: _write(path, Checked("photos", "image", 999, broken=BROKEN)),
    "picture": lambda path: sheet([(NOISE, NOISE, NOISE)], path),
    "checkpoint": lambda path: checkpoint.save(path, 7, net := nn.Linear(99, 99), torch.optim.AdamW(net.parameters())),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_leaves_no_half_file(writer: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / "x"
    with room(4096), pytest.raises(NotWritten, match=r"cannot be written \(File too large\): make room there"):
        WRITERS[writer](path)
    assert [p for p in tmp_path.rglob("*") if p.is_file() or p.name.startswith(".")] == []
    WRITERS[writer](path)
    assert any(p.is_file() for p in tmp_path.rglob("*"))
    assert not list(tmp_path.rglob(".*"))


def test_a_run_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 64)).astype("f4"))
    words = ["pretrain", str(tmp_path / "x.npy"), "run.out=r", *(f"{name}={value}" for name, value in SMALL.items())]
    with room(200_000):
        full = CliRunner().invoke(cli.app, words)
    assert full.exit_code == 2 and full.stderr.startswith("headstart: r/checkpoints/step-")
    assert len(full.stderr.splitlines()) == 1 and "make room there" in full.stderr
    assert not [p for p in Path("r").rglob("*") if p.name.startswith(".") or p.suffix == ".safetensors"]
    assert CliRunner().invoke(cli.app, words).exit_code == 0 and Path("r/probe.json").exists()


def test_a_log_that_is_full_says_so_and_is_mended(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.jsonl", quiet=True)
    log.write("step", loss=0.5, step=0)
    with room(100), pytest.raises(NotWritten, match=r"log.jsonl cannot be written"):
        log.write("step", loss=0.5, step=1, text="a" * 99)
    assert [row["step"] for row in rows(tmp_path / "log.jsonl", "step")] == [0]
    log.repair()
    log.write("step", loss=0.5, step=2)
    assert [row["step"] for row in log.rows("step")] == [0, 2]


# pipes


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((20, 64), "f4"))
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "headstart", "sniff", str(tmp_path / "x.npy")]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode == 1 and done.stderr == ""


class Full(io.StringIO):
    """A file on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("words", [["recipes"], ["--help"], ["sniff", "x.npy"]])
def test_a_full_output_is_one_sentence(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save("x.npy", np.zeros((20, 64), "f4"))
    monkeypatch.setattr(sys, "argv", ["headstart", *words])
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2 and capsys.readouterr().err == "headstart: No space left on device\n"


def test_no_output_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    log = Log()
    log.say("nobody hears it")
    log.live("nor this")


def test_words_that_are_none_are_one_sentence() -> None:
    for verb in (["check", "."], ["embed", "run", "."]):
        done = CliRunner().invoke(cli.app, [*verb, "word"])
        assert done.exit_code == 2 and done.stderr.startswith("headstart: 'word' is not a word")


# the same run twice at once


def lock_of(folder: Path, **says: object) -> Path:
    """A lock that somebody left."""
    folder.mkdir(exist_ok=True)
    said = {"process": 2**22 + 1, "host": socket.gethostname(), "since": "2024-03-01 12:00:00"}  # a number beyond all
    (folder / hold.LOCK).write_text(json.dumps(said | says))
    return folder / hold.LOCK


def test_one_process_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "a"
    with held(folder, QUIET):
        said = json.loads((folder / hold.LOCK).read_text())
        assert said["process"] == os.getpid() and said["host"] == socket.gethostname()
        who = rf"a is being worked in by process {os.getpid()} on .+ since {said['since']}: wait .*run.out="
        with pytest.raises(Mistake, match=who):
            hs.pretrain(np.zeros((40, 64), "f4"), log=QUIET, **SMALL, **{"run.out": str(folder)})
        with pytest.raises(Mistake, match=who), held(folder, QUIET):
            pass
        assert (folder / hold.LOCK).exists()
    assert list(tmp_path.iterdir()) == []  # given back, and an empty folder goes, too


def test_a_lock_whose_holder_is_dead_is_taken_over(tmp_path: Path, screen: TextIO) -> None:
    lock = lock_of(tmp_path)
    (tmp_path / ".part-0123").write_text("half")
    with held(tmp_path, Log(to=screen)):
        assert json.loads(lock.read_text())["process"] == os.getpid() and not (tmp_path / ".part-0123").exists()
    assert b"process 4194305 on" in Path("screen").read_bytes() and not lock.exists() and tmp_path.exists()
    lock.write_text("")  # it died before it had written
    with held(tmp_path, QUIET):
        pass


def test_of_another_machine_it_says_how_to_go_on(tmp_path: Path) -> None:
    lock = lock_of(tmp_path, host="node17")
    with pytest.raises(Mistake, match=rf"process 4194305 on node17 since 2024.*delete {lock}"), held(tmp_path, QUIET):
        pass
    assert lock.exists()
    lock.unlink()
    with held(tmp_path, QUIET):
        pass


@pytest.mark.parametrize("whose, busy", [("parent", True), ("own", False), ("nobody", False)])
def test_a_disk_without_locks(whose: str, busy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There what the file says counts. One's own number means that it was somebody else's before, as in a container."""
    process = {"parent": os.getppid(), "own": os.getpid(), "nobody": 2**22 + 1}[whose]

    def no_locks(file: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    lock_of(tmp_path, process=process)
    if busy:
        with pytest.raises(Mistake, match=f"worked in by process {process}"), held(tmp_path, QUIET):
            pass
    else:
        with held(tmp_path, QUIET):
            pass


def test_a_lock_given_back_in_between_is_not_taken_for_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = hold._flocked

    def late(file: int, lock: Path) -> bool:
        monkeypatch.setattr(hold, "_flocked", real)
        lock.unlink()  # the holder gives it back after it was opened here
        return real(file, lock)

    monkeypatch.setattr(hold, "_flocked", late)
    with held(tmp_path, QUIET):
        assert json.loads((tmp_path / hold.LOCK).read_text())["process"] == os.getpid()


def test_a_finished_run_is_only_read(tmp_path: Path) -> None:
    (tmp_path / "probe.json").touch()
    with held(tmp_path, QUIET), held(tmp_path, QUIET):
        assert not (tmp_path / hold.LOCK).exists()


# rights


def test_files_have_the_rights_that_the_umask_gives(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        for name, writer in WRITERS.items():
            writer(tmp_path / name)
        with whole(tmp_path / "own") as part:
            part.touch(0o600)
            part.chmod(0o600)
    finally:
        os.umask(before)
    modes = {p: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.rglob("*")}
    assert len(modes) > len(WRITERS) and {mode for p, mode in modes.items() if p.is_file()} == {0o640}
    assert {mode for p, mode in modes.items() if p.is_dir()} == {0o750}


def test_a_place_that_cannot_be_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    """run.out= that is a file or lies in one, out= that is a folder: said before data or encoder are looked at."""
    (tmp_path / "afile").write_text("mine")
    for out in (tmp_path / "afile", tmp_path / "afile" / "a"):
        for ask in (
            lambda o=out: hs.pretrain(tmp_path / "lost", run={"out": str(o)}),
            lambda o=out: hs.finetune(tmp_path / "lost", tmp_path / "lost", f"run.out={o}"),
        ):
            with pytest.raises(Mistake, match=r"afile is a file, and .* has to be a folder: choose another name"):
                ask()
    for ask in (hs.check, hs.show):
        with pytest.raises(Mistake, match="it is a folder"):
            ask(tmp_path / "lost", out=tmp_path)
    assert (tmp_path / "afile").read_text() == "mine"
