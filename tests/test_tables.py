"""Rows of tables: names as places, cells as payloads, and rows seen differently."""

import datetime as dt

import numpy as np
import pytest
import torch

from headstart.augment import table as augment
from headstart.errors import Mistake, Unreadable
from headstart.step import Step
from headstart.tokenizers.check import check_tokenizer
from headstart.tokenizers.names import code, place
from headstart.tokenizers.number import back, forward, gather, measure, spread
from headstart.tokenizers.table import CODE, TableTokenizer
from headstart.tokenizers.want import Want
from headstart.tokens import pack, split

R = np.random.default_rng(0)


def row(i, **more):
    return {
        "age": int(R.integers(18, 90)),
        "income": float(np.exp(3 * R.standard_normal() + 8)),
        "city": ["Rome", "Oslo", "Lima"][i % 3],
        "smoker": bool(i % 2),
        "seen": dt.date(2020, 1, 1) + dt.timedelta(days=int(R.integers(0, 900))),
        "at": dt.datetime(2021, 3, 1, 4, 5, 6) + dt.timedelta(seconds=int(R.integers(0, 10**6))),
        "note": f"a note on patient {i}",
        "bmi": None if i % 4 == 0 else float(R.normal(25, 4)),
        "far": float(1e9 + 1e9 * R.standard_normal()),
        "constant": 7,
    } | more


ROWS = [row(i) for i in range(60)]
ODD = [
    {"age": 3},  # one token
    {"age": 0.0, "far": 0.0},
    {"never seen": 5, "city": "Rome"},
    {"city": "Paris"},
    {"city": "", "age": None},
    {"income": 1e99, "bmi": -1e-99, "note": "äöü€🌍" * 40},
    {"seen": dt.date(1, 1, 1), "at": dt.datetime(9999, 12, 31, 23, 59, 59)},
    {"age": 2**50, "constant": -(2**39)},
    {"age": "old", "city": 4, "smoker": "perhaps", "note": True, "seen": 3.5},
    {"age": np.int16(4), "bmi": np.float32(2.5), "city": np.str_("Oslo"), "at": np.datetime64("2020-02-03T04:05:06.7")},
    {
        "age": torch.tensor(4),
        "bmi": np.nan,
        "at": dt.datetime(2020, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=3))),
    },
]


def test_names_spelt_alike_lie_near_and_others_far():
    for other in ("heart rate", "HeartRate", "HEART-RATE", "heart.rate"):
        off = np.abs(np.subtract(place("heart_rate"), place(other))).max()
        assert 0 < off < 1
    words = ["age", "weight", "height", "pulse", "iron", "zinc", "city", "name", "year", "price", "cut", "income"]
    at = np.array([place(f"{a} {b}") for a in words for b in ("mean", "first", "green", "total")])
    assert at.min() >= 0 and at.max() <= 1000 and 100 < at.std() < 220
    apart = np.abs(np.subtract(place("heart rate"), at)).mean()
    related = np.abs(np.subtract(place("heart rate"), place("heart rate max"))).mean()
    assert apart > 100 and related < 0.6 * apart
    assert len({place(n) for n in ("", "%", "#", "x", "X", " x", "年齢", "\ud800")}) == 8
    assert len(place("x", 3)) == 3


def test_codes_have_unit_variance_and_tell_texts_apart():
    codes = np.array([code(f"{a}{b}", 64) for a in "abcdefgh" for b in ("mellitus", "tension", "ectomy", "")])
    assert codes.dtype == np.float32 and abs(codes.var() - 1) < 0.2

    def alike(a, b):
        return float(code(a, 512) @ code(b, 512)) / 512

    assert alike("E11.8", "E11.9") > 0.2 and alike("M", "m") > 0.4 and abs(alike("red", "blue")) < 0.15
    assert alike("M", "m") < 0.8
    with pytest.raises(ValueError, match="read-only"):
        code("M", 8)[0] = 1


