"""Recordings written as tables: a column of time, channels, gaps, other rates; and tables that look like them and stay tables."""

import datetime as dt
import gzip

import numpy as np
import pytest

from headstart.data.finding.survey import survey
from headstart.data.open import open_source
from headstart.data.readers import delimited, recordings
from headstart.data.sniff import sniff
from headstart.data.source import DataError
from headstart.data.sources import recorded as rule
from headstart.data.sources.recorded import LONG, alone, recorded
from headstart.data.sources.windows import WINDOW, windowed
from headstart.errors import Unreadable
from headstart.tokenizers.series import SeriesTokenizer

START = dt.datetime(2020, 1, 20)
ROWS = 60


def write(path, names, columns, sep=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = zip(*columns, strict=True)
    text = "\n".join([sep.join(names), *(sep.join(map(str, row)) for row in rows)]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def wave(n, seed=0, digits=4):
    return np.random.default_rng(seed).normal(size=n).cumsum().round(digits).tolist()


def stamps(seconds, form="%Y-%m-%d %H:%M:%S"):
    return [(START + dt.timedelta(seconds=float(s))).strftime(form) for s in seconds]


def made(path, names, columns, asked=False, sep=","):
    return recorded(delimited.load(write(path / "one.csv", names, columns, sep)), asked)


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """Eight recordings of two machines: gaps, two rates, a channel in another place or missing."""
    tmp_path, kept = tmp_path_factory.mktemp("machines"), [i for i in range(ROWS) if not 20 <= i < 25]
    for k in range(8):
        rate, order = (100, 50)[k % 2], [("u", "v", "w"), ("w", "u", "v"), ("v", "u")][k % 3]
        values = {name: wave(len(kept), 10 * k + j) for j, name in enumerate("uvw")}
        values["u"][3] = ""
        names = ["time", *order]
        write(
            tmp_path / f"press_{k % 2}_{k}.csv",
            names,
            [["s", *(i / rate for i in kept)], *(["mV", *values[n]] for n in order)],
        )
    write(tmp_path / "labels.csv", ["file", "state"], [[f"press_{k % 2}_{k}.csv" for k in range(8)], list("abababab")])
    return tmp_path


def test_a_folder_of_recordings_is_series(machines):
    source = open_source(machines)
    assert source.kind == "series" and len(source) == 8
    assert source.classes == ("a", "b") and source.labels.tolist() == [
        0,
        0,
        0,
        0,
        1,
        1,
        1,
        1,
    ]  # by the names of the files
    first, second = source[0], source[4]
    assert first["channels"] == ["u [mV]", "v [mV]", "w [mV]"] and second["channels"] == ["w [mV]", "u [mV]", "v [mV]"]
    assert first["rate"] == 100 and second["rate"] == 50
    assert first["values"].shape == (3, ROWS)
    gone = np.isnan(first["values"])
    assert gone[:, 20:25].all() and gone[0, 3] and gone.sum() == 3 * 5 + 1
    assert np.allclose(first["values"][1, 25:30], wave(55, 1)[20:25])
    tokenizer = SeriesTokenizer.fit([source[i] for i in range(8)])
    assert set(tokenizer.names) == {"u[mv]", "v[mv]", "w[mv]"} and tokenizer.masked
    assert np.isnan(tokenizer.fitted(first)).any()


def test_sniff_says_why_and_names_the_other_reading(machines):
    found = sniff(machines)
    assert found.kind == "series" and found.count == 8 and set(found.rates) == {100.0, 50.0}
    said = "\n".join(found.lines())
    assert (
        "time in column time, every 0.01 s or every 0.02 s; 3 or 2 channels; 8 gaps kept missing; 8 missing values"
        in said
    )
    assert "data.kind=table reads them as samples of their own" in said and "labels.csv, column state" in said


def test_the_word_decides(machines):
    rows = open_source(machines, "table")
    assert rows.kind == "table" and len(rows) == 8 * 55
    assert open_source(machines, "series").kind == "series"
    assert open_source(machines, label="state").kind == "series"
    assert open_source(machines, label="u").kind == "table"  # a column of the rows
    with pytest.raises(DataError, match="has no column 'nothing'"):
        open_source(machines, label="nothing")


def test_a_table_beside_them_may_label_them(tmp_path):
    for k in range(6):
        write(tmp_path / f"p{k}.csv", ["time", "hr"], [[i / 5 for i in range(ROWS)], wave(ROWS, k)])
    write(tmp_path / "subjects.csv", ["file", "diagnosis"], [[f"p{k}.csv" for k in range(6)], list("xyxyxy")])
    source = open_source(tmp_path)
    assert source.kind == "series" and len(source) == 6 and source.classes == ("x", "y")
    rows = open_source(tmp_path, "table")
    assert rows.kind == "table" and len(rows) == 6 * ROWS + 6


def test_folders_are_classes_and_broken_files_are_named(tmp_path):
    for k in range(6):
        write(tmp_path / "ab"[k % 2] / f"p{k}.csv.gz", ["t", "hr"], [[i / 5 for i in range(ROWS)], wave(ROWS, k)])
    (tmp_path / "a" / "p9.csv.gz").write_bytes(b"not packed")
    source = open_source(tmp_path)
    assert source.kind == "series" and source.classes == ("a", "b") and len(source) == 7
    with pytest.raises(Unreadable, match="p9"):
        source[3]
    assert source[0]["rate"] == 5


CLOCKS = {
    # the column's name and its cells for 100 moments; seconds between them
    "seconds": ("time", [i / 100 for i in range(100)], 0.01),
    "ms": ("t [ms]", [20 * i for i in range(100)], 0.02),
    "microseconds": ("timestamp_us", [500 * i for i in range(100)], 0.0005),
    "minutes": ("Elapsed (min)", [5 * i for i in range(100)], 300),
    "epoch": ("timestamp", [1577836800 + 2 * i for i in range(100)], 2),
    "epoch in ms": ("timestamp", [1577836800000 + 20 * i for i in range(100)], 0.02),
    "epoch in ns": ("ts", [1577836800000000000 + 20000000 * i for i in range(100)], 0.02),
    "dates with a clock": ("datetime", stamps(range(0, 1500, 15)), 15),
    "days": ("Datum", stamps(range(0, 8640000, 86400), "%d.%m.%Y"), 86400),
    "hours of a day": ("Time", stamps(range(0, 100 * 1800, 1800), "%H:%M:%S"), 1800),  # over midnight
    "sample numbers": ("sample no", list(range(100)), None),
    "jitter": ("time", [i / 10 + 0.02 * (i % 3) for i in range(100)], 0.1),
    "rounded": ("time", [round(i / 30, 3) for i in range(100)], 1 / 30),
    "coarse stamps": ("time", stamps(i // 10 for i in range(100)), 0.1),
}


@pytest.mark.parametrize("name", CLOCKS)
def test_time_is_read_in_its_unit(tmp_path, name):
    column, cells, step = CLOCKS[name]
    one = made(tmp_path, [column, "x"], [cells, wave(100)])
    assert one.values.shape == (1, 100) and one.time is None and one.gaps == 0 and one.even
    assert one.step is None if step is None else one.step == pytest.approx(step, rel=2e-3)
    assert one.sample().get("rate") == (None if step is None else pytest.approx(1 / one.step, rel=1e-5))


def test_a_day_and_its_hours_in_two_columns(tmp_path):
    at = range(0, 60 * 3000, 60)
    columns = [stamps(at, "%d/%m/%Y"), stamps(at, "%H:%M:%S"), wave(3000)]
    one = made(tmp_path, ["Date", "Time", "power"], columns, sep=";")
    assert one.step == 60 and one.channels == ("power",) and one.values.shape == (1, 3000)
    assert one.said[0] == "time in column Date and Time"


def test_units_in_the_line_below_the_names(tmp_path):
    columns = [["second", *(i * 1e-3 for i in range(99))], ["Volt", *wave(99)]]
    one = made(tmp_path, ["x-axis", "1"], columns)  # as oscilloscopes write it
    assert one.channels == ("1 [Volt]",) and one.step == pytest.approx(1e-3)


def test_repeated_lost_and_turned_back_times(tmp_path):
    t = [*range(300), 299, *range(300, 600), 599 - 1, *range(600, 1200)]
    cells = [str(i) for i in t]
    cells[900] = ""
    one = made(tmp_path, ["time", "x"], [cells, t])
    assert one.values.shape == (1, 1200)
    assert np.allclose(one.values[0, ~np.isnan(one.values[0])], np.setdiff1d(np.arange(1200), [t[900]]))
    assert "1 row without a time left out" in one.said and any("goes back 1 time" in s for s in one.said)
    assert any("2 rows at the time of the one before" in s for s in one.said)


def test_uneven_times_are_kept(tmp_path):
    t = np.random.default_rng(0).exponential(1, 200).cumsum().round(4)
    one = made(tmp_path, ["hours", "hr"], [t.tolist(), wave(200)])
    assert not one.even and np.allclose(one.sample()["time"], 3600 * (t - t[0])) and "rate" not in one.sample()
    far = made(tmp_path, ["time", "x"], [[*range(100), *range(10**6, 10**6 + 100)], wave(200)])
    assert far.values.shape == (1, 200) and far.sample()["time"][-1] == 10**6 + 99 and far.gaps == 1


def test_what_measures_nothing_is_no_channel(tmp_path):
    n = 50
    names = ["machine", "time", "id", "local time", "u", "note", "empty", "station id", "label"]
    columns = [["press 3"] * n, list(range(n)), list(range(1, n + 1)), stamps(range(n)), wave(n)]
    columns += [["start", *[""] * (n - 1)], [""] * n, [7] * n, [i % 2 for i in range(n)]]
    one = made(tmp_path, names, columns)
    assert one.channels == ("u",) and one.label == "label"
    said = "; ".join(one.said)
    for part in (
        "machine left out (press 3 in every row)",
        "id left out (counts the rows)",
        "note left out (words)",
        "empty left out (empty)",
        "station id left out (the same in every row)",
        "label left out (looks like a label)",
        "local time left out (another time)",
    ):
        assert part in said, said


N = 400
EVENTS = np.random.default_rng(1).exponential(300, N).cumsum().tolist()
MINUTES = np.random.default_rng(2).geometric(0.5, N).cumsum()
TABLES = {
    "irregular": (["timestamp", "amount", "balance"], [stamps(EVENTS), wave(N), wave(N, 1)], None),
    "irregular by the minute": (["timestamp", "amount"], [stamps(60 * MINUTES), wave(N)], None),
    "identifiers": (["date", "customer_id", "amount"], [stamps(range(0, 60 * N, 60)), [i % 7 for i in range(N)], wave(N)],
        "names what a row is about"),
    "categories": (["date", "shop", "amount"], [stamps(range(0, 60 * N, 60)), list("abcd") * (N // 4), wave(N)],
        "holds words that change"),
    "tickers one after another": (["date", "open"], [stamps([86400 * (i % 100) for i in range(N)], "%Y-%m-%d"), wave(N)],
        "goes back 3 times"),
    "tickers day by day": (["date", "open"], [stamps([86400 * (i // 10) for i in range(N)], "%Y-%m-%d"), wave(N)],
        "stands still for 10 rows"),
    "admissions": (["date", "age", "left on"],
        [stamps(sorted(EVENTS), "%Y-%m-%d"), [i % 90 for i in range(N)], stamps(EVENTS[::-1], "%Y-%m-%d")], "stands|again"),
    "days of hours": (["date", *(f"{h:02d}:00" for h in range(24))],
        [stamps(range(0, 86400 * N, 86400), "%Y-%m-%d"), *(wave(N, h) for h in range(24))], "days of 24 values each"),
    "row numbers": (["", "a", "b"], [list(range(N)), wave(N), wave(N, 1)], "no column of time"),
    "years": (["year", "gdp"], [list(range(1600, 1600 + N)), wave(N)], "no column of time"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_rows_that_stand_alone_stay_a_table(tmp_path, name):
    names, columns, why = TABLES[name]
    for k in range(4):
        write(tmp_path / "all" / f"{k}.csv", names, columns)
    assert survey(tmp_path / "all").kinds.keys() == {"table"}
    if why:
        with pytest.raises(DataError, match=why):
            made(tmp_path, names, columns)
    else:
        assert not made(tmp_path, names, columns).even


def test_two_short_files_are_parts_of_a_table(tmp_path):
    for name in ("train", "test"):
        write(tmp_path / f"{name}.csv", ["time", "u"], [list(range(ROWS)), wave(ROWS)])
    assert open_source(tmp_path).kind == "table"


def test_one_long_table(tmp_path, monkeypatch):
    monkeypatch.setattr(rule, "LONG", 400)
    monkeypatch.setattr(recordings, "LONG", 400)
    assert 400 < LONG == 4 * WINDOW["series"]
    n = 450
    path = write(
        tmp_path / "hourly.csv", ["date", "load", "temp"], [stamps(range(0, 3600 * n, 3600)), wave(n), wave(n, 1)]
    )
    source = open_source(path)
    assert (
        source.kind == "series" and source[0]["values"].shape == (2, n) and source[0]["rate"] == pytest.approx(1 / 3600)
    )
    cut = windowed(source, 100, [source[0]])
    assert len(cut) == 4 and len(set(cut.groups.tolist())) == 1
    said = "\n".join(sniff(path).lines())
    assert (
        "time in column date, every 1 h; 2 channels" in said and "may also be read as table: data.kind= chooses" in said
    )
    rows = open_source(path, "table")
    assert rows.kind == "table" and len(rows) == n
    assert open_source(path, label="temp").kind == "table"
    with pytest.raises(DataError, match="label=temp names a column"):
        open_source(path, "series", "temp")


def test_alone_it_must_be_long_even_and_without_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(rule, "LONG", 400)
    n = 450
    t = [i / 10 for i in range(n)]
    assert alone(made(tmp_path, ["time", "u"], [t, wave(n)]))
    assert not alone(made(tmp_path, ["time", "u"], [t[:-99], wave(n - 99)]))
    assert not alone(made(tmp_path, ["time", "u", "class"], [t, wave(n), [i % 2 for i in range(n)]]))
    assert not alone(
        made(tmp_path, ["time", "u"], [np.random.default_rng(0).exponential(1, n).cumsum().tolist(), wave(n)])
    )
    assert not alone(made(tmp_path, ["time", "u", "v"], [t, [i % 4 for i in range(n)], [i % 3 for i in range(n)]]))


def test_a_short_table_says_how_to_read_it_as_series(tmp_path):
    path = write(tmp_path / "short.csv", ["time", "u"], [[i / 4 for i in range(ROWS)], wave(ROWS)])
    found = sniff(path)
    assert found.kind == "table" and found.sure < 1
    assert "time in column time (taken for seconds), every 0.25 s, rises: data.kind=series" in "\n".join(found.lines())
    series = open_source(path, "series")
    assert series.kind == "series" and series[0]["rate"] == 4


def test_series_are_refused_in_a_sentence(tmp_path):
    def asked(names, columns):
        return open_source(write(tmp_path / "one.csv", names, columns), "series")

    with pytest.raises(DataError, match="several recordings in one file, perhaps; divide it"):
        asked(["time", "u"], [[i % 30 for i in range(ROWS)], wave(ROWS)])
    with pytest.raises(DataError, match="no column of numbers"):
        asked(["time", "u"], [list(range(ROWS)), list("ab") * (ROWS // 2)])
    with pytest.raises(DataError, match="holds words among its numbers, such as 'off'"):
        asked(["time", "u"], [list(range(ROWS)), [*wave(ROWS - 5), *["off"] * 5]])
    unnamed = asked(["a", "b"], [wave(ROWS), wave(ROWS, 1)])  # in the order of its rows
    assert unnamed[0]["values"].shape == (2, ROWS) and "no column of time" in unnamed.describe()
    stepping = asked(["a", "b"], [[i / 8 for i in range(ROWS)], wave(ROWS, 1)])
    assert stepping[0]["channels"] == ["b"] and stepping[0]["rate"] == 8


def test_text_files_with_tabs(tmp_path):
    for k in range(4):
        write(tmp_path / f"r{k}.txt", ["t [ms]", "b"], [[20 * i for i in range(ROWS)], wave(ROWS, k)], "\t")
    source = open_source(tmp_path)
    assert source.kind == "series" and source[0]["rate"] == 50
    for k in range(4):
        (tmp_path / f"r{k}.txt").write_text("It was a dark night,\nand time went on.\n" * 40)
    assert open_source(tmp_path).kind == "text"
