"""Whatever the user points at becomes samples by number, or a sentence that says what to give instead."""

import gzip
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.data import sets
from headstart.data.open import open_source
from headstart.data.readers._idx import read_idx
from headstart.data.sets import _debian, digits
from headstart.data.source import DataError, Subset
from headstart.data.sources.array import ArraySource, source_of
from headstart.data.sources.files import FileSource
from headstart.errors import Unreadable

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (6, 8, 10), dtype=np.uint8)


# arrays


@pytest.mark.parametrize(
    ("shape", "served"),
    [
        ((5, 8, 10), (1, 8, 10)),
        ((5, 32, 32, 3), (3, 32, 32)),
        ((5, 3, 32, 32), (3, 32, 32)),
        ((5, 8, 8, 3), (3, 8, 8)),
        ((5, 4, 16, 16), (4, 16, 16)),
        ((5, 12, 12, 13), (13, 12, 12)),
        ((5, 13, 12, 12), (13, 12, 12)),
        ((5, 3, 32, 3), (3, 3, 32)),  # both outer axes would do equally: the last
        ((5, 1, 28, 28), (1, 28, 28)),
        ((5, 28, 28, 1), (1, 28, 28)),
    ],
)
def test_where_the_channels_are(shape, served):
    values = RNG.integers(0, 256, shape, dtype=np.uint8)
    source = open_source(values)
    assert isinstance(source, ArraySource) and source.kind == "image"
    assert source[2].shape == source.shape == served and source[2].flags["C_CONTIGUOUS"]
    last = len(shape) == 4 and served == (shape[3], *shape[1:3])
    expected = np.moveaxis(values[2], -1, 0) if last else values[2].reshape(served)
    assert np.array_equal(source[2], expected)


@pytest.mark.parametrize(
    ("values", "kind", "dtype"),
    [
        (np.zeros((3, 8, 8), bool), "image", np.uint8),
        (np.zeros((3, 8, 8), np.uint16), "image", np.uint16),
        (np.zeros((3, 8, 8), ">u2"), "image", np.uint16),
        (np.zeros((3, 8, 8)), "image", np.float32),
        (np.full((3, 8, 8), 255), "image", np.uint8),
        (np.full((3, 8, 8), 256), "image", np.uint16),
        (np.full((3, 8, 8), -1), "image", np.float32),
        (np.zeros((3, 12, 1000)), "series", np.float32),
        (np.zeros((3, 2, 9)), "series", np.float32),
        (np.zeros((3, 100)), "series", np.float32),
        (np.zeros((3, 100), np.int16), "series", np.float32),
        (np.zeros((3, 2, 9), np.uint8), "image", np.uint8),
    ],
)
def test_kinds_and_dtypes(values, kind, dtype):
    source = open_source(values)
    assert source.kind == kind and source[0].dtype == dtype
    assert source[0].dtype.isnative


def test_kind_overrides_and_bools_are_black_and_white():
    assert open_source(np.zeros((3, 8, 8)), kind="series")[0].shape == (8, 8)
    assert open_source(np.zeros((3, 2, 9)), kind="image")[0].shape == (1, 2, 9)
    assert set(np.unique(open_source(np.eye(8, dtype=bool)[None])[0])) == {0, 255}
    assert open_source(np.array(["a", "b"]))[1] == "b" and open_source(np.array([b"a"]))[0] == "a"


@pytest.mark.parametrize(
    ("values", "kind", "says"),
    [
        (np.array([{}, None]), None, "never unpickled"),
        (np.zeros(5), None, "reshape"),
        (np.zeros((2, 3, 4, 5, 6)), None, "reshape"),
        (np.zeros((0, 8, 8)), None, "no samples"),
        (np.zeros((2, 8, 0), np.uint8), None, "empty"),
        (np.zeros((2, 40, 40, 40)), None, "channels last"),
        (np.zeros((2, 8), complex), None, "convert"),
        (np.zeros((2, 8)), "image", "reshape"),
        (np.zeros((2, 8)), "picture", "one of image, multispectral"),
        (np.array(["a", "b"]), "series", "reshape"),
        (np.zeros(3), "text", "convert"),
        (
            np.zeros((2, 300, 2)),
            None,
            "300 channels of 2 moments.*if it holds 300 moments of 2 channels, give np.swapaxes",
        ),
        (np.zeros((2, 24, 1)), None, "24 channels of 1 moment,"),
    ],
)
def test_arrays_that_are_no_samples(values, kind, says):
    with pytest.raises(DataError, match=says):
        open_source(values, kind=kind)


