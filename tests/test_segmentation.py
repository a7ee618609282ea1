"""The class of every row: masks that follow their samples, what is learnt from them, and maps at the samples' own size."""

import csv
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.tuned import SHAPE, Heard
from typer.testing import CliRunner

import headstart as hs
from headstart import cli, train
from headstart.alignment import Alignment
from headstart.checkpoint import save_encoder
from headstart.data.feeding.prepare import prepare
from headstart.data.masks import Numbers, called, of_array
from headstart.data.open import open_source
from headstart.data.readers._mask import read_mask
from headstart.data.sources.array import ArraySource
from headstart.data.sources.windows import Windows
from headstart.errors import Mistake, Unreadable
from headstart.log import Log
from headstart.nn.encoder import encoder
from headstart.planning.plan import Plan
from headstart.recipe import Input
from headstart.running.finish import by_masks
from headstart.running.folder import facts
from headstart.scoring.masked import coded, masked, values_of
from headstart.tasks import fitting
from headstart.tasks.segmentation import Segmentation, counted, overlap
from headstart.tasks.task import Task
from headstart.tokenizers.audio import AudioTokenizer
from headstart.tokenizers.image import ImageTokenizer
from headstart.tokenizers.multispectral import MultispectralTokenizer
from headstart.tokenizers.series import SeriesTokenizer
from headstart.tokenizers.table import TableTokenizer
from headstart.tokenizers.video import VideoTokenizer
from headstart.tokenizers.volume import VolumeTokenizer
from headstart.tokenizers.want import Want
from headstart.tokens import Tokenizer

NOISE = np.random.default_rng(0).integers(-3, 4, (30, 32, 32))
FAST = {"lr": 1e-2, "data.batch": 16, "run.device": "cpu", "run.dtype": "fp32"}


def quiet() -> Log:
    return Log(quiet=True)


