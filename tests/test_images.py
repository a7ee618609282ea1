"""A picture comes out of any kind of file as [C, H, W] that looks the same, or is refused with the reason."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageDraw

from headstart.data.open import open_source
from headstart.data.readers import images
from headstart.data.readers.images import read_image
from headstart.data.sources.array import ArraySource
from headstart.errors import Unreadable
from headstart.reading import look
from headstart.recipe import Input
from headstart.tokenizers.resize import grid, resize, to_channels

RED, WHITE = (255, 0, 0), (255, 255, 255)


def scene(width: int = 40, height: int = 24) -> Image.Image:
    """Red and green halves, so that a turn or a swap of channels shows."""
    picture = Image.new("RGB", (width, height), RED)
    ImageDraw.Draw(picture).rectangle((width // 2, 0, width, height), fill=(0, 128, 0))
    return picture


def png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("suffix", "options", "tolerance"),
    [
        ("png", {}, 0),
        ("bmp", {}, 0),
        ("tif", {}, 0),
        ("tga", {}, 0),
        ("ppm", {}, 0),
        ("gif", {}, 0),
        ("webp", {"lossless": True}, 0),
        ("jpg", {"quality": 95, "subsampling": 0}, 6),
        ("jfif", {"format": "JPEG", "quality": 95, "subsampling": 0}, 6),
        ("jp2", {"irreversible": False}, 1),
    ],
)
def test_formats(tmp_path, suffix, options, tolerance):
    scene().save(tmp_path / f"a.{suffix}", **options)
    values = read_image(tmp_path / f"a.{suffix}")
    assert values.shape == (3, 24, 40) and values.dtype == np.uint8 and values.flags["C_CONTIGUOUS"]
    assert np.abs(values[:, 12, 5].astype(int) - RED).max() <= tolerance
    assert np.abs(values[:, 12, 35].astype(int) - (0, 128, 0)).max() <= tolerance


def test_ico(tmp_path):
    scene(32, 32).save(tmp_path / "a.ico", sizes=[(16, 16), (32, 32)])
    assert read_image(tmp_path / "a.ico").shape == (3, 32, 32)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path, orientation):
    """The stored pixels differ, the picture that people see does not."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose that stores the picture so
    picture = scene(64, 32)
    ImageDraw.Draw(picture).rectangle((0, 0, 20, 10), fill=(0, 0, 255))
    stored = picture if orientation == 1 else picture.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("a.jpg", "a.png", "a.tif"):
        stored.save(tmp_path / name, exif=exif, **({"quality": 95} if name == "a.jpg" else {}))
        for area in (None, 64):
            values = read_image(tmp_path / name, area).astype(int)
            assert values.shape[1] * 2 == values.shape[2]
            step = values.shape[1] // 4
            assert values[2, step // 2, step // 2] > 200 and values[0, -1, 0] > 200 and values[1, 0, -1] > 90


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA"])
def test_transparency_is_laid_on_white(tmp_path, mode):
    picture = Image.new("RGBA", (8, 8), (255, 0, 0, 255))
    picture.paste((0, 0, 255, 0), (4, 0, 8, 8))
    picture.paste((0, 0, 0, 128), (0, 4, 4, 8))
    if mode == "PA":
        values = images._values(Image.merge("PA", (picture.convert("P"), picture.getchannel("A"))), 1)
        assert (
            values.shape == (3, 8, 8)
            and (values[:, 0, 6] == 255).all()
            and values[1, 0, 0] < 60
            and values[0, 0, 0] > 200
        )
        return
    picture.convert(mode).save(tmp_path / "a.png")
    values = read_image(tmp_path / "a.png")
    assert len(values) == (1 if mode == "LA" else 3)
    assert (values[:, 0, 6] == 255).all() and np.abs(values[:, 6, 0].astype(int) - 127).max() <= 1
    halved = read_image(tmp_path / "a.png", area=4)
    assert halved.shape[1:] == (4, 4) and (halved[:, 0, -1] == 255).all()


def test_colour_hidden_by_alpha_does_not_bleed(tmp_path):
    """Averaging must weigh by alpha: black under full transparency is white paper, not grey."""
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    picture.paste((255, 255, 255, 255), (1, 1, 63, 63))
    picture.save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", area=64).min() >= 254


@pytest.mark.parametrize("area", [None, 16])
def test_palettes(tmp_path, area):
    palette = scene(32, 32).quantize(4)
    palette.save(tmp_path / "p.png")
    assert np.abs(read_image(tmp_path / "p.png", area)[:, 0, 0].astype(int) - RED).max() <= 4
    index = palette.getpixel((0, 0))
    palette.save(tmp_path / "clear.png", transparency=index)
    palette.save(tmp_path / "bytes.png", transparency=bytes(0 if i == index else 255 for i in range(4)))
    for name in ("clear.png", "bytes.png"):
        values = read_image(tmp_path / name, area)
        assert values.shape[0] == 3 and tuple(values[:, 0, 0]) == WHITE and values[0, 0, -1] < 10


def test_transparent_colour_of_grey_rgb_and_bitmaps(tmp_path):
    Image.new("L", (4, 4), 7).save(tmp_path / "l.png", transparency=7)
    Image.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "rgb.png", transparency=(1, 2, 3))
    Image.new("1", (4, 4), 0).save(tmp_path / "one.png", transparency=0)
    assert [read_image(tmp_path / f"{n}.png").shape[0] for n in ("l", "rgb", "one")] == [1, 3, 1]
    assert all((read_image(tmp_path / f"{n}.png") == 255).all() for n in ("l", "rgb", "one"))


