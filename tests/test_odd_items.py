"""One odd item never hides or refuses the rest, and a few wild numbers never carry mean and spread away."""

import numpy as np
import pytest

from headstart.data.open import open_source
from headstart.data.sniff import sniff
from headstart.data.source import DataError
from headstart.data.sources.array import ArraySource
from headstart.data.sources.joined import Joined
from headstart.data.sources.listed import ListSource
from headstart.errors import Unreadable
from headstart.log import Log
from headstart.outliers import by_name, cleaned, noted, usual
from headstart.reading import described, look, read_in
from headstart.recipe import Input
from headstart.tokenizers import named, tokenizer_of
from headstart.tokenizers.series import SeriesTokenizer
from headstart.verbs.check import check

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=24_000)
QUIET = Log(quiet=True)
FASTA = {"protein": "ACDEFGHIKLMNPQRSTVWY", "dna": "ACGT"}


def looked(where, tmp_path, **words):
    return check(where, out=tmp_path / "found.json", log=QUIET, **words)


def sequences(path, letters, count=4):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f">s{i}\n{''.join(RNG.choice(list(FASTA[letters]), 60))}\n" for i in range(count)))


# what lies far out


@pytest.mark.parametrize("wild", [-99999.0, 1e9, 1e20, -54321.5, 999.0])
def test_a_wild_point_moves_no_moment(wild):
    found = usual([np.append(NOISE, wild)])
    inside = NOISE[(found.low < NOISE) & (found.high > NOISE)]
    assert len(inside) == len(NOISE) and not found.low <= wild <= found.high
    assert found.missing == (() if wild == -54321.5 else (float(np.float32(wild)),))


@pytest.mark.parametrize("share", [0.001, 0.2, 0.5])
def test_sentinels_are_found_however_many_and_two_at_once(share):
    values = np.where(RNG.random(24_000) < share, -9999.0, NOISE)
    values = np.where(RNG.random(24_000) < 0.1, -8888.0, values)
    assert usual([values]).missing == (-9999.0, -8888.0)


def spikes():
    beats = np.zeros(20_000)
    beats[::400] = 1
    return np.convolve(beats, np.exp(-0.5 * np.linspace(-3, 3, 21) ** 2), "same") + 0.01 * RNG.normal(size=20_000)