def test_a_number_comes_back_whatever_its_column():
    for values in (
        R.standard_cauchy(500),
        1e9 + R.random(500),
        np.r_[np.zeros(400), 1e-9],
        np.full(9, 3.0),
        np.exp(20 * R.random(99)),
    ):
        scale = measure(values)
        there = np.r_[values, 0.0, 1e-3, -5.0, 1e12, -1e99]
        z = np.array([forward(float(x), scale) for x in there])
        again = np.array([back(x, scale) for x in gather(spread(z))])
        assert np.isfinite(z).all() and np.allclose(again, there, rtol=1e-6, atol=1e-12 * np.abs(values).max())
    values = np.exp(3 * R.standard_normal(2000))
    z = np.array([forward(float(x), measure(values)) for x in values])
    assert (
        abs(z.mean()) < 1e-6 and abs(z.std() - 1) < 1e-6 and np.abs(z).max() < 6
    )  # the tail is 20,000 times the median


def test_contract():
    tokenizer = TableTokenizer.fit(ROWS)
    check_tokenizer(tokenizer, ROWS + ODD)
    assert tokenizer.letters == 16 and TableTokenizer.fit(ROWS, Want(longest=4)).letters == 4
    check_tokenizer(TableTokenizer.fit(ROWS, Want(longest=4)), ROWS + ODD)
    check_tokenizer(TableTokenizer.fit([{"a": 1.0}, {"a": 2.0, "b": "x"}]), [*ODD, {"a": 1.5, "b": "y"}])


def test_what_comes_back():
    tokenizer = TableTokenizer.fit(ROWS)

    def back_of(sample):
        return tokenizer.decode(tokenizer(tokenizer.fitted(sample)))

    assert back_of(ROWS[5])["at"] == ROWS[5]["at"] and back_of(ROWS[5])["smoker"] is True
    assert back_of({"note": "0123456789abcdefgh"}) == {"note": "0123456789abcdef"}  # 16 letters
    assert back_of({"city": "Paris", "unknown": 1}) == {"city": "Paris"}
    assert isinstance(back_of({"age": 3})["age"], int) and isinstance(back_of({"age": 3.5})["age"], float)
    no_text = TableTokenizer.fit([{"city": c} for c in "aabbcc"])
    assert no_text.letters == 0 and no_text.decode(no_text({"city": "new"})) == {"city": None}
    assert no_text.decode(no_text({"city": "b"})) == {"city": "b"}


def test_decode_takes_whatever_a_network_says():
    tokenizer = TableTokenizer.fit(ROWS)
    tokens = tokenizer(ROWS[1])
    for size in (1.0, 100.0, 1e30, float("nan"), float("inf")):
        noise = torch.from_numpy(R.standard_normal(tokens.values.shape).astype(np.float32)) * size
        assert set(tokenizer.decode(tokens.with_values(noise))) == set(ROWS[1])


def test_the_column_is_the_place_and_the_content_is_not():
    tokenizer = TableTokenizer.fit(ROWS)
    a, b = tokenizer(ROWS[1]), tokenizer(ROWS[2])
    assert torch.equal(a.coords, b.coords) and not torch.equal(a.values, b.values)
    turned = tokenizer(dict(reversed(ROWS[1].items())))
    assert torch.equal(turned.coords, a.coords.flip(0)) and torch.equal(turned.values, a.values.flip(0))


def test_tables_of_one_name_have_their_own_scales():
    rows = [{"": "people", "age": float(R.normal(40, 10))} for _ in range(50)]
    rows += [{"": "stars", "age": float(R.normal(1e9, 1e8)), "name": f"s{i % 5}"} for i in range(50)]
    tokenizer = TableTokenizer.fit(rows)
    check_tokenizer(tokenizer, [*rows, {"": "elsewhere", "age": 5.0}, {"age": 7.0}])
    z = np.array([float(tokenizer(r).values[1, 0]) for r in rows])
    for part in (z[:50], z[50:]):
        assert abs(part.mean()) < 1e-5 and abs(part.std() - 1) < 1e-5
    pooled = np.array([float(tokenizer({"age": r["age"]}).values[0, 0]) for r in rows])
    assert pooled[:50].std() < 0.1  # without the table's name, all people are equally young


