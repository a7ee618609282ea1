"""Samples of several parts from files of equal names, tables of paths, and tars."""

import csv
import io
import json
import os
import tarfile

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import headstart as hs
from headstart.cli import app
from headstart.data.finding.matching import matched
from headstart.data.open import open_source
from headstart.data.source import DataError
from headstart.data.sources.either import Either
from headstart.data.sources.pair import PairSource, Part
from headstart.errors import Mistake, Unreadable
from headstart.log import Log
from headstart.recipe import Data
from headstart.shelf.find import find
from headstart.tiny import tiny, tiny_data


def png(level: int, side: int = 9) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), (level, 0, 0)).save(out, "PNG")
    return out.getvalue()


def lay(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


@pytest.mark.parametrize(
    ("image", "text"),
    [("{}.png", "{}.txt"), ("images/{}.png", "captions/{}.txt"), ("train/images/{}.png", "train/captions/{}.txt")],
)
def test_files_of_equal_names(tmp_path, image, text):
    files = {image.format(f"{i:04}"): png(i) for i in range(6)} | {
        text.format(f"{i:04}"): f"level {i}" for i in range(1, 6)
    }
    source = open_source(lay(tmp_path, files))
    assert isinstance(source, PairSource) and source.kind == "pair" and len(source) == 6
    assert source.kinds == {"image": "image", "text": "text"} and source[0]["text"] is None
    for i in range(1, 6):
        assert source[i]["image"][0, 0, 0] == i and source[i]["text"] == f"level {i}"
        assert source.name(i).endswith(f"{i:04}")
    assert source.labels is None and "image 6, text 5" in source.describe()


def test_three_kinds_and_labels(tmp_path):
    files = {}
    for i, name in enumerate(("cat/a", "cat/b", "dog/a")):
        array = io.BytesIO()
        np.save(array, np.arange(40, dtype=np.float32) * i)
        files |= {f"{name}.png": png(i), f"{name}.txt": name, f"{name}.npy": array.getvalue()}
    source = open_source(lay(tmp_path, files))
    assert source.kinds == {"image": "image", "series": "series", "text": "text"} and source.classes == ("cat", "dog")
    assert source.labels is not None and source.labels.tolist() == [0, 0, 1]
    assert source[2]["text"] == "dog/a" and source[2]["series"].shape == (1, 40) and source[2]["series"][0, 3] == 6


def test_two_parts_of_one_kind_where_asked(tmp_path):
    files = {f"{part}/{i}.png": png(i + 100 * (part == "masks")) for part in ("photos", "masks") for i in range(3)}
    lay(tmp_path, files)
    assert open_source(tmp_path).kind == "image"  # cat/1.png and dog/1.png look the same
    source = open_source(tmp_path, kind="pair")
    assert source.kinds == {"masks": "image", "photos": "image"}
    assert source[2]["photos"][0, 0, 0] == 2 and source[2]["masks"][0, 0, 0] == 102
    lay(tmp_path / "sides", {"a.jpg": png(1), "a.png": png(2), "a.txt": "one", "b.png": png(3), "b.txt": "two"})
    both = open_source(tmp_path / "sides")
    assert both.kinds == {"image": "image", "image_2": "image", "text": "text"} and both[1]["image_2"] is None


def test_names_that_do_not_match_are_no_pairs(tmp_path):
    assert matched({"image": ["a.png", "b.png"], "text": ["c.txt"]}) is None
    assert matched({"image": ["x/a.png", "y/a.png"], "text": ["x/b.txt"]}) is None
    source = open_source(
        lay(tmp_path, {"1.png": png(1), "2.png": png(2), "3.png": png(3), "1.txt": "only one of three"})
    )
    assert source.kind == "image" and len(source) == 3
    with pytest.raises(DataError, match="no names in common"):
        open_source(lay(tmp_path / "apart", {"1.png": png(1), "x.txt": "t"}), kind="pair")


def test_a_broken_part_is_missing_and_a_sample_without_parts_unreadable(tmp_path):
    files = {f"{i}.png": png(i) for i in range(4)} | {f"{i}.txt": str(i) for i in range(4)}
    files |= {"1.png": files["1.png"][:40], "2.txt": b"\0\0\0\0", "3.png": b"", "3.txt": b""}
    source = open_source(lay(tmp_path, files))
    sample, wrong = source.parts(1)
    assert sample["image"] is None and sample["text"] == "1" and set(wrong) == {"image"} and source[2]["text"] is None
    with pytest.raises(Unreadable, match=r"3: image: .*; text: "):
        source[3]


def table(path, rows, names):
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([names, *rows])


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_tables_of_paths(tmp_path, suffix):
    lay(tmp_path, {f"left/{i}.png": png(i) for i in range(4)} | {f"right/{i}.png": png(50 + i) for i in range(4)})
    names = ("left", "right", "caption", "label")
    rows = [(f"left/{i}.png", "" if i == 3 else f"right/{i}.png", f'a "level", {i}', "ab"[i % 2]) for i in range(4)]
    path = tmp_path / f"pairs{suffix}"
    if suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows))
    else:
        table(path, rows, names)
    source = open_source(path)
    assert source.kind == "pair" and source.kinds == {"left": "image", "right": "image", "text": "text"}
    assert source[1]["right"][0, 0, 0] == 51 and source[1]["text"] == 'a "level", 1' and source[3]["right"] is None
    assert source.classes == ("a", "b") and source.labels is not None and source.labels.tolist() == [0, 1, 0, 1]
    assert source.name(2) == "left/2.png"
    with pytest.raises(DataError, match=r"no column 'nothing': it has left, right, caption, label"):
        open_source(path, label="nothing")


