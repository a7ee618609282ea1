"""`headstart embed out=FOLDER`: the same vectors as Parquet shards, by one process or several; what is missing is made alone."""

import json

import numpy as np
import pytest
import torch
from tests.vectors import encoder_of, pictures
from typer.testing import CliRunner

import headstart as hs
from headstart import encoded
from headstart.cli import app
from headstart.errors import Mistake
from headstart.log import Log
from headstart.verbs import shards

QUIET = Log(quiet=True)
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Shards of 16 samples; in fp32, as vectors in bf16 depend on how many are encoded together."""
    monkeypatch.setattr(shards, "SHARD", 16)
    monkeypatch.setattr(encoded, "fastest_dtype", lambda device: torch.float32)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """(40 pictures and a broken one, an encoder)."""
    data = pictures(tmp_path_factory.mktemp("pictures"))
    run = encoder_of(str(data), tmp_path_factory.mktemp("encoder"))
    (data / "lying" / "11.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return data, run


def read(folder):
    """(name, label, z) of all shards, in order."""
    tables = [pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]
    each = [table.to_pydict() for table in tables]
    return [[x for one in each for x in one[column]] for column in ("name", "label", "z")]


def test_shards_are_the_same_vectors_in_order(place, tmp_path, capsys):
    data, run = place
    whole = hs.embed(run, str(data), log=QUIET)
    done = hs.embed_shards(run, str(data), tmp_path / "z")
    said = capsys.readouterr().out
    assert [path.name for path in done.made] == [f"vectors-{k:05d}-of-00003.parquet" for k in range(3)]
    names, labels, z = read(tmp_path / "z")
    assert names == whole.names and len(names) == 40 == done.samples and done.left_out == 1
    assert labels == [name.split("/")[0] for name in names]
    np.testing.assert_allclose(np.array(z), whole.z, atol=1e-5)
    assert "skipped   lying/11.png" in said and "wrote     3 shards" in said
    assert [len(pq.read_table(path)) for path in done.made] == [15, 16, 9]  # 16 samples each, less the broken one


def test_processes_share_the_shards(place, tmp_path, monkeypatch):
    data, run = place
    made = []
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "2")
        made.append([path.name for path in hs.embed_shards(run, str(data), tmp_path / "z").made])
    assert made == [
        ["vectors-00000-of-00003.parquet", "vectors-00002-of-00003.parquet"],
        ["vectors-00001-of-00003.parquet"],
    ]
    assert read(tmp_path / "z")[0] == hs.embed(run, str(data), log=QUIET).names
    with pytest.raises(Mistake, match="several processes would write"):
        hs.embed(run, str(data), out=tmp_path / "z.npz", log=QUIET)


def test_only_what_is_missing_is_made(place, tmp_path, capsys):
    """A killed process leaves whole shards; whoever comes next, in whatever number, makes the others."""
    data, run = place
    paths = hs.embed_shards(run, str(data), tmp_path / "z", QUIET).made
    before = {path: path.stat().st_mtime_ns for path in paths}
    paths[1].unlink()
    again = hs.embed_shards(run, str(data), tmp_path / "z")
    assert again.made == [paths[1]] and again.done == [paths[0], paths[2]]
    assert "2 shards of 3 are there already" in capsys.readouterr().out
    assert all(path.stat().st_mtime_ns == before[path] for path in again.done)


def test_shards_of_something_else_are_left_alone(place, tmp_path):
    data, run = place
    paths = hs.embed_shards(run, str(data), tmp_path / "z", QUIET).made
    other = encoder_of(str(data), tmp_path / "other")
    card = json.loads((other / "encoder.json").read_text())
    (other / "encoder.json").write_text(json.dumps(card | {"read": "mean", "width": 16}))
    with pytest.raises(Mistake, match=r"00000-of-00003.parquet is of another encoder: give another folder"):
        hs.embed_shards(other, str(data), tmp_path / "z", QUIET)
    with pytest.raises(Mistake, match="of other data"):
        hs.embed_shards(run, str(pictures(tmp_path / "p", count=35)), tmp_path / "z", QUIET)
    more = pictures(tmp_path / "more", count=60)
    with pytest.raises(Mistake, match=r"of other data .this makes 4 shards"):
        hs.embed_shards(run, str(more), tmp_path / "z", QUIET)
    paths[2].write_bytes(paths[2].read_bytes()[:100])
    with pytest.raises(Mistake, match=r"cannot be read .*delete it, and give the same command again"):
        hs.embed_shards(run, str(data), tmp_path / "z", QUIET)
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(Mistake, match="is a file"):
        hs.embed_shards(run, str(data), file, QUIET)


def test_recordings_are_not_divided(tmp_path, monkeypatch):
    """A vector for each recording, of all of its windows, though each shard has few."""
    monkeypatch.setattr(shards, "SHARD", 2)
    rng = np.random.default_rng(0)
    data = tmp_path / "data"
    data.mkdir()
    for i, n in enumerate((300, 64, 500, 90, 128)):
        np.save(data / f"{i}.npy", rng.standard_normal((2, n)).astype(np.float32))
    run = encoder_of(str(data), tmp_path / "run")
    card = json.loads((run / "encoder.json").read_text())
    (run / "encoder.json").write_text(json.dumps(card | {"input": {"window": 64}}))
    whole = hs.embed(run, str(data), log=QUIET)
    hs.embed_shards(run, str(data), tmp_path / "z", QUIET)
    tables = [pq.read_table(path).to_pydict() for path in sorted((tmp_path / "z").glob("*.parquet"))]
    assert [len(table["name"]) for table in tables] == [2, 2, 1]
    assert [name for table in tables for name in table["name"]] == whole.names
    np.testing.assert_allclose(np.array([z for table in tables for z in table["z"]]), whole.z, atol=1e-5)


def test_on_the_command_line(place, tmp_path):
    data, run = place
    result = CliRunner().invoke(app, ["embed", str(run), str(data), f"out={tmp_path}/z/"])
    assert result.exit_code == 0 and "wrote     3 shards" in result.output
    assert len(list((tmp_path / "z").glob("*.parquet"))) == 3
