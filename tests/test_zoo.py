"""Broken files: what lies about its size, unpacks to gigabytes, is cut short, or is something else under a data file's name."""

import gzip
import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import laspy
import nibabel
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import tifffile
import zarr
from typer.testing import CliRunner

from headstart import cli
from headstart.data.open import open_source
from headstart.data.readers import (
    _limits,
    arrays,
    audio,
    by_name,
    claims,
    cloud,
    document,
    jsonl,
    kern,
    mesh,
    nifti,
    sdf,
    smiles,
    ts,
)
from headstart.data.source import DataError
from headstart.data.sources.listed import ListSource
from headstart.data.sources.windows import Windows
from headstart.errors import Unreadable

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345678\n"
PAGE = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head>\n<body>1,2,3\n4,5,6\n</body></html>\n"
DENIED = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>\n'
RANDOM = np.random.default_rng(0)
TABLE = "a,b\n" + "".join(f"{i},{i * i}\n" for i in range(20))


@contextmanager
def at_most(size: int, kept: bool = False) -> Iterator[None]:
    """No more than so many bytes are taken at any moment, or (`kept`) at the end."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[not kept] < size
    finally:
        tracemalloc.stop()


# what stands in the place of a file


@pytest.mark.parametrize(
    "content", [LFS, PAGE, DENIED, bytes(600), *(pickle.dumps({"a": [1, 2]}, p) for p in range(6))]
)
@pytest.mark.parametrize(
    "name", ["x.csv", "x.wav", "x.graphml", "x.edgelist", "x.npy", "x.png", "x.smi", "x.jsonl", "x.dcm"]
)
def test_what_is_no_data_is_known_under_any_name(content: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert claims(path) == []
    with pytest.raises(DataError, match=r"cannot be read: it (is|begins with) .*: (run|save|download|copy) "):
        open_source(path)


def test_data_is_not_taken_for_something_else(tmp_path: Path) -> None:
    npy, zipped = io.BytesIO(), io.BytesIO()
    np.save(npy, np.zeros(9))
    np.savez(zipped, x=np.zeros(9))
    starts = [
        npy.getvalue(),
        zipped.getvalue(),
        TABLE.encode(),
        b"\0\0\x08\x03" + bytes(600),
        b"(lispy list)\n",
        b"c = 1\nd = 2\n",
    ]
    assert [_limits.instead(start, "x.bin") for start in [*starts, bytes(128) + b"DICM" + bytes(600), b""]] == [""] * 8
    assert _limits.instead(PAGE, "page.html") == "" != _limits.instead(PAGE, "page.csv")


GOOD: dict[str, Callable[[Path], object]] = {
    ".csv": lambda path: path.write_text(TABLE),
    ".edgelist": lambda path: path.write_text("".join(f"n{i} n{i + 1}\n" for i in range(9))),
    ".wav": lambda path: soundfile.write(path, RANDOM.normal(size=400) / 9, 8000),
    ".au": lambda path: soundfile.write(path, RANDOM.normal(size=400) / 9, 8000),
    ".npy": lambda path: np.save(path, RANDOM.normal(size=(2, 99))),
}


@pytest.mark.parametrize(
    "content", [LFS, pickle.dumps([(1, 2)], 0), RANDOM.bytes(3000)], ids=["pointer", "pickle", "random"]
)
@pytest.mark.parametrize("suffix", GOOD)
def test_one_bad_file_of_a_folder_is_named(suffix: str, content: bytes, tmp_path: Path) -> None:
    for i in range(4):
        GOOD[suffix](tmp_path / f"{i}{suffix}")
    (tmp_path / f"bad{suffix}").write_bytes(content)
    found = open_source(tmp_path)
    wrong = [error.where for error in found.bad]
    for i in range(len(found)):
        try:
            found[i]
        except Unreadable as error:
            wrong.append(error.where)
    assert wrong == [f"bad{suffix}"] and len(found) == (80 if suffix == ".csv" else 5)


def test_a_folder_of_pointers_says_what_to_do(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.wav").write_bytes(LFS)
    with pytest.raises(DataError, match=r"none of the 3 files .*0.wav: it is a pointer of Git LFS.*: run git lfs pull"):
        open_source(tmp_path)
    done = CliRunner().invoke(cli.app, ["sniff", str(tmp_path / "0.wav")])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1


def test_zeros_are_no_text(tmp_path: Path) -> None:
    for name, text in (("a.txt", "the cat sat"), ("b.txt", "the cat\0\0"), ("c.txt", "\0" * 9)):
        (tmp_path / name).write_text(text)
    found = open_source(tmp_path)
    assert len(found) == 3 and found[0] == "the cat sat"
    for i in (1, 2):
        with pytest.raises(Unreadable, match="no text"):
            found[i]


def test_a_zipped_table_is_read_under_any_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(gzip.compress(TABLE.encode()))
    (tmp_path / "b.csv.gz").write_text(TABLE)
    for name in ("a.csv", "b.csv.gz"):
        found = open_source(tmp_path / name)
        assert len(found) == 20 and found[3] == {"a": 3, "b": 9}


# what is cut short


@pytest.mark.parametrize("form", ["WAV", "AIFF", "AU"])
def test_a_sound_of_which_most_is_missing_is_refused(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{form.lower()}"
    soundfile.write(path, RANDOM.normal(size=8000) / 9, 8000, format=form)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    assert 4000 < audio.read(path)["wave"].shape[1] < 5000
    path.write_bytes(data[: len(data) // 50])
    with pytest.raises(
        Unreadable, match=rf"cut short: it should have {len(data):,} bytes, and {len(data) // 50:,} are there"
    ):
        audio.read(path)


# headers that lie


def test_a_las_with_a_lying_count_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.las"
    made = laspy.LasData(laspy.LasHeader(point_format=3, version="1.2"))
    made.x, made.y, made.z = RANDOM.normal(size=(3, 50)) * 10
    made.write(path)
    data = bytearray(path.read_bytes())
    data[107:111] = struct.pack("<I", 80)  # of which more than half are there
    path.write_bytes(data)
    assert len(cloud.read(path)) == 50
    data[107:111] = struct.pack("<I", 199_000_000)
    path.write_bytes(data)
    with at_most(2**20), pytest.raises(Unreadable, match=r"says it has 199,000,000 points, which take 6.3 GiB"):
        cloud.read(path)
    data[107:111], data[100:104] = struct.pack("<I", 50), struct.pack("<I", 2**31)
    path.write_bytes(data)
    with at_most(2**20), pytest.raises(Unreadable, match=r"says it has 2,147,483,648 records, which take 108.0 GiB"):
        cloud.read(path)


def test_an_npz_whose_header_lies_is_refused(tmp_path: Path) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", head.getvalue() + bytes(400))
    with pytest.raises(
        DataError, match=r"\[x\] is damaged: its header says it has 1,000,000,000,000 values, which take 3,725.3 GiB"
    ):
        open_source(tmp_path / "x.npz")


# what unpacks to far more than it is


def packed_npz(path: Path) -> None:
    np.savez_compressed(path.with_suffix(".npz"), x=np.zeros((20, 1, 4096), np.float32))


def packed_sample(path: Path) -> None:
    np.savez_compressed(path.with_suffix(".npz"), values=np.zeros((2, 40_000), np.float32), time=np.zeros(40_000))


def packed_idx(path: Path) -> None:
    path.with_suffix(".gz").write_bytes(
        gzip.compress(b"\0\0\x08\x03" + struct.pack(">III", 20, 128, 128) + bytes(20 * 2**14))
    )


def packed_nifti(path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((64, 64, 20), np.float32), np.eye(4)), path.with_suffix(".nii.gz"))


def packed_hdf5(path: Path) -> None:
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file.create_dataset("x", data=np.zeros((20, 1, 4096), np.float32), chunks=(20, 1, 4096), compression="gzip")


def packed_labels(path: Path) -> None:
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file["x"] = np.zeros((40_000, 2), np.int8)
        file.create_dataset("y", (40_000,), np.int64, chunks=(40_000,))  # nothing is written


def packed_zarr(path: Path) -> None:
    zarr.open(str(path.with_suffix(".zarr")), mode="w", shape=(2000, 64, 64), chunks=(1, 64, 64), dtype="f4")


def packed_parquet(path: Path) -> None:
    pq.write_table(pa.table({"a": np.zeros(300_000), "b": np.zeros(300_000)}), path.with_suffix(".parquet"))


def packed_table(path: Path) -> None:
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 40_000))


def packed_tiff(path: Path) -> None:
    tifffile.imwrite(path.with_suffix(".tif"), np.zeros((20, 64, 64), np.float32), compression="zlib")


PACKED = [
    *(packed_npz, packed_sample, packed_idx, packed_nifti, packed_tiff, packed_hdf5),
    *(packed_labels, packed_zarr, packed_parquet, packed_table),
]


@pytest.mark.parametrize("pack", PACKED)
def test_what_unpacks_to_far_too_much_is_refused(
    pack: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same file is fine below the limit; so small a one is refused where the limits are a thousandth."""
    pack(tmp_path / "x")
    (path,) = tmp_path.iterdir()

    def opened() -> object:
        return arrays.read(path) if pack is packed_sample else open_source(path)[0]

    opened()
    monkeypatch.setattr(_limits, "FREE", 2**17)
    monkeypatch.setattr(_limits, "TIMES", 50)
    with (
        at_most(2**22),
        pytest.raises((DataError, Unreadable), match=r"unpacks from [\d.,]+ (bytes|KiB) to [\d.,]+ [KM]iB"),
    ):
        opened()