def test_colour_spaces(tmp_path):
    scene().convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    scene().convert("CMYK").save(tmp_path / "cmyk.tif")
    scene().convert("YCbCr").save(tmp_path / "ycbcr.tif")
    lab = ImageCms.profileToProfile(
        scene(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    lab.save(tmp_path / "lab.tif")
    for path in sorted(tmp_path.iterdir()):
        values = read_image(path)
        assert values.shape == (3, 24, 40) and np.abs(values[:, 12, 5].astype(int) - RED).max() <= 12, path.name
    for factor in (1, 4):
        assert np.abs(images._values(scene().convert("HSV"), factor)[:, 0, 0].astype(int) - RED).max() <= 2


def test_bitmaps_and_greys(tmp_path):
    Image.fromarray(np.eye(8, dtype=bool)).save(tmp_path / "one.pbm")
    assert np.array_equal(read_image(tmp_path / "one.pbm")[0], np.eye(8, dtype=np.uint8) * 255)
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(grey).save(tmp_path / "l.png")
    assert np.array_equal(read_image(tmp_path / "l.png")[0], grey)


def test_sixteen_bits_and_floats(tmp_path):
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    Image.fromarray(deep).save(tmp_path / "a.png")
    Image.fromarray(deep).save(tmp_path / "a.tif")
    Image.fromarray(deep.astype(np.int32)).save(tmp_path / "i.tif")
    big = tmp_path / "big.pgm"
    big.write_bytes(b"P5 8 8 65535\n" + deep.astype(">u2").tobytes())
    (tmp_path / "mm.tif").write_bytes(_big_endian_tiff(deep))
    for name in ("a.png", "a.tif", "i.tif", "big.pgm", "mm.tif"):
        values = read_image(tmp_path / name)
        assert values.dtype == np.uint16 and np.array_equal(values[0], deep), name
    Image.fromarray(-deep.astype(np.int32)).save(tmp_path / "negative.tif")
    assert read_image(tmp_path / "negative.tif").dtype == np.float32
    Image.fromarray(deep.astype(np.float32) / 7).save(tmp_path / "f.tif")
    values = read_image(tmp_path / "f.tif")
    assert values.dtype == np.float32 and np.array_equal(values[0], deep.astype(np.float32) / 7)
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "nan.tif")
    with pytest.raises(Unreadable, match="NaN"):
        read_image(tmp_path / "nan.tif")


def _big_endian_tiff(values: np.ndarray) -> bytes:
    h, w = values.shape
    tags = [
        (256, 3, w),
        (257, 3, h),
        (258, 3, 16),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 3, h),
    ]
    tags.append((279, 4, values.nbytes))
    body = values.astype(">u2").tobytes()
    entries = b"".join(
        struct.pack(">HHI", tag, kind, 1) + (struct.pack(">HH", v, 0) if kind == 3 else struct.pack(">I", v))
        for tag, kind, v in tags
    )
    head = b"MM\0*" + struct.pack(">I", 8 + len(body))
    return head + body + struct.pack(">H", len(tags)) + entries + struct.pack(">I", 0)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_animations_give_their_first_frame(tmp_path, suffix):
    frames = [Image.new("RGB", (16, 16), c) for c in (RED, (0, 255, 0), (0, 0, 255))]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    values = read_image(tmp_path / f"a.{suffix}")
    assert values.shape == (3, 16, 16) and values[0].min() > 240 and values[1:].max() < 15


