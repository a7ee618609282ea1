"""Kinds on grids (multispectral, video, volume, field): their rows say what their docstrings promise, in numbers."""

import math

import numpy as np
import pytest
import torch

from headstart.augment import field as field_views
from headstart.augment import multispectral as multispectral_views
from headstart.augment import video as video_views
from headstart.augment import volume as volume_views
from headstart.data.sets import bands, moving_mnist
from headstart.data.source import DataError
from headstart.errors import Mistake, Unreadable
from headstart.step import Rng
from headstart.tokenizers.check import check_tokenizer
from headstart.tokenizers.field import FieldTokenizer
from headstart.tokenizers.grid import cut, join, near, places, resample, resize, sampling, sizes
from headstart.tokenizers.multispectral import MultispectralTokenizer
from headstart.tokenizers.video import VideoTokenizer
from headstart.tokenizers.volume import VolumeTokenizer
from headstart.tokenizers.want import Want
from headstart.tokens import pack

R = np.random.default_rng(0)
KINDS = (MultispectralTokenizer, VideoTokenizer, VolumeTokenizer, FieldTokenizer)


def clip(t, c, h, w):
    return R.integers(0, 256, (t, c, h, w), dtype=np.uint8)


def field(*sides):
    return np.concatenate([R.random((3, *sides)), np.exp(R.normal(2, 3, (1, *sides)))]).astype(np.float32)


def scan(*sides, spacing=None):
    values = R.normal(100, 30, (1, *sides))
    return values if spacing is None else {"values": values.astype(np.float32), "spacing": np.array(spacing)}


def multispectral(c, h, w, wavelength=None):
    values = R.random((c, h, w)).astype(np.float32)
    return values if wavelength is None else {"bands": values, "wavelength": wavelength}


