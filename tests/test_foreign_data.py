"""Data that is unlike what an encoder learnt from is refused, or it is said how; labels that lie elsewhere."""

import numpy as np
import pytest
import torch
from PIL import Image

import headstart as hs
from headstart.data.open import open_source
from headstart.data.source import DataError
from headstart.data.sources.listed import ListSource
from headstart.reading import described
from headstart.seen import differences, facts, one_sample, taken_at
from headstart.tokenizers.series import SeriesTokenizer

CITIES = ("Rome", "Paris", "Oslo")


def customers(path, rows=60):
    lines = [f"C{1000 + i},{20 + i % 50},{CITIES[i % 3]},{('no', 'yes')[i % 2]}" for i in range(rows)]
    path.write_text("\n".join(["customer_id,age,city,churn", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """An encoder of customers, whose inputs are age, city and churn, and one of small pictures."""
    where = tmp_path_factory.mktemp("runs")
    (where / "pictures").mkdir()
    rng = np.random.default_rng(0)
    for i in range(40):
        Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8)).save(where / "pictures" / f"{i}.png")
    hs.pretrain(where / "pictures", steps=2, **{"run.out": str(where / "image")})
    hs.pretrain(customers(where / "a.csv"), steps=2, **{"run.out": str(where / "table"), "data.label": "city"})
    return where


def test_foreign_columns_are_refused(home, tmp_path):
    (tmp_path / "machine.csv").write_text("rpm,temp\n" + "".join(f"{i},{2 * i}.5\n" for i in range(30)))
    with pytest.raises(DataError, match=r"learnt from age, churn, and of the columns of machine.* it knows 0"):
        hs.load(home / "table").embed(tmp_path / "machine.csv")


def test_one_picture_is_one_vector(home):
    encoder, path = hs.load(home / "image"), home / "pictures" / "3.png"
    found = encoder.embed_named(path)
    assert found.z.shape[0] == 1 and found.names == ["3.png"] and found.remarks == []
    assert np.allclose(encoder.embed(np.asarray(Image.open(path))), found.z)


@pytest.mark.parametrize(
    "shape, kind, channels, one",
    [
        ((40, 50), "image", [1], True),
        ((40, 50, 3), "image", [3], True),
        ((3, 40, 50), "image", [3], True),
        ((3, 40, 50), "image", [1], False),  # three grey pictures
        ((3, 40, 50), "image", [1, 3], False),
        ((9, 40, 50), "image", [3], False),
        ((5, 40, 50, 3), "image", [3], False),
        ((400,), "series", [1], True),
        ((3, 400), "series", [3], True),
        ((3, 400), "series", [1], False),  # three recordings
        ((9, 400), "series", [3], False),
        ((1, 3, 400), "series", [3], False),
        ((12, 16, 16), "volume", [1], False),
    ],
)
def test_one_array_is_one_sample_or_a_stack(shape, kind, channels, one):
    assert one_sample(shape, kind, channels) == one


def test_one_array_is_one_vector(home, tmp_path):
    """A colour picture of 40 rows was 40 grey ones."""
    encoder, picture = hs.load(home / "image"), np.arange(40 * 30 * 3, dtype=np.uint8).reshape(40, 30, 3)
    np.save(tmp_path / "one.npy", picture)
    found = encoder.embed_named(tmp_path / "one.npy")
    assert found.names == ["one.npy"]
    for data in (picture, torch.tensor(picture)):
        assert np.allclose(encoder.embed(data), found.z)
    assert len(encoder.embed(np.stack([picture] * 3))) == 3


def test_vibrations_are_no_pictures(home, tmp_path):
    encoder, recordings = hs.load(home / "image"), np.random.default_rng(0).standard_normal((9, 3, 400))
    np.save(tmp_path / "x.npy", recordings)
    for data in (recordings, tmp_path / "x.npy"):
        with pytest.raises(DataError, match="reads image data, and this looks like series"):
            encoder.embed(data)
    found = encoder.embed_named(np.abs(recordings) % 1, kind="image")
    assert len(found.z) == 9 and "3x400 pixels, and the encoder learnt from 16x16" in found.remarks[0]


def test_colour_and_size_are_compared(home):
    encoder = hs.load(home / "image")
    said = encoder.embed_named(np.zeros((4, 100, 90, 3), np.uint8)).remarks
    assert "3 channels, and the encoder learnt from 1" in said[0] and "100x90 pixels" in said[1] and len(said) == 2


def series(times=1.0, channels=("x", "y"), rate=100.0, count=4):
    values = np.random.default_rng(0).standard_normal((len(channels), 200)) * times
    return [{"values": values, "channels": list(channels), "rate": rate}] * count


KNOWN = facts(series(), "series")


def said(**other):
    return differences(KNOWN, facts(series(**other), "series"), "series")


def test_what_is_alike_needs_no_word():
    assert said() == said(times=3) == said(rate=103) == []


def test_rates_are_compared():
    assert "recorded at 50 per second, and the encoder learnt from 100" in said(rate=50.0)[0]
    assert "nothing faster than 25 per second" in said(rate=50.0)[0] and "nothing faster" not in said(rate=400.0)[0]


def test_the_rate_that_a_recording_without_one_is_taken_at():
    bare, timed = np.zeros((2, 200)), {"values": np.zeros((2, 200)), "time": np.arange(200.0)}
    assert taken_at([bare], 100.0) == [
        "the recordings do not say their rate, and are taken for recorded at 100 per second"
    ]
    (mixed,) = taken_at([bare, timed, *series(), *series(rate=250.0)], 100.0, " (data.rate=)")
    assert mixed.startswith(
        "1 of 10 recordings looked at do not say their rate, and are taken for recorded at 100 per second"
    )
    assert mixed.endswith("(data.rate=); others were recorded at 100 to 250")
    assert taken_at(series(), 100.0) == taken_at([bare], None) == []
    some = [*series(rate=250.0), *series(rate=250.0), *series(), bare]  # the commonest is everybody's
    assert "1 of 13 recordings" in described(SeriesTokenizer.fit(some), some) and "at 250 per second" in described(
        SeriesTokenizer.fit(some), some
    )


def test_an_encoder_says_at_which_rate_it_takes_new_recordings(tmp_path):
    some = [{"values": np.random.default_rng(i).standard_normal((1, 200)), "rate": 50.0} for i in range(30)]
    hs.pretrain(ListSource(some, "series"), steps=2, **{"run.out": str(tmp_path / "r")})
    remarks = hs.load(tmp_path / "r").embed_named(np.zeros((20, 200), np.float32) + 0.1).remarks
    assert "the recordings do not say their rate, and are taken for recorded at 50 per second, the encoder's" in remarks


def test_units_are_compared():
    assert "is it the same unit?" in said(times=50)[0] and "is it the same unit?" in said(times=1 / 50)[0]
    for times in (1e6, 1e-6):  # volts and microvolts
        with pytest.raises(DataError, match="give them in the same unit"):
            said(times=times)


def test_channels_are_compared():
    assert said(channels=("y", "z")) == [
        "channels that the encoder does not know: z",
        "channels that the encoder knows and that are not there (they are missing): x",
    ]
    with pytest.raises(DataError, match="learnt from the channels x, y, and of rpm, temp it knows 0"):
        said(channels=("rpm", "temp"))
    plain = facts([np.zeros((3, 200))], "series")
    assert "3 channels, and the encoder learnt from 2" in differences(KNOWN | {"names": []}, plain, "series")[0]


def test_labels_of_another_file(home, tmp_path):
    pictures = home / "pictures"
    rows = [f"{i}.png,{('cat', 'dog')[i % 2]},{i / 7:.2f}" for i in range(40)]
    (tmp_path / "told.csv").write_text("\n".join(["file,animal,weight", *rows]) + "\n")
    source = open_source(pictures, label=f"{tmp_path / 'told.csv'}:animal")
    assert source.classes == ("cat", "dog") and "told.csv" in source.describe()
    assert [source.classes[k] for k in source.labels[:3]] == [
        ("cat", "dog")[int(source.name(i)[:-4]) % 2] for i in range(3)
    ]
    assert open_source(pictures, label=f"{tmp_path / 'told.csv'}:weight").labels.dtype == np.float32
    with pytest.raises(DataError, match=r"there is no file lost\.csv"):
        open_source(pictures, label="lost.csv")
    results = hs.probe(home / "image", pictures, label=f"{tmp_path / 'told.csv'}:animal")
    assert "pre-trained" in results


def test_labels_by_their_order(home, tmp_path):
    np.save(tmp_path / "y.npy", np.arange(40) % 4)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "y.npy").read_bytes()[:90])
    with pytest.raises(DataError, match="damaged"):
        open_source(np.zeros((40, 8, 8), np.uint8), label=str(tmp_path / "cut.npy"))
    (tmp_path / "y.csv").write_text("kind\n" + "".join(f"k{i % 4}\n" for i in range(40)))
    pictures = np.zeros((40, 8, 8), np.uint8)
    for name in ("y.npy", "y.csv"):
        source = open_source(pictures, label=str(tmp_path / name))
        assert source.labels.tolist() == [i % 4 for i in range(40)] and "order of the samples" in source.describe()
    with pytest.raises(DataError, match="one per sample"):
        open_source(pictures[:30], label=str(tmp_path / "y.npy"))
    with pytest.raises(DataError, match=r"no column of .* names the samples"):
        open_source(pictures[:30], label=str(tmp_path / "y.csv"))


