"""Parquet and Arrow files whose cells are samples: pictures, sounds, recordings, as Hugging Face's datasets packs them."""

import io

import numpy as np
import pytest
from PIL import Image

from headstart.data.open import open_source
from headstart.data.sniff import sniff
from headstart.errors import Unreadable

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
feather = pytest.importorskip("pyarrow.feather")
PACKED = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def png(i):
    out = io.BytesIO()
    Image.fromarray(np.full((6, 5, 3), 3 * i, np.uint8)).save(out, "png")
    return {"bytes": out.getvalue(), "path": f"{i}.png"}


def written(path, columns, **how):
    table = pa.table(columns)
    if path.suffix == ".parquet":
        pq.write_table(table, path, **how)
    else:
        feather.write_feather(table, path, compression="uncompressed", chunksize=how.get("row_group_size", 7))
    return path


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize("folder", [False, True])
def test_pictures(tmp_path, suffix, folder):
    columns = {"image": pa.array([png(i) for i in range(30)], PACKED), "label": [i % 3 for i in range(30)]}
    path = written(tmp_path / f"train-0.{suffix}", columns, row_group_size=7)
    source = open_source(tmp_path if folder else path)
    assert source.kind == "image" and len(source) == 30 and source.classes == ("0", "1", "2")
    assert source.labels.tolist() == [i % 3 for i in range(30)]
    for i in (29, 0, 13):
        assert source[i].shape == (3, 6, 5) and (source[i] == 3 * i).all()
    assert sniff(tmp_path).kind == "image"


def test_bytes_alone_and_a_broken_cell(tmp_path):
    cells = [png(i)["bytes"] for i in range(12)]
    cells[3], cells[4] = cells[3][:40], None
    source = open_source(
        written(tmp_path / "a.parquet", {"jpg": pa.array(cells, pa.binary()), "name": [f"n{i}" for i in range(12)]})
    )
    assert source.kind == "image" and source.name(5) == "n5" and source.labels is None
    for i in (3, 4):
        with pytest.raises(Unreadable):
            source[i]
    assert (source[5] == 15).all()


def test_pictures_with_captions_are_pairs(tmp_path):
    columns = {"image": pa.array([png(i) for i in range(12)], PACKED), "caption": [f"picture {i}" for i in range(12)]}
    written(tmp_path / "a.parquet", columns)
    for where in (tmp_path, tmp_path / "a.parquet"):
        source = open_source(where)
        assert source.kind == "pair" and source.kinds == {"image": "image", "text": "text"}
        assert source[7]["text"] == "picture 7" and (source[7]["image"] == 21).all()


def test_sounds_that_are_decoded(tmp_path):
    inside = pa.struct([("array", pa.list_(pa.float32())), ("sampling_rate", pa.int64()), ("path", pa.string())])
    cells = [{"array": [0.1 * i] * (100 + i), "sampling_rate": 8000, "path": None} for i in range(10)]
    source = open_source(written(tmp_path / "a.parquet", {"audio": pa.array(cells, inside), "text": ["yes"] * 10}))
    assert source.kind == "audio" and source[3]["rate"] == 8000 and source[3]["wave"].shape == (1, 103)
    assert np.allclose(source[3]["wave"], 0.3)


def test_recordings(tmp_path):
    r = np.random.default_rng(0)
    x, y = ([r.normal(size=50 + i).astype("f4") for i in range(20)] for _ in range(2))
    x[2] = x[2].copy()
    cells = [each.tolist() for each in x]
    cells[2][5] = None
    columns = {
        "id": range(20),
        "x": pa.array(cells, pa.list_(pa.float32())),
        "y": pa.array([each.tolist() for each in y], pa.list_(pa.float32())),
        "fs": [250] * 20,
        "label": [i % 2 for i in range(20)],
    }
    source = open_source(
        written(
            tmp_path / "ecg.parquet", {k: pa.array(v) if not isinstance(v, pa.Array) else v for k, v in columns.items()}
        )
    )
    assert source.kind == "series" and source.classes == ("0", "1")
    sample = source[2]
    assert sample["channels"] == ["x", "y"] and sample["rate"] == 250 and sample["values"].shape == (2, 52)
    assert np.isnan(sample["values"][0, 5]) and np.allclose(sample["values"][1], y[2])


def test_a_table_with_a_short_list_stays_a_table(tmp_path):
    columns = {f"c{i}": np.random.default_rng(i).normal(size=30) for i in range(6)}
    source = open_source(written(tmp_path / "a.parquet", columns | {"tags": pa.array([[1, 2]] * 30)}))
    assert source.kind == "table" and "without tags" in source.describe()
