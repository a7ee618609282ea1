"""What a run logs reaches the programs people look at it with, once, on this machine alone; each with the real library."""

import importlib
import json
import os
import socket

import pytest

from headstart.errors import Mistake
from headstart.extras import need
from headstart.log import Log
from headstart.sinks import flat, told


def test_numbers_of_a_row():
    row = {
        "step": 3,
        "loss": 0.5,
        "parts": {"pixels": 1},
        "quick knn": {"value": 0.7, "error": 0.1},
        "said": "so",
        "ok": True,
    }
    assert flat(row) == {"loss": 0.5, "parts/pixels": 1, "quick knn": 0.7}


class Kept:
    """A sink that remembers."""

    def __init__(self):
        self.heard, self.closed = [], 0

    def numbers(self, step, values):
        self.heard.append((step, values["step/loss"]))

    def close(self):
        self.closed += 1


@pytest.fixture
def sink(monkeypatch):
    made = Kept()
    real = importlib.import_module
    module = type("module", (), {"sink": staticmethod(lambda folder, name: made)})
    monkeypatch.setattr("headstart.sinks.import_module", lambda name: module if name.endswith(".kept") else real(name))
    return made


def test_a_run_that_goes_on_is_heard_once_and_one_that_heals_again(sink, tmp_path):
    for part in ((0, 1, 2), (1, 2, 3)):
        log = Log(tmp_path / "log.jsonl", quiet=True)
        with told(["kept"], tmp_path, log):
            for step in part:
                log.write("step", step=step, loss=float(step))
        assert log.listeners == []
    assert [step for step, _ in sink.heard] == [0, 1, 2, 3] and sink.closed == 2
    with told(["kept"], tmp_path, log):
        log.write("heal", step=2)
        log.write("step", step=2, loss=0.5)
    assert sink.heard[4:] == [(2, 0.5)]


def test_a_sink_that_is_named_late_hears_what_was_logged(sink, tmp_path):
    log = Log(tmp_path / "log.jsonl", quiet=True)
    log.write("step", step=0, loss=1.0)
    with told(["kept"], tmp_path, log):
        pass
    assert sink.heard == [(0, 1.0)]


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow", "trackio"])
def test_a_library_that_is_missing_is_named(name, tmp_path, monkeypatch):
    def missing(module):
        raise ImportError(name=module)

    monkeypatch.setattr("headstart.extras.import_module", missing)
    log = Log(tmp_path / "log.jsonl", quiet=True)
    with (
        pytest.raises(Mistake, match=rf'run.log={name} needs {name}: pip install "headstart\[{name}\]"'),
        told([name], tmp_path, log),
    ):
        pass


def logged(name, folder, monkeypatch):
    """A run in two parts whose second takes some steps of the first again; nothing outside of this machine is asked for."""
    real = socket.socket.connect

    def local(self, address):
        here = not isinstance(address, tuple) or address[0] in ("127.0.0.1", "::1", "localhost")
        assert here, f"{address} was asked for"
        return real(self, address)

    monkeypatch.setattr(socket.socket, "connect", local)
    for part in (range(4), range(2, 6)):
        log = Log(folder / "log.jsonl", quiet=True)
        with told([name], folder, log):
            for step in part:
                log.write("step", step=step, loss=1 / (step + 1), parts={"pixels": 2.0})
    return [(step, 1 / (step + 1)) for step in range(6)]


@pytest.mark.filterwarnings("ignore")
def test_tensorboard(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    wanted = logged("tensorboard", tmp_path, monkeypatch)
    reader = need("tensorboard.backend.event_processing.event_accumulator", "tensorboard", "reading")
    found = []
    for path in sorted((tmp_path / "tensorboard").iterdir()):
        board = reader.EventAccumulator(str(path)).Reload()
        found += [(event.step, event.value) for event in board.Scalars("step/loss")]
        assert board.Scalars("step/parts/pixels")[0].value == 2
    assert found == [(step, pytest.approx(loss)) for step, loss in wanted]


def records(raw):
    """What a log in the format of LevelDB holds: after 7 bytes pieces, each after its checksum, length and type."""
    at, whole = 7, b""
    while at + 7 <= len(raw):
        length, sort = int.from_bytes(raw[at + 4 : at + 6], "little"), raw[at + 6]
        if sort:  # 1 whole, 2 first, 3 middle, 4 last
            whole += raw[at + 7 : at + 7 + length]
            if sort in (1, 4):
                yield whole
                whole = b""
        at += 7 + length
        if 2**15 - at % 2**15 < 7:  # the rest of a block is empty
            at += 2**15 - at % 2**15


@pytest.mark.filterwarnings("ignore")
def test_wandb(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    wanted = logged("wandb", tmp_path, monkeypatch)
    proto = need("wandb.proto.wandb_internal_pb2", "wandb", "reading")
    found, runs = [], sorted((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
    for path in runs:
        for data in records(path.read_bytes()):
            record = proto.Record()
            record.ParseFromString(data)
            told = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
            found += [(told["step"], told["step/loss"])] if "step/loss" in told else []
    assert len(runs) == 2 and runs[0].name == runs[1].name and found == wanted  # the same run, in two parts


@pytest.mark.filterwarnings("ignore")
def test_mlflow(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    for word in ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_ALLOW_FILE_STORE"):
        monkeypatch.setenv(word, "true")
    wanted = logged("mlflow", tmp_path, monkeypatch)
    client = need("mlflow.tracking", "mlflow", "reading").MlflowClient((tmp_path / "mlruns").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("headstart").experiment_id])
    assert [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "step/loss")] == wanted
    assert run.info.status == "FINISHED"


@pytest.mark.filterwarnings("ignore")
def test_trackio(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip("trackio")
    wanted = logged("trackio", tmp_path, monkeypatch)
    storage = need("trackio.sqlite_storage", "trackio", "reading").SQLiteStorage
    assert [(row["step"], row["step/loss"]) for row in storage.get_logs("headstart", tmp_path.name)] == wanted
    monkeypatch.setenv("TRACKIO_SPACE_ID", "somebody/elsewhere")
    with (
        pytest.raises(Mistake, match="TRACKIO_SPACE_ID would send it away"),
        told(["trackio"], tmp_path, Log(quiet=True)),
    ):
        pass
    assert os.environ["TRACKIO_DIR"] == str((tmp_path / "trackio").resolve())