def test_labels_of_rows_by_their_identifiers(home, tmp_path):
    rows = [f"C{1000 + i},{('low', 'high')[i % 2]}" for i in reversed(range(60))]
    (tmp_path / "risk.csv").write_text("\n".join(["customer,risk", *rows]) + "\n")
    source = open_source(home / "a.csv", label=f"{tmp_path / 'risk.csv'}:risk")
    assert [source.classes[k] for k in source.labels[:4]] == ["low", "high", "low", "high"]


def test_an_encoder_is_not_shown_what_it_is_asked(home):
    """It learnt from churn, which is now the label."""
    encoder = hs.load(home / "table")
    source, remarks = encoder.prepare(home / "a.csv", label="churn")
    assert source.classes == ("no", "yes") and set(source[0]) == {"age"}
    assert remarks[-1] == "churn is what is asked for, and is hidden from the encoder"
    assert set(encoder.prepare(home / "a.csv", judged=False)[0][0]) == {"age", "churn"}


def test_columns_in_another_unit_are_said(tmp_path):
    """Fees in cents and months in days went in without a word; a few odd cells, and other customers, are none."""
    r = np.random.default_rng(0)

    def table(name, fee=1.0, month=1.0, odd=0):
        rows = [f"{fee * r.gamma(4, 20):.2f},{month * r.integers(1, 60):.0f},{'ab'[i % 2]}" for i in range(80)]
        rows[:odd] = ["1e9,5,a"] * odd
        (tmp_path / name).write_text("fee,months,plan\n" + "\n".join(rows) + "\n")
        return str(tmp_path / name)

    source = open_source(table("known.csv"))
    known = facts([source[i] for i in range(64)], "table")
    assert set(known["columns"]) == {"fee", "months"}

    def said(path):
        other = open_source(path)
        return differences(known, facts([other[i] for i in range(64)], "table"), "table")

    assert said(table("same.csv")) == said(table("odd.csv", odd=3)) == []
    (cents,) = said(table("cents.csv", fee=100))
    assert "fee (middle " in cents and "months" not in cents and "are these the same units?" in cents
    (days,) = said(table("days.csv", month=30))
    assert "months (middle " in days and "fee" not in days