ORDINARY = {
    "noise": NOISE,
    "spikes of an ECG": spikes(),
    "cauchy": RNG.standard_cauchy(24_000),
    "cauchy in whole numbers": np.rint(50 * RNG.standard_cauchy(24_000)),
    "zipf": RNG.zipf(1.5, 24_000),
    "counts with bursts": RNG.negative_binomial(0.1, 0.01, 24_000),
    "rare events": RNG.poisson(0.001, 24_000),
    "log-normal": RNG.lognormal(0, 1, 24_000),
    "triggers": np.where(RNG.random(24_000) < 0.001, 255, 0),
    "a switch of 16 bits": np.where(RNG.random(24_000) < 0.3, 65_535, 0),
    "999 among others": RNG.integers(0, 2000, 24_000),
    "constant": np.full(100, 7.0),
    "nothing": np.full(100, np.nan),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_numbers_are_no_sentinels(name):
    found = usual([ORDINARY[name].astype(np.float64)])
    assert found.missing == found.doubtful == ()


@pytest.mark.parametrize(
    "name", ["noise", "spikes of an ECG", "counts with bursts", "rare events", "log-normal", "triggers"]
)
def test_ordinary_numbers_keep_their_moments(name):
    values = ORDINARY[name].astype(np.float64)
    found = usual([values])
    inside = values[(values >= found.low) & (values <= found.high)]
    assert len(inside) == len(values)


def test_what_a_sensor_says_at_its_end_is_doubtful_and_stays():
    found = usual([np.where(RNG.random(24_000) < 0.001, 65_535, RNG.integers(0, 2000, 24_000))])
    assert found.missing == () and found.doubtful == (65_535.0,)


def test_cleaning_twice_changes_nothing_more():
    values = np.array([[1.0, -9999.0, 80.0, np.nan], [-9999.0, 0.0, 1.0, 2.0]], np.float32)
    once = cleaned(values, (-10.0, -1e5), (10.0, 1e5), ((-9999.0,), ()))
    assert np.array_equal(once, [[1, np.nan, 10, np.nan], [-9999, 0, 1, 2]], equal_nan=True)
    assert cleaned(once, (-10.0, -1e5), (10.0, 1e5), ((-9999.0,), ())) is once


# in tokenizers

SHAPES = {"series": (2, 64), "multispectral": (3, 16, 16), "volume": (1, 8, 8, 8), "field": (4, 8, 8, 8)}


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("wild", [-99999.0, 1e9, 54321.5])
def test_tokenizers_are_what_they_were_without_it(kind, wild):
    samples = [RNG.random(size=SHAPES[kind]).astype(np.float32) for _ in range(40)]
    plain = named(kind).fit(samples)
    samples[3][0].reshape(-1)[17] = wild
    found = named(kind).fit(samples)
    assert np.allclose(found.mean, plain.mean, atol=0.01) and np.allclose(found.std, plain.std, rtol=0.01)
    assert tokenizer_of({"kind": kind, **found.state()}) == found
    if kind == "field" and wild == 1e9:
        return
    again = found.fitted(samples[3])
    values = again["bands"] if isinstance(again, dict) else again
    assert np.nanmax(np.abs(values)) < 10
    rows = found(again)
    assert rows.values.abs().max() < 30  # and not 10^5 of anything


@pytest.mark.parametrize("kind", ["multispectral", "volume"])
def test_sentinels_of_grids_take_the_mean_of_the_rest(kind):
    samples = [RNG.random(size=SHAPES[kind]).astype(np.float32) for _ in range(20)]
    for sample in samples:
        sample.reshape(-1)[::3] = -9999
    tokenizer = named(kind).fit(samples)
    found = tokenizer.fitted(samples[0])
    values = found["bands"] if isinstance(found, dict) else found
    assert tokenizer.missing == (-9999.0,) and values.min() > -0.01 and values.max() < 1.01
    assert np.allclose(tokenizer.mean, 0.5, atol=0.03)


def test_what_is_missing_is_missing_before_the_rate_changes():
    slow = {"values": np.sin(np.arange(400) / 9)[None].astype(np.float32), "rate": 100.0}
    fast = {"values": np.sin(np.arange(800) / 18)[None].astype(np.float32), "rate": 200.0}
    fast["values"][0, 400] = -99999
    tokenizer = SeriesTokenizer.fit([slow, slow, fast])
    found = tokenizer.fitted(fast)
    assert np.isnan(found[0, 200]) and np.isnan(found).sum() == 1 and np.nanmax(np.abs(found)) < 1.2


def test_it_is_named_with_place_and_what_is_done(tmp_path):
    values = RNG.normal(size=(240, 64))
    values[17, 30] = -99999
    found = looked(values, tmp_path)
    assert found.status == 1 and found.unfit == found.refused == []
    ((name, reason),) = found.far
    assert name == "array[17]" and "channel 0 is -99999 once" in reason and "taken as missing" in reason
    assert any("channel 0: -99999 stands once, in 1 of 240 samples" in why for why in sniff(values).why)
    source = open_source(values)
    assert "-99999 stands once" in look(source, Input(), torch_cpu())[3][-1]
    assert looked(RNG.normal(size=(240, 64)), tmp_path).status == 0


def test_columns_of_tables_name_them_and_keep_them(tmp_path):
    rows = [{"age": int(a), "name": f"n{i}"} for i, a in enumerate(RNG.integers(18, 90, 300))]
    for row in rows[::30]:
        row["age"] = -999
    (line,) = noted(by_name(rows), "kept")
    assert line.startswith("column age: -999 stands 10 times, and ")
    found = looked(ListSource(rows, "table"), tmp_path)
    assert [name for name, _ in found.far] == ["column age"] and "taken as a number" in found.far[0][1]


def torch_cpu():
    import torch

    return torch.device("cpu")


# odd items among others


def test_the_majority_of_recordings_stays():
    arrays = [RNG.normal(size=(3, 200)).astype(np.float32) for _ in range(12)]
    night = {"values": RNG.normal(size=(2, 400)).astype(np.float32), "channels": ["Fp1", "Fp2"], "rate": 100.0}
    tokenizer = SeriesTokenizer.fit([*arrays, night])
    assert tokenizer.channels == 3 and tokenizer.form == "mixed"
    assert all(tokenizer.fitted(x).shape == (3, 200) for x in arrays)
    with pytest.raises(Unreadable, match="it has 2 channels, not 3"):
        tokenizer.fitted(night)
    other = SeriesTokenizer.fit([arrays[0], *[night] * 5])
    assert other.names == ("fp1", "fp2") and other.form == "mixed" and other.fitted(night).shape[0] == 2


def test_check_names_what_pretrain_leaves_out(tmp_path):
    samples = [RNG.normal(size=(3, 200)).astype(np.float32) for _ in range(12)]
    samples[4] = np.full((3, 200), np.nan, np.float32)
    samples.append({"values": RNG.normal(size=(2, 400)), "channels": ["Fp1", "Fp2"], "rate": 100.0})
    samples.append({"values": RNG.normal(size=(3, 400)), "rate": "fast"})
    source = ListSource(samples, "series")
    found = looked(source, tmp_path)
    cut, tokenizer, given, _ = look(source, Input(), torch_cpu())
    assert found.left_out == [(e.where, e.reason) for e in read_in(cut, tokenizer, given.window).bad]
    assert [name for name, _ in found.left_out] == ["list[4]", "list[12]", "list[13]"]
    assert [name for name, _ in found.unfit] == ["list[12]", "list[13]"] and found.plain[0][0] == "list[4]"
    assert any(line.startswith("pretrain  would leave out 3 of 14") for line in found.lines())


def test_check_says_why_pretrain_would_not_begin(tmp_path):
    found = looked(ListSource([{"rate": 3.0}] * 3, "series"), tmp_path)
    assert found.status == 1 and "give arrays [channels, points]" in found.refused[0]


@pytest.mark.parametrize("names", [("a.fasta", "b.fasta"), ("a.faa", "a.fna")])
def test_proteins_beside_nucleotides(tmp_path, names):
    sequences(tmp_path / "all" / names[0], "protein")
    sequences(tmp_path / "all" / names[1], "dna")
    source = open_source(tmp_path / "all")
    assert source.kind == "protein" and len(source) == 4
    assert "the other files (1 text) are taken for notes and not read; data.kind= chooses them" in source.describe()
    assert sum("the other files" in why for why in sniff(tmp_path / "all").why) == 1
    other = open_source(tmp_path / "all", "text")
    assert other.kind == "text" and len(other) == 4
    for i in range(3):
        sequences(tmp_path / "all" / f"more{i}.fna", "dna")
    with pytest.raises(DataError, match=r"Choose one: data\.kind=text or data\.kind=protein"):
        open_source(tmp_path / "all")


def test_joined_sources_say_what_their_parts_do():
    parts = [ArraySource(RNG.normal(size=(3, 9)), "series", why=why) for why in ("scaled by 0.1", "scaled by 0.1", "")]
    joined = Joined(parts, ["a.h5", "b.h5", "c.h5"])
    joined.bad = [Unreadable("d.h5", "it is damaged")]
    said = joined.describe()
    assert "scaled by 0.1 (2 of 3 files, the first: a.h5)" in said
    assert said.endswith("1 more cannot be opened (the first: d.h5: it is damaged)")
    assert joined.of_parts() == ["scaled by 0.1 (2 of 3 files, the first: a.h5)"]


# arrays of other types, and what is missing in them

DAYS = np.datetime64("2020-01-01") + np.arange(600).reshape(20, 30)
STRANGE = {
    "days": DAYS,
    "durations": DAYS - DAYS[0, 0],
    "objects": np.array([[1, None]] * 20, object),
    "complex": RNG.normal(size=(20, 30)) + 1j,
    "records": np.zeros((20, 30), [("a", "f4"), ("b", "i4")]),
    "words": np.array([["a", "b"]] * 20),
    "one number": np.array(3.0),
}


@pytest.mark.parametrize("name", STRANGE)
def test_arrays_that_are_no_samples_are_refused_in_words(tmp_path, name):
    values = STRANGE[name]
    np.save(tmp_path / "x.npy", values, allow_pickle=True)
    np.savez(tmp_path / "x.npz", x=values)
    for where in (values, tmp_path / "x.npy", tmp_path / "x.npz"):
        for verb in (sniff, lambda place: looked(place, tmp_path)):
            with pytest.raises(DataError):
                verb(where)


@pytest.mark.parametrize("name", ["days", "durations", "complex", "records", "words"])
def test_strange_arrays_beside_samples_do_no_harm(tmp_path, name):
    np.savez(tmp_path / "x.npz", x=RNG.normal(size=(20, 30)), when=STRANGE[name])
    assert looked(tmp_path / "x.npz", tmp_path).status == 0


@pytest.mark.parametrize("unit", ["s", "ms", "h", "D"])
def test_times_may_be_moments(tmp_path, unit):
    time = np.datetime64("2020-01-01T00:00:00") + np.arange(50) * np.timedelta64(2, unit)
    (tmp_path / "all").mkdir()
    for i in range(3):
        np.savez(tmp_path / "all" / f"{i}.npz", values=RNG.normal(size=(1, 50)), time=time)
    found = looked(tmp_path / "all", tmp_path)
    assert found.status == 0 and found.count == 3
    tokenizer = SeriesTokenizer.fit([open_source(tmp_path / "all")[i] for i in range(3)])
    assert tokenizer.rate == pytest.approx(1 / (np.timedelta64(2, unit) / np.timedelta64(1, "s")), rel=1e-5)


def test_a_moment_that_is_missing_is_said():
    time = np.array(["2020-01-01", "NaT", "2020-01-03"], "M8[D]")
    with pytest.raises(Unreadable, match="some times are missing"):
        SeriesTokenizer().fitted({"values": np.ones((1, 3)), "time": time})


def test_masks_stay():
    mask = RNG.random((20, 2, 40)) < 0.1
    source = open_source(np.ma.MaskedArray(RNG.normal(size=(20, 2, 40)), mask), "series")
    assert np.array_equal(np.isnan(source[3]), mask[3])
    assert np.array_equal(
        np.isnan(open_source(np.ma.MaskedArray(RNG.normal(size=mask.shape), mask), "series")[0]), mask[0]
    )
    one = np.ma.MaskedArray(RNG.normal(size=(2, 40)), mask[0])
    tokenizer = SeriesTokenizer.fit([one] * 5)  # as samples of a list
    assert tokenizer.masked and np.array_equal(
        np.isnan(tokenizer.fitted(one)), mask[0][:, : tokenizer.fitted(one).shape[1]]
    )
    pictures = np.ma.MaskedArray(RNG.integers(0, 255, (5, 8, 8)).astype(np.uint8), RNG.random((5, 8, 8)) < 0.1)
    assert np.array_equal(np.ma.getmaskarray(open_source(pictures)[2])[0], pictures.mask[2])
    for kind, shape in (("audio", (1, 900)), ("field", (4, 4, 4, 4))):
        with pytest.raises(Unreadable, match="masked"):
            named(kind)().fitted(
                np.ma.MaskedArray(np.ones(shape, np.float32), np.arange(np.prod(shape)).reshape(shape) == 3)
            )


def test_tensors():
    import torch

    assert np.array_equal(open_source(torch.ones(4, 9, requires_grad=True))[0], np.ones((1, 9)))
    assert open_source(torch.ones(4, 9, dtype=torch.bfloat16))[0].dtype == np.float32
    with pytest.raises(DataError, match="numpy cannot hold"):
        open_source(torch.ones(4, 9).to_sparse())


class Frame:
    """A data frame as pandas has it."""

    def __init__(self, rows):
        self.rows, self.columns = rows, list(rows[0])

    def to_dict(self, orient):
        return self.rows


def test_what_frames_have_missing_is_missing():
    from datetime import timedelta

    NAType = type("NAType", (), {})
    rows = [
        {"a": i, "b": v, "c": NAType() if i else "x", "d": timedelta(hours=i)}
        for i, v in enumerate((1.5, float("nan"), 2.5))
    ]
    source = open_source(Frame(rows))
    assert [source[i]["b"] for i in range(3)] == [1.5, None, 2.5]
    assert source[1].get("c") is None and source[2]["d"] == 7200.0


def test_described_says_nothing_where_all_is_usual():
    samples = [RNG.normal(size=(1, 64)).astype(np.float32) for _ in range(20)]
    assert "stands" not in described(SeriesTokenizer.fit(samples), samples)
