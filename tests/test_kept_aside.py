"""More that files say and people write, thought out before it was tried: names, types, numbers, words, and the right values."""

import datetime as dt
import json
import os
from functools import partial

import numpy as np
import pytest
from PIL import Image
from tests import tables
from tests.tables import decimals, has_names

from headstart.cli import _only
from headstart.data.open import open_source
from headstart.data.readers import audio, cloud, dicom, edf, images, mesh, ply, tiff
from headstart.data.source import DataError
from headstart.recipe import Input, Run
from headstart.words import annotations, changed, parse

R = np.random.default_rng(0)
D, T = dt.date, dt.datetime
lines = partial(tables.lines, n=20)
opened = partial(tables.opened, kind=None)


NUMBERS = [f"{400 + i / 2:.1f}" for i in range(20)]
NAMES = {
    # the text, the names, the first row (None: any), how many rows
    "decimal commas in names and cells": (
        lines("probe;" + ";".join(n.replace(".", ",") for n in NUMBERS), row=lambda i: f"p{i};" + decimals(20, ",", ";")),
        ["probe", *(n.replace(".", ",") for n in NUMBERS)], None, 20),
    "decimal commas and no names": (
        lines(row=lambda i: f"{i},5;{i},25;7,{i}"), ["column 1", "column 2", "column 3"], [0.5, 0.25, 7.0], 20),
    "semicolons in words": (
        lines("id,tags,x", row=lambda i: f"n{i},a{i};b,{i}.5"), ["id", "tags", "x"], ["n0", "a0;b", 0.5], 20),
    "a title as wide as the table": (
        lines("Sales report 2020,,,", ",,,", "shop,jan,feb,mar", row=lambda i: f"s{i},{i},{i + 1},{i + 2}"),
        ["shop", "jan", "feb", "mar"], ["s0", 0, 1, 2], 20),
    "separators alone": (
        lines("shop,jan,feb", row=lambda i: f"s{i},{i},{i + 1}\n,,"), ["shop", "jan", "feb"], ["s0", 0, 1], 20),
    "separators alone below the names": (
        lines("time [s],U [mV]", ",", row=lambda i: f"{i},{i}.5"), ["time [s]", "U [mV]"], [0, 0.5], 20),
    "any number of spaces": (
        lines("depth   temp salt", row=lambda i: f" {i:3d}  {i / 7:6.2f}    {35 + i / 8:.3f} "),
        ["depth", "temp", "salt"], [0, 0.0, 35.0], 20),
    "spaces and no names": (
        lines(row=lambda i: f"  {i / 7:8.4f} {i:3d}"), ["column 1", "column 2"], [0.0, 0], 20),
    "sentences": (lines("say", row=lambda i: f"so it goes {i}"), ["say"], ["so it goes 0"], 20),
    "numbers that go down": (
        lines("id," + ",".join(NUMBERS[::-1]), row=lambda i: f"s{i}," + decimals(20)), ["id", *NUMBERS[::-1]], None, 20),
    "months, one for each column": (
        lines("shop,Jan-20,Feb-20", row=lambda i: f"s{i},{i},{i + 1}"), ["shop", "Jan-20", "Feb-20"], ["s0", 0, 1], 20),
    "times of a day": (
        lines("date,00:00,00:30", row=lambda i: f"2020-01-{i + 1:02d},{i},{i}.5"),
        ["date", "00:00", "00:30"], [D(2020, 1, 1), 0, 0.5], 20),
}  # fmt: skip


@pytest.mark.parametrize("what", NAMES)
def test_the_line_of_names(tmp_path, what):
    text, *right = NAMES[what]
    has_names(opened(tmp_path, text).table, *right)


def months(*years):
    return [f"{D(2000, m, 1):%b}-{y}" for y in years for m in range(1, 13)]


