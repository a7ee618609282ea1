"""Every sample is read once, in its tokenizer's form; what cannot be read is named; long ones are cut into windows."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tests.parts import TINY

from headstart.data.feeding.loader import PairTokenizer, collate
from headstart.data.feeding.prepare import few, prepare
from headstart.data.open import open_source
from headstart.data.source import DataError, Subset
from headstart.data.sources.array import ArraySource
from headstart.data.sources.listed import ListSource
from headstart.data.sources.windows import Windows, windowed
from headstart.errors import Unreadable
from headstart.recipe import Data
from headstart.recipes.clip import clip
from headstart.running.material import divide
from headstart.step import Step
from headstart.tokenizers import ImageTokenizer, SeriesTokenizer, TextTokenizer
from headstart.tokenizers.want import Want

RNG = np.random.default_rng(0)
LOOK = ImageTokenizer(8, 3, side=32)
SMALL = ImageTokenizer(8, 1, side=8)


@pytest.fixture
def mixed(tmp_path):
    """Twelve files in two classes, of several shapes and modes, three of them broken."""
    for i in range(12):
        path = tmp_path / ("cat" if i % 2 else "dog") / f"{i:02}.png"
        path.parent.mkdir(exist_ok=True)
        if i in (0, 5, 11):
            path.write_bytes(b"" if i else b"no picture")
        else:
            values = np.full((40 + 9 * i, 60, 3), i * 20, np.uint8)
            Image.fromarray(values[:, :, 0] if i % 3 else values).save(path)
    return open_source(tmp_path)


def level(sample: np.ndarray) -> int:
    return round(float(sample.mean()) / 20)


def test_prepare_keeps_order_labels_and_the_list_of_the_bad(mixed, tmp_path):
    seen = []
    prepared = prepare(mixed, LOOK, workers=3, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (12, 12) and not prepared.lazy and len(prepared) == 9
    numbers = [int(mixed.name(int(i))[-6:-4]) for i in prepared.origin]
    assert [level(prepared[i]) for i in range(9)] == numbers
    assert prepared.labels is not None and [prepared.classes[c] for c in prepared.labels] == [
        "cat" if n % 2 else "dog" for n in numbers
    ]
    assert prepared.name(0) == "cat/01.png" and prepared.kind == "image"
    assert {s.shape[0] for s in prepared.samples} == {3} and all(
        side % 8 == 0 for s in prepared.samples for side in s.shape[1:]
    )
    assert [e.where for e in prepared.bad] == ["cat/05.png", "cat/11.png", "dog/00.png"]
    assert prepared.describe().endswith(
        "2 classes (labels: the names of the folders), 3 unreadable left out; kept in memory"
    )
    prepared.write_bad(tmp_path / "bad_files.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "bad_files.jsonl").read_text().splitlines()]
    assert lines[0] == {"path": "cat/05.png", "reason": "the file is empty"} and len(lines) == 3
    assert {s.shape[0] for s in prepare(mixed, ImageTokenizer(8, 1, side=32)).samples} == {1}


def test_lazy_equals_eager(mixed):
    """Which samples are good, their labels and the list of bad ones do not depend on the memory there happens to be."""
    eager, lazy = prepare(mixed, LOOK), prepare(mixed, LOOK, memory=0)
    assert lazy.lazy and not eager.lazy and lazy.describe().endswith("read when needed")
    assert np.array_equal(eager.origin, lazy.origin) and np.array_equal(eager.labels, lazy.labels)
    assert [e.where for e in lazy.bad] == [e.where for e in eager.bad] and len(lazy.bad) == 3
    for i in range(len(eager)):
        assert np.array_equal(eager[i], lazy[i]) and eager.name(i) == lazy.name(i)


def test_uniform_arrays_are_neither_read_nor_copied():
    values = RNG.integers(0, 256, (50, 28, 28), dtype=np.uint8)
    prepared = prepare(ArraySource(values, "image"), ImageTokenizer(4, 1, side=28))
    assert np.shares_memory(prepared[7], values) and len(prepared) == 50
    small = prepare(ArraySource(values, "image"), ImageTokenizer(4, 3, side=16))
    assert isinstance(small.samples, np.ndarray) and small.samples.shape == (50, 3, 16, 16)


def test_prepare_leaves_out_nan_and_checks_series_and_texts():
    pictures = np.ones((4, 8, 8), np.float32)
    pictures[2, 0, 0] = np.inf
    for side in (8, 4):
        prepared = prepare(ArraySource(pictures, "image", np.arange(4)), ImageTokenizer(4, 1, side=side))
        assert prepared.origin.tolist() == [0, 1, 3] and prepared.bad[0].where == "array[2]"
        assert (
            prepared.labels is not None
            and prepared.labels.tolist() == [0, 1, 3]
            and prepared[2].shape[1:] == (side, side)
        )
    waves = np.ones((3, 100))
    waves[0, 5] = np.inf
    prepared = prepare(ArraySource(waves, "series"), SeriesTokenizer(4))
    assert prepared.origin.tolist() == [1, 2] and prepared[0].shape == (1, 100) and "infinite" in prepared.bad[0].reason
    prepared = prepare(ArraySource(np.array(["a", "  ", "c"]), "text"), TextTokenizer())
    assert [prepared[i] for i in range(2)] == ["a", "c"] and "nothing but whitespace" in prepared.bad[0].reason


def test_channels_are_decided_by_a_look():
    two = ArraySource(np.zeros((3, 2, 9, 9), np.uint8), "image")
    assert prepare(two, ImageTokenizer.fit(few(two, 3), Want(patch=4, side=8)))[0].shape == (2, 8, 8)
    with pytest.raises(DataError, match="no rule that makes 3"):
        prepare(two, ImageTokenizer(4, 3, side=8))


def test_nothing_usable_is_an_error_with_reasons(tmp_path):
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes(b"" if i else b"no picture")
    for memory in (None, 0):
        with pytest.raises(DataError) as caught:
            prepare(open_source(tmp_path), SMALL, memory=memory)
        assert "no usable image in 5 image files" in str(caught.value) and "(and 2 more)" in str(caught.value)
        assert "0.png: its content is no image format; 1.png: the file is empty" in str(caught.value)


def test_only_the_last_of_many_can_be_read(tmp_path):
    """The look that a tokenizer is fitted to goes on until it finds one."""
    for i in range(200):
        (tmp_path / f"{i:03}.png").write_bytes(b"")
    Image.new("L", (8, 8), 5).save(tmp_path / "101.png")
    assert len(few(open_source(tmp_path), 16)) == 1
    for memory in (None, 0):
        assert (prepare(open_source(tmp_path), SMALL, memory=memory)[0] == 5).all()


def test_rows_of_what_is_no_array_are_made_once():
    prepared = prepare(ListSource(["some words", "more"], "text"), TextTokenizer())
    form, first = prepared.ready(1)
    assert prepared.ready(1)[1] is first and len(first) == 4 == form[0]
    inside = Subset(prepared, [1, 0])
    batch = collate(Data(inside, {"x": TextTokenizer()}, 2), np.array([0, 1]), Step(0, 1), 1)
    assert batch.tokens["x"].layout.lengths == (5, 11)


def test_kept_rows_change_nothing():
    """Arrays of many shapes are cut once and kept where there is room; the batch is the same to the last bit without."""
    pictures = [RNG.integers(0, 255, (1, 8 * (1 + i % 3), 8), dtype=np.uint8) for i in range(9)]
    tokenizer = ImageTokenizer(4, 1)
    prepared = prepare(ListSource(pictures, "image"), tokenizer)
    data = Data(prepared, {"x": tokenizer}, 9)
    assert prepared.keeps
    kept = collate(data, np.arange(9), Step(0, 1), 1)
    prepared.keeps = False
    cut = collate(data, np.arange(9), Step(0, 1), 1)
    assert torch.equal(kept.tokens["x"].values, cut.tokens["x"].values) and torch.equal(kept.index, cut.index)
    assert not prepare(ListSource(pictures[::3], "image"), tokenizer).keeps  # of one shape: cut in a stack


def test_windows_cover_a_recording_without_overlap():
    waves = [RNG.standard_normal((2, n)).astype(np.float32) for n in (100, 7, 55)]
    source = Windows(ListSource(waves, "series", labels=[0, 1, 0], classes=["a", "b"]), 10)
    assert len(source) == 10 + 1 + 6 and source.labels.tolist() == [0] * 10 + [1] + [0] * 6
    for i, wave in enumerate(waves):
        mine = np.flatnonzero(source.groups == i)
        assert np.array_equal(np.concatenate([source[int(j)] for j in mine], 1), wave)
    assert source.name(3) == "list[0]#3" and source.name(10) == "list[1]"


def test_windows_of_text_cut_no_character_in_two():
    text = "äöü€" * 100
    source = Windows(ListSource([text], "text"), 50)
    pieces = [source[i] for i in range(len(source))]
    assert all(len(piece.encode()) <= 75 for piece in pieces) and "\ufffd" not in "".join(pieces)


def test_only_long_samples_are_cut_unasked():
    short, long = ["a few words"] * 80, ["many words " * 100] * 80
    assert not isinstance(windowed(ListSource(short, "text"), None, short), Windows)
    assert isinstance(windowed(ListSource(long, "text"), None, long), Windows)
    assert isinstance(windowed(ListSource(short, "text"), 4, short), Windows)


def test_groups_are_never_divided():
    groups = np.repeat(np.arange(20), 5)
    held, rest, _ = divide(np.arange(100) % 2, groups, 0.2, seed=3)
    assert 15 <= len(held) <= 30 and len(held) + len(rest) == 100
    assert not set(groups[held]) & set(groups[rest])
    uneven = np.repeat(np.arange(12), [1000, *[10] * 11])
    for seed in range(20):
        held, _, _ = divide(np.zeros(1110, int), uneven, 0.02, seed)
        assert 10 <= len(held) <= 33  # never the thousand
    held, _, _ = divide(np.zeros(330, int), np.repeat([0, 1], [300, 30]), 0.1, seed=0)
    assert len(held) == 30
    held, rest, _ = divide(np.arange(100) % 2, None, 0.2, seed=3)
    assert len(held) == 20 and len(rest) == 80
    held, _, known = divide(np.array([0.5, np.nan, 2.0, 1.5]), None, 0.5, seed=0)
    assert len(held) <= 2 and known.tolist() == [0, 2, 3]


def test_a_pair_may_miss_a_part():
    """A broken part is a missing one; a method in which parts meet learns from whole pairs alone."""
    pictures = RNG.integers(0, 255, (6, 1, 8, 8), dtype=np.uint8)
    items = [{"image": pictures[i], "text": f"number {i}"} for i in range(6)]
    items[1] = {"image": None, "text": "alone"}
    items[4] = {"image": pictures[4], "text": "  "}  # empty, which no text may be
    parts = {"image": ImageTokenizer(4, 1, side=8), "text": TextTokenizer(longest=24)}
    torch.manual_seed(0)
    prepared = prepare(ListSource(items, "pair"), PairTokenizer(parts))
    assert prepared[4]["text"] is None
    method = clip(Data(prepared, parts, 6), size=TINY, width=8)
    assert [method.data.source.indices.tolist(), len(method.data.source)] == [[0, 2, 3, 5], 4]
    batch = collate(method.data, np.arange(4), Step(0, 1), 1)
    assert method.objective(batch, Step(0, 1)).total.isfinite()
    both = collate(Data(prepared, parts, 6), np.arange(6), Step(0, 1), 1).tokens
    assert [both[part].content.count(0) for part in ("image", "text")] == [1, 1]  # a segment without rows
    with pytest.raises(Unreadable, match="text: the text"):
        PairTokenizer(parts).fitted({"image": None, "text": ""})