def shapes(count: int, side: int = 32, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """([n, side, side] uint8, the same of 0, 1, 2): on noise a square (1) and a brighter disc (2), anywhere."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 100, (count, side, side)), np.zeros((count, side, side), np.int64)
    a, b = np.mgrid[:side, :side]
    for picture, mask in zip(x, y, strict=True):
        for k, low in ((1, 110), (2, 190)):
            r = int(rng.integers(5, 8))
            at, across = rng.integers(r, side - r, 2)
            far = np.maximum(abs(a - at), abs(b - across)) if k == 1 else np.hypot(a - at, b - across)
            mask[far <= r] = k
            picture[far <= r] = rng.integers(low, low + 60, int((far <= r).sum()))
    return x.astype(np.uint8), y


def tokenizer_of(x: np.ndarray) -> ImageTokenizer:
    source = ArraySource(x, "image")
    return ImageTokenizer.fit([source[i] for i in range(8)], Want(64))


def base_of(place: Path, tokenizer: Tokenizer, window: int | None = None) -> Path:
    """The folder of a random encoder, as a run leaves it."""
    torch.manual_seed(7)
    made = encoder({"x": tokenizer}, SHAPE).eval()
    save_encoder(place, made, {"read": "mean_std", "width": 64, "input": asdict(Input(window=window))})
    return place


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return base_of(tmp_path / "base", tokenizer_of(shapes(8)[0]))


def npz(path: Path, x: np.ndarray, y: np.ndarray) -> str:
    np.savez(path, x=x, y=y)
    return str(path)


def pictures(place: Path, count: int, seed: int = 0, masks: str = "masks") -> list[np.ndarray]:
    """images/ and masks/ of many sizes, of which a mask is 0 or 255; what the masks hold."""
    rng, (x, y) = np.random.default_rng(seed), shapes(count, 40, seed)
    for folder in ("images", masks):
        (place / folder).mkdir(parents=True)
    held = []
    for i in range(count):
        h, w = rng.integers(28, 40, 2)
        held.append((y[i, :h, :w] > 0) * np.uint8(255))
        Image.fromarray(x[i, :h, :w]).save(place / "images" / f"{i:02d}.jpg", quality=95)
        Image.fromarray(held[-1]).save(place / masks / f"{i:02d}.png")
    return held


# masks and rows


def aligned_as_seen(tokenizer: Tokenizer, sample: object, mask: np.ndarray) -> Alignment:
    """A mask that is the sample, of zeros and ones: each row has the class that its values show, and a map made of these is the
    mask again."""
    along = tokenizer.aligned(sample)
    assert along is not None and along.sizes == mask.shape
    tokens = tokenizer(tokenizer.fitted(sample))
    coords, shown = tokens.coords.numpy(), tokens.values.numpy().mean(1)
    labels = along.labels(mask.astype(np.int64), coords)
    sure = (abs(shown - 0.5) > 0.2) & (labels >= 0)
    assert sure.mean() > 0.4 and len(set(labels[sure].tolist())) == 2
    assert ((labels == 1) == (shown > 0.5))[sure].all()
    out = np.eye(2)[labels.clip(min=0)]
    assert (along.spread(out, coords) == mask)[along_inside(along)].mean() > 0.8
    return along


def along_inside(along: Alignment) -> tuple[slice, ...]:
    """What of a sample its rows see."""
    ends = [(max(0, int(np.ceil(at.min()))), int(at.max()) + 1) for at in along.at]
    return tuple(slice(a, b) for a, b in ends)


@pytest.mark.parametrize("sides", [(32, 32), (50, 30), (25, 110), (110, 25), (64, 64), (13, 17), (41, 40)])
def test_a_mask_is_resized_and_cropped_with_its_picture(sides: tuple[int, int]):
    tokenizer = ImageTokenizer(4, 1, (0.0,), (1.0,), 32)
    mask = np.zeros(sides, np.uint8)
    mask[sides[0] // 3 : sides[0] * 2 // 3, sides[1] // 5 : sides[1] // 2] = 1
    along = aligned_as_seen(tokenizer, mask[None] * np.uint8(255), mask)
    assert [len(at) for at in along.at] == list(tokenizer.fitted(mask[None]).shape[1:])
    cropped = [(at[-1] - at[0] + at[1] - at[0]) / side for at, side in zip(along.at, sides, strict=True)]
    assert max(cropped) == pytest.approx(1) and (max(sides) <= 4 * min(sides) or min(cropped) <= 1)


def test_a_mask_follows_rasters_volumes_clips_series_and_sounds():
    scene = np.zeros((20, 34), np.uint8)
    scene[2:11, 3:16] = 1
    bands = {"bands": np.stack([scene, scene, scene]).astype(np.float32), "wavelength": np.array([450.0, 550, 650])}
    along = aligned_as_seen(MultispectralTokenizer(4, 24), bands, scene)
    assert len(np.unique(along.cells(np.array([[4.5, 1, 2], [5.5, 1, 2]])))) == 1  # two bands, one place
    scan = np.zeros((12, 20, 16), np.uint8)
    scan[3:9, 4:12, 6:13] = 1
    spaced = {"values": scan[None].astype(np.float32), "spacing": (2.0, 1.0, 1.0)}
    cubes = VolumeTokenizer(4, (24, 24, 24))  # 12 slices of 2 mm become 24; 20 and 16 voxels are padded to 24
    aligned_as_seen(cubes, spaced, scan)
    padded = cubes.aligned(spaced).labels(
        np.ones_like(scan).astype(np.int64), cubes(cubes.fitted(spaced)).coords.numpy()
    )
    assert set(padded.reshape(6, 6, 6)[:, :, 0].ravel()) == {-1}  # padding has no class
    clip = np.zeros((16, 1, 24, 24), np.uint8)
    clip[5:12, :, 6:18, 4:15] = 255
    aligned_as_seen(VideoTokenizer(4, 24, 8, None, 1, (0.0,), (1.0,)), clip, clip[:, 0] // 255)
    wave = np.zeros(230, np.uint8)
    wave[60:140] = 1
    aligned_as_seen(SeriesTokenizer(10, rate=5.0), {"values": wave[None].astype(np.float32), "rate": 10.0}, wave)
    uneven = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.2, 230))
    along = SeriesTokenizer(10, rate=5.0, masked=True).aligned(
        {"values": wave[None].astype(np.float32), "time": uneven}
    )
    (at,) = along.at
    assert np.abs(np.interp(at, np.arange(230), uneven - uneven[0]) - np.arange(len(at)) / 5).max() < 0.2
    sound = AudioTokenizer.fit([{"wave": np.random.default_rng(0).normal(size=(1, 8000)), "rate": 8000}], Want(16))
    said = sound.aligned({"wave": np.zeros((1, 32_000), np.float32), "rate": 16_000})
    assert said.sizes == (32_000,) and said.at[0][1] == pytest.approx(2) and said.columns == (0,)


def test_a_row_without_rows_beside_it_is_named_by_the_nearest():
    along = Alignment((12,), (np.arange(12.0),), (4,), (0,))
    said = along.spread(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0], [2.0]]))
    assert said.tolist()[:4] == [0] * 4 and said.tolist()[-4:] == [1] * 4


def test_the_commonest_class_counts_and_what_is_unknown_does_not():
    along = Alignment((4, 8), (np.arange(4.0), np.arange(8.0)), (4, 4), (0, 1))
    coords = np.array([[0.0, 0.0], [0.0, 1.0]])
    mask = np.zeros((4, 8), np.int64)
    mask[:2, :4], mask[2, :1] = 5, 5
    assert along.labels(mask, coords).tolist() == [5, 0]
    mask[:2, :4], mask[2, :1] = -1, -1  # 9 of 16
    assert along.labels(mask, coords).tolist() == [-1, 0]
    mask[2, :1] = 3  # half is known
    assert along.labels(mask, coords).tolist() == [0, 0]


@pytest.mark.parametrize(
    "numbers, ignore, values",
    [
        ([0, 1, 255], None, (0, 1)),
        ([0, 255], None, (0, 255)),
        ([0, 128, 255], None, (0, 128, 255)),
        ([*range(21), 255], None, tuple(range(21))),
        ([*range(256)], None, tuple(range(256))),
        ([-1, 0, 1], None, (0, 1)),
        ([0, 1, 2], 0, (1, 2)),
        ([0, 1, 255], 0, (1, 255)),
    ],
)
def test_which_numbers_are_classes(numbers: list[int], ignore: int | None, values: tuple[int, ...]):
    found, said = values_of(np.array(numbers), ignore)
    assert found == values and bool(said) == (ignore is None and 255 in numbers and 255 not in values)
    assert coded(np.array([255, 0, 7]), (0, 255)).tolist() == [1, 0, -1]


def drawn(numbers: list[int], count: int = 40) -> list[np.ndarray]:
    """Masks of 32 x 32 in which some of these stand on 0, each in a square of 2 to 9."""
    rng, found = np.random.default_rng(0), []
    for _ in range(count):
        mask = np.zeros((32, 32), np.int64)
        for number in rng.choice(numbers, 8):
            side = int(rng.integers(2, 10))
            a, b = rng.integers(0, 32 - side, 2)
            mask[a : a + side, b : b + side] = number
        found.append(mask)
    return found


def refused(masks: list[np.ndarray]) -> str:
    numbers = Numbers()
    for mask in masks:
        numbers.add(mask)
    return numbers.refused


def test_noise_smoothed_edges_and_numbers_of_objects_are_no_classes():
    """Many classes are, however small they are."""
    assert not refused(drawn([1, 2, 3])) and not refused(drawn([*range(1, 150)]))
    assert not refused([np.arange(3).repeat(99)]) and not refused([mask[0] for mask in drawn([*range(1, 99)])])
    two = [Image.fromarray((mask > 0).astype(np.uint8) * 255) for mask in drawn([1])]
    smooth = [np.array(each.rotate(20, Image.Resampling.BILINEAR)) for each in two]
    assert "most stand alone" in refused(smooth) and not refused([np.array(each.rotate(20)) for each in two])
    rng = np.random.default_rng(0)
    counted_anew = [np.arange(int(rng.integers(20, 60))).repeat(9) for _ in range(20)]
    assert "as objects are counted" in refused(counted_anew)
    many = Numbers()
    for mask in drawn([*range(1, 150)]):
        many.add(mask)
    assert "classes (0, 1, 2, 3, ..., 149) are more than there are masks, 40" in many.doubt


@pytest.mark.parametrize("colours, quality", [([0, 255], 75), ([0, 1, 2], 95), ([0, 100, 200], 75)])
def test_jpeg_changes_masks(tmp_path: Path, colours: list[int], quality: int):
    mask = np.array(colours, np.uint8)[shapes(1)[1][0].clip(max=len(colours) - 1)]
    Image.fromarray(mask).save(tmp_path / "a.jpg", quality=quality)
    with pytest.raises(Unreadable, match=r"different numbers \(0, .*, as JPEG changes them: save masks as PNG"):
        read_mask(tmp_path / "a.jpg")
    Image.fromarray(np.full((8, 8), 128, np.uint8)).save(tmp_path / "b.jpg")
    assert (read_mask(tmp_path / "b.jpg") == 128).all()


def test_files_named_as_masks_that_are_none_are_samples_and_told(tmp_path: Path):
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for name in "abc":
            Image.fromarray(rng.integers(0, 255, (32, 32)).astype(np.uint8)).save(tmp_path / folder / f"{name}.png")
    source = open_source(str(tmp_path))
    assert len(source) == 6 and source.masks is None
    assert "not masks: 3 files named so are taken for samples, as masks/" in source.describe()


def test_masks_in_files_are_numbers_as_they_stand(tmp_path: Path):
    numbers = np.random.default_rng(0).integers(0, 4, (6, 9)).astype(np.uint8)
    palette = Image.fromarray(numbers)
    palette.putpalette([v for k in range(4) for v in (60 * k, 255 - 60 * k, 9)])
    palette.save(tmp_path / "palette.png")
    Image.fromarray(np.stack([numbers * 50] * 3, -1)).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([numbers * 50, numbers, numbers], -1)).save(tmp_path / "colour.png")
    Image.fromarray(numbers > 1).save(tmp_path / "bits.png")
    np.save(tmp_path / "scan.npy", numbers[None].astype(np.float32))
    assert (read_mask(tmp_path / "palette.png") == numbers).all() and (
        read_mask(tmp_path / "scan.npy") == numbers
    ).all()
    assert (read_mask(tmp_path / "grey.png") == numbers * 50).all()
    assert (read_mask(tmp_path / "bits.png") == (numbers > 1)).all()
    colours = read_mask(tmp_path / "colour.png")
    assert len(np.unique(colours)) == 4 and (colours[numbers == 1] == 2**24 + 0x320101).all()


@pytest.mark.parametrize(
    "file, text, names",
    [
        (
            "masks/classes.json",
            '{"by": "headstart predict", "classes": {"0": "sky", "255": "sea"}}',
            {0: "sky", 255: "sea"},
        ),
        ("classes.json", '["sky", "sea"]', {0: "sky", 1: "sea"}),
        ("masks/labels.json", '{"sky": 0, "sea": 255}', {0: "sky", 255: "sea"}),
        ("classes.txt", "sky\nsea\n", {0: "sky", 1: "sea"}),
        ("masks/labels.txt", "0: sky\n255\topen sea\n", {0: "sky", 255: "open sea"}),
        ("classes.txt", "sky\nsky\n", {}),
        ("classes.json", '{"version": {"a": 1}}', {}),
        ("classes.json", "{", {}),
    ],
)
def test_files_beside_masks_say_what_classes_are_called(tmp_path: Path, file: str, text: str, names: dict[int, str]):
    pictures(tmp_path, 4)
    (tmp_path / file).write_text(text)
    masks = open_source(str(tmp_path)).masks
    assert getattr(masks, "names", {}) == names
    assert file.rpartition("/")[2] in masks.why and ("not used" in masks.why) == (not names)
    alone = open_source(str(tmp_path / "images"), label=str(tmp_path / "masks")).masks
    assert getattr(alone, "names", {}) == (names if "/" in file else {})
    used, said = called(masks, (0, 255))
    assert used == (tuple(names.values()) if 255 in names else ("0", "255"))
    assert ("255 has no name" in said) == (len(names) > 0 and 255 not in names)


def test_folders_find_their_own_masks_and_pre_training_none(tmp_path: Path):
    """a.png of train and a.png of val are two; 20 classes in equal shares are a mask."""
    rng = np.random.default_rng(0)
    for i, split in enumerate(("train", "val")):
        for folder in ("images", "annotations"):
            (tmp_path / folder / split).mkdir(parents=True)
        for name in "abc":
            picture = rng.integers(0, 255, (30, 40, 3)).astype(np.uint8)
            mask = np.full((30, 40), i, np.uint8)
            mask[:, 20:] = rng.integers(2, 20, (30, 20))
            Image.fromarray(picture).save(tmp_path / "images" / split / f"{name}.jpg")
            Image.fromarray(mask).save(tmp_path / "annotations" / split / f"{name}.png")
    source = open_source(str(tmp_path))
    assert len(source) == 6 and all(source.name(i).startswith("images/") for i in range(6))
    assert [source.masks.read(i)[0, 0] for i in range(6)] == [0, 0, 0, 1, 1, 1]
    assert (
        hs.plan(str(tmp_path), "steps=2", "size=XS", log=quiet()).recipe == "mae"
    )  # what learns from rows, as these judge rows
    named = open_source(str(tmp_path / "images"), label=str(tmp_path / "annotations"))
    assert [named.masks.read(i)[0, 0] for i in range(6)] == [0, 0, 0, 1, 1, 1] and named.labels is None


# what is learnt


def test_squares_and_discs_are_named_and_a_folder_is_left_that_says_the_same(base: Path, tmp_path: Path):
    x, y = shapes(80)
    y = y.copy()
    y[:, :, :6] = 255  # nobody looked there
    said, out = Heard(), tmp_path / "tuned"
    words = {**FAST, "steps": 40, "lr": (1e-2, 1e-5), "run.out": str(out)}
    done = hs.finetune(base, npz(tmp_path / "d.npz", x, y), log=said, **words)
    text = "\n".join(said.lines)
    assert "segmentation: rows of" in text and "255 in a mask is taken for unknown" in text
    assert done.lr == 1e-2 and "rare ones count as much as common ones" in text
    iou, accuracy = done.figures["mean IoU"], done.figures["pixel accuracy"]
    assert iou.n == iou.units == 16 and iou.chance is not None and iou.value > iou.chance + 0.35, done.figures
    assert accuracy.value > accuracy.chance
    card = json.loads((out / "encoder.json").read_text())["head"]
    assert card["task"] == "segmentation" and card["values"] == [0, 1, 2] and card["read"] == "rows"
    other, want = shapes(20, seed=5)
    found = done.load().predict(other)
    maps = np.stack(found.maps)
    assert maps.shape == want.shape and maps.dtype == np.uint8 and found.classes == ("0", "1", "2")
    each = [((maps == k) & (want == k)).sum() / ((maps == k) | (want == k)).sum() for k in range(3)]
    assert np.mean(each) > 0.55 > 0.3 > (want == 0).mean() / 3
    assert np.allclose(found.said.sum(1), 1) and np.allclose(found.said[:, 2], (maps == 2).mean((1, 2)))
    judge = npz(tmp_path / "judge.npz", other, np.pad(want[:, :, :-1], ((0, 0), (0, 0), (0, 1)), constant_values=9))
    each = [
        ((maps == k) & (want == k))[:, :, :-1].sum() / ((maps == k) | (want == k))[:, :, :-1].sum() for k in range(3)
    ]
    run = CliRunner().invoke(cli.app, ["predict", str(out), judge, f"out={tmp_path / 'p.npz'}"])
    assert f"judged    mean IoU {np.mean(each):.3f}" in run.output and "on 20 samples" in run.output, run.output
    assert "masks hold 9, which are none of its classes" in run.output
    with np.load(tmp_path / "p.npz") as kept:
        assert (kept["predicted"] == maps).all() and kept["classes"].tolist() == ["0", "1", "2"]
    again = Heard()
    assert hs.finetune(base, str(tmp_path / "d.npz"), log=again, **words).figures == done.figures
    assert "finished  already" in "\n".join(again.lines)
    assert done.load().embed(x[:3]).shape == (3, 64)


def test_what_is_unknown_is_not_learnt_and_only_what_is_known_judges():
    task = Segmentation(("a", "b"), (0, 1), smoothing=0.0)
    assert isinstance(task, Task)
    out, target = torch.tensor([[2.0, 0.0], [5.0, -5.0], [0.0, 2.0]]), torch.tensor([0, -1, 1])
    loss = task.loss(out, target)
    assert loss[1] == 0 and loss[0] == pytest.approx(float(torch.log(1 + torch.exp(torch.tensor(-2.0)))))
    rows, labels = np.zeros((2, 3, 2)), np.array([[0, -1, 1, -1], [1, 1, -1, -1]])
    rows[:, :, 1] = [[-1, 9, 1], [1, -1, 9]]
    marks = task.marks(task.said(rows), labels)
    assert marks["accuracy of rows"].value == 0.75 and marks["accuracy of rows"].n == 2
    assert marks["mean IoU of rows"].value == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert task.score(rows, labels) > task.score(-rows, labels)


def test_intervals_are_by_samples():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, (200, 50))
    right = np.repeat(rng.random(200) < 0.7, 50).reshape(200, 50)  # all of a sample is right, or none
    tables = [counted(said, want, 3) for said, want in zip(np.where(right, true, (true + 1) % 3), true, strict=True)]
    found = overlap(tables, ("mean IoU", "pixel accuracy"))
    again = [
        overlap([tables[i] for i in rng.integers(0, 200, 200)], ("mean IoU", "pixel accuracy"))["mean IoU"].value
        for _ in range(200)
    ]
    assert found["mean IoU"].error == pytest.approx(np.std(again), rel=0.2)
    assert found["pixel accuracy"].error == pytest.approx((0.21 / 200) ** 0.5, rel=0.15)
    assert found["pixel accuracy"].chance == pytest.approx(1 / 3, abs=0.02)
    pairs = overlap(tables, ("mean IoU", "pixel accuracy"), [i // 2 for i in range(200)])
    assert pairs["mean IoU"].units == 100


def test_an_interrupted_one_goes_on_to_the_same_weights(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = npz(tmp_path / "d.npz", *shapes(30))
    words = {**FAST, "steps": 12}
    hs.finetune(base, data, log=quiet(), **words, **{"run.out": str(tmp_path / "whole")})
    command = ["finetune", str(base), data, *(f"{k}={v}" for k, v in words.items()), f"run.out={tmp_path / 'parts'}"]
    monkeypatch.setattr(fitting, "train", partial(train.train, until=7))
    assert CliRunner().invoke(cli.app, command).exit_code == 130
    monkeypatch.undo()
    assert CliRunner().invoke(cli.app, command).exit_code == 0
    for name in ("encoder.safetensors", "head.safetensors"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_pictures_of_many_sizes_become_maps_of_theirs(base: Path, tmp_path: Path):
    pictures(tmp_path / "d", 50)
    (tmp_path / "d" / "classes.json").write_text('{"0": "ground", "255": "thing"}')
    run, out = CliRunner(), tmp_path / "t"
    words = [*(f"{k}={v}" for k, v in FAST.items()), "steps=40", f"run.out={out}"]
    done = run.invoke(cli.app, ["finetune", str(base), str(tmp_path / "d"), *words])
    assert done.exit_code == 0 and "segmentation: rows of thing" in done.output and "found.maps" in done.output, (
        done.output
    )
    want = pictures(tmp_path / "new", 8, seed=4, masks="labels")
    for target in ("masks", "p.npz", "p.csv"):
        said = run.invoke(cli.app, ["predict", str(out), str(tmp_path / "new"), f"out={tmp_path / target}"])
        assert said.exit_code == 0 and "judged    mean IoU" in said.output, said.output
    maps = [np.array(Image.open(tmp_path / "masks" / "images" / f"{i:02d}.png")) for i in range(8)]
    assert [m.shape for m in maps] == [m.shape for m in want] and len({m.shape for m in maps}) > 1
    assert np.mean([(m == w).mean() for m, w in zip(maps, want, strict=True)]) > 0.9
    assert json.loads((tmp_path / "masks" / "classes.json").read_text())["classes"] == {"0": "ground", "255": "thing"}
    with np.load(tmp_path / "p.npz") as kept:
        assert all((kept[f"predicted/images/{i:02d}"] == m).all() for i, m in enumerate(maps))
    with (tmp_path / "p.csv").open() as file:
        table = list(csv.DictReader(file))
    assert (
        list(table[0]) == ["name", "predicted", "share_ground", "share_thing"] and table[3]["name"] == "images/03.jpg"
    )
    assert float(table[3]["share_thing"]) == pytest.approx((maps[3] == 255).mean(), abs=1e-6)
    again = run.invoke(cli.app, ["predict", str(out), str(tmp_path / "new"), f"out={tmp_path / 'masks'}"])
    own = run.invoke(cli.app, ["predict", str(out), str(tmp_path / "new"), f"out={tmp_path / 'new' / 'labels'}"])
    assert again.exit_code == 0 and own.exit_code == 2 and "holds other files (00.png" in own.output + own.stderr
    assert (np.array(Image.open(tmp_path / "new" / "labels" / "00.png")) == want[0]).all()


def test_series_are_named_moment_by_moment_and_windows_are_joined(tmp_path: Path):
    """[n, T, C], as y [n, T] says; the frequency of a stretch is its class."""
    rng = np.random.default_rng(0)
    y = np.repeat(rng.integers(0, 2, (40, 6)), 32, 1)
    phase = np.cumsum(np.where(y, 1.3, 0.25), 1)
    x = np.stack([np.sin(phase), np.cos(phase)], 2) + rng.normal(0, 0.1, (40, 192, 2))
    data = npz(tmp_path / "d.npz", x.astype(np.float32), y)
    source = open_source(data)
    assert source.kind == "series" and source[0].shape == (2, 192)
    tokenizer = SeriesTokenizer(8, 2, (0.0, 0.0), (1.0, 1.0))
    values = {}
    for name, window in (("whole", None), ("windows", 64)):
        base = base_of(tmp_path / name, tokenizer, window)
        words = {**FAST, "steps": 30, "run.out": str(tmp_path / f"t-{name}")}
        done = hs.finetune(base, data, log=quiet(), **words)
        values[name] = done.figures["pixel accuracy"].value
        assert done.figures["mean IoU"].units == 8
        found = done.load().predict(x.transpose(0, 2, 1).astype(np.float32), kind="series")
        assert len(found.maps) == 40 and found.maps[0].shape == (192,)
        assert (np.stack(found.maps) == y).mean() > 0.85
    assert min(values.values()) > 0.8, values


def test_windows_have_the_stretch_of_the_mask_that_is_theirs():
    y = np.arange(200).reshape(2, 100)
    source = ArraySource(np.zeros((2, 100), np.float32) + np.arange(100), "series")
    source.masks = of_array(y, "y")
    given = masked(prepare(Windows(source, 32), SeriesTokenizer(4)))
    assert [given[i].mask[0] for i in range(6)] == [0, 32, 64, 100, 132, 164] and len(given[2].mask) == 36


def test_a_probe_judges_by_the_same_masks(base: Path, tmp_path: Path):
    data = npz(tmp_path / "d.npz", *shapes(30))
    done = CliRunner().invoke(cli.app, ["probe", str(base), data, "probes=segment"])
    assert done.exit_code == 0 and "segment-600-IoU" in done.output and "masks: array y" in done.output, done.output
    without = CliRunner().invoke(cli.app, ["probe", str(base), data])
    assert without.exit_code == 2 and "probes=segment judges by the masks" in without.output + without.stderr
    np.savez(tmp_path / "plain.npz", x=shapes(30)[0], y=np.arange(30) % 2)
    plain = CliRunner().invoke(cli.app, ["probe", str(base), str(tmp_path / "plain.npz"), "probes=segment"])
    assert plain.exit_code == 2 and "here only samples have labels: masks beside" in plain.output + plain.stderr


def test_a_run_says_what_its_masks_are_good_for(tmp_path: Path):
    data, run = str(tmp_path / "my scenes"), str(tmp_path / "r")
    pictures(tmp_path / "my scenes", 12)
    words = {"steps": 2, "model.width": 16, "model.depth": 1, "model.heads": 2, "run.device": "cpu", "run.out": run}
    for _ in range(2):
        said = Heard()
        hs.pretrain(data, log=said, **words)
        text = "\n".join(said.lines)
        assert f"headstart probe {run} '{data}' probes=segment\nheadstart finetune {run} '{data}'" in text
    plan = Plan(**facts(Path(run))["plan"])
    assert not by_masks(Path(run), plan, open_source(f"{data}/images"))
    both = ArraySource(shapes(4)[0], "image", np.arange(4) % 2)
    both.masks = of_array(shapes(4)[1], "y")
    assert by_masks(Path(run), plan, both).endswith("' task=segmentation")


@pytest.mark.parametrize(
    "y, words, message",
    [
        (np.arange(30) % 2, {"task": "segmentation"}, r"has no masks: put pictures in images/ and their masks"),
        (np.zeros((30, 32, 32), int), {}, "name 1 class: give masks of at least two"),
        (np.where(np.arange(30)[:, None, None] < 6, shapes(30)[1], -1), {}, "6 samples with a mask are too few"),
        (np.pad(np.ones((30, 1, 1), int), ((0, 0), (0, 31), (0, 31))), {}, "all rows of .* are of one class, 0"),
        (shapes(30)[1] * 0.7 + 0.3, {}, r"has no labels \(not y as masks, .* not whole \(0.3, 1.7\)"),
        (np.clip(shapes(30)[1] * 99 + NOISE, 0, None), {}, r"18 different numbers \(0, 1, .*most stand alone"),
        (shapes(30)[1], {"read": "mean"}, "a segmentation reads every row for itself"),
        (
            shapes(30)[1],
            {"task": "segment"},
            "task=segment: choose classification or multilabel or regression or segmentation",
        ),
    ],
)
def test_mistakes_are_sentences(base: Path, tmp_path: Path, y: np.ndarray, words: dict, message: str):
    data = npz(tmp_path / "d.npz", shapes(30)[0], y)
    with pytest.raises(Mistake, match=message):
        hs.finetune(base, data, log=quiet(), **{"steps": 2, "run.device": "cpu", **words})


def test_masks_of_another_size_and_pictures_as_masks_are_told(base: Path, tmp_path: Path):
    pictures(tmp_path / "d", 14)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "d" / "masks" / "00.png")
    (tmp_path / "d" / "masks" / "01.png").write_bytes(b"\x89PNG no more")
    said = Heard()
    words = {**FAST, "steps": 2, "run.out": str(tmp_path / "t")}
    hs.finetune(base, str(tmp_path / "d"), log=said, **words)
    text = "\n".join(said.lines)
    assert "2 masks cannot be used; of images/00.jpg it is 9 x 9, and the sample" in text
    assert "2 without a mask are left out" in text
    noise = np.random.default_rng(0)
    (tmp_path / "noise").mkdir()
    for i in range(14):
        Image.fromarray(noise.integers(0, 60_000, (40, 40)).astype(np.uint16)).save(tmp_path / "noise" / f"{i:02d}.png")
    with pytest.raises(Mistake, match=r"none of the 14 masks can be used: .* different numbers .*which are no classes"):
        hs.finetune(base, str(tmp_path / "d" / "images"), log=quiet(), data={"label": f"{tmp_path}/noise/"}, **words)
    with pytest.raises(Mistake, match="none of its 1 files is called as a sample is"):
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "x.png").write_bytes(b"")
        hs.finetune(base, str(tmp_path / "d" / "images"), log=quiet(), data={"label": f"{tmp_path}/other/"}, **words)


def test_kinds_without_a_grid_are_told_so(tmp_path: Path):
    rows = [{"a": float(i), "b": float(i % 3)} for i in range(30)]
    base = base_of(tmp_path / "base", TableTokenizer.fit(rows))
    with (tmp_path / "t.csv").open("w") as file:
        file.write("a,b,label\n" + "".join(f"{r['a']},{r['b']},{i % 2}\n" for i, r in enumerate(rows)))
    with pytest.raises(Mistake, match="the rows of table data have no place on a grid"):
        hs.finetune(base, str(tmp_path / "t.csv"), log=quiet(), **{"task": "segmentation", "run.device": "cpu"})


def test_a_head_that_names_samples_leaves_no_folder_of_maps(base: Path, tmp_path: Path):
    x = shapes(30)[0]
    words = {**FAST, "steps": 2, "run.out": str(tmp_path / "t")}
    done = hs.finetune(base, npz(tmp_path / "d.npz", x, np.arange(30) % 2), log=quiet(), **words)
    with pytest.raises(Mistake, match="a folder is for the maps of a segmentation alone"):
        hs.predict(done.folder, x, tmp_path / "maps", log=quiet())
