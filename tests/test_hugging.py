"""Datasets of Hugging Face's library: objects in memory and folders that it saved; with a stand-in where it is not installed."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from headstart.data.open import open_source
from headstart.data.source import DataError

pa = pytest.importorskip("pyarrow")
SHADES = [10 * i for i in range(6)]


def png(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (6, 6), (shade, shade, shade)).save(file, "png")
    return file.getvalue()


class Rows:
    """What a datasets.Dataset does, as far as it is asked."""

    def __init__(self, table):
        self.table, self.features, self.column_names = table, table.schema, table.column_names

    def __len__(self):
        return len(self.table)

    def __getitem__(self, rows):
        return self.table[rows]

    def with_format(self, form):
        assert form == "arrow"
        return self

    def select_columns(self, names):
        return Rows(self.table.select(names))


def stand_in(cells: list[dict]) -> Rows:
    told = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    table = pa.table({"image": cells, "label": [i % 2 for i in range(len(cells))]})
    return Rows(table.replace_schema_metadata({"huggingface": json.dumps(told)}))


def real(cells: list[dict]) -> object:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    return datasets.Dataset.from_dict({"image": cells, "label": [i % 2 for i in range(len(cells))]}, features=features)


def shades(source) -> list[int]:
    return [int(source[i].max()) for i in range(len(source))]


@pytest.mark.parametrize("made", [stand_in, real])
def test_pictures_of_a_dataset(made, tmp_path):
    cells = [{"bytes": png(shade), "path": None} for shade in SHADES]
    (tmp_path / "named.png").write_bytes(png(200))
    cells.append({"bytes": None, "path": str(tmp_path / "named.png")})  # as its image folders have them
    source = open_source(made(cells))
    assert source.kind == "image" and shades(source) == [*SHADES, 200]
    assert source.classes == ("cat", "dog") and source.labels.tolist() == [0, 1, 0, 1, 0, 1, 0]


def test_files_that_a_stranger_names_are_not_read(tmp_path):
    """The user's own object may name files of this machine, a file that somebody sent may not."""
    (tmp_path / "private.png").write_bytes(png(200))
    cells = [{"bytes": png(10), "path": None}, {"bytes": None, "path": str(tmp_path / "private.png")}]
    pytest.importorskip("pyarrow.parquet").write_table(pa.table({"image": cells}), tmp_path / "x.parquet")
    source = open_source(tmp_path / "x.parquet")
    assert int(source[0].max()) == 10
    with pytest.raises(Exception, match="only names a file that lies elsewhere"):
        source[1]


def test_an_order_of_its_own_and_what_it_saved(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    data = real([{"bytes": png(shade), "path": None} for shade in SHADES])
    turned = data.select([5, 0, 3])
    assert shades(open_source(turned)) == [50, 0, 30] and open_source(turned).labels.tolist() == [1, 0, 1]
    turned.save_to_disk(tmp_path / "saved")
    assert shades(open_source(tmp_path / "saved")) == [50, 0, 30]
    with pytest.raises(DataError, match=r"data\['train'\]"):
        open_source(datasets.DatasetDict(train=data, test=data))
    stream = data.to_iterable_dataset()
    with pytest.raises(DataError, match="is a stream") as said:
        open_source(stream)
    advice = str(said.value).partition("what fits, ")[2].partition(", or")[0]
    assert shades(open_source(eval(advice, {"datasets": datasets, "data": stream}))) == SHADES


def test_texts_and_tables():
    texts = Rows(pa.table({"text": ["good", "bad", "fine"], "label": [1, 0, 1]}))
    source = open_source(texts)
    assert source.kind == "text" and source[1] == "bad" and source.labels.tolist() == [1, 0, 1]
    table = Rows(pa.table({"a": [1.5, 2.5, 4.5], "b": ["x", "y", "x"], "text": ["n", "m", "k"]}))
    assert open_source(table).kind == "table" and open_source(table)[1]["a"] == 2.5
    assert open_source(table, "text")[2] == "k"
    with pytest.raises(DataError, match="no rows"):
        open_source(Rows(pa.table({"a": np.zeros(0)})))
    with pytest.raises(DataError, match="samples, not image"):
        open_source(texts, "image")