def samples(kind):
    """Of different forms and sizes, and of every dtype that the kind admits."""
    if kind is MultispectralTokenizer:
        some = [multispectral(6, 16, 16, np.linspace(443, 2190, 6)) for _ in range(3)]
        some += [multispectral(3, 9, 24, [443, math.nan, 665]), multispectral(40, 12, 12), multispectral(1, 5, 5)]
        return [*some, R.integers(0, 3, (2, 16, 16), dtype=np.uint16), multispectral(2, 8, 8, [550, 550])]
    if kind is VideoTokenizer:
        some = [clip(12, 3, 24, 32), clip(5, 3, 24, 32), clip(1, 3, 24, 32), clip(4, 1, 9, 7), R.random((3, 3, 24, 32))]
        return [*some, {"frames": clip(30, 3, 24, 32), "fps": 30.0}, R.random((2, 1, 8, 8)) > 0.5]
    if kind is VolumeTokenizer:
        some = [
            scan(20, 24, 24),
            scan(10, 30, 30, spacing=[2, 1, 1]),
            scan(4, 8, 9),
            scan(3, 3, 3, spacing=[9, 9, math.nan]),
        ]
        return [*some, R.integers(0, 255, (1, 20, 20, 20), dtype=np.uint8)]
    return [
        field(12, 12, 12),
        field(12, 12, 8),
        field(5, 30, 2),
        field(1, 1, 1),
        R.integers(0, 255, (4, 8, 8, 8), dtype=np.uint8),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_contract(kind):
    some = samples(kind)
    check_tokenizer(
        kind.fit(some, Want(side=8, patch=8)), [*some, *([clip(2, 3, 8, 8)] if kind is VideoTokenizer else [])]
    )
    several = kind.fit(some)
    with pytest.raises(AssertionError, match="a sample that makes one row"):
        check_tokenizer(kind.fit(some, Want(side=16, patch=4)), some[:3])  # only this is wrong: nothing is that small
    assert several.signal and several.kind == kind.__name__.removesuffix("Tokenizer").lower()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_about_as_many_as_wanted_and_standardised(kind):
    large = {
        MultispectralTokenizer: [multispectral(12, 64, 64, np.linspace(443, 2190, 12)) for _ in range(3)],
        VideoTokenizer: [clip(24, 3, 90, 120) for _ in range(3)],
        VolumeTokenizer: [scan(40, 60, 60, spacing=[3, 1, 1]) for _ in range(3)],
        FieldTokenizer: [field(40, 40, 30) for _ in range(3)],
    }[kind]
    for rows in (32, 128):
        t = kind.fit(large, Want(rows=rows))
        tokens = pack([t(t.fitted(x)) for x in large])
        assert rows / 2 <= len(tokens) / 3 <= 2 * rows, (kind, rows, len(tokens) / 3)
        assert abs(float(tokens.values.mean())) < 0.02 and abs(float(tokens.values.std()) - 1) < 0.05
    assert kind.fit(large, Want(patch=4, side=16)).patch == 4
    sides = t.fitted(large[0])["bands"].shape if kind is MultispectralTokenizer else t.fitted(large[0]).shape
    assert all(n % t.patch == 0 for n in sides[2 if kind in (VideoTokenizer, MultispectralTokenizer) else 1 :][-2:])


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_passed_is_fitted_or_refused_in_words(kind):
    t = kind.fit(samples(kind))
    n = 4
    wrong = [None, "text", 7, [], {}, {"bands": None}, {"frames": 3}, {"values": "x"}, np.array("s"), np.array([None])]
    wrong += [np.zeros((0,)), np.zeros((3, 0, 4)), np.zeros((2, 1, 0, 4)), np.zeros((n, 3)), np.zeros((1,) * 7)]
    wrong += [
        np.full((n, 4, 4, 4), np.nan),
        np.full((3, 4, 4), np.inf),
        np.full((n, 4, 4, 4), -np.inf),
        np.zeros((n, 4, 4, 4), complex),
    ]
    wrong += [np.full((n, 4, 4, 4), 1e300), np.full((3, 4, 4), np.nan), np.full((n, 5, 4, 4), -1.0)]
    wrong += [
        np.broadcast_to(np.float32(0), (2**9, 2**9, 2**10)),
        np.broadcast_to(np.float32(0), (4, 2**9, 2**9, 2**9)),
        np.empty((4, 4, 4, 4), object),
    ]
    fine = 0
    for sample in wrong:
        try:
            fitted = t.fitted(sample)
        except Unreadable as error:
            assert error.where == "" and len(error.reason) > 10
        else:
            assert t(fitted).values.isfinite().all()
            fine += 1
    assert fine <= 1  # a volume may hold -1 everywhere
    with pytest.raises(Mistake, match="can be used"):
        kind.fit(wrong[:5])
    with pytest.raises(Mistake, match="there are none"):
        kind.fit([])
    some = samples(kind)
    assert kind.fit([*wrong[:10], *some]) == kind.fit(some)  # those refused leave no trace


def test_cutting_and_joining_are_inverse_and_rows_are_boxes():
    x = torch.randn(2, 3, 5, 4, 6)
    rows = cut(x, (2, 2, 3))
    assert rows.shape == (2 * 3 * 2 * 2, 2 * 2 * 3 * 3)
    at = places(2, (3, 2, 2), x.device)
    second = join(rows[12:], at[12:], (2, 2, 3))
    assert torch.equal(second[:, :5], x[1]) and torch.equal(second[:, 5], x[1, :, 4])
    assert torch.equal(rows[3], x[0, :, :2, 2:, 3:].permute(1, 2, 3, 0).reshape(-1))
    assert join(rows[:11], at[:11], (2, 2, 3)).isnan().float().mean() == pytest.approx(1 / 12)


def test_resizing_averages_and_interpolates_without_aliasing():
    checker = torch.tensor(np.indices((64, 64)).sum(0) % 2, dtype=torch.float32)[None]
    small = resize(checker, (9, 9))
    assert (small[:, 1:-1, 1:-1] - 0.5).abs().max() < 0.1  # picking pixels would give 0 and 1
    ramp = torch.linspace(0, 1, 32)[None]
    assert (resize(ramp, (8,)) - ramp.view(1, 8, 4).mean(2)).abs().max() < 0.02
    assert torch.equal(resize(ramp, (32,)), ramp)
    out = resample(torch.ones(1, 4), (8,), (1.0,), outside=-5.0)
    assert out.tolist() == [[-5, -5, 1, 1, 1, 1, -5, -5]]
    assert sampling(10, 4, 2.5).sum(1) == pytest.approx(1)
    assert (
        near((100, 50), 32, 8) == (32, 16) and near((32, 16), 32, 8) == (32, 16) and near((9, 1000), 32, 8) == (8, 32)
    )
    assert sizes(28, 3, 1, Want()) == (32, 8) and sizes(1000, 2, 8, Want(rows=128)) == (80, 16)


def test_bands_share_rows_whatever_the_sensor():
    nm = np.array([443, 560, 665, 842, 1610], np.float32)
    there = [{"bands": nm[:, None, None] + R.normal(0, 5, (5, 16, 16)), "wavelength": nm} for _ in range(20)]
    t = MultispectralTokenizer.fit(there, Want(patch=8))
    whole = there[0]
    holed = {"bands": whole["bands"].copy(), "wavelength": nm[::-1].copy()}
    holed["bands"] = whole["bands"][::-1].copy()  # another order
    holed["bands"][1] = np.nan  # 842 nm is missing
    a, b = t(t.fitted(whole)), t(t.fitted(holed))
    assert len(a) == 20 and len(b) == 16 and not (b.coords[:, 0] == 8.42).any()
    same = a.coords[:, 0] != np.float32(8.42)
    assert torch.equal(a.values[same], b.values) and torch.equal(a.coords[same], b.coords)
    between = t(t.fitted({"bands": np.full((1, 8, 8), 612.5), "wavelength": [612.5]}))  # no sample had this band
    assert between.values.abs().max() < 0.2  # interpolated: in place, though the mean level there was never seen
    assert t(t.fitted(np.zeros((2, 8, 8)))).coords[:, 0].unique().tolist() == [1000, 1001]  # known by number


def test_missing_pixels_take_the_mean_and_many_bands_are_merged():
    sample = multispectral(2, 16, 16, [500, 600])
    sample["bands"][0, :4] = np.nan
    t = MultispectralTokenizer(8, 16)
    fitted = t.fitted(sample)
    assert fitted["bands"][0, :4] == pytest.approx(float(np.nanmean(sample["bands"][0])), abs=1e-5)
    many = t.fitted(multispectral(64, 16, 16, np.linspace(400, 2500, 64)))
    assert many["bands"].shape == (16, 16, 16) and many["bands"].std() == pytest.approx(0.5 / 12**0.5, rel=0.05)
    for wavelength in ([0.4, 0.5], [500], "ab", [1e9, 500]):
        with pytest.raises(Unreadable, match="wavelength"):
            t.fitted({"bands": sample["bands"], "wavelength": wavelength})


def test_clips_come_at_one_rate_and_long_ones_are_cut_in_the_middle():
    frames = np.arange(100, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 8, 8), np.uint8)
    t = VideoTokenizer(8, 8, 10, 10.0, 1)
    slow = t.fitted({"frames": frames[:40], "fps": 40.0})[:, 0, 0, 0].astype(int)
    assert len(slow) == 10 and (np.diff(slow) == 4).all()
    assert t.fitted({"frames": frames, "fps": 10.0})[:, 0, 0, 0].tolist() == list(range(45, 55))
    fast = t.fitted({"frames": frames[:3], "fps": 5.0})[:, 0, 0, 0].tolist()
    assert len(fast) == 6 and sorted(set(fast)) == [0, 1, 2]
    assert t.fitted(frames)[:, 0, 0, 0].tolist() == np.linspace(0, 99, 10).round().astype(int).tolist()
    red = np.zeros((2, 3, 8, 8), np.uint8)
    red[:, 0] = 255
    assert (t.fitted(red) == 76).all() and t.fitted(red).shape == (2, 1, 8, 8)
    with pytest.raises(Unreadable, match="4 channels"):
        t.fitted(np.zeros((2, 4, 8, 8), np.uint8))