def test_how_series_lie_is_said_where_it_looks_turned():
    """Refused only where there is nothing to learn along time, and nobody said that it is so."""
    read = [
        open_source(np.zeros((2, *shape)), kind).describe() for shape, kind in (((300, 2), "series"), ((300, 9), None))
    ]
    assert all("READ AS 300 channels of" in said for said in read)
    for shape in ((2, 300), (9, 300), (30, 9), (3, 2)):
        assert "READ AS" not in open_source(np.zeros((2, *shape))).describe()


def test_labels_of_arrays():
    source = ArraySource(BYTES, "image", np.array([[0], [1], [-1], [1], [2], [0]], np.int8))
    assert source.labels is not None and source.labels.dtype == np.int64
    assert source.labels.tolist() == [0, 1, -1, 1, 2, 0] and source.classes == ("0", "1", "2")
    named = ArraySource(BYTES, "image", np.array(["b", "a", "b", "c", "a", "a"]))
    assert named.labels is not None and named.labels.tolist() == [1, 0, 1, 2, 0, 0] and named.classes == ("a", "b", "c")
    for labels, classes, says in (
        (np.zeros(5, int), (), "one per sample"),
        (np.full(6, -3), (), "number classes"),
        (np.full(6, 2), ("a", "b"), "name every class"),
    ):
        with pytest.raises(DataError, match=says):
            ArraySource(BYTES, "image", labels, classes)


def test_infinite_is_unreadable_for_its_sample_alone_and_nan_stays():
    values = np.ones((3, 8, 8), np.float32)
    values[1, 2, 3], values[2, 2, 3] = np.inf, np.nan
    source = source_of(values, "image", title="scan")
    assert source[0].shape == (1, 8, 8) and isinstance(source, ArraySource) and source.shape == (1, 8, 8)
    with pytest.raises(Unreadable, match=r"scan\[1\]: the image holds NaN or infinite"):
        source[1]
    assert np.isnan(source[2]).sum() == 1


def test_subset():
    source = Subset(ArraySource(BYTES, "image", np.arange(6)), [4, 1])
    assert len(source) == 2 and source.labels is not None and source.labels.tolist() == [4, 1]
    assert np.array_equal(source[0][0], BYTES[4]) and source.name(1) == "array[1]"
    assert source.describe().startswith("2 of array: 6 images of 1x8x10")
    with pytest.raises(DataError, match=r"0\.\.5"):
        Subset(source.source, [6])


# files


def test_npy_stays_on_disk_and_is_served_writable(tmp_path):
    np.save(tmp_path / "a.npy", BYTES)
    source = open_source(str(tmp_path / "a.npy"))
    assert isinstance(source, ArraySource) and isinstance(source.values, np.memmap)
    assert np.array_equal(source[3][0], BYTES[3]) and source[3].flags["WRITEABLE"] and source.name(3) == "a[3]"
    np.save(tmp_path / "o.npy", np.array([{}, 1]), allow_pickle=True)
    with pytest.raises(DataError, match="never unpickled"):
        open_source(tmp_path / "o.npy")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:200])
    with pytest.raises(DataError, match="damaged"):
        open_source(tmp_path / "cut.npy")


@pytest.mark.parametrize(
    ("keys", "samples", "labels"),
    [
        ({"x": 6, "y": 0}, "x", "y"),
        ({"X": 6, "Y": 0}, "X", "Y"),
        ({"images": 6, "label": 0}, "images", "label"),
        ({"data": 6, "labels": 0, "zz": 6}, "data", "labels"),
        ({"arr_0": 6}, "arr_0", None),
        ({"only": 6}, "only", None),
        ({"x_train": 6, "y_train": 0, "x_test": 2, "y_test": 0}, "x_train", "y_train"),
        ({"train_images": 6, "val_images": 2, "train_labels": 0}, "train_images", "train_labels"),
    ],
)
def test_npz_keys(tmp_path, keys, samples, labels):
    codes = np.arange(6) % 3
    np.savez(tmp_path / "a.npz", **{k: BYTES[:n] if n else codes for k, n in keys.items()})
    source = open_source(tmp_path / "a.npz")
    assert len(source) == 6 and np.array_equal(source[5][0], BYTES[5])
    assert (source.labels is None) == (labels is None)
    assert source.labels is None or source.labels.tolist() == codes.tolist()