COLUMNS = {
    # the cells, what they are, the form of the column
    "times of a day": (["08:15", "23:59", "0:00"], [T(1970, 1, 1, 8, 15), T(1970, 1, 1, 23, 59), T(1970, 1, 1)], "clock"),
    "twelve hours": (["3:04 PM", "12:00 AM", "11:59:30 pm"],
                     [T(1970, 1, 1, 15, 4), T(1970, 1, 1), T(1970, 1, 1, 23, 59, 30)], "clock"),
    "no times of a day": (["26:15:00", "27:00:00"], ["26:15:00", "27:00:00"], "text"),
    "months of two digits": (months(19, 20), [D(2000 + y, m, 1) for y in (19, 20) for m in range(1, 13)], "date"),
    "months before their years": (["01/2020", "12/2019"], [D(2020, 1, 1), D(2019, 12, 1)], "date"),
    "months of the IMF": (["2020M01", "2020M12"], [D(2020, 1, 1), D(2020, 12, 1)], "date"),
    "quarters": (["2020Q1", "2020-Q4"], [D(2020, 1, 1), D(2020, 10, 1)], "date"),
    "Italy": (["3 gennaio 2020", "4 maggio 2021"], [D(2020, 1, 3), D(2021, 5, 4)], "date"),
    "the Netherlands": (["3 maart 2020", "4 mei 2021"], [D(2020, 3, 3), D(2021, 5, 4)], "date"),
    "Portugal": (["3 de janeiro de 2020", "4 de maio de 2021"], [D(2020, 1, 3), D(2021, 5, 4)], "date"),
    "a zone in brackets": (["2020-01-02T03:04:05+01:00[Europe/Berlin]"], [T(2020, 1, 2, 2, 4, 5)], "clock"),
    "zones of Australia": (["2020-01-02 10:00 AEST", "2020-01-02 10:00 AEDT"], [T(2020, 1, 2), T(2020, 1, 1, 23)], "clock"),
    "twelve digits": (["202001312359", "201912010000"], [T(2020, 1, 31, 23, 59), T(2019, 12, 1)], "clock"),
    "eight digits as fractions": (["20200131.0", "20191201.0", ""], [D(2020, 1, 31), D(2019, 12, 1), None], "date"),
    "births long ago": (["18991231", "18500615"], [D(1899, 12, 31), D(1850, 6, 15)], "date"),
    "ten characters that are no days": (["12345678.0", "1234567890"], [12345678, 1234567890], "number"),
    "no day": (["0000-00-00", "2020-01-05"], [None, D(2020, 1, 5)], "date"),
    "what programs write for nothing": (
        ["#DIV/0!", "1.5", "<NA>", "\\N", "(null)", "1.#QNAN", "NaT"], [None, 1.5, None, None, None, None, None], "number"),
    "names beyond what a float counts to": (
        ["9007199254740993", "9007199254740992"], ["9007199254740993", "9007199254740992"], "text"),
    "moments in microseconds": (["1577934245123456", "1577934245123457"], [1577934245123456, 1577934245123457], "whole"),
    "None is a word": (["None", "Brick"], ["None", "Brick"], "text"),
    "percent in brackets": (["(12.5%)", "+3%"], [-12.5, 3], "number"),
}  # fmt: skip


@pytest.mark.parametrize("what", COLUMNS)
def test_what_a_column_holds(tmp_path, what):
    cells, values, form = COLUMNS[what]
    table = opened(tmp_path, lines("n,x", row=lambda i: f"r{i},{cells[i % len(cells)]}", n=4 * len(cells))).table
    assert [table.row(i)["x"] for i in range(len(cells))] == values and table.column("x").form == form


