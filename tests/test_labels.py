"""Labels are found by one rule, whatever they lie in; and it is said what was taken, and what was not."""

import csv
import itertools
import json
import unicodedata

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from PIL import Image

from headstart.data.classes import as_column, labels_of, listed, taken_apart
from headstart.data.encoding import decoded
from headstart.data.labels import folder_labels, rank, words
from headstart.data.open import open_source
from headstart.data.sniff import sniff
from headstart.data.source import DataError

N = 24
FLOATS = [f"{i * 1.37:.3f}" for i in range(N)]
CLASSES = [("ill", "well")[i % 2] for i in range(N)]


def delimited(separator, encoding="utf-8"):
    def write(path, table):
        with path.open("w", newline="", encoding=encoding) as file:
            writer = csv.writer(file, delimiter=separator)
            writer.writerow(table)
            writer.writerows(zip(*table.values(), strict=True))

    return write


def jsonl(path, table):
    rows = [dict(zip(table, map(_value, row), strict=True)) for row in zip(*table.values(), strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def parquet(path, table):
    pq.write_table(pa.table({name: list(map(_value, column)) for name, column in table.items()}), path)


def _value(cell):
    try:
        return float(cell) if "." in cell else int(cell)
    except ValueError:
        return cell


def npz(path, arrays):
    np.savez(path, **arrays)


def hdf5(path, arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values


def store(path, arrays):
    group = zarr.open_group(str(path), mode="w")
    for name, values in arrays.items():
        group.create_array(name, data=values)


def pictures(folder, names):
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 9 * i % 250, np.uint8)).save(folder / name)


def known(source):
    """{name: class} of the samples that have one."""
    if source.labels is None:
        return {}
    return {source.name(i): source.classes[c] for i, c in enumerate(source.labels) if c >= 0}


# tables: (columns beside a number, which of them is the label or None)

TABLES = {".csv": delimited(","), ".tsv": delimited("\t"), ".jsonl": jsonl, ".parquet": parquet}
COLUMNS = [
    (("Diagnosis",), "Diagnosis"),
    (("OUTCOME",), "OUTCOME"),
    (("ClassLabel",), "ClassLabel"),
    (("class label",), "class label"),
    (("species-name", "note"), "species-name"),
    (("y_true",), "y_true"),
    (("class", "category"), "class"),  # the surer name
    (("Survived", "cabin"), "Survived"),  # a likely name and few values
    (("is_fraud", "where"), "is_fraud"),
    (("stroke", "heart_disease", "died"), "died"),  # of several likely names the last column's
    (("smoker", "risk"), "risk"),  # last, and called as such columns are
    (("risk", "smoker"), None),
    (("grade", "room"), None),  # may as well be an input
    (("target_id", "site"), None),  # a protein
    (("passenger class", "town"), None),
    (("x", "y"), None),  # a coordinate
]


@pytest.mark.parametrize("suffix", TABLES)
@pytest.mark.parametrize(("names", "label"), COLUMNS, ids=[" ".join(names) for names, _ in COLUMNS])
def test_columns(tmp_path, suffix, names, label):
    path = tmp_path / f"some{suffix}"
    TABLES[suffix](path, {"size": FLOATS} | dict.fromkeys(names, CLASSES))
    source = open_source(path)
    assert source.label == label
    assert (f"labels: column {label}," in source.describe()) == (label is not None)
    if label is not None:
        assert (
            source.classes == ("ill", "well") and source.labels.tolist() == [0, 1] * (N // 2) and label not in source[0]
        )


def test_what_could_be_meant_as_well_is_said(tmp_path):
    path = tmp_path / "some.csv"
    delimited(",")(path, {"size": FLOATS, "class": CLASSES, "category": CLASSES})
    assert (
        "column class, by its name, though column category may be meant (data.label=)" in open_source(path).describe()
    )
    delimited(",")(path, {"label": [f"word {i}" for i in range(N)], "size": FLOATS, "target": CLASSES})
    said = open_source(path).describe()  # what is called so and holds no classes gives way, in words
    assert "column target, by its name" in said and "not label: column 'label' of some has 24 different texts" in said
    delimited(",")(path, {"size": FLOATS, "town": CLASSES})
    assert (
        "labels may be in column town: data.label=town takes it; without that, town is learnt from as an input"
        in open_source(path).describe()
    )
    delimited(",")(path, {"size": FLOATS, "heart_disease": CLASSES, "stroke": CLASSES, "weight": FLOATS})
    assert "labels may be in column heart_disease or column stroke" in open_source(path).describe()


def test_a_data_frame_is_asked_as_a_table_is():
    class Frame:
        """As polars and pandas have them."""

        columns = ("size", "Diagnosis")

        def to_dicts(self):
            return [{"size": i, "Diagnosis": c} for i, c in enumerate(CLASSES)]

    frame = Frame()
    source = open_source(frame)
    assert source.classes == ("ill", "well") and list(source[0]) == ["size"] and "column Diagnosis" in source.describe()
    assert open_source(frame, label="diagnosis").labels.tolist() == source.labels.tolist()
    with pytest.raises(DataError, match="the frame has no column 'siz': did you mean 'size'"):
        open_source(frame, label="siz")


def test_tables_of_which_some_lack_the_label(tmp_path):
    delimited(",")(tmp_path / "train.csv", {"size": FLOATS, "target": CLASSES})
    delimited(",")(tmp_path / "test.csv", {"size": FLOATS})
    delimited(",")(tmp_path / "sample_submission.csv", {"size": FLOATS, "target": ["ill"] * N})
    source = open_source(tmp_path)
    assert len(source) == 2 * N and source.labels.tolist() == [-1] * N + [0, 1] * (N // 2) and source.groups is None
    assert "sample_submission.csv is a form" in source.describe() and all(
        "target" not in source[i] for i in range(2 * N)
    )


def test_events_have_a_label_if_a_subject_has_one(tmp_path):
    table = {
        "subject_id": [str(i // 4) for i in range(N)],
        "time": [str(i % 4) for i in range(N)],
        "code": ["a", "b"] * (N // 2),
    }
    path = tmp_path / "visits.csv"
    delimited(",")(path, table | {"outcome": [CLASSES[i // 4] for i in range(N)]})
    source = open_source(path)
    assert (
        source.kind == "events"
        and source.labels.tolist() == [0, 1] * 3
        and "column outcome, by its name" in source.describe()
    )
    delimited(",")(path, table | {"outcome": CLASSES})
    assert open_source(path).labels is None and "changes within subjects" in open_source(path).describe()


# arrays: (the samples, the labels or None, all names)


def npy(path, arrays):
    """Each in a file of its own; the first is the one that is opened."""
    path.mkdir()
    for name, values in arrays.items():
        np.save(path / f"{name}.npy", values)


ARRAYS = {".npz": npz, ".h5": hdf5, ".zarr": store, ".npy": npy}
KEYS = [
    ("x", "y", ()),
    ("X", "Labels", ()),
    ("images", "label", ()),
    ("x_train", "y_train", ("y_test",)),
    ("Xtrain", "ytrain", ()),
    ("train_images", "train_labels", ("labels_val",)),
    ("data", "targets", ("weights",)),
    ("signals", "Diagnosis", ("age",)),
    ("t2m", None, ("x", "y")),  # coordinates
    ("images", None, ("ages",)),
]


@pytest.mark.parametrize("suffix", ARRAYS)
@pytest.mark.parametrize(("samples", "label", "others"), KEYS, ids=[f"{s} {k}" for s, k, _ in KEYS])
def test_arrays(tmp_path, suffix, samples, label, others):
    path = tmp_path / f"some{suffix}"
    arrays = {samples: np.random.default_rng(0).integers(0, 255, (N, 9, 9, 3)).astype(np.uint8)}
    arrays |= dict.fromkeys(others, np.arange(N, dtype=np.float32) / 7)
    ARRAYS[suffix](path, arrays | ({label: np.arange(N) % 3} if label else {}))
    source = open_source(path / f"{samples}.npy" if suffix == ".npy" else path)
    assert len(source) == N and source[0].shape == (3, 9, 9)
    assert (source.labels is None) if label is None else source.labels.tolist() == [0, 1, 2] * (N // 3)
    assert (f"labels: array {label}, by its name" in source.describe()) == (label is not None)


@pytest.mark.parametrize("suffix", ARRAYS)
def test_one_hot_is_classes_and_a_map_for_each_is_not(tmp_path, suffix):
    x, path = np.zeros((N, 9, 9, 3), np.uint8), tmp_path / f"some{suffix}"
    ARRAYS[suffix](path, {"x": x, "y": np.eye(3, dtype=np.float32)[np.arange(N) % 3]})
    source = open_source(path / "x.npy" if suffix == ".npy" else path)
    assert source.labels.tolist() == [0, 1, 2] * (N // 3)
    other = tmp_path / f"other{suffix}"
    ARRAYS[suffix](other, {"x": x, "y": np.ones((N, 9, 9), np.uint8)})
    source = open_source(other / "x.npy" if suffix == ".npy" else other)
    assert source.labels is None and "masks: array y, a class for every point" in source.describe()
    assert (source.masks.read(5) == 1).all() and source.masks.read(5).shape == (9, 9)
    third = tmp_path / f"third{suffix}"
    ARRAYS[suffix](third, {"x": x, "y": np.ones((N, 9, 8), np.uint8)})
    source = open_source(third / "x.npy" if suffix == ".npy" else third)
    assert (
        source.labels is None and "not y, whose shape [24, 9, 8] is neither one label per sample" in source.describe()
    )
    last = tmp_path / f"last{suffix}"
    ARRAYS[suffix](last, {"x": x, "y": np.full((N, 9, 9), 0.3, np.float32)})
    source = open_source(last / "x.npy" if suffix == ".npy" else last)
    assert (
        source.masks is None
        and "not y as masks, as of the first it holds 1 numbers that are not whole (0.3)" in source.why
    )


@pytest.mark.parametrize(
    "names, clear",
    [
        (["rash; fever", "rash", "fever"], True),
        (["a|b", "b|c", "a", "none"], True),
        (["a,b,c", "a,b", "b,c", "c"], True),
        (["drug; day 1", "drug; day 2", "no drug; day 1", "no drug; day 2"], False),
        (["male|female mixed", "other", "unknown"], False),
        (["Smith, John", "Doe, John", "Smith, Jane", "Doe, Jane"], None),
        (["Smith, John", "Smith, John, Jr.", "Smith, Jane", "Doe, John", "Doe, Jane"], None),
        (["Paris, France", "Lyon, France", "Rome, Italy", "France"], None),
        (["Cat, domestic", "Cat, wild", "Dog, domestic", "Dog"], None),
        (["tench, Tinca tinca", "goldfish, Carassius auratus", "drake"], None),
        (["I like it, a lot", "so, so", "no"], None),
    ],
)
def test_lists_of_classes_are_told_from_names(names: list[str], clear: bool | None):
    found = listed(names)
    assert (None if found is None else found.clear) is clear


def test_many_different_lists_of_few_classes_are_labels():
    rng = np.random.default_rng(0)
    lists = ["; ".join(c for c in "abcdef" if rng.random() < 0.5) or "none" for _ in range(60)]
    assert len(set(lists)) > 30
    values, names = labels_of(as_column("signs", lists), "t.csv")
    table, classes = taken_apart(names)
    assert classes == ("a", "b", "c", "d", "e", "f", "none")
    assert [[c for c, there in zip(classes, row, strict=True) if there] for row in table[values]] == [
        x.split("; ") for x in lists
    ]
    with pytest.raises(DataError, match="different texts: these are no classes"):
        labels_of(as_column("signs", [f"{x}, {i}" for i, x in enumerate(lists)]), "t.csv")
    assert taken_apart(["x, y", "y"], ("x", "y"))[1] == ("x", "y") and taken_apart(["x, y"], ("x, y",))[1] == ("x, y",)


# tables that lie beside the files

NAMES = [f"café {i:03d}.png" for i in range(N)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252"])
@pytest.mark.parametrize("table", ["labels.csv", "metadata.tsv"])
def test_a_table_beside_in_any_encoding(tmp_path, table, encoding):
    pictures(tmp_path, NAMES)
    delimited("\t" if table.endswith("tsv") else ",", encoding)(
        tmp_path / table, {"file": NAMES, "Diagnosis": [("fièvre", "gesund")[i % 2] for i in range(N)]}
    )
    source = open_source(tmp_path)
    assert set(known(source).values()) == {"fièvre", "gesund"} and len(known(source)) == N
    assert f"labels: column Diagnosis of {table}, by its name" in source.describe()
    guessed = encoding in ("utf-16-le", "latin-1", "cp1252")
    assert (f"{table} is read as" in source.describe()) == guessed


WAYS = {
    "zeros": lambda i: str(i),
    "root": lambda i: f"data/imgs/{i:03d}.png",
    "windows": lambda i: f"C:\\x\\imgs\\{i:03d}.png",
    "suffix": lambda i: f"{i:03d}.PNG",
    "stem": lambda i: f"{i:03d}",
}


@pytest.mark.parametrize("way", WAYS)
def test_files_are_known_by_other_names(tmp_path, way):
    pictures(tmp_path, [f"{i:03d}.png" for i in range(N)])
    delimited(",")(tmp_path / "labels.csv", {"file": list(map(WAYS[way], range(N))), "label": CLASSES})
    assert known(open_source(tmp_path)) == {f"{i:03d}.png": CLASSES[i] for i in range(N)}


def test_rows_about_a_file_that_disagree_are_no_label(tmp_path):
    """https://github.com/Tobias-Fischer/rt_gene/issues/56, https://github.com/billpsomas/rscir/issues/6"""
    pictures(tmp_path, [f"{i:03d}.png" for i in range(N)])
    twice = {"file": [f"{i:03d}.png" for i in range(N)] * 2, "label": CLASSES + CLASSES[:-3] + ["ill"] * 3}
    delimited(",")(tmp_path / "labels.csv", twice)
    source = open_source(tmp_path)
    assert known(source) == {f"{i:03d}.png": CLASSES[i] for i in range(N) if i not in (N - 3, N - 1)}
    assert "2 files have rows that disagree, and so no label (first: 021.png)" in source.describe()


def test_letters_in_two_forms_are_one(tmp_path):
    pictures(tmp_path, [unicodedata.normalize("NFD", name) for name in NAMES])
    delimited(",")(tmp_path / "labels.csv", {"file": NAMES, "label": CLASSES})
    assert list(known(open_source(tmp_path)).values()) == CLASSES


@pytest.mark.parametrize(
    ("names", "label"),
    [(("age", "genre", "note"), "genre"), (("anything",), "anything"), (("age", "note"), None), (("dx", "sex"), "dx")],
)
def test_beside_files_a_column_is_no_input(tmp_path, names, label):
    pictures(tmp_path, [f"{i:03d}.png" for i in range(N)])
    delimited(",")(
        tmp_path / "labels.csv",
        {"file": [f"{i:03d}.png" for i in range(N)]}
        | {name: CLASSES if name == label else FLOATS if name == "age" else list("abcd" * 6) for name in names},
    )
    source = open_source(tmp_path)
    assert list(known(source).values()) == (CLASSES if label else [])
    assert (
        f"labels: column {label} of labels.csv" if label else "labels may be in column note of labels.csv"
    ) in source.describe()


def test_numbers_that_recur_name_no_files(tmp_path):
    pictures(tmp_path, [f"{i:03d}.png" for i in range(N)])
    delimited(",")(tmp_path / "labels.csv", {"age": [str(i // 2) for i in range(N)], "label": CLASSES})
    assert open_source(tmp_path).labels is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("file,label\n" + "".join(f"lost{i}.png,{i % 2}\n" for i in range(9)), "lists none of the files that are here"),
        (
            "file,label\na0.png,x\n" + "".join(f"lost{i}.png,{i % 2}\n" for i in range(9)),
            "but 1 of the files in its column file",
        ),
        ("", "is empty"),
        ("a0.png\na1.png\n", "has one column"),
        ("\x00\x01\x02" * 99, "no labels are taken from labels.csv"),
    ],
    ids=["others", "few", "empty", "one column", "bytes"],
)
def test_a_table_that_is_of_no_use_is_named(tmp_path, content, says):
    pictures(tmp_path, [f"a{i}.png" for i in range(8)])
    (tmp_path / "labels.csv").write_text(content)
    source, found = open_source(tmp_path), sniff(tmp_path)
    assert source.labels is None and "labels.csv" in source.describe() and says in source.describe()
    assert any(says in why for why in found.why)


def test_a_form_to_be_filled_in_gives_no_labels(tmp_path):
    for split in ("train", "test"):
        pictures(tmp_path / split, [f"{split}{i:03d}.png" for i in range(N)])
    delimited(",")(tmp_path / "train.csv", {"id": [f"train{i:03d}" for i in range(N)], "label": CLASSES})
    delimited(",")(tmp_path / "sample_submission.csv", {"id": [f"test{i:03d}" for i in range(N)], "label": ["ill"] * N})
    source = open_source(tmp_path)
    assert known(source) == {f"train/train{i:03d}.png": CLASSES[i] for i in range(N)}
    assert "sample_submission.csv is a form" in source.describe()


def test_tables_in_the_folders_of_splits_are_one(tmp_path):
    for split in ("train", "val"):
        pictures(tmp_path / split, [f"{i:03d}.png" for i in range(N)])
        jsonl(tmp_path / split / "metadata.jsonl", {"file_name": [f"{i:03d}.png" for i in range(N)], "label": CLASSES})
    source = open_source(tmp_path)
    assert len(known(source)) == 2 * N and list(known(source).values()) == [*CLASSES, *CLASSES]


def test_pairs_and_files_of_many_samples_have_tables_beside_as_well(tmp_path):
    pairs = tmp_path / "pairs"
    pictures(pairs, [f"{i:03d}.png" for i in range(N)])
    for i in range(N):
        (pairs / f"{i:03d}.txt").write_text(f"picture number {i} of a few")
    delimited(",")(pairs / "labels.csv", {"file": [f"{i:03d}.png" for i in range(N)], "label": CLASSES})
    source = open_source(pairs)
    assert source.kind == "pair" and list(known(source).values()) == CLASSES


# folders

FOLDERS = [
    (("cat", "dog"), ("cat", "dog")),
    (("train/cat", "train/dog", "test/cat", "test/dog"), ("cat", "dog")),
    (("train/cat", "train/dog", "test/cat", "unlabeled"), ("cat", "dog")),
    (("train/cat", "train/dog", "val"), ("cat", "dog")),
    (("train/cat", "train/dog", "val/images"), ("cat", "dog")),
    (("data/cat", "data/dog"), ("cat", "dog")),
    (("cat", "dog", "unlabeled"), ("cat", "dog")),
    (("images", "masks"), ()),
    (("train2017", "val2017"), ()),
    (("0", "1", "2"), ("0", "1", "2")),
    (("control", "test"), ("control", "test")),
    (("photo", "sketch"), ("photo", "sketch")),
    (("cat",), ()),
]


@pytest.mark.parametrize(("folders", "classes"), FOLDERS, ids=["+".join(f) for f, _ in FOLDERS])
def test_folders(folders, classes):
    files = [f"{folder}/{i}.png" for folder, i in itertools.product(folders, range(3))]
    found = folder_labels(files)
    assert found.classes == classes
    if classes:
        of = [classes.index(f.split("/")[-2]) if f.split("/")[-2] in classes else -1 for f in files]
        assert found.values.tolist() == of and "the names of the folders" in found.why


# the rule itself


def test_names_are_compared_as_words():
    assert words("ClassLabel") == words("class_label") == words(" Class-label: ") == ("class", "label")
    assert words("TARGET") == ("target",) and words("Größe") == words("GRÖSSE")
    same = ("label", "Labels", "LABEL", "label_id", "Label Name", "true_label", "class_label", "target")
    assert all(rank(name) is not None for name in same)
    others = (
        "size",
        "labelled_by",
        "y2",
        "x",
        "pclass",
        "target id",
        "subclass",
        "price category",
        "prior outcome",
        "",
    )
    assert all(rank(name) is None for name in others)
    assert rank("class") < rank("class_name") < rank("class_id")
    assert rank("y", ("x", "y")) is None and rank("y", ("x1", "y")) is not None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"])
def test_text_is_decoded(encoding):
    text = "Datei,Wörter\nä,“quoted”\n" if encoding != "latin-1" else "Datei,W\xf6rter\n\x81\n"
    assert decoded(text.encode(encoding))[0] == text