def test_broken_files_say_what_is_wrong(tmp_path):
    for suffix in ("png", "jpg", "gif", "webp", "bmp", "tif", "jp2"):
        buffer = io.BytesIO()
        noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
        noise.save(buffer, format=Image.registered_extensions()[f".{suffix}"])
        (tmp_path / f"cut.{suffix}").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    header = (b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0))
    (tmp_path / "rubbish.png").write_bytes(png([header, (b"IDAT", b"not deflate"), (b"IEND", b"")]))
    (tmp_path / "text.png").write_text("this is no picture at all")
    (tmp_path / "empty.png").write_bytes(b"")
    huge = (b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    (tmp_path / "bomb.png").write_bytes(png([huge, (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]))
    reason = {"text.png": "no image format", "empty.png": "empty", "bomb.png": "too large"}
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(Unreadable, match=reason.get(path.name, "damaged")) as caught:
            read_image(path)
        assert caught.value.where == str(path)
    with pytest.raises(Unreadable, match="cannot be opened"):
        read_image(tmp_path / "missing.png")


def test_a_large_picture_is_no_bomb_and_no_warning_escapes(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2_000)  # Pillow warns from here and refuses from twice this
    scene(60, 50).save(tmp_path / "a.png")
    scene(80, 60).save(tmp_path / "b.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(tmp_path / "a.png").shape == (3, 50, 60)
        with pytest.raises(Unreadable, match="too large"):
            read_image(tmp_path / "b.png")


def test_damaged_exif_does_not_lose_the_picture(tmp_path):
    scene().save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
    assert read_image(tmp_path / "a.jpg").shape == (3, 24, 40)


def test_reading_small_equals_reading_whole(tmp_path):
    """Averaging while decoding changes the picture that `resize` makes by little, and not its size."""
    ramp = np.linspace(0, 255, 640)
    values = np.stack(np.broadcast_arrays(ramp[None], ramp[:480, None], 128.0), -1).astype(np.uint8)
    for name in ("a.png", "a.jpg"):
        Image.fromarray(values).save(tmp_path / name, **({"quality": 95} if name == "a.jpg" else {}))
        whole = read_image(tmp_path / name)
        small = read_image(tmp_path / name, area=48 * 64)
        assert small.shape[1] in range(96, 200) and whole.shape == (3, 480, 640)
        a, b = resize(whole, 48 * 64, 8).astype(int), resize(small, 48 * 64, 8).astype(int)
        assert a.shape == b.shape == (3, 48, 64) and np.abs(a - b).max() <= 3


def test_finding_images(tmp_path):
    def touch(name: str, data: bytes = b"x" * 20) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)

    start = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
    for name in (
        "b/1.PNG",
        "a/2.jpeg",
        "a/deep/er/3.webp",
        "0.jfif",
        ".hidden/4.png",
        "a/.5.png",
        "a/data.json",
    ):
        touch(name)
    touch("a/bare", start)
    touch("a/notes.txt", b"words about the pictures")
    touch("a/odd.v2", b"\xff\xd8\xff\xe0" + b"\0" * 12)
    touch("a/prose", b"just words, long enough")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "a" / "twice.png").symlink_to(tmp_path / "b" / "1.PNG")
    (tmp_path / "dead.png").symlink_to(tmp_path / "nowhere.png")
    found = list(open_source(tmp_path, kind="image").files)
    assert found == ["0.jfif", "a/2.jpeg", "a/bare", "a/deep/er/3.webp", "a/odd.v2", "b/1.PNG"]


def test_links_to_elsewhere_count_once(tmp_path):
    store, view = tmp_path / "store", tmp_path / "view"
    (store / "more").mkdir(parents=True)
    view.mkdir()
    for name in ("1.png", "2.png", "more/3.png"):
        scene().save(store / name)
    (view / "x.png").symlink_to(store / "1.png")
    (view / "y.png").symlink_to(store / "1.png")
    (view / "folder").symlink_to(store / "more")
    (view / "again").symlink_to(store / "more")
    assert list(open_source(view).files) == ["again/3.png", "x.png"]


def test_folder_source(tmp_path):
    for name in ("cat/1.png", "cat/2.png", "dog/old/3.jpg", "4.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        scene().save(tmp_path / name)
    source = open_source(tmp_path)
    assert source.classes == ("cat", "dog") and source.labels is not None
    assert {source.name(i): int(source.labels[i]) for i in range(4)} == {
        "4.png": -1,
        "cat/1.png": 0,
        "cat/2.png": 0,
        "dog/old/3.jpg": 1,
    }
    assert (
        source.describe() == "4 image files in 3 folders (png 3, jpg 1), 2 classes, "
        "1 of 4 samples without (labels: the names of the folders)"
    )
    assert open_source(tmp_path / "cat").labels is None
    (tmp_path / "cat" / "1.png").write_bytes(b"")
    with pytest.raises(Unreadable) as caught:
        source[1]
    assert caught.value.where == "cat/1.png"


def test_splits_are_no_classes(tmp_path):
    for name in ("train/cat/1.png", "train/dog/2.png", "test/cat/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        scene().save(tmp_path / name)
    source = open_source(tmp_path)
    assert source.classes == ("cat", "dog") and source.labels is not None and source.labels.tolist() == [0, 0, 1]


def test_grid_properties():
    rng = np.random.default_rng(0)
    for _ in range(500):
        h, w = rng.integers(1, 3000, 2)
        multiple = int(rng.choice([1, 4, 8, 16]))
        area = int(rng.integers(16, 300)) * multiple**2
        rows, columns = grid(int(h), int(w), area, multiple)
        assert rows % multiple == columns % multiple == 0 and min(rows, columns) >= multiple
        assert max(rows, columns) <= 4 * min(rows, columns)
        assert 0.7 < rows * columns / area < 1.4
        assert grid(rows, columns, rows * columns, multiple) == (rows, columns)
    assert grid(100, 100, 64 * 64, 8) == (64, 64) and grid(10, 1000, 64 * 64, 8) == (32, 128)
    assert grid(5, 5, 64, 8) == (8, 8) and grid(28, 28, 28 * 28, 4) == (28, 28)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_resize_keeps_dtype_range_and_unchanged_sizes(dtype, channels):
    rng = np.random.default_rng(1)
    image = (rng.random((channels, 90, 130)) * 200).astype(dtype)
    out = resize(image, 64 * 64, 8)
    assert (
        out.dtype == dtype and out.shape == (channels, 56, 80) and out.flags["C_CONTIGUOUS"] and out.flags["WRITEABLE"]
    )
    assert out.min() >= image.min() and out.max() <= image.max()
    assert abs(float(out.mean()) - float(image.mean())) < 4
    assert resize(out, 64 * 64, 8) is out
    flat = resize(np.full((channels, 7, 9), 77, dtype), 32 * 32, 4)
    assert (flat == 77).all()


def test_resize_keeps_the_aspect():
    """A circle stays a circle, and a strip loses its ends, not its middle."""
    y, x = np.mgrid[:300, :420]
    disc = (((y - 150) ** 2 + (x - 210) ** 2) < 100**2).astype(np.uint8)[None] * 255
    out = resize(disc, 64 * 64, 16)[0] > 127
    high, wide = out.any(1).sum(), out.any(0).sum()
    assert abs(int(high) - int(wide)) <= 1
    strip = np.zeros((1, 10, 1000), np.uint8)
    strip[:, :, 495:505] = 255
    out = resize(strip, 32 * 32, 8)
    assert out.shape == (1, 16, 64) and out[0, 8, 32] > 250 and out[0, 8, 0] == 0


def test_resize_is_antialiased():
    checks = np.indices((256, 256)).sum(0).astype(np.uint8)[None] % 2 * 255
    for image in (checks, checks.astype(np.float32), np.repeat(checks, 3, 0)):
        assert resize(image, 32 * 32, 8).std() < 6


def test_to_channels():
    grey = np.full((1, 2, 2), 9, np.uint8)
    colour = np.array([255, 0, 0], np.uint8)[:, None, None] + np.zeros((3, 2, 2), np.uint8)
    assert to_channels(grey, 3).shape == (3, 2, 2) and to_channels(grey, 1) is grey
    assert to_channels(colour, 1).dtype == np.uint8 and (to_channels(colour, 1) == 76).all()
    assert (to_channels(to_channels(grey, 3), 1) == 9).all()
    with pytest.raises(Unreadable, match="5 channels"):
        to_channels(np.zeros((5, 2, 2), np.uint8), 3)


def test_a_row_holds_more_than_one_number():
    """Grey pictures of 8 x 8 would fit as single pixels, which have no spread to be normalised by (mae learnt NaN); who asks for
    them is told."""
    x = np.random.default_rng(0).integers(0, 255, (50, 1, 8, 8), np.uint8)
    tokenizer, why = (look(ArraySource(x, "image"), Input(), torch.device("cpu"))[i] for i in (1, 3))
    assert tokenizer.dim == 4 and not any("one number" in line for line in why)
    tokenizer, why = (look(ArraySource(x, "image"), Input(patch=1), torch.device("cpu"))[i] for i in (1, 3))
    assert tokenizer.dim == 1 and "data.patch=2" in why[0]