def test_paths_never_lead_out_of_the_tables_folder(tmp_path):
    lay(
        tmp_path,
        {"in/1.png": png(1), "in/2.png": png(2), "in/3.png": png(3), "secret.png": png(9), "in/deep/x.png": png(4)},
    )
    os.symlink(tmp_path / "secret.png", tmp_path / "in" / "link.png")
    outside = str(tmp_path / "secret.png")
    names = ("1.png", "2.png", "3.png", "../secret.png", outside, "link.png", "deep/x.png")
    table(tmp_path / "in" / "t.csv", [(n, "words") for n in names], ("image", "caption"))
    source = open_source(tmp_path / "in" / "t.csv")
    assert [source[i]["image"] is not None for i in range(7)] == [True, True, True, False, False, False, True]
    assert "not a file inside" in source.parts(3)[1]["image"]


def tarred(path, members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                tar.addfile(info)


def test_tars_are_read_in_place(tmp_path):
    members = [m for i in range(5) for m in ((f"./shard/{i:03}.png", png(i)), (f"./shard/{i:03}.txt", b"level %d" % i))]
    members += [("shard/000.cls", b"1"), ("shard/003.cls", b"0"), ("notes.json5", b"{}")]
    members += [("../out.png", png(9)), ("/root.png", png(9)), ("shard/9.png", (tarfile.SYMTYPE, "/etc/passwd"))]
    tarred(tmp_path / "a.tar", members)
    source = open_source(tmp_path / "a.tar")
    assert source.kind == "pair" and source.kinds == {"image": "image", "text": "text"} and len(source) == 5
    assert [source[i]["image"][0, 0, 0] for i in (4, 0, 2)] == [4, 0, 2] and source[3]["text"] == "level 3"
    assert source.labels is not None and source.labels.tolist() == [1, -1, -1, 0, -1] and source.name(1) == "shard/001"
    tarred(tmp_path / "one.tar", [m for m in members if m[0].endswith(".png")])
    one = open_source(tmp_path / "one.tar")
    assert isinstance(one, Part) and one.kind == "image" and len(one) == 5 and one[3][0, 0, 0] == 3


def test_tars_that_cannot_be_read(tmp_path):
    members = [(f"{i}.{s}", c) for i in range(3) for s, c in (("png", png(i)), ("txt", b"words"))]
    tarred(tmp_path / "a.tar.gz", members, "w:gz")
    with pytest.raises(DataError, match="compressed tar"):
        open_source(tmp_path / "a.tar.gz")
    tarred(tmp_path / "a.tar", members)
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: 9 * 512 + 10])
    try:
        cut = open_source(tmp_path / "cut.tar")
        for i in range(len(cut)):
            cut[i]
    except (DataError, Unreadable):
        pass
    rng = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 20):
            data[at] ^= 1 << int(rng.integers(8))
        (tmp_path / "flipped.tar").write_bytes(data)
        try:
            source = open_source(tmp_path / "flipped.tar")
        except DataError:
            continue
        for i in range(len(source)):
            try:
                source[i]
            except Unreadable:
                continue
    tarred(tmp_path / "other.tar", [("a.xyzq", b"\1\2"), ("b.xyzq", b"\3")])
    with pytest.raises(DataError, match="none of it is data"):
        open_source(tmp_path / "other.tar")
    lay(tmp_path, {"plain.txt": "text"})
    with pytest.raises(DataError, match="holds no pairs"):
        open_source(tmp_path / "plain.txt", kind="pair")