def test_sizes_are_said_and_compared() -> None:
    free, times = _limits.FREE, _limits.TIMES
    assert _limits.unpacked(free, 0) == "" == _limits.unpacked(10 * free, 10 * free // times + 1)
    assert _limits.unpacked(2 * free, 2**20, "x.npz").startswith("x.npz unpacks from 1.0 MiB to 512.0 MiB")
    assert _limits.claimed(10, 8, 80, "points") == ""
    assert (
        _limits.claimed(11, 8, 80, "points")
        == "its header says it has 11 points, which take 88 bytes, and 80 bytes are there"
    )


# what memory and time a file takes


def test_a_scan_is_unzipped_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, values = tmp_path / "x.nii.gz", RANDOM.normal(size=(64, 64, 64)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
    monkeypatch.setattr(nifti, "PIECE", 2**14)
    with at_most(2 * values.nbytes):  # five times as much, with a copy at every step
        assert np.array_equal(nifti.read(path)["values"][0], values.transpose(2, 1, 0))
    path.write_bytes(path.read_bytes()[:-4] + b"abcd")
    with pytest.raises(Unreadable, match=r"compression is damaged \((CRC|Incorrect length)"):
        nifti.read(path)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(Unreadable, match="cut short"):
        nifti.read(path)


def test_of_a_list_of_molecules_only_the_places_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.smi"
    path.write_text("smiles name\nCCO ethanol\n\n" + "C" * 20_000 + " long\nCC\tethane of a well\n" + "CCC\n" * 10_000)
    with at_most(2**19):
        found = smiles.open(path)
    assert len(found) == 10_003 and [found[i] for i in (0, 2, 3, -1)] == ["CCO", "CC", "CCC", "CCC"]
    assert [found.name(i) for i in (0, 2, 3)] == ["ethanol", "ethane of a well", "x[3]"] and len(
        found[1]
    ) == smiles.LONGEST


def test_of_structures_only_the_places_are_kept(tmp_path: Path) -> None:
    path, empty = tmp_path / "x.sdf", "\n\n\n  0  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n"
    path.write_text((empty + "> <kind>\na\n\n$$$$\n") * 3000)
    with at_most(2**17, kept=True):
        found = sdf.open(path)
    assert len(found) == 3000


def test_a_score_stops_where_it_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kern, "NOTES", 100)
    wide, chord = "**kern\t" * 10_000 + "**kern\n", "**kern\n" + "4c " * 10_000
    with at_most(2**20), pytest.raises(Unreadable, match="more than 256 columns"):
        kern.notes_of(wide)
    with at_most(2**20), pytest.raises(Unreadable, match="more than 100 notes"):
        kern.notes_of(chord)
    assert len(kern.notes_of("**kern\n" + "4c " * 100)) == 100


def test_tags_that_do_not_end_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "STRAY", 100)
    path = tmp_path / "x.hocr"
    path.write_text("<div class='ocr_page' title='bbox 0 0 9 9'>" + "<a " * 101)
    with pytest.raises(Unreadable, match="more than 100 of its tags do not end"):
        document.read(path)


