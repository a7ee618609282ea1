"""Every kind of data, the whole way: a folder of files in a format of its own, one command and no other word, an encoder back."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart import tokenizers
from headstart.data.source import DataError
from headstart.log import Log
from headstart.shelf.find import default_recipe
from headstart.words import WordError

COUNT = 48  # samples: half of each class
SMALL = {"steps": 2, "size": "XS", "data.batch": 8, "data.held": 0.34, "run.device": "cpu"}
CLASSES = ("calm", "wild")
R = np.random.default_rng(0)


def image(path: Path, wild: int) -> None:
    from PIL import Image

    Image.fromarray(R.integers(0, 100 + 150 * wild, (24, 24, 3), dtype=np.uint8)).save(path.with_suffix(".png"))


def multispectral(path: Path, wild: int) -> None:
    import tifffile

    bands = (R.random((6, 24, 24)) * (1 + wild)).astype(np.float32)
    tifffile.imwrite(path.with_suffix(".tif"), bands, photometric="minisblack", planarconfig="separate")


def video(path: Path, wild: int) -> None:
    import av

    with av.open(str(path.with_suffix(".mp4")), "w") as out:
        stream = out.add_stream("mpeg4", rate=8)
        stream.width = stream.height = 32
        for _ in range(8):
            frame = R.integers(0, 100 + 150 * wild, (32, 32, 3), dtype=np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode())


def volume(path: Path, wild: int) -> None:
    import nibabel

    values = (R.random((16, 16, 12)) * (1 + wild)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1, 1, 2, 1])), path.with_suffix(".nii.gz"))


def audio(path: Path, wild: int) -> None:
    import soundfile

    t = np.arange(4000) / 8000
    soundfile.write(path.with_suffix(".wav"), 0.5 * np.sin(2 * np.pi * (300 + 500 * wild + 50 * R.random()) * t), 8000)


def series(path: Path, wild: int) -> None:
    t = np.arange(200)
    np.save(path.with_suffix(".npy"), np.stack([np.sin(t / (5 - 3 * wild)), np.cos(t / 9)]) + 0.1 * R.random((2, 200)))


def text(path: Path, wild: int) -> None:
    words = ("storm", "thunder", "roar") if wild else ("meadow", "brook", "breeze")
    path.with_suffix(".txt").write_text(" ".join(R.choice(words, 20)))


def code(path: Path, wild: int) -> None:
    body = "for i in range(n):\n        total += i" if wild else "return n"
    path.with_suffix(".py").write_text(f"def f{R.integers(1000)}(n):\n    total = 0\n    {body}\n")


def molecule(path: Path, wild: int) -> None:
    lines = [("c1ccccc1" if wild else "CC") + "CO" * int(R.integers(1, 5)) + f" m{i}" for i in range(2)]
    path.with_suffix(".smi").write_text("\n".join(lines) + "\n")


def graph(path: Path, wild: int) -> None:
    n = int(R.integers(5, 12))
    nodes = "".join(f'<node id="n{i}"><data key="d0">{R.random():.3f}</data></node>' for i in range(n))
    ends = [(i, (i + 1) % n) for i in range(n)] + [(0, i) for i in range(2, n) if wild]
    edges = "".join(f'<edge source="n{a}" target="n{b}"/>' for a, b in ends)
    path.with_suffix(".graphml").write_text(
        '<?xml version="1.0"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
        '<key id="d0" for="node" attr.name="w" attr.type="double"/>'
        f'<graph edgedefault="undirected">{nodes}{edges}</graph></graphml>'
    )


def points(path: Path, wild: int) -> None:
    xyz = R.standard_normal((300, 3)) * (1, 1, 0.1 + wild)
    head = (
        "ply\nformat ascii 1.0\nelement vertex 300\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    )
    path.with_suffix(".ply").write_text(head + "\n".join(f"{x:.4f} {y:.4f} {z:.4f}" for x, y, z in xyz) + "\n")


def splats(path: Path, wild: int) -> None:
    names = ["x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2"]
    names += ["rot_0", "rot_1", "rot_2", "rot_3"]
    values = R.standard_normal((200, 14)) * (1 + wild)
    head = "ply\nformat binary_little_endian 1.0\nelement vertex 200\n"
    head += "".join(f"property float {name}\n" for name in names) + "end_header\n"
    path.with_suffix(".ply").write_bytes(head.encode() + values.astype("<f4").tobytes())


def trajectory(path: Path, wild: int) -> None:
    n = int(R.integers(20, 40))
    np.savez(path.with_suffix(".npz"), state=R.standard_normal((n, 3)) * (1 + wild), action=R.standard_normal((n, 1)))


def packets(path: Path, wild: int) -> None:
    import dpkt

    with path.with_suffix(".pcap").open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        for i in range(6):
            data = bytes(R.integers(0, 256 if wild else 64, 40, dtype=np.uint8))
            tcp = dpkt.tcp.TCP(sport=1234, dport=80, flags=dpkt.tcp.TH_ACK, seq=i, data=data)
            ip = dpkt.ip.IP(src=b"\x0a\0\0\x01", dst=b"\x0a\0\0\x02", p=6, ttl=64, data=tcp)
            ip.len = len(ip)
            writer.writepkt(dpkt.ethernet.Ethernet(src=b"\1" * 6, dst=b"\2" * 6, data=ip), ts=i * 0.1)


def music(path: Path, wild: int) -> None:
    import mido

    track = mido.MidiTrack()
    for _ in range(20):
        pitch = int(R.integers(30, 50) + 40 * wild)
        track += [mido.Message("note_on", note=pitch, velocity=64, time=0)]
        track += [mido.Message("note_off", note=pitch, velocity=0, time=240)]
    mido.MidiFile(tracks=[track]).save(path.with_suffix(".mid"))


def document(path: Path, wild: int) -> None:
    words = [str(w) for w in R.choice(("total", "invoice", "due") if wild else ("dear", "sincerely", "regards"), 12)]
    boxes = [[0.1 * (i % 6), 0.1 * (i // 6), 0.1 * (i % 6) + 0.08, 0.1 * (i // 6) + 0.05] for i in range(12)]
    path.with_suffix(".json").write_text(json.dumps({"words": words, "boxes": boxes}))


def field(path: Path, wild: int) -> None:
    np.save(path.with_suffix(".npy"), R.random((4, 12, 12, 12)).astype(np.float32) * (1 + wild))


FILES = [image, multispectral, video, volume, audio, series, text, code, molecule, graph, points, splats, trajectory]
FILES += [packets, music, document, field]


def table(folder: Path) -> Path:
    rows = [f"{R.normal(5 * (i % 2)):.3f},{R.choice(['red', 'blue'])},{CLASSES[i % 2]}" for i in range(COUNT)]
    (folder / "t.csv").write_text("size,colour,species\n" + "\n".join(rows) + "\n")
    return folder / "t.csv"


def events(folder: Path) -> Path:
    lines = ["patient,time,code,value"]
    for i in range(COUNT):
        lines += [f"p{i},2020-01-{day + 1:02d},{R.choice(['glucose', 'sodium'])},{R.normal(5):.2f}" for day in range(8)]
    (folder / "e.csv").write_text("\n".join(lines) + "\n")
    return folder / "e.csv"


def protein(folder: Path) -> Path:
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    rows = [f">sp|P{i:05d}|X\n{''.join(R.choice(letters, 40))}" for i in range(COUNT)]
    (folder / "p.fasta").write_text("\n".join(rows) + "\n")
    return folder / "p.fasta"


def files(write: Callable[[Path, int], None], folder: Path) -> Path:
    """A folder for each class."""
    for i in range(COUNT):
        place = folder / CLASSES[i % 2]
        place.mkdir(exist_ok=True)
        write(place / f"{i:03d}", i % 2)
    return folder


PLACES = {write.__name__: partial(files, write) for write in FILES} | {
    "table": table,
    "events": events,
    "protein": protein,
}
PICTURED = {"image", "multispectral", "video", "volume", "field", "audio", "series"}
UNLABELLED = {"events", "protein"}
ASKED = {"field": {"data.kind": "field"}}  # four numbers on a grid may be anything


def test_all_kinds_are_here():
    assert set(PLACES) == set(tokenizers.KINDS)


@pytest.mark.parametrize("kind", sorted(PLACES))
def test_pretrain_finds_out_and_does_it(kind, tmp_path):
    (tmp_path / "data").mkdir()
    place, out = PLACES[kind](tmp_path / "data"), tmp_path / "run"
    words = {**SMALL, **ASKED.get(kind, {}), "run.out": str(out)}
    run = hs.pretrain(str(place), log=Log(quiet=True), **words)
    plan = json.loads((out / "run.json").read_text())["plan"]
    assert plan["tokenizer"]["kind"] == kind and plan["recipe"] == default_recipe(kind)
    assert bool(run.results) == (kind not in UNLABELLED)
    if kind == "table":
        assert list(run.results) == ["raw input", "boosted trees", "random encoder", "pre-trained"]
    bad = (out / "bad_files.jsonl").read_text()
    assert not bad, bad
    z = hs.load(out).embed_named(str(place))
    assert z.z.shape[1] == hs.load(out).width and np.isfinite(z.z).all() and len(z.names) == len(z.z) >= COUNT
    again = hs.again(out, log=Log(quiet=True))
    assert again and all(then == now for then, now in again)


def test_a_mixed_folder_is_explained_and_the_user_chooses(tmp_path):
    for write in (audio, image):
        (tmp_path / write.__name__).mkdir()
        for i in range(8):
            write(tmp_path / write.__name__ / f"{write.__name__}{i}", i % 2)
    with pytest.raises(DataError, match=r"data\.kind="):
        hs.pretrain(str(tmp_path), log=Log(quiet=True), **SMALL)


def test_pairs_meet_and_each_part_is_handed_back(tmp_path):
    for i in range(COUNT):
        image(tmp_path / f"{i:03d}", i % 2)
        text(tmp_path / f"{i:03d}", i % 2)
    (tmp_path / "000.txt").unlink()  # a sample without its text
    out = tmp_path.parent / "pairs"
    run = hs.pretrain(str(tmp_path), log=Log(quiet=True), **{**SMALL, "run.out": str(out)})
    assert list(run.results) == ["random encoder", "pre-trained"] and set(run.results["pre-trained"]) == {
        "recall-1",
        "recall-5",
    }
    assert hs.load(out / "text").embed(["a word"]).shape == (1, 128)
    assert hs.load(out / "image").embed([np.zeros((24, 24, 3), np.uint8)]).shape == (1, 128)
    with pytest.raises(DataError, match="an encoder for each part"):
        hs.load(out)
    assert hs.pretrain(str(tmp_path), log=Log(quiet=True), **{**SMALL, "run.out": str(out)}).results == run.results


def test_plan_says_what_it_found_and_every_word(tmp_path, capsys):
    place = files(series, tmp_path)
    plan = hs.plan(str(place), "data.held=0.2", steps=7)
    said = capsys.readouterr().out
    assert plan.steps == 7 and plan.recipe == "descriptors" and plan.rows > 0 and plan.memory > 0
    for word in (
        "What I found",
        "48 series files",
        "time ",
        "memory ",
        "disk ",
        "ratio=",
        "optim.lr=",
        "data.window=",
        "run.seed=",
    ):
        assert word in said, word
    assert said.splitlines()[-1] == f"To look at the data first: headstart show {place} data.held=0.2"
    assert not list(tmp_path.glob("run*")) and not list(Path.cwd().iterdir())


def test_one_long_recording_is_cut_into_windows(tmp_path):
    np.save(tmp_path / "long.npy", np.sin(np.arange(40_000) / 7)[None] + 0.1 * R.standard_normal((1, 40_000)))
    out = tmp_path / "run"
    hs.pretrain(str(tmp_path / "long.npy"), log=Log(quiet=True), **{**SMALL, "run.out": str(out)})
    plan = json.loads((out / "run.json").read_text())["plan"]
    assert plan["input"]["window"] == 2048 and plan["samples"] == 20
    whole = hs.load(out).embed_named(str(tmp_path / "long.npy"))
    assert len(whole.z) == 1  # one vector for the recording, not for each window


def quick(where: object, **words: object) -> object:
    return hs.pretrain(where, log=Log(quiet=True), **{**SMALL, **words})


def test_quantities_are_probed_written_and_not_needed_later(tmp_path):
    """A column of numbers as the label: R2, numbers in the file of vectors, and new data without the column."""
    rows = [f"{R.normal():.3f},{R.choice(['a', 'b'])},{R.normal():.4f}" for _ in range(COUNT)]
    (tmp_path / "t.csv").write_text("size,colour,price\n" + "\n".join(rows) + "\n")
    (tmp_path / "new.csv").write_text("size,colour\n1.0,a\n2.0,b\n")
    run = quick(str(tmp_path / "t.csv"), **{"data.label": "price", "run.out": str(tmp_path / "r")})
    assert all(name.startswith(("knn-R2", "linear-")) and "R2" in name for name in run.results["pre-trained"])
    hs.embed(tmp_path / "r", str(tmp_path / "t.csv"), out=tmp_path / "z.csv", log=Log(quiet=True))
    lines = (tmp_path / "z.csv").read_text().splitlines()
    assert lines[0].startswith("name,label,z0") and float(lines[1].split(",")[1]) == pytest.approx(
        float(rows[0].split(",")[2])
    )
    assert hs.load(tmp_path / "r").embed(str(tmp_path / "new.csv")).shape[0] == 2
    with pytest.raises(DataError, match="chooses a column"):
        quick("digits", **{"data.label": "price"})


def test_frames_and_lists_of_pairs(tmp_path):
    class Frame:
        columns = ("size", "kind")

        def to_dict(self, how: str) -> list[dict[str, object]]:
            assert how == "records"
            return [{"size": float(R.normal()), "kind": CLASSES[i % 2]} for i in range(COUNT)]

        def describe(self) -> str:
            return "a frame describes its numbers"

    run = quick(Frame(), **{"data.label": "kind", "run.out": str(tmp_path / "frame")})
    assert set(run.results) == {"raw input", "boosted trees", "random encoder", "pre-trained"}
    pairs = [{"image": R.integers(0, 255, (3, 16, 16), dtype=np.uint8), "text": f"picture {i}"} for i in range(COUNT)]
    pairs[3]["text"] = None
    run = quick(pairs, **{"data.kind": "pair", "run.out": str(tmp_path / "pairs")})
    assert set(run.results) == {"random encoder", "pre-trained"}
    assert "pairs/image" in (tmp_path / "pairs" / "README.md").read_text()


def test_words_that_do_not_apply_are_said(tmp_path):
    with pytest.raises(WordError, match="not cut into windows"):
        quick(str(files(image, tmp_path)), **{"data.window": 5})