def test_parts_that_never_come_together_cannot_meet():
    """clip on photographs and scans of different things says what would do."""
    tokenizers = {kind: tiny_data(kind).only for kind in ("image", "volume")}
    data = Data(Either({kind: tiny(kind) for kind in tokenizers}), tokenizers, 6)
    for name in ("clip", "m3ae_medical"):
        with pytest.raises(Mistake, match="recipe=uni4eye learns from each part alone"):
            find(name)(data)


def test_parquet_without_names_of_files_is_read_once(tmp_path, monkeypatch):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    from headstart.data.finding import paired

    parquet.write_table(pa.table({"n": [1.5, 2.5, 3.5], "said": ["a b", "e.g. so", "x"]}), tmp_path / "plain.parquet")
    parquet.write_table(pa.table({"image": ["a.png"], "text": ["a word"]}), tmp_path / "paths.parquet")
    assert [paired._mentions_files(tmp_path / f"{n}.parquet", b"") for n in ("plain", "paths")] == [False, True]
    monkeypatch.setattr(paired, "read_columns", None)
    assert open_source(tmp_path / "plain.parquet").kind == "table"


def test_a_run_on_pairs_is_asked_part_by_part(tmp_path):
    """Each part by one word, of a folder of pairs and of one that holds that part alone; without it the command to type."""
    r = np.random.default_rng(0)
    files = {}
    for i in range(12):
        out = io.BytesIO()
        Image.fromarray(r.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(out, "PNG")
        files |= {f"images/{i:02}.png": out.getvalue(), f"captions/{i:02}.txt": f"picture {i} of {12 - i} things"}
    data = lay(tmp_path / "data", files)
    words = {"model.width": 16, "model.depth": 1, "model.heads": 2, "data.batch": 4, "run.out": str(tmp_path / "r")}
    hs.pretrain(data, steps=2, log=Log(quiet=True), **words)
    run = str(tmp_path / "r")

    def typed(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code == code, done.output
        return " ".join(done.output.split())

    command = f"headstart neighbours {run} {data} part=image"
    assert f"an encoder for each part (image, text), and one at a time is asked: {command}" in typed(
        "neighbours", run, str(data), code=2
    )
    assert (
        "embedded 12 samples" in typed(*command.split()[1:], "k=2") and (tmp_path / "r/image/neighbours.csv").exists()
    )
    assert len(hs.embed(run, data, part="text", log=Log(quiet=True)).z) == 12
    assert "map" in typed("map", run, str(data), "part=text") and (tmp_path / "r/text/map.html").exists()
    alone = hs.embed(run, data / "images", part="image", log=Log(quiet=True))
    assert np.allclose(alone.z, hs.embed(run, data, part="image", log=Log(quiet=True)).z, atol=1e-5)
    assert "0 of 12 score higher" in typed("outliers", run, str(data), "part=image", f"against={data}")
    assert "did you mean image" in typed("map", run, str(data), "part=imag", code=2)
    assert "is no run on pairs" in typed("map", f"{run}/image", str(data), "part=image", code=2)