def test_ids_of_64_bits_keep_their_digits(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    ids = [2**60 + i for i in range(40)]
    pq.write_table(pa.table({"key": ids, "v": pa.array(range(40), pa.float64())}), tmp_path / "a.parquet")
    opened(tmp_path, lines("key,v", row=lambda i: f"{ids[i]},{i}.5", n=40), "a.csv")
    opened(tmp_path, lines(row=lambda i: json.dumps({"key": ids[i], "v": i}), n=40), "a.jsonl")
    for name in ("a.parquet", "a.csv", "a.jsonl"):
        assert open_source(tmp_path / name).table.column("key").cell(3) == str(ids[3]), name


def test_times_in_parquet_are_times(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"a": pa.array([90] * 30, pa.time32("s")), "b": pa.array([90_500_000] * 30, pa.time64("us"))}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    table = open_source(tmp_path / "a.parquet", "table").table
    assert table.column("a").cell(2) == T(1970, 1, 1, 0, 1, 30) and table.column("b").cell(2).microsecond == 500_000


def test_labels_that_are_missing_are_counted(tmp_path):
    source = opened(tmp_path, lines("x,label", row=lambda i: f"{i}.5,{['NA', 'low', 'high'][i % 3]}", n=60))
    assert "2 classes, 20 of 60 samples without" in source.describe()


@pytest.mark.parametrize(
    "word", ["2024_05", "1e5", "0x10", "1.50", "007", "True", "none", "(1)", "[1]", "{}", "+5", "'q'"]
)
def test_what_takes_text_stays_as_it_was_typed(word):
    known = annotations(data=Input, run=Run)
    asked = parse([f"run.out={word}", f"data.label={word}", "run.seed=0x10", "ratio=.50"], None, known)
    assert changed(Run(), {"out": asked["run.out"]}, "run").out == word
    assert changed(Input(), {"label": asked["data.label"]}, "data").label == (None if word == "none" else word)
    assert (asked["run.seed"], asked["ratio"]) == (16, 0.5)
    assert _only([f"out={word}"], out="z.npz", trust=False) == {"out": word, "trust": False}


def test_words_that_are_no_literals_are_text():
    assert parse(["recipe=" + "-" * 5000 + "1"])["recipe"].endswith("-1")


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="is a pipe"):
        open_source(tmp_path / "pipe")


DEEP = (R.random((20, 24, 3)) * 4095).astype(np.uint16)  # 12 of 16 bits


def test_colours_of_16_bits_keep_their_steps(tmp_path):
    imagecodecs, tifffile = pytest.importorskip("imagecodecs"), pytest.importorskip("tifffile")
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(DEEP))
    tifffile.imwrite(tmp_path / "a.tif", DEEP, photometric="rgb", metadata=None)
    for name in ("a.png", "a.tif"):
        assert images.read(tmp_path / name).dtype == np.uint16
        assert np.array_equal(images.read(tmp_path / name), DEEP.transpose(2, 0, 1))
    planes, turned = DEEP.transpose(2, 0, 1), [(274, "H", 1, 6, True)]
    tifffile.imwrite(
        tmp_path / "b.tif", planes, photometric="rgb", planarconfig="separate", metadata=None, extratags=turned
    )
    assert np.array_equal(images.read(tmp_path / "b.tif"), np.rot90(DEEP, -1).transpose(2, 0, 1))
    (tmp_path / "a.ppm").write_bytes(b"P6\n24 20\n4095\n" + DEEP.astype(">u2").tobytes())
    assert np.abs(images.read(tmp_path / "a.ppm") - planes * (65535 / 4095)).max() <= 1


def test_transparency_of_16_bits_is_laid_on_white(tmp_path):
    imagecodecs = pytest.importorskip("imagecodecs")
    share = np.full((20, 24, 1), 65535, np.uint16)
    share[:5], share[5] = 0, 32768
    for colours in (DEEP, DEEP[..., :1]):
        (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.concatenate([colours, share], -1)))
        values, plain = images.read(tmp_path / "a.png"), colours.transpose(2, 0, 1)
        assert values.dtype == np.uint16 and (values[:, :5] == 65535).all()
        assert np.abs(values[:, 5] - (plain[:, 5] / 2 + 65535 / 2)).max() < 3
        assert np.array_equal(values[:, 6:], plain[:, 6:])


def test_the_greatest_grey_is_white(tmp_path):
    for most in (255, 1023, 4095):
        values = np.rint(np.linspace(0, 1, 256).reshape(16, 16) * most).astype(">u2" if most > 255 else "u1")
        (tmp_path / "a.pgm").write_bytes(f"P5 16 16 {most}\n".encode() + values.tobytes())
        assert images.read(tmp_path / "a.pgm").max() == (65535 if most > 255 else 255)


