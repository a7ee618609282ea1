"""Tars by a pattern are one set, and where their members lie is looked up once."""

import io
import tarfile

import fsspec
import pytest
from PIL import Image

from headstart.data import mirror
from headstart.data.finding import shards
from headstart.data.open import open_source
from headstart.data.source import DataError


def packed(number: int, count: int = 3) -> bytes:
    """A tar of pictures and their classes."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for i in range(count):
            shade = 40 * number + 10 * i
            png = io.BytesIO()
            Image.new("L", (6, 6), shade).save(png, "png")
            for name, content in ((f"s{i}.png", png.getvalue()), (f"s{i}.cls", b"%d" % (i % 2))):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


@pytest.fixture
def tars(tmp_path):
    for number in range(3):
        (tmp_path / f"shard-00{number}.tar").write_bytes(packed(number))
    return tmp_path


def test_a_pattern_is_its_tars(tars):
    source = open_source(str(tars / "shard-{000..002}.tar"))
    assert [int(source[i].max()) for i in range(9)] == [0, 10, 20, 40, 50, 60, 80, 90, 100]
    assert source.labels.tolist() == [0, 1, 0] * 3 and source.kind == "image"
    assert len(open_source(str(tars / "shard-{001..002}.tar"))) == 6
    with pytest.raises(DataError, match=r"4 files, and .*shard-003\.tar is not there"):
        open_source(str(tars / "shard-{000..003}.tar"))
    (tars / "shard-003.tar").write_text("no tar")
    with pytest.raises(DataError, match=r"shard-003\.tar is none"):
        open_source(str(tars / "shard-{000..003}.tar"))
    with pytest.raises(DataError, match="a number up to a larger one"):
        open_source(str(tars / "shard-{3..1}.tar"))


def test_a_pattern_behind_an_address(tars, monkeypatch):
    monkeypatch.setattr(mirror, "_held", {})
    for path in tars.glob("*.tar"):
        fsspec.filesystem("memory").pipe(f"/tars/{path.name}", path.read_bytes())
    source = open_source("memory://tars/shard-{000..002}.tar")
    assert len(source) == 9 and int(source[8].max()) == 100


def test_tars_of_one_name_stay_apart(tmp_path):
    for number, split in enumerate(("train", "val")):
        (tmp_path / split).mkdir()
        (tmp_path / split / "000.tar").write_bytes(packed(number))
    source = open_source(tmp_path)
    assert [source.name(i) for i in (0, 3)] == ["train-000.tar/s0", "val-000.tar/s0"]
    assert [int(source[i].max()) for i in range(6)] == [0, 10, 20, 40, 50, 60]


def test_members_are_looked_up_once(tars, monkeypatch):
    monkeypatch.setenv("HEADSTART_CACHE_GB", "1")
    looked = []

    def look(path, before=shards._looked):
        looked.append(path.name)
        return before(path)

    monkeypatch.setattr(shards, "_looked", look)
    before = sorted(tars.iterdir())
    first = open_source(tars)
    assert sorted(set(looked)) == sorted(p.name for p in before) and len(looked) == 3
    again = open_source(tars)
    assert len(looked) == 3 and [again.name(i) for i in range(9)] == [first.name(i) for i in range(9)]
    assert sorted(tars.iterdir()) == before  # nothing of ours beside the data
    (tars / "shard-001.tar").write_bytes(packed(5, 4))
    after = open_source(tars)
    assert looked[3:] == ["shard-001.tar"] and len(after) == 10 and int(after[6].max()) == 230