def test_a_list_of_objects_is_read_one_after_another(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(f"\ufeff [{', '.join(json.dumps({'a': i, 'b': [i]}) for i in range(3000))} ]\n")
    text = path.read_text()
    with at_most(len(text)):  # thirty times as much, all objects at once
        assert sum(1 for _ in jsonl._listed(text)) == 3000
    found = jsonl.load(path)
    assert len(found) == 3000 and found.row(7) == {"a": 7, "b": "[7]"}
    for wrong in ("[{} {}]", "[{}", "[{}] 1", "[", '[{"a": 1}, {'):
        path.write_text(wrong)
        with pytest.raises(DataError, match="is no JSON"):
            jsonl.load(path)


def test_what_is_repeated_is_not_copied_byte_by_byte() -> None:
    """LZF of one run: a literal, and copies of it that overlap themselves."""
    size = 1 + 264 * 1000
    assert cloud.inflate(b"\x00a" + b"\xe0\xff\x00" * 1000, size) == b"a" * size
    assert cloud.inflate(b"\x02abc" + b"\x80\x02", 9) == b"abcabcabc"


def test_colons_between_channels_and_in_times(tmp_path: Path) -> None:
    head = "@problemName a\n@timeStamps {}\n@classLabel true x y\n@data\n"
    timed = "(2020-01-01 00:00:00,1),(2020-01-01 00:00:10,2):(2020-01-01 00:00:00,3),(2020-01-01 00:00:10,4):x\n"
    (tmp_path / "a.ts").write_text(head.format("true") + timed)
    (tmp_path / "b.ts").write_text(
        head.format("false") + "1,2:" * 20_000 + "x\n"
    )  # each colon looked for a bracket to the end
    sample = ts.open(tmp_path / "a.ts")[0]
    assert sample["values"].tolist() == [[1, 2], [3, 4]] and sample["time"].tolist() == [0, 10]
    with pytest.raises(DataError, match="channels, and 1,024 may be"):
        ts.open(tmp_path / "b.ts")


class Counted(str):
    """A text that counts how often it is encoded."""

    times = 0

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        Counted.times += 1
        return super().encode(encoding, errors)


def test_a_long_text_is_encoded_once_for_all_its_windows() -> None:
    text = Counted("the cat sat ümlaut " * 500)
    windows = Windows(ListSource([text, Counted("short")], "text"), 64)
    assert "".join(windows[i] for i in range(len(windows) - 1)).replace("ü", "") == text.replace("ü", "")
    assert windows[len(windows) - 1] == "short" and len(windows) > 150 and Counted.times <= 4


# folders


def test_folders_that_turn_in_circles_or_are_called_like_files(tmp_path: Path) -> None:
    for i in range(4):
        np.save(tmp_path / f"{i}.npy", RANDOM.normal(size=(2, 99)))
    os.symlink("x", tmp_path / "x")
    os.symlink(".", tmp_path / "self")
    (tmp_path / "folder.npy").mkdir()
    for where, code in ((tmp_path, 0), (tmp_path / "folder.npy", 2), (tmp_path / "x", 2)):
        done = CliRunner().invoke(cli.app, ["sniff", str(where)])
        assert done.exit_code == code and isinstance(done.exception, SystemExit | None), where


def test_a_damaged_hdf5_is_one_sentence(tmp_path: Path) -> None:
    """Where the addresses in its header lead anywhere, the library raises RuntimeError as its groups are listed."""
    for i in range(4):
        with h5py.File(tmp_path / f"{i}.h5", "w") as file:
            file["x"] = RANDOM.normal(size=(20, 64))
            file.create_group("more")["z"] = np.zeros(3)
    data = (tmp_path / "0.h5").read_bytes()
    broken = [data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :] for at in range(16, 160, 12)]
    broken += [data[:at] + bytes(len(data) - at) for at in range(200, len(data), len(data) // 5)]
    said = set()
    for content in broken:
        (tmp_path / "0.h5").write_bytes(content)
        try:
            open_source(tmp_path / "0.h5")
        except DataError as error:
            said.add(type(error.__cause__))
            assert len(open_source(tmp_path)) == 60
    assert RuntimeError in said


def test_a_broken_array_beside_is_passed_over(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", RANDOM.normal(size=(20, 64)))
    for i, cut in enumerate(
        (b"{'descr': '<f4', (", b"\0\0", b"{")
    ):  # numpy's parser raises SyntaxError, TokenError, ...
        (tmp_path / f"y{i}.npy").write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + cut.ljust(0x76) + bytes(99))
    assert len(open_source(tmp_path / "x.npy")) == 20


def test_a_face_has_so_many_corners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesh, "CORNERS", 4)
    places = b"v 0 0 0\nv 1 0 0\nv 0 1 0\n"
    assert len(mesh.obj(places + b"f 1 2 3 1\n")[1]) == 2
    with pytest.raises(Unreadable, match="a face of more than 4 corners"):
        mesh.obj(places + b"f 1 2 3 1 2\n")


def test_dates_are_no_samples(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(40).astype("M8[s]").reshape(20, 2))
    done = CliRunner().invoke(cli.app, ["check", str(tmp_path / "x.npy")])
    assert done.exit_code == 2 and "holds datetime64[s] values: convert it" in done.stderr


def test_every_reader_looks_first_whether_the_file_is_there(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(LFS)
    for name in ("audio", "delimited", "jsonl", "nifti", "graphs", "cloud", "text", "fasta"):
        reader = by_name(name)
        for act in filter(None, (reader.read, reader.open, reader.load, reader.extent)):
            with pytest.raises((DataError, Unreadable), match="pointer of Git LFS"):
                act(tmp_path / "x")