def test_pages_and_frames_that_are_not_read_are_said(tmp_path):
    frames = [Image.fromarray(np.full((16, 16), 40 * i, np.uint8)) for i in range(5)]
    for suffix in ("gif", "png", "webp"):
        (tmp_path / suffix).mkdir()
        frames[0].save(tmp_path / suffix / f"a.{suffix}", save_all=True, append_images=frames[1:])
        assert "the first of 5 frames is read" in open_source(tmp_path / suffix).describe()
    (tmp_path / "tif").mkdir()
    pages = [frame.convert("1") for frame in frames]
    pages[0].save(tmp_path / "tif" / "a.tif", save_all=True, append_images=pages[1:], compression="group4")
    assert "the first of 5 pages is read" in open_source(tmp_path / "tif").describe()
    frames[1].save(tmp_path / "tif" / "a.tif")
    assert "pages" not in open_source(tmp_path / "tif").describe()


def test_channels_and_spacing_of_a_stack_are_those_that_are_told(tmp_path):
    imwrite, path = pytest.importorskip("tifffile").imwrite, tmp_path / "a.tif"
    stack = R.integers(0, 999, (5, 2, 12, 16)).astype("u2")  # Z C Y X
    imwrite(path, stack, imagej=True, resolution=(2, 4), metadata={"axes": "ZCYX", "spacing": 3.0, "unit": "um"})
    sample = tiff.read(path)
    assert np.array_equal(sample["values"], stack.transpose(1, 0, 2, 3))
    assert sample["spacing"] == pytest.approx([3e-3, 0.25e-3, 0.5e-3])
    sides = {f"PhysicalSize{a}": v for a, v in zip("ZYX", (2, 0.5, 0.25), strict=True)}
    units = {f"PhysicalSize{a}Unit": "nm" for a in "Y"}
    imwrite(path, stack.transpose(1, 0, 2, 3), ome=True, metadata={"axes": "CZYX", **sides, **units})
    sample = tiff.read(path)
    assert np.array_equal(sample["values"], stack.transpose(1, 0, 2, 3))
    assert sample["spacing"] == pytest.approx([2e-3, 0.5e-6, 0.25e-3])
    imwrite(path, stack[:, 0], ome=True, metadata={"axes": "CYX"})
    source = open_source(path)
    assert source.kind == "multispectral" and np.array_equal(source[0]["bands"], stack[:, 0])
    imwrite(path, stack[:, 0], ome=True, metadata={"axes": "ZYX"})
    assert np.array_equal(tiff.read(path)["values"][0], stack[:, 0]) and np.isnan(tiff.read(path)["spacing"]).all()


PLACES, GRID = R.random((200, 3)) * [2, 2, 1], np.array([500_000.0, 5_400_000.0, 300.0])


def lay(path, places):
    """Points as double precision, in each format."""
    if path.suffix == ".ply":
        head = "ply\nformat binary_little_endian 1.0\nelement vertex 200\n" + "".join(
            f"property double {n}\n" for n in "xyz"
        )
        path.write_bytes(f"{head}end_header\n".encode() + places.astype("<f8").tobytes())
    elif path.suffix == ".pcd":
        head = "VERSION .7\nFIELDS x y z\nSIZE 8 8 8\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 200\nHEIGHT 1\nPOINTS 200\nDATA binary\n"
        path.write_bytes(head.encode() + places.astype("<f8").tobytes())
    elif path.suffix == ".obj":
        path.write_text("".join("v {:.4f} {:.4f} {:.4f}\n".format(*p) for p in places))
    else:
        np.savetxt(path, places, fmt="%.4f")
    return path


@pytest.mark.parametrize(("suffix", "reader"), [(".ply", ply), (".pcd", cloud), (".obj", mesh), (".xyz", cloud)])
def test_coordinates_of_a_country_keep_their_millimetres(tmp_path, suffix, reader):
    points = reader.read(lay(tmp_path / f"a{suffix}", PLACES + GRID))
    assert points.dtype == np.float32
    np.testing.assert_allclose(points - points[0], PLACES - PLACES[0], atol=2e-4)
    near = reader.read(lay(tmp_path / f"a{suffix}", PLACES + 50))  # a scanner's own: they stay
    np.testing.assert_allclose(near, PLACES + 50, atol=1e-4)


