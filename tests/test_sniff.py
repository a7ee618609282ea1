"""What is at a path is found out, said in words, and opened; where it is not plain, the user is told what to type."""

import csv
import wave
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from headstart.data.finding import survey
from headstart.data.open import open_source
from headstart.data.readers import by_name, claims, readers
from headstart.data.sniff import sniff
from headstart.data.source import DataError
from headstart.data.sources.array import ArraySource
from headstart.data.sources.files import FileSource
from headstart.data.sources.joined import Joined
from headstart.data.sources.listed import ListSource
from headstart.errors import Unreadable
from headstart.log import Log
from headstart.verbs.sniff import sniff as verb

RNG = np.random.default_rng(0)


def picture(path, level=0, size=(9, 7)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, 0, 0)).save(path)


def text(path, content="words"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def sound(path, rate=8000, length=800, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(RNG.integers(-9999, 9999, length * channels, dtype=np.int16).tobytes())


def table(path, rows, names):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def series(path, classes="ab", n=4, length=20):
    lines = [f"@problemName {path.stem}", "@univariate true", f"@classLabel true {' '.join(classes)}", "@data"]
    rows = RNG.normal(size=(n, length)).round(3)
    path.write_text(
        "\n".join(lines + [",".join(map(str, r)) + f":{classes[i % len(classes)]}" for i, r in enumerate(rows)])
    )


# readers


def test_every_reader_keeps_the_contract():
    assert len(readers()) >= 2
    for reader in readers():
        assert all(s.startswith(".") and s == s.lower() for s in reader.suffixes), reader
        assert reader.read is not None or reader.open is not None, reader
        assert reader.open is not None or not (reader.labelled or reader.is_set), reader


def test_a_reader_leaves_aside_what_it_does_not_take(tmp_path):
    text(tmp_path / "a.txt")
    plain = by_name("_plain")
    assert plain.read is not None and plain.read(tmp_path / "a.txt", kind="text") == plain.read(tmp_path / "a.txt")
    table(tmp_path / "a.csv", [(1, "x"), (2, "y"), (3, "x"), (4, "y")], ("size", "which"))
    delimited = by_name("delimited")
    assert delimited.open is not None and delimited.labelled and not plain.labelled
    assert delimited.open(tmp_path / "a.csv", label="which", kind=None).classes == ("x", "y")


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"PK\x03\x04", b"\x93NUMPY", b"\x89HDF\r\n\x1a\n", b"RIFF", b"{" * 5000, b"\xff" * 5000]
)
@pytest.mark.parametrize("name", ["a", "a.npz", "a.png", "a.wav", "a.csv", "a.h5"])
def test_nobody_stumbles_over_rubbish(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    for claim in claims(tmp_path / name):
        for method in (claim.reader.open, claim.reader.read):
            if method is not None:
                with suppress(DataError, Unreadable):
                    method(tmp_path / name)


def test_content_wins_over_the_name(tmp_path):
    picture(tmp_path / "p.png")
    (tmp_path / "p.png").rename(tmp_path / "p.wav")
    assert [c.kind for c in claims(tmp_path / "p.wav")] == ["image"]
    assert claims(tmp_path / "missing.png") == [] and claims(tmp_path / "p.wav", kind="audio") == []


# folders of one kind


def test_a_folder_of_pictures(tmp_path):
    for i in range(6):
        picture(tmp_path / ("cat" if i % 2 else "dog") / f"{i}.png", i)
    text(tmp_path / "README.txt")
    text(tmp_path / "LICENSE")
    text(tmp_path / "annotation.json", "{}")
    found = sniff(tmp_path)
    assert (
        (found.kind, found.count, found.sure) == ("image", 6, 1.0)
        and found.shapes == ((3, 7, 9),)
        and found.channels == (3,)
    )
    assert [(c.where, c.classes, c.known) for c in found.labels] == [("folders", 2, 1.0)]
    assert isinstance(open_source(tmp_path), FileSource)
    said = "\n".join(found.lines())
    assert "image, 100 % sure" in said and "folders: 2 classes, known for 100 %" in said and "6 .png" in said


def test_a_folder_of_sounds(tmp_path):
    for i in range(4):
        sound(tmp_path / f"{'ab'[i % 2]}/{i}.wav", 8000 if i else 16000, channels=2)
    found, source = sniff(tmp_path), open_source(tmp_path)
    assert found.kind == "audio" and found.rates == (8000.0, 16000.0) and found.channels == (2,) and found.count == 4
    assert isinstance(source, FileSource) and source[0]["wave"].shape == (2, 800) and source.classes == ("a", "b")


def test_names_that_say_nothing_are_looked_into(tmp_path):
    for i in range(3):
        picture(tmp_path / f"p{i}.png", i)
        (tmp_path / f"p{i}.png").rename(tmp_path / f"p{i}")
    (tmp_path / "other").write_bytes(b"\1\2\3")
    found = sniff(tmp_path)
    assert found.kind == "image" and found.count == 3 and found.parts == {"files of no known kind": 1}


def test_broken_pictures_are_counted_as_pictures(tmp_path):
    for i in range(8):
        picture(tmp_path / f"{i}.png", i)
    (tmp_path / "0.png").write_bytes(b"no picture")
    found = sniff(tmp_path)
    assert found.kind == "image" and found.count == 8 and found.sure < 1 and "cannot be read" in found.why[-1]
    for i in range(8):
        (tmp_path / f"{i}.png").write_bytes(b"no picture")
    assert open_source(tmp_path).kind == "image"


def test_arrays_one_sample_each(tmp_path):
    for i in range(5):
        np.save(tmp_path / f"s{i}.npy", RNG.normal(size=(100 + i, 3)))
    found, source = sniff(tmp_path), open_source(tmp_path)
    assert found.kind == "series" and found.count == 5 and source[2].shape == (3, 102) and source[2].dtype == np.float32
    for shape, dtype, kind in (
        ((50,), "f4", "series"),
        ((3, 20, 30), "u1", "image"),
        ((20, 30), "u1", "image"),
        ((20, 21, 22), "f4", "volume"),
        ((8, 3, 9, 9), "u1", "video"),
        ((2, 20, 21, 22), "f4", "volume"),
    ):
        here = tmp_path / f"{kind}{len(shape)}"
        here.mkdir()
        for i in range(4):
            np.save(here / f"s{i}.npy", np.ones(shape, dtype) * i)
        assert open_source(here).kind == kind, shape
    assert open_source(tmp_path / "volume3", kind="series").kind == "series"  # data.kind= has the last word


def test_arrays_of_one_set_are_not_samples(tmp_path):
    for name in ("x", "y"):
        np.save(tmp_path / f"{name}.npy", np.zeros((20, 30)))
    with pytest.raises(DataError, match=r"give one of them, such as .*x\.npy"):
        open_source(tmp_path)


def test_npz_of_one_sample(tmp_path):
    for i in range(3):
        np.savez(tmp_path / f"{i}.npz", wave=np.ones((1, 100 * (i + 1)), np.float32), rate=8000)
    source = open_source(tmp_path)
    assert source.kind == "audio" and source[1]["wave"].shape == (1, 200) and source[1]["rate"] == 8000
    one = open_source(tmp_path / "2.npz")
    assert one.kind == "audio" and len(one) == 1 and one[0]["wave"].shape == (1, 300)


def test_hdf5_and_zarr_stay_on_disk(tmp_path):
    h5py = pytest.importorskip("h5py")
    values, codes = RNG.integers(0, 255, (12, 10, 11), dtype=np.uint8), np.arange(12) % 3
    for part in range(2):
        with h5py.File(tmp_path / f"part{part}.h5", "w") as file:
            group = file.create_group("deep")
            group["images"], group["labels"] = values, codes
            file["note"] = 1.0
            file["linked"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
    source = open_source(tmp_path / "part0.h5")
    assert isinstance(source, ArraySource) and source.kind == "image" and np.array_equal(source[7][0], values[7])
    assert (
        source.labels is not None
        and source.labels.tolist() == codes.tolist()
        and not isinstance(source.values, np.ndarray)
    )
    joined = open_source(tmp_path)
    assert isinstance(joined, Joined) and len(joined) == 24 and np.array_equal(joined[19][0], values[7])
    assert (
        joined.labels is not None
        and joined.labels.tolist() == [*codes, *codes]
        and joined.name(19).startswith("part1.h5")
    )
    with h5py.File(tmp_path / "texts.h5", "w") as file:
        file["data"] = ["eins", "zwei", "drei"]
    assert open_source(tmp_path / "texts.h5").kind == "text" and open_source(tmp_path / "texts.h5")[1] == "zwei"
    (tmp_path / "cut.h5").write_bytes((tmp_path / "part0.h5").read_bytes()[:600])
    with pytest.raises(DataError):
        open_source(tmp_path / "cut.h5")
    zarr = pytest.importorskip("zarr")
    store = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    store.create_array("x", shape=(6, 2, 50), dtype="float32")[:] = np.arange(600).reshape(6, 2, 50)
    store.create_array("y", shape=(6,), dtype="int64")[:] = [0, 1, 0, 1, 0, 1]
    stored = open_source(tmp_path / "a.zarr")
    assert stored.kind == "series" and stored[3][1, 2] == 352 and stored.classes == ("0", "1")
    assert sniff(tmp_path / "a.zarr").kind == "series"


# files of many samples


def test_files_of_many_samples_are_joined(tmp_path):
    series(tmp_path / "Gun_TRAIN.ts", "ab", 4)
    series(tmp_path / "Gun_TEST.ts", "bc", 6)
    source, found = open_source(tmp_path), sniff(tmp_path)
    assert (
        isinstance(source, Joined)
        and source.kind == "series"
        and len(source) == 10
        and set(source.classes) == set("abc")
    )
    assert source.labels is not None
    named = [source.classes[c] for c in source.labels]
    assert named == ["b", "c"] * 3 + ["a", "b"] * 2  # TEST before TRAIN
    assert found.count == 10 and found.labels[0].where == "in the file" and source.name(6).startswith("Gun_TRAIN.ts")
    series(tmp_path / "Coffee_TEST.ts", "ab", 2)
    several = open_source(tmp_path)
    assert {"Gun a", "Gun c", "Coffee a"} <= set(several.classes)  # class a of two sets is two classes
    (tmp_path / "Bad_TEST.ts").write_text("@problemName x\n@classLabel true a\n@data\nnot,numbers:a\n")
    again = open_source(tmp_path)
    assert isinstance(again, Joined) and len(again) == 12 and [error.where for error in again.bad] == ["Bad_TEST.ts"]


def test_joined():
    a = ListSource(["x", "y"], "text", ["p", "q"], title="a")
    b = ListSource(["z"], "text", title="b", groups=[5])
    c = ListSource(["w", "v"], "text", np.array([1, -1]), ("r", "p"), title="c")
    joined = Joined([a, b, c])
    assert [joined[i] for i in range(5)] == list("xyzwv") and joined.name(3) == "c[0]"
    assert (
        joined.classes == ("p", "q", "r") and joined.labels is not None and joined.labels.tolist() == [0, 1, -1, 0, -1]
    )
    assert joined.groups is not None and joined.groups.tolist() == [0, 1, 2, 3, 4]
    quantities = Joined([ListSource(["x"], "text", [0.5]), b])
    assert quantities.labels is not None and quantities.labels[0] == 0.5 and np.isnan(quantities.labels[1])
    with pytest.raises(DataError, match="image and text"):
        Joined([a, ArraySource(np.zeros((2, 8, 8), np.uint8), "image")])


# mixed folders


def test_several_kinds_are_explained_and_chosen(tmp_path):
    for i in range(5):
        picture(tmp_path / f"p{i}.png", i)
        sound(tmp_path / f"s{i}.wav")
    with pytest.raises(DataError, match=r"5 \w+ files, 5 \w+ files.*data\.kind=\w+ or data\.kind="):
        open_source(tmp_path)
    found = sniff(tmp_path)
    assert found.kind == "" and found.parts == {"image": 5, "audio": 5} and "choose one" in found.lines()[0]
    assert open_source(tmp_path, kind="audio").kind == "audio" and len(open_source(tmp_path, kind="image")) == 5
    with pytest.raises(DataError, match=r"no molecule files among the 10 files .* it holds 5 "):
        open_source(tmp_path, kind="molecule")


def test_texts_beside_pictures_are_notes(tmp_path):
    for i in range(4):
        picture(tmp_path / f"p{i}.png", i)
    text(tmp_path / "about.txt")
    found = sniff(tmp_path)
    assert found.kind == "image" and found.parts == {"text": 1} and "taken for notes" in found.why[-1]
    assert open_source(tmp_path, kind="text").kind == "text"


def test_texts_of_any_name_where_asked(tmp_path):
    for name in ("fortunes", "riddles", "a.v2"):
        text(tmp_path / name, f"some {name} in ordinary words\n")
    (tmp_path / "fortunes.dat").write_bytes(b"\0\1\2\3" * 9)
    with pytest.raises(DataError, match=r"data\.kind=text"):
        open_source(tmp_path)
    source = open_source(tmp_path, kind="text")
    assert sorted(source[i].split()[1] for i in range(len(source))) == ["a.v2", "fortunes", "riddles"]


def test_one_suffix_for_several_kinds(tmp_path):
    for i in range(3):
        table(tmp_path / f"t{i}.csv", [(j, j / 2) for j in range(9)], ("a", "b"))
        table(
            tmp_path / f"e{i}.csv",
            [(j % 3, j, "heart rate", 60 + j) for j in range(9)],
            ("subject_id", "time", "code", "value"),
        )
    with pytest.raises(DataError, match=r"3 \w+ files, 3 \w+ files"):
        open_source(tmp_path)
    assert len(open_source(tmp_path, kind="events")) == 9 and len(open_source(tmp_path, kind="table")) == 27


def test_a_folder_that_is_one_set(tmp_path):
    (tmp_path / "Pair_A.txt").write_text("1, 2\n2, 1\n3, 4\n4, 3\n")
    (tmp_path / "Pair_graph_indicator.txt").write_text("1\n1\n2\n2\n")
    (tmp_path / "Pair_graph_labels.txt").write_text("0\n1\n")
    source, found = open_source(tmp_path), sniff(tmp_path)
    assert source.kind == found.kind == "graph" and len(source) == found.count == 2 and source.classes == ("0", "1")


def test_many_files_without_a_known_name(tmp_path, monkeypatch):
    monkeypatch.setattr(survey, "ONE_BY_ONE", 20)
    for i in range(30):
        picture(tmp_path / f"{i}.png", i)
        (tmp_path / f"{i}.png").rename(tmp_path / f"scan.{i}")
    assert open_source(tmp_path).kind == "image" and len(open_source(tmp_path)) == 30


def test_broken_tables_are_listed_and_the_others_open(tmp_path):
    for i in range(3):
        table(tmp_path / f"{i}.csv", [(j, j * 0.5, "xy"[j % 2]) for j in range(9)], ("a", f"b{i}", "c"))
    text(tmp_path / "3.csv", "")
    source = open_source(tmp_path)
    assert source.kind == "table" and len(source) == 27 and [error.where for error in source.bad] == ["3.csv"]
    assert "3.csv cannot be opened" in sniff(tmp_path).why[-1]
    assert open_source(tmp_path, label="c").classes == ("x", "y")


# labels beside the data


@pytest.mark.parametrize("form", ["path", "name", "stem"])
@pytest.mark.parametrize("name", ["labels.csv", "metadata.tsv", "annotations.csv"])
def test_labels_in_a_table_beside(tmp_path, name, form):
    files = [f"{'uv'[i % 2]}/{i}.png" for i in range(6)]
    for i, file in enumerate(files):
        picture(tmp_path / file, i)
    short = {"path": lambda f: f, "name": lambda f: f[2:], "stem": lambda f: f[2:-4]}[form]
    rows = [(short(f), "xyz"[i % 3], f"{i / 4}") for i, f in enumerate(files[:5])]
    (tmp_path / name).write_text(
        "\n".join(("\t" if name.endswith("tsv") else ",").join(r) for r in [("file", "class", "age"), *rows])
    )
    source = open_source(tmp_path)
    assert isinstance(source, FileSource) and source.classes == ("x", "y", "z") and source.labels is not None
    by = {f: source.labels[i] for i, f in enumerate(source.files)}
    assert [by[f] for f in files] == [0, 1, 2, 0, 1, -1]
    ages = open_source(tmp_path, label="age")
    assert ages.labels is not None and ages.labels.dtype == np.float32 and not ages.classes
    assert sorted(ages.labels[np.isfinite(ages.labels)].tolist()) == [0, 0.25, 0.5, 0.75, 1] and len(ages) == 6
    assert open_source(tmp_path, label="folders").classes == ("u", "v")
    found = sniff(tmp_path)
    assert found.labels[0].where == f"sidecar {name}, column class" and "folders" in [c.where for c in found.labels]
    assert found.labels[0].known == pytest.approx(5 / 6)
    with pytest.raises(DataError, match="has no column 'size': it has class, age"):
        open_source(tmp_path, label="size")


def test_a_label_without_a_table(tmp_path):
    picture(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"give label=folders, or a labels\.csv"):
        open_source(tmp_path, label="age")


# single files, arrays, lists


def test_one_file_that_is_one_sample(tmp_path):
    sound(tmp_path / "long.wav", length=5000)
    source, found = open_source(tmp_path / "long.wav"), sniff(tmp_path / "long.wav")
    assert (
        len(source) == 1
        and source.kind == "audio"
        and source[0]["wave"].shape == (1, 5000)
        and source.name(0) == "long.wav"
    )
    assert found.count == 1 and "cut into windows" in found.why[-1]
    text(tmp_path / "book.txt", "chapter one")
    assert open_source(tmp_path / "book.txt")[0] == "chapter one"
    with pytest.raises(DataError, match="holds audio data, not molecule: leave kind=molecule out"):
        open_source(tmp_path / "long.wav", kind="molecule")


def test_a_table_and_its_label_column(tmp_path):
    rows = [(i, round(float(x), 3), "ab"[i % 2], "pq"[i % 3 == 0]) for i, x in enumerate(RNG.normal(size=30))]
    table(tmp_path / "t.csv", rows, ("n", "x", "species", "site"))
    found = sniff(tmp_path / "t.csv")
    assert found.kind == "table" and found.count == 30 and found.labels[0].where == "column species"
    assert open_source(tmp_path / "t.csv", label="site").classes == ("p", "q")
    table(tmp_path / "u.csv", rows, ("m", "z", "species", "place"))
    assert open_source(tmp_path).kind == "table" and len(open_source(tmp_path)) == 60


def test_arrays_and_lists_of_any_kind():
    clouds = open_source(np.zeros((4, 30, 3), np.float32), kind="points")
    assert clouds.kind == "points" and clouds[1].shape == (30, 3)
    smiles = open_source(["CCO", "C"], kind="molecule")
    assert (
        smiles.kind == "molecule"
        and smiles[0] == "CCO"
        and open_source(np.array(["CC", "C"]), kind="molecule")[0] == "CC"
    )
    with pytest.raises(DataError, match="a list is not data"):
        open_source([1, 2])
    found = sniff(np.zeros((7, 3, 16, 16), np.uint8))
    assert found.kind == "image" and found.count == 7 and found.shapes == ((3, 16, 16),) and found.sure < 1


def test_the_verb_prints(tmp_path, capsys):
    picture(tmp_path / "a.png")
    found = verb(tmp_path, Log())
    assert capsys.readouterr().out.splitlines() == found.lines() and found.kind == "image"