def test_npz_refusals(tmp_path):
    np.savez(tmp_path / "tie.npz", left=BYTES, right=BYTES)
    with pytest.raises(DataError, match=r"left \[6, 8, 10\] uint8, right .*under the key x"):
        open_source(tmp_path / "tie.npz")
    np.savez(tmp_path / "numbers.npz", a=np.arange(3), b=np.float64(1))
    with pytest.raises(DataError, match="under the key x"):
        open_source(tmp_path / "numbers.npz")
    np.savez(tmp_path / "objects.npz", x=np.array([{}, 1]))
    with pytest.raises(DataError, match="never unpickled"):
        open_source(tmp_path / "objects.npz")
    np.savez(tmp_path / "short.npz", x=BYTES, y=np.arange(5))
    assert open_source(tmp_path / "short.npz").labels is None
    (tmp_path / "cut.npz").write_bytes((tmp_path / "tie.npz").read_bytes()[:100])
    with pytest.raises(DataError, match="damaged"):
        open_source(tmp_path / "cut.npz")


def write_idx(path: Path, values: np.ndarray, code: int) -> bytes:
    data = bytes([0, 0, code, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    data += values.astype(values.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return data


@pytest.mark.parametrize(("code", "dtype"), [(8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_dtypes(tmp_path, code, dtype, suffix):
    values = (BYTES % 100).astype(dtype)
    write_idx(tmp_path / f"a-idx3{suffix}", values, code)
    read = read_idx(tmp_path / f"a-idx3{suffix}")
    assert read.dtype == np.dtype(dtype) and np.array_equal(read, values) and read.flags["WRITEABLE"]


def test_idx_labels_are_found_beside(tmp_path):
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", BYTES, 8)
    assert open_source(tmp_path / "train-images-idx3-ubyte.gz").labels is None
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.arange(6, dtype=np.uint8), 8)
    source = open_source(tmp_path / "train-images-idx3-ubyte.gz")
    assert source.kind == "image" and source.labels is not None and source.labels.tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(DataError, match="give the images file"):
        open_source(tmp_path / "train-labels-idx1-ubyte")
    with pytest.raises(DataError, match="give one of them"):
        open_source(tmp_path)


def test_idx_damage(tmp_path):
    data = write_idx(tmp_path / "a", BYTES, 8)
    lying = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 2**31, 2**31) + bytes(100)  # must not be allocated
    for name, content, says in (
        ("cut", data[:-1], "cut short"),
        ("cut.gz", gzip.compress(data[:-1]), "cut short"),
        ("half.gz", gzip.compress(data)[:-30], "cut short"),
        ("header", data[:9], "inside its header"),
        ("long", data + b"x", "more than"),
        ("long.gz", gzip.compress(data + b"x"), "more than"),
        ("lying", lying, "promises"),
        ("lying.gz", gzip.compress(lying), "promises"),
        ("other", b"\0\0\x07\x03" + data[4:], "no idx file"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=says):
            read_idx(tmp_path / name)


def test_folders_of_text(tmp_path):
    for name, text in {"a/1.txt": "eins", "b/2.TXT": "zwei\n", "c.txt": "\ufeffdrei"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 \0\0")
    source = open_source(tmp_path)
    assert source.kind == "text" and source[0] == "eins" and source[2] == "drei" and source.classes == ("a", "b")
    assert source.labels is not None and source.labels.tolist() == [0, 1, -1, -1]
    with pytest.raises(Unreadable, match=r"latin\.txt: "):
        source[3]
    Image.new("L", (4, 4)).save(tmp_path / "d.png")
    assert open_source(tmp_path).kind == "image" and open_source(tmp_path, kind="text").kind == "text"


def test_what_cannot_be_opened_says_what_to_give(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "a.bin").write_bytes(b"\1\2\3")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "bare").mkdir()
    for where, kind, says in (
        ("a.png", None, f"give the folder it lies in, {tmp_path}"),
        ("a.bin", None, "is not readable here: give a folder"),
        ("empty", None, "is empty"),
        ("bare", None, "no images or .txt files"),
        ("bare", "image", "no images"),
        (".", "series", "no series files"),
        ("nowhere", None, "no file or folder"),
        ("a.png", "picture", "one of image"),
    ):
        with pytest.raises(DataError) as caught:
            open_source(tmp_path / where, kind=kind)
        assert says in str(caught.value)


def test_a_source_of_the_users_own_says_its_groups(tmp_path):
    class Own:
        kind, labels, classes = "series", None, ()

        def __len__(self):
            return 2

        def __getitem__(self, index):
            return np.zeros((1, 8), np.float32)

        def name(self, index):
            return f"own[{index}]"

        def describe(self):
            return "two of my own"

    with pytest.raises(DataError, match=r"lacks groups and bad: give it groups = None and bad = \(\)"):
        open_source(Own())
    Own.groups, Own.bad = None, ()
    own = Own()
    assert open_source(own) is own


# named sets


def test_names_and_nearest_spelling(tmp_path, monkeypatch):
    assert {"fashion-mnist", "openclipart", "digits"} <= set(sets.names())
    for wrong, right in (
        ("fashion-mnits", "fashion-mnist"),
        ("Fashion_MNIST", "fashion-mnist"),
        ("digit:test", "digits"),
    ):
        with pytest.raises(DataError, match=f"did you mean {right}"):
            open_source(wrong)
        with pytest.raises(DataError, match=f"did you mean {right}"):
            sets.load(wrong)
    for unknown in ("digits:all", "fashion-mnist:val", "openclipart:test"):
        with pytest.raises(DataError, match=f"no split {unknown.partition(':')[2]}: write"):
            open_source(unknown)
    with pytest.raises(DataError, match="leave kind=text out"):
        open_source("digits:test", kind="text")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "digits" / "a.png")
    assert isinstance(open_source("digits"), FileSource)  # a path that exists wins


@pytest.mark.parametrize("split", ["unlabelled", "train"])
def test_test_digits_never_leak(monkeypatch, split):
    """Painting every test digit white changes no canvas of the other splits, and every canvas of its own."""
    scans, labels = digits._scans()
    test = digits.digits_of("test")
    assert len(test) == 599 and not set(test) & set(digits.digits_of(split))
    before, before_test = digits.load(split, count=60), digits.load("test", count=60)
    painted = scans.copy()
    painted[test] = 255
    monkeypatch.setattr(digits, "_scans", lambda: (painted, labels))
    after, after_test = digits.load(split, count=60), digits.load("test", count=60)
    assert np.array_equal(before.values, after.values)
    assert all((a != b).any() for a, b in zip(before_test.values, after_test.values, strict=True))


def test_digits_depend_on_seed_and_index_alone():
    few, more = digits.load("unlabelled", count=5), digits.load("unlabelled", count=9)
    assert np.array_equal(few.values, more.values[:5]) and few[0].shape == (1, 28, 28) and few[0].dtype == np.uint8
    assert not np.array_equal(few.values, digits.load("unlabelled", count=5, seed=1).values)
    train = digits.load("train")
    assert train.labels is not None and len(train) == 1198 and np.bincount(train.labels).min() > 90
    assert len({canvas.tobytes() for canvas in train.values}) == 1198


def test_packages_are_fetched_once_and_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_debian.shutil, "which", lambda tool: f"/bin/{tool}")
    calls = []

    def run(command, cwd, **_):
        calls.append(command[0])
        if command[0] == "apt-get":
            (Path(cwd) / f"{command[2]}_1_all.deb").write_bytes(b"deb")
        else:
            (Path(command[3]) / "usr/share/thing").mkdir(parents=True)

    monkeypatch.setattr(subprocess, "run", run)
    for _ in range(2):
        assert _debian.unpacked("thing-data", "usr/share/thing").is_dir()
    assert calls == ["apt-get", "dpkg-deb"]
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["thing-data"]

    def fail(command, cwd, **_):
        raise subprocess.CalledProcessError(100, command, stderr="E: Unable to locate package other")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(DataError, match=r"Unable to locate package other.*apt-get install other"):
        _debian.unpacked("other", "usr/share/other")
    monkeypatch.setattr(_debian.shutil, "which", lambda tool: None)
    with pytest.raises(DataError, match="there is no apt-get here: on Debian or Ubuntu run"):
        _debian.unpacked("other", "usr/share/other")
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["thing-data"]