def test_names_and_commas_in_text_of_points(tmp_path):
    for head, separator, mark in (("X,Y,Z", ",", "."), ("x;y;z", ";", ","), ("x y z", " ", "."), ("//X Y Z", " ", ".")):
        rows = (separator.join(f"{v:.4f}".replace(".", mark) for v in p) for p in PLACES)
        (tmp_path / "a.xyz").write_text("\n".join([head, *rows]))
        source = open_source(tmp_path / "a.xyz")
        assert source.kind == "points", head
        np.testing.assert_allclose(source[0], PLACES, atol=1e-4)


def test_colours_of_8_bits_and_withheld_points_of_las(tmp_path):
    laspy = pytest.importorskip("laspy")
    file = laspy.create(point_format=3, file_version="1.2")
    file.x, file.y, file.z = PLACES.T
    colours = R.integers(0, 256, (200, 3)).astype("u2")
    file.red, file.green, file.blue = colours.T
    file.withheld = np.arange(200) % 4 == 0
    file.write(tmp_path / "a.las")
    points = cloud.read(tmp_path / "a.las")
    assert len(points) == 150
    np.testing.assert_allclose(points[:, 4:], colours[np.arange(200) % 4 > 0] / 255, atol=1e-6)


def test_voltages_are_in_microvolts(tmp_path):
    edfio = pytest.importorskip("edfio")
    wave = np.sin(np.arange(1000) / 3)
    for unit, size in (("uV", 50.0), ("mV", 0.05), ("V", 5e-5), ("mmHg", 50.0)):
        ends = (-2 * size, 2 * size)
        signal = edfio.EdfSignal(size * wave, 100, label="a", physical_dimension=unit, physical_range=ends)
        (tmp_path / unit).mkdir()
        edfio.Edf([signal]).write(tmp_path / unit / "a.edf")
        source = open_source(tmp_path / unit)
        assert source[0]["values"].std() == pytest.approx(50 * wave.std(), rel=1e-3)
        assert (f"{unit} brought to uV" in source.describe()) == (unit in ("mV", "V"))


def test_a_physical_range_upside_down_turns_the_signal(tmp_path):
    edfio = pytest.importorskip("edfio")
    wave = 20 + np.sin(np.arange(1000) / 3)
    edfio.Edf([edfio.EdfSignal(wave, 100, physical_dimension="uV", physical_range=(-200, 200))]).write(
        tmp_path / "a.edf"
    )
    data = bytearray((tmp_path / "a.edf").read_bytes())
    low, high = (256 + data.index(b"-200    ") - 256, data.index(b"200     ", data.index(b"-200    ") + 8))
    data[low : low + 8], data[high : high + 8] = b"200     ", b"-200    "
    (tmp_path / "a.edf").write_bytes(data)
    assert edf.read(tmp_path / "a.edf")["values"].mean() == pytest.approx(-20, abs=0.1)


def test_sound_is_as_loud_whatever_holds_it(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    wave = 0.3 * np.sin(np.arange(4000) / 3)
    for form, subtype in [("WAV", s) for s in ("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")] + [
        ("W64", "PCM_24"), ("RF64", "PCM_16"), ("WAVEX", "PCM_24"), ("AIFF", "PCM_24"), ("AU", "PCM_16"), ("CAF", "PCM_24"),
    ]:  # fmt: skip
        path = tmp_path / f"a.{form.lower()}"
        soundfile.write(path, wave, 8000, subtype=subtype, format=form)
        assert audio.kind(path.read_bytes()[:4096], path) == "audio", form
        assert audio.read(path)["wave"].std() == pytest.approx(wave.std(), rel=0.02), (form, subtype)


def test_colours_of_an_ultrasound_are_its_colours(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    red = np.zeros((16, 16, 3), np.uint8)
    red[:] = 220, 30, 30
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.6.1"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = pydicom.uid.generate_uid()
    data.Rows, data.Columns, data.SamplesPerPixel, data.PlanarConfiguration = 16, 16, 3, 0
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.PhotometricInterpretation, data.Modality = "YBR_FULL", "US"
    data.PixelData = np.array(Image.fromarray(red).convert("YCbCr")).tobytes()
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert np.abs(dicom.read(tmp_path / "a.dcm").mean((1, 2)) - [220, 30, 30]).max() < 4