def test_a_ball_has_one_size_in_every_scan():
    def ball(sides, spacing, radius=12.0):
        axes = [(np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(sides, spacing, strict=True)]
        inside = sum(a**2 for a in np.meshgrid(*axes, indexing="ij")) < radius**2
        return {"values": inside[None].astype(np.float32), "spacing": np.array(spacing)}

    scans = [ball((16, 48, 48), (3, 1, 1)), ball((40, 40, 40), (1.2, 1.2, 1.2)), ball((30, 64, 64), (1.5, 0.75, 0.75))]
    t = VolumeTokenizer(4, (16, 16, 16), (2.0, 2.0, 2.0))
    volumes = [float(t.fitted(x).sum()) * 8 for x in scans]
    assert volumes == pytest.approx([4 / 3 * np.pi * 12**3] * 3, rel=0.05)
    alone = [float(t.fitted(x["values"]).sum()) * 8 for x in scans]  # without the spacing they differ
    assert max(alone) > 2 * min(alone)
    assert VolumeTokenizer.fit(scans).axes[0].endswith("mm]") and t.axes[0] == "z [8 mm]"
    thin = VolumeTokenizer.fit([R.normal(size=(1, 2, 64, 64))])
    assert thin.size[0] == thin.patch  # two slices fill one patch


def test_intensities_are_robust():
    ct = [R.normal(0, 100, (1, 16, 16, 16)) for _ in range(6)]
    ct[0][0, :2, :2, 0] = 30_000  # metal
    t = VolumeTokenizer.fit(ct)
    assert not t.by_scan and t.high[0] < 400 and t(t.fitted(ct[0])).values.abs().max() < 4
    mr = [R.normal(3, 1, (1, 16, 16, 16)) * 10.0**i for i in range(5)]
    t = VolumeTokenizer.fit(mr)
    spreads = [float(t(t.fitted(x)).values.std()) for x in mr]
    assert t.by_scan and max(spreads) < 1.2 * min(spreads)


def test_density_goes_through_a_logarithm_and_colours_weigh_by_it():
    x = np.zeros((4, 8, 8, 8), np.float32)
    x[0, ::2], x[3, ::2] = 1, 100  # red, dense
    x[1, 1::2], x[3, 1::2] = 1, 0  # green, empty
    small = FieldTokenizer(4, 4).fitted(x)
    assert small[0].min() > 0.95 and small[1].max() < 0.05 and small[3].mean() == pytest.approx(50, rel=0.02)
    decades = field(8, 8, 8)
    t = FieldTokenizer.fit([decades])
    spread = t(t.fitted(decades)).values.view(-1, 4)[:, 3]
    assert spread.abs().max() < 5  # in linear units one cell in 512 is 15 spreads away
    assert np.abs((decades[3] - decades[3].mean()) / decades[3].std()).max() > 8
    with pytest.raises(Unreadable, match="negative"):
        t.fitted(-decades)


def rng(n):
    return Rng(torch.tensor(12345), torch.arange(n) * 7919 + 1)


@pytest.mark.parametrize(
    "crop, x, patch",
    [
        (video_views.crop, torch.rand(6, 8, 1, 16, 32), 8),
        (volume_views.crop, torch.rand(6, 2, 16, 16, 24), 4),
        (field_views.crop, torch.rand(6, 4, 16, 16, 8), 4),
    ],
)
def test_crops(crop, x, patch):
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    for shrink in (1.0, 0.5):
        a = crop(x, rng(6), (0.2, 0.6), shrink, patch)
        assert torch.equal(a, crop(x, rng(6), (0.2, 0.6), shrink, patch))
        b = crop(x[order], Rng(rng(6).key, rng(6).words[order]), (0.2, 0.6), shrink, patch)
        assert torch.allclose(a[order], b, atol=1e-6) and a.isfinite().all()
        assert all(n % patch == 0 for n in a.shape[-2:])
        assert a.shape[-1] == x.shape[-1] * shrink
    whole = crop(torch.full_like(x, 0.5), rng(6), (1.0, 1.0), 1.0, patch)
    assert float(whole.min()) > 0.1 and float(whole.max()) < 1.2


def test_a_clip_keeps_its_direction_and_its_frames_one_crop():
    still = torch.rand(4, 1, 1, 16, 16).repeat(1, 8, 1, 1, 1)
    out = video_views.crop(still, rng(4), (0.3, 0.5), 1.0, 8)
    assert torch.allclose(out, out[:, :1].expand_as(out), atol=1e-6)  # the part is the same in every frame
    ramp = torch.linspace(0, 1, 16).expand(32, 8, 1, 16, 16)
    out = video_views.crop(ramp, rng(32), (0.5, 1.0), 1.0, 8)
    assert (out[..., -1] > out[..., 0]).all()  # never mirrored
    time = torch.linspace(0, 1, 8)[None, :, None, None, None].expand(32, 8, 1, 16, 16)
    assert (video_views.crop(time, rng(32), (0.5, 1.0), 0.5, 8).mean((2, 3, 4)).diff(dim=1) > 0).all()


def test_multispectral_crops_take_one_part_in_all_bands_and_leave_bands_out():
    t = MultispectralTokenizer(2, 16)
    nm = np.linspace(443, 2190, 10)
    tokens = pack([t(t.fitted(multispectral(10, 16, 16, nm))) for _ in range(40)], 1)
    part = multispectral_views.crop_rows(tokens, rng(40), (0.3, 0.5), 0.5)
    again = multispectral_views.crop_rows(tokens, rng(40), (0.3, 0.5), 0.5)
    assert torch.equal(part.values, again.values) and part.layout.slots == 1
    left = []
    for i in range(40):
        coords = part.coords[(part.layout.seg == i) & ~part.slot]
        bands_there = coords[:, 0].unique()
        spots = [{tuple(c[1:]) for c in coords.tolist() if c[0] == float(b)} for b in bands_there]
        left.append(len(bands_there))
        shared = set.intersection(*spots)
        assert len(shared) >= max(len(s) for s in spots) - 2  # patches at the rim may be there in some bands only
    assert 5.5 < np.mean(left) < 9 and min(left) >= 1  # a quarter is left out on average


def test_the_simulated_bands_are_physical():
    train = bands.load()
    assert len(train) == 3_000 and len(bands.load("test")) == 1_000 and train.classes == bands.CLASSES
    first = train[7]
    assert np.array_equal(first["bands"], bands.load()[7]["bands"], equal_nan=True)
    nm = bands.SENTINEL2.astype(float)
    curves = {
        name: np.mean([curve(nm, np.random.default_rng(i)) for i in range(50)], 0)
        for name, curve in zip(bands.CLASSES, bands.COVERS, strict=True)
    }
    ndvi = {name: (c[7] - c[3]) / (c[7] + c[3]) for name, c in curves.items()}
    assert ndvi["healthy vegetation"] > 0.7 > ndvi["stressed vegetation"] > 0.35 > ndvi["bare soil"] > 0 > ndvi["water"]
    assert all(c.min() >= 0 and c.max() < 0.7 for c in curves.values())
    missing = np.mean([np.isnan(train[i]["bands"]).all((1, 2)).mean() for i in range(200)])
    assert 0.1 < missing < 0.25
    assert bands.load("landsat")[0]["bands"].shape == (7, 16, 16)
    with pytest.raises(DataError, match="bands:train"):
        bands.load("nothing")


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """The layout of the npm package, with bars for digits."""
    for name, n in (("train", 50), ("t10k", 20)):
        images = np.zeros((n, 28, 28), np.uint8)
        images[:, 4:24, 10:18] = R.integers(128, 256, (n, 1, 1))
        labels = (np.arange(n) % 10).astype(np.uint8)
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(
            b"\0\0\x08\x03" + np.array(images.shape, ">u4").tobytes() + images.tobytes()
        )
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(
            b"\0\0\x08\x01" + np.array(n, ">u4").tobytes() + labels.tobytes()
        )
    monkeypatch.setattr(moving_mnist, "unpacked", lambda package, folder: tmp_path)


def test_moving_mnist(digits):
    pairs, digit, direction = (moving_mnist.load(s) for s in ("pairs", "digit", "direction-test"))
    assert (
        pairs[0].shape == (20, 1, 64, 64) and pairs.labels is None and len(digit) == 4_000 and len(direction) == 1_000
    )
    assert np.array_equal(digit[3], moving_mnist.load("digit")[3]) and not np.array_equal(digit[3], digit[53])
    assert sorted(set(digit.labels)) == list(range(10)) and direction.classes == moving_mnist.DIRECTIONS
    clip = moving_mnist.wrapping(np.full((4, 4), 255, np.uint8), np.random.default_rng(1), 32, 8, 0)
    steps = [np.roll(clip[i, 0], k, 1) for i in range(7) for k in (0, 1, 2, 3)]
    assert all(
        any(np.array_equal(clip[i + 1, 0], s) for s in steps[4 * i : 4 * i + 4]) for i in range(7)
    )  # to the right
    everywhere = [
        np.mean(
            [
                moving_mnist.wrapping(np.full((8, 8), 1, np.uint8), np.random.default_rng(i), 32, 8, d)
                for i in range(2000)
            ],
            0,
        )
        for d in (0, 4)
    ]
    assert np.abs(everywhere[0] - everywhere[1]).max() < 0.04  # the mean picture (1/16) tells nothing of the direction
    with pytest.raises(DataError, match="moving-mnist:digit-train"):
        moving_mnist.load("letters")