def test_raw_is_what_a_linear_model_would_be_given():
    tokenizer = TableTokenizer.fit(ROWS)
    x = np.array([tokenizer.raw(r) for r in ROWS])
    assert x.dtype == np.float32 and x.shape[1] < 120
    age = np.array([r["age"] for r in ROWS])
    city = np.array([r["city"] == "Rome" for r in ROWS])
    missing = np.array([r["bmi"] is None for r in ROWS])
    for wanted, least in ((age, 0.98), (city, 1 - 1e-6), (missing, 1 - 1e-6)):
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.nan_to_num([np.corrcoef(column, wanted)[0, 1] for column in x.T])
        assert found.max() >= least
    many = TableTokenizer.fit([{f"column {i}": f"word {j}" for i in range(400)} for j in range(12)])
    assert 2900 < len(many.raw({"column 1": "word 1"})) <= 3072


@pytest.mark.parametrize(
    "sample",
    [{}, None, 3, "text", np.zeros(3), [1], {"a": None}, {"a": np.nan}, {"": "only a name"}, {3: 4}, {"a": [1]}, {"a": np.inf},
     {"a": 1e300}, {"a": 10**400}, {"a": b"x"}, {"a": 1j}, {"x" * 300: 1}, {"": 3, "a": 1}, {str(i): 1 for i in range(5000)},
     {"a": dt.time(3)}, {"a": dt.datetime(9999, 12, 31, 23, tzinfo=dt.timezone(dt.timedelta(hours=-5)))}],
)  # fmt: skip
def test_what_is_no_row_is_said_in_words(sample):
    with pytest.raises(Unreadable):
        TableTokenizer.fit(ROWS).fitted(sample)


def test_fit_passes_over_bad_rows_and_needs_one():
    assert TableTokenizer.fit([{}, {"a": np.inf}, {"a": 1.0}]).columns[0][1] == "a"
    with pytest.raises(Mistake, match="no row"):
        TableTokenizer.fit([{}, 3])


def batch(order, slots=1):
    tokenizer = TableTokenizer.fit(ROWS)
    tokens = pack([tokenizer(ROWS[i]) for i in order], slots)
    return tokenizer, tokens, Step(3, 10, seed=5).rng("views", torch.tensor(order) + 100)


def test_a_crop_has_fewer_columns_some_of_them_from_elsewhere():
    order = list(range(40))
    tokenizer, tokens, rng = batch(order)
    crop = augment.crop_rows(tokens, rng, (0.3, 0.7), 1.0)
    assert all(1 + 3 <= n <= 1 + 7 for n in crop.layout.lengths) and len(set(crop.layout.lengths)) > 2
    again = augment.crop_rows(tokens, rng, (0.3, 0.7), 1.0)
    assert torch.equal(again.values, crop.values)
    others = [tokenizer.decode(t) for t in split(tokens, [1] * 40)]
    swapped = total = 0
    for i, part in enumerate(split(crop, [1] * 40)):
        for name, cell in tokenizer.decode(part).items():
            total += 1
            swapped += cell != others[i][name]
            assert any(cell == other[name] for other in others)  # what another row says in this very column
    assert 0.08 < swapped / total < 0.3  # a fifth is drawn; some say the same


def test_crops_hang_on_the_sample_and_not_on_its_place():
    order = list(range(12))
    _, tokens, rng = batch(order)
    _, turned, other = batch(order[::-1])
    a = split(augment.crop_rows(tokens, rng, (0.5, 0.5), 1.0), [1] * 12)
    b = split(augment.crop_rows(turned, other, (0.5, 0.5), 1.0), [1] * 12)
    for x, y in zip(a, b[::-1], strict=True):
        assert torch.equal(x.values, y.values) and torch.equal(x.coords, y.coords)


def test_a_hidden_category_cannot_be_read_off_its_place():
    tokenizer = TableTokenizer.fit(ROWS)
    start = 9 + 8 + 8
    a, b = (tokenizer({"city": c}) for c in ("Rome", "Oslo"))
    assert torch.equal(a.coords, b.coords)
    assert (a.values[0, start : start + CODE] != b.values[0, start : start + CODE]).sum() > 10
