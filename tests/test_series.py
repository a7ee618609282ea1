"""Signals: channels apart or together, gaps, uneven times, other rates; each with a number that says the idea is there."""

import math

import numpy as np
import pytest
import torch

from headstart.augment.series import crop
from headstart.errors import Mistake, Unreadable
from headstart.step import Step
from headstart.tokenizers.check import check_tokenizer
from headstart.tokenizers.rates import to_rate
from headstart.tokenizers.recording import plain, recording
from headstart.tokenizers.series import SPARE, SeriesTokenizer
from headstart.tokenizers.want import Want

R = np.random.default_rng(0)
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def noise(channels, *lengths):
    return [(3 + 2 * R.standard_normal((channels, n))).astype(np.float32) for n in lengths]


def gappy(channels, *lengths, share=0.2):
    series = noise(channels, *lengths)
    for x in series:
        x[R.random(x.shape) < share] = np.nan
        x[0, -1] = 1.0
    return series


def ecg(names, n=120):
    return {"values": noise(len(names), n)[0], "channels": list(names), "rate": 100}


def uneven(n=80, span=40.0):
    time = np.sort(R.uniform(0, span, n))
    return {"values": np.stack([np.sin(time), np.cos(time)]).astype(np.float32), "time": time}


CASES = {
    "plain": noise(2, 64, 64, 40, 1),
    "float64 and ints": [np.arange(64).reshape(2, 32), noise(2, 30)[0].astype(np.float64), np.ones((2, 1), np.int16)],
    "one channel": [x[0] for x in noise(1, 64, 30, 1)],
    "gaps": [*gappy(3, 64, 64, 50), np.float32([[1], [np.nan], [2]])],
    "leads": [ecg(LEADS), ecg(LEADS), ecg(["II"]), ecg(["V1", "I"], 50), ecg(["V9"], 60), ecg(["II"], 1)],
    "leads with gaps": [ecg(LEADS), {"values": gappy(2, 90)[0], "channels": ["V2", "II"]}, ecg(["II"], 1)],
    "counts": [noise(5, 40)[0], noise(2, 40)[0], noise(1, 1)[0]],
    "many channels": noise(40, 64, 64, 64) + noise(1, 1) * 0,
    "uneven": [uneven(), uneven(60), {"values": np.ones((2, 1), np.float32), "time": [0.0]}],
    "rates": [{"values": noise(2, n)[0], "rate": r} for n, r in [(100, 50), (90, 50), (200, 100), (1, 50)]],
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_contract(name):
    samples = CASES[name]
    tokenizer = SeriesTokenizer.fit(samples, Want(rows=8))
    if name == "many channels":  # forty rows at least: a sample of one row is one of one channel
        samples = [
            *samples,
            np.where(np.arange(40)[:, None] == 3, np.float32(1), np.float32(np.nan)) * np.ones((1, 4), np.float32),
        ]
    check_tokenizer(tokenizer, samples)


def test_layout_follows_the_samples():
    fit = SeriesTokenizer.fit
    assert fit(CASES["plain"]).form == "mixed" and not fit(CASES["plain"]).masked
    assert fit(CASES["gaps"]).form == "mixed" and fit(CASES["gaps"]).masked
    leads = fit(CASES["leads"])
    assert (leads.form, leads.channels, leads.masked) == ("apart", 13 + SPARE, False)
    assert fit(CASES["many channels"]).form == "apart" and fit(CASES["counts"]).form == "apart"
    same = fit([ecg(LEADS), ecg(LEADS[::-1])])
    assert same.form == "mixed" and same.names == tuple(x.lower() for x in LEADS)


@pytest.mark.parametrize("rows", [8, 32, 100])
def test_rows_are_about_as_many_as_asked(rows):
    for samples in (noise(2, *[640] * 5), noise(6, *[1000, 900, 1100])):
        made = [len(t(t.fitted(x))) for t in [SeriesTokenizer.fit(samples, Want(rows=rows))] for x in samples]
        assert 0.7 * rows <= np.median(made) <= 1.1 * rows
    assert SeriesTokenizer.fit(noise(1, 640), Want(patch=5)).patch == 5
    assert SeriesTokenizer.fit(noise(1, 24)).patch == 3  # short series: a row of one number has little to say
    apart = SeriesTokenizer.fit([*[ecg(LEADS)] * 9, ecg(["II"])], Want(rows=88))
    assert len(apart(apart.fitted(ecg(LEADS)))) == 96  # 12 channels, 8 windows


def test_standardised_with_gaps_over_the_set():
    pile = [x * np.float32([[1], [50], [0.01]]) for x in gappy(3, *[60] * 40)]
    tokenizer = SeriesTokenizer.fit(pile, Want(patch=4))
    values, seen = torch.cat([tokenizer(x).values for x in pile]).chunk(2, -1)
    values, seen = (y.view(-1, 3, 4).transpose(1, 2).reshape(-1, 3) for y in (values, seen))
    mean = (values * seen).sum(0) / seen.sum(0)
    assert mean.abs().max() < 1e-3 and ((values**2 * seen).sum(0) / seen.sum(0) - 1).abs().max() < 5e-3
    assert abs(float(seen.mean()) - 0.8) < 0.02 and (values[seen == 0] == 0).all()


def test_what_nobody_observed_makes_no_rows():
    x = noise(2, 64)[0]
    gap = x.copy()
    gap[:, 16:40] = np.nan
    gap[0, 3] = np.nan
    tokenizer = SeriesTokenizer.fit([x, gap], Want(patch=8))
    tokens = tokenizer(tokenizer.fitted(gap))
    assert tokens.coords[:, 0].tolist() == [0, 1, 5, 6, 7]
    back = tokenizer.decode(tokens).numpy()
    assert np.array_equal(np.isnan(back), np.isnan(gap)) and np.nanmax(np.abs(back - gap)) < 1e-5
    padded = np.concatenate([x, np.full((2, 30), np.nan, np.float32)], 1)  # how archives store unequal lengths
    assert np.array_equal(tokenizer.fitted(padded), x)


def test_a_channel_has_one_place_whatever_the_montage():
    tokenizer = SeriesTokenizer.fit(CASES["leads"], Want(patch=10))
    full, some = ecg(LEADS), ecg(LEADS)
    some = {"values": full["values"][[7, 1]], "channels": ["ECG V2", "lead ii"], "rate": 100}
    whole, part = (tokenizer(tokenizer.fitted(x)) for x in (full, some))
    at = {tuple(c): v for c, v in zip(whole.coords.tolist(), whole.values, strict=True)}
    assert len(part) == 24 and all(
        torch.equal(at[tuple(c)], v) for c, v in zip(part.coords.tolist(), part.values, strict=True)
    )


def test_new_names_have_a_place_of_their_own():
    tokenizer = SeriesTokenizer.fit(CASES["leads"], Want(patch=10))
    known = len(tokenizer.names)
    place = [
        int(np.flatnonzero(~np.isnan(tokenizer.fitted(ecg([n]))[:, 0]))[0]) for n in ("V9", "pleth", "Pleth", "resp")
    ]
    assert place[0] < known and place[1] == place[2] >= known and place[3] >= known
    many = [f"new {i}" for i in range(SPARE)]
    assert (~np.isnan(tokenizer.fitted(ecg(many)))).any(1).sum() == SPARE
    with pytest.raises(Unreadable, match="new names"):
        tokenizer.fitted(ecg([*many, "one more"]))
    assert [plain(n) for n in ("EEG Fp1-REF", "FP1", "Fp1.", "Fp1-F7")] == ["fp1", "fp1", "fp1", "fp1-f7"]


def test_uneven_times_lie_where_they_were():
    """A sine sampled at random times is the sine on the grid, within half a cell."""
    samples = [uneven(400) for _ in range(5)]
    tokenizer = SeriesTokenizer.fit(samples)
    assert tokenizer.masked and tokenizer.rate and 10 < tokenizer.rate < 20
    x = tokenizer.fitted(samples[0])
    at = samples[0]["time"][0] + np.arange(x.shape[1]) / tokenizer.rate
    seen = ~np.isnan(x[0])
    assert 0.3 < seen.mean() < 0.8 and np.abs(x[0] - np.sin(at))[seen].max() < 0.55 / tokenizer.rate
    late = {"values": np.ones((2, 3), np.float32), "time": np.array([5.0, 5.1, 39.0])}
    tokens = tokenizer(tokenizer.fitted(late))
    assert len(tokens) == 2 and abs(float(tokens.coords[1, 0]) - 34 * tokenizer.rate / tokenizer.patch) < 1
    both = tokenizer.fitted({"values": [[1.0, 3.0, 5.0]] * 2, "time": [0.0, 0.001, 30.0]})
    assert both[0, 0] == 2 and both[0, -1] == 5  # two in one cell: their mean


def test_even_times_are_a_rate():
    time = np.arange(50) / 20 + R.uniform(-0.01, 0.01, 50)
    one = recording({"values": np.ones((1, 50)), "time": time[::-1]})
    assert one.time is None and one.rate == pytest.approx(20, rel=0.02)


@pytest.mark.parametrize(("rate", "wanted"), [(500, 360), (100, 250), (257, 256), (1000, 7)])
def test_resampling_keeps_the_wave(rate, wanted):
    def wave(r):
        return 5 + np.sin(2 * np.pi * 1.5 * np.arange(20 * r) / r)[None]

    out = to_rate(wave(rate).astype(np.float32), rate, wanted)
    assert abs(out.shape[1] - 20 * wanted) <= 1
    n = min(out.shape[1], 20 * wanted)
    assert np.abs(out[:, :n] - wave(wanted)[:, :n])[:, wanted:-wanted].max() < 0.02
    assert np.abs(out[:, :n] - wave(wanted)[:, :n]).max() < 0.6  # at the ends, too: nothing is padded with zeros


def test_aliases_are_filtered_and_gaps_stay():
    fast = np.sin(2 * np.pi * 90 * np.arange(2000) / 200)[None].astype(np.float32)
    assert np.abs(to_rate(fast, 200, 50)[:, 20:-20]).max() < 0.02  # taking every fourth value would leave amplitude 1
    x = np.ones((1, 400), np.float32)
    x[:, 100:200] = np.nan
    gone = np.isnan(to_rate(x, 200, 100))[0]
    assert gone[51:99].all() and not gone[:49].any() and not gone[101:].any()


def test_fitted_rate():
    tokenizer = SeriesTokenizer.fit(CASES["rates"])
    assert tokenizer.rate == 50 and tokenizer.fitted({"values": np.ones((2, 300)), "rate": 100}).shape == (2, 150)
    assert SeriesTokenizer.fit(CASES["rates"], Want(rate=25)).fitted(CASES["rates"][0]).shape == (2, 50)


def test_bounds():
    tokenizer = SeriesTokenizer.fit(noise(1, 500), Want(longest=100))
    assert tokenizer.fitted(np.ones((1, 5000))).shape == (1, 100)
    assert SeriesTokenizer(2, 1).fitted(np.ones(10**6)).shape == (1, 20_000)  # coordinates stay below 10,000
    far = {"values": np.ones((2, 3)), "time": [0.0, 1.0, 1e300]}
    assert SeriesTokenizer.fit(CASES["uneven"]).fitted(far).shape[1] < 100
    slow = {"values": np.ones((2, 1000)), "rate": 0.06}
    assert SeriesTokenizer.fit(CASES["rates"]).fitted(slow).shape == (2, 20_000)
    with pytest.raises(Unreadable, match="1,000 times off"):
        SeriesTokenizer.fit(CASES["rates"]).fitted(slow | {"rate": 1e-8})


class Odd:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no")


BAD = [
    None,
    3,
    "text",
    b"x",
    [],
    {},
    object(),
    Odd(),
    np.zeros((2, 0)),
    np.zeros((0, 5)),
    np.zeros((2, 3, 4)),
    np.zeros((3, 9)),
    np.array(["a"]),
    np.array([[object()]]),
    np.full((2, 5), np.inf),
    np.full((2, 5), np.nan),
    np.full((2, 5), 1e300),
    np.ones((2, 5), complex),
    [[1, 2], [3]],
    {"values": None},
    {"values": np.ones((2, 4)), "channels": ["a"]},
    {"values": np.ones((2, 4)), "channels": "ab"},
    {"values": np.ones((2, 4)), "channels": [1, 2]},
    {"values": np.ones((2, 4)), "rate": 0},
    {"values": np.ones((2, 4)), "rate": "fast"},
    {"values": np.ones((2, 4)), "rate": np.nan},
    {"values": np.ones((2, 4)), "rate": [1, 2]},
    {"values": np.ones((2, 4)), "time": [0, 1]},
    {"values": np.ones((2, 2)), "time": [0, np.nan]},
    {"values": np.ones((2, 2)), "time": [1, 1]},
    {"values": np.ones((2, 3)), "time": [0, 1, 9]},
    {"values": np.float32([[1, np.nan, 2], [1, 2, 3]])},
]


@pytest.mark.parametrize("sample", BAD, ids=range(len(BAD)))
def test_what_is_no_series_is_refused_in_words(sample):
    with np.errstate(all="raise"), pytest.raises(Unreadable) as caught:
        SeriesTokenizer.fit(noise(2, 40, 40)).fitted(sample)
    assert len(caught.value.reason) > 10
    with pytest.raises((Unreadable, Mistake)):
        SeriesTokenizer.fit([sample]).fitted(np.zeros((2, 3, 4)))


def test_bad_samples_do_not_disturb_fit():
    good = noise(2, 40, 40)
    assert SeriesTokenizer.fit([*BAD[:10], *good]) == SeriesTokenizer.fit(good)


def test_raw_is_the_signal():
    x = noise(2, 64)[0]
    tokenizer = SeriesTokenizer.fit([x])
    mean, std = (np.float64(y)[:, None] for y in (tokenizer.mean, tokenizer.std))
    assert np.allclose(tokenizer.raw(x), ((x - mean) / std).ravel(), atol=1e-5)
    long = SeriesTokenizer.fit(noise(12, 5000))
    assert len(long.raw(noise(12, 5000)[0])) == 3072
    ramp = SeriesTokenizer(4, 1, length=50)
    assert np.allclose(ramp.raw(np.arange(100.0)[None]), np.arange(0.5, 100, 2))
    assert np.allclose(ramp.raw(np.float32([[0, np.nan, 49.0 * 2 / 2]])), np.arange(50), atol=1e-4)


def rng(n, keys=None):
    return Step(0, 1).rng("x", torch.arange(n) if keys is None else keys)


def test_crop_is_a_stretch_around_the_level():
    t = torch.arange(400) / 400
    x = 1000 + torch.stack([t, torch.sin(20 * t)])[None].repeat(64, 1, 1)
    out = crop(x, rng(64), (0.25, 0.5), 0.5, 8)
    assert out.shape == (64, 2, 200)
    rise = out[:, 0, -1] - out[:, 0, 0]
    assert rise.min() > 0.15 and 0.4 < rise.max() < 0.65  # a quarter to a half of the ramp, its gain within 20 %
    assert (out - 1000).abs().max() < 1.5  # the level stays: a gain of the whole would move it by 200
    turn = torch.randperm(64)
    assert torch.equal(crop(x[turn], rng(64, turn), (0.25, 0.5), 0.5, 8), out[turn])


def test_crop_keeps_gaps_and_absent_channels():
    x = torch.randn(8, 3, 160)
    x[:, 1] = math.nan
    x[:, 0, 40:80] = math.nan
    out = crop(x, rng(8), (0.9, 1.0), 1.0, 8)
    share = out[:, 0].isnan().float().mean(1)
    assert out[:, 1].isnan().all() and not out[:, 2].isnan().any() and ((share > 0.2) & (share < 0.32)).all()
    tokens = SeriesTokenizer(8, 3, form="apart").many(out)
    assert tokens.layout.segments == 8 and tokens.values.isfinite().all()
    nothing = SeriesTokenizer(8, 3, masked=True).many(torch.full((2, 3, 16), math.nan))
    assert nothing.layout.lengths == (1, 1) and (nothing.values == 0).all()
